# SPDX-License-Identifier: Apache-2.0
"""Promise: at each moment of a job's life its secret is only where the table of docs/security.md says."""

import contextlib
import subprocess

import pytest
from clusters import LoggingCluster
from conftest import IS_WHOLE
from harness import poll
from journal import FOLDER
from scenarios import QUICK, SCENARIOS, Case


def clean_up(cluster):
    for job in cluster.jobs():
        cluster.as_user("root", ["scancel", job])
    poll(lambda: not cluster.jobs(), 30, "the end of all jobs")
    for run in cluster.runs():
        cluster.complete(run)


@contextlib.contextmanager
def judged_alone(hunt, case):
    """Keeps the failure of a scenario from those that follow."""
    try:
        yield
    except BaseException:
        hunt.give_up(case.made)
        clean_up(case.site)
        raise


@pytest.mark.parametrize("name", [name for name in SCENARIOS if IS_WHOLE or name in QUICK])
def test_value_is_only_where_table_allows(name, cluster, stages, hunt, values):
    case = Case(cluster, stages, values.make)
    with judged_alone(hunt, case):
        for moment, holders in SCENARIOS[name](case):
            hunt.check(moment, holders)
        poll(lambda: cluster.sinfo() == cluster.nodes, 15, "idle nodes")
        assert cluster.runs() == [] and cluster.status()["holds"] == 0


def test_value_was_seen_everywhere_table_allows(hunt, loopback):
    """Shows that the hunt is not blind, and the table says no more than is true."""
    assert hunt.unseen() == set()
    assert loopback.packets > 100
    print(f"{hunt.sweeps} sweeps in {hunt.seconds:.0f} s")


def test_logging_cluster_stores_and_logs_all_that_it_can(cluster):
    """Shows that the scenarios ran beside what is most likely to store a value."""
    if not isinstance(cluster, LoggingCluster):
        pytest.skip("only the whole hunt has such a cluster")
    logs = {path.name: path.read_bytes() for path in (cluster.dir / "log").iterdir()}
    assert b"NET_RAW" in logs["slurmctld.log"] and b"job_script_table" in logs["slurmdbd.log"]
    assert b"hold" in logs["slurmdbd.log"] and b"SLURM_SECRETS=" in logs["slurmdbd.log"]
    assert b"UserId=alice" in logs["jobcomp.log"] and b'"action":"ask"' in logs["audit.jsonl"].replace(b" ", b"")
    assert "the prolog of task 0" in "".join(path.read_text() for path in cluster.out.glob("*.out"))
    assert b"was granted TOK" in subprocess.run(["journalctl", "--directory", FOLDER, "--output=cat"], capture_output=True).stdout

# SPDX-License-Identifier: Apache-2.0
"""Promise: the table of docs/security.md holds on a cluster with a hub, on all its hosts and on the wire between them."""

import json
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "hosts"))

from evidence import has_failed, noting_failure  # noqa: E402
from four_hosts import ADDRESSES, Hosts  # noqa: E402
from harness import BUILD, poll  # noqa: E402
from packets import Capture  # noqa: E402
from scenarios import RUN  # noqa: E402
from stages import Stages  # noqa: E402
from sweep import Hunt  # noqa: E402
from table import COMPLETED, EPILOG_ENDED, JOB, REQUESTED_FILE, RUNNING, SECRET_MEMORY, TASKS_ENDED  # noqa: E402

HUB = f"https://{ADDRESSES['hub']}:8443"
NODES = ("n1", "n2")


def start_agents(hosts):
    """Makes `hub` the hub of both nodes and of the login host."""
    pki, hub = hosts.dir / "pki", hosts.on("hub")
    for words in (["init", pki], ["issue", pki, "hub", "--ip", ADDRESSES["hub"], "--server"]):
        hosts.run("hub", [BUILD / "secretctl", "pki", *words])
    key = hub.dir / "store.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o400)
    audit = f"audit: {{ file: {hub.dir}/log/audit.jsonl }}\n"
    hosts.start_view("hub")
    hosts.start_agent("hub", f"listen: {{ address: {ADDRESSES['hub']}, certificate: {pki}/hub.crt, key: {pki}/hub.key, "
                             f"login_hosts: [login] }}\nstore: {{ file: {hub.dir}/store.db, key_file: {key} }}\n"
                             f"log: {{ level: debug, to: stderr }}\n{audit}")
    for host in (*NODES, "login"):
        hosts.start_agent(host, f"hub: {{ urls: ['{HUB}'], ca: {pki}/ca.crt }}\nlog: {{ level: debug, to: stderr }}\n")


@pytest.fixture(scope="module")
def hosts(request, journald):
    hosts = Hosts()
    try:
        with noting_failure(request.session):
            hosts.up()
            start_agents(hosts)
        yield hosts
    finally:
        hosts.down()
        if has_failed(request.session):
            for host in ADDRESSES:
                shutil.copytree(hosts.dir / host / "log", BUILD / "hunt-logs" / hosts.dir.name / host, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def hunt(hosts, values):
    runs = [host.local_path("/run") for host in hosts.all()]
    with ExitStack() as stack:
        captures = [Capture(values, name, hosts.dir / name / "network") for name in ADDRESSES]
        for capture in captures:
            stack.callback(capture.close)
        hunt = Hunt(values, captures, lambda: {host.daemon_pid("slurm-secretsd"): host for host in hosts.all()},
                    [run / "slurm-secrets" / "jobs" for run in runs], runs)
        yield hunt
        assert min(capture.packets for capture in captures) > 100


def secretctl(login, *arguments, value=None):
    done = login.secretctl(*arguments, user="alice", input=value)
    assert done.code == 0, done.err


def push(login, canary):
    """Pushes over the network, as a user of the login host."""
    secretctl(login, "push", RUN, value=json.dumps({"TOK": canary.value}))
    return [f"--secrets-run={RUN}"]


def complete(login):
    secretctl(login, "complete", RUN)


def store(login, canary):
    secretctl(login, "set", "TOK", value=canary.value)
    return []


def remove(login):
    secretctl(login, "rm", "TOK")


@pytest.fixture(scope="module")
def stages(hosts):
    return Stages(hosts.on("login"))


def held_on_nodes(hosts):
    return sum(hosts.on(node).status()["holds"] for node in NODES)


@pytest.mark.parametrize("begin, end", [(push, complete), (store, remove)], ids=["run", "stored secret"])
def test_value_on_hosts_is_only_where_table_allows(hosts, hunt, stages, values, begin, end):
    login, canary, stage = hosts.on("login"), values.make(), stages.name()
    options = begin(login, canary)
    names = [f"{stage}.{node}" for node in NODES]
    job = login.sbatch(f"srun -N2 bash -c './hold {stage}.$SLURMD_NODENAME'", "-N2", "--secret=TOK,TOK=COPY:file", *options)
    assert {stages.reached(name, canary) for name in names} == {job}
    hunt.check(RUNNING, {canary: [job]})
    assert {(row, RUNNING) for row in (JOB, REQUESTED_FILE, SECRET_MEMORY)} <= hunt.seen
    with ExitStack() as frozen:
        for node in NODES:
            frozen.enter_context(hosts.on(node).daemon_frozen("slurmd"))
        stages.release(*names)
        stages.await_no_process(job)
        hunt.check(TASKS_ENDED, {canary: []})
    login.await_end(job)
    poll(lambda: held_on_nodes(hosts) == 0, 10, "the wipe of all holds")
    hunt.check(EPILOG_ENDED, {canary: []})
    end(login)
    hunt.check(COMPLETED, {canary: []})

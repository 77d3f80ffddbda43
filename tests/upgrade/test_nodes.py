# SPDX-License-Identifier: Apache-2.0
"""Promise: a node of the last release works with a hub of this version, and a node of this version with a hub of the
last release; what ends at the hub is wiped on the node within 30 s.

Hosts hub and n1 are one pair, with the newer hub; hosts login and n2 are the other, with the newer node."""

import os
import time

import pytest
from evidence import check_nothing_left, noting_failure
from four_hosts import ADDRESSES
from harness import poll
from hub_server import Pki
from mixture import mixed_hosts

PAIRS = {"newer hub": ("hub", "n1"), "newer node": ("login", "n2")}
OLDER = ("n1", "login")
REMEDY = "slurm-secretsd is older than this request; upgrade it on this node, and on its hub"


@pytest.fixture(scope="module")
def hosts(request, release, tmp_path_factory):
    with mixed_hosts(request, release, OLDER) as hosts:
        with noting_failure(request.session):
            start_agents(hosts, tmp_path_factory.mktemp("hosts"))
        yield hosts


def start_agents(hosts, folder):
    """Starts the two hubs and their nodes. slurm-secrets-view of a hub is of the other version."""
    pki = Pki(folder / "pki")
    for hub, node in PAIRS.values():
        pki.issue(hub, "--ip", ADDRESSES[hub], "--server")
        key = folder / f"{hub}.store.key"
        key.write_bytes(os.urandom(32))
        key.chmod(0o400)
        own = hosts.on(hub).build
        hosts.on(hub).build = hosts.on(node).build
        hosts.start_view(hub)
        hosts.on(hub).build = own
        hosts.start_agent(hub, f"listen: {{ address: {ADDRESSES[hub]}, certificate: {pki.folder}/{hub}.crt, "
                               f"key: {pki.folder}/{hub}.key, login_hosts: [{node}] }}\n"
                               f"store: {{ file: {folder}/{hub}.db, key_file: {key} }}\n")
        hosts.start_agent(node, f"hub: {{ urls: ['https://{ADDRESSES[hub]}:8443'], ca: {pki.ca} }}\n")


@pytest.fixture
def nothing_left(request, hosts, canaries):
    yield
    with noting_failure(request.session):
        for host in hosts.with_agent():
            check_nothing_left(host, canaries)


@pytest.fixture(params=PAIRS, ids=lambda name: name.replace(" ", "_"))
def pair(request, hosts, nothing_left):
    hub, node = PAIRS[request.param]
    return hosts.on(hub), hosts.on(node)


def test_job_on_node_gets_each_form_from_hub(pair, canary):
    hub, node = pair
    a, b, stored = canary("A"), canary("B"), canary("STORED")
    hub.push("run-mixed", user={"A": a}, workspace={"B": b})
    assert node.secretctl("set", "STORED", user="alice", input=stored).code == 0
    assert "STORED" in node.secretctl("ls", user="alice").out
    show = "echo $A $(cat $B_FILE) $OTHER ${NOPE-none}"
    done = hub.run_batch(f"{show}; srun -n1 bash -c '{show}'", "-w", node.name, "--secrets-run=run-mixed",
                         "--secret=A,B:file,STORED=OTHER,NOPE?")
    assert done.out.split() == [a, b, stored, "none"] * 2, done.err
    done = hub.srun("-w", node.name, "--secrets-run=run-mixed", "bash", "-c", "echo $A $B")
    assert done.out == f"{a} {b}\n", done.err
    refused = hub.srun("-w", node.name, "true", env={"SLURM_SECRETS": "run:run-mixed,NOPE"})
    assert refused.code != 0 and "secret NOPE is not among the secrets of run run-mixed" in refused.err, refused.err
    assert node.secretctl("rm", "STORED", user="alice").code == 0


def test_what_ends_at_hub_is_wiped_on_node_within_30_s(hosts, nothing_left, canary):
    """Both pairs at once."""
    jobs = {}
    for hub, node in PAIRS.values():
        hosts.on(hub).push(f"run-{hub}", user={"TOK": canary("TOK")})
        jobs[hub] = hosts.on(hub).sbatch("sleep 1000", "-w", node, f"--secrets-run=run-{hub}")
    for hub, node in PAIRS.values():
        poll(lambda: hosts.on(node).status()["secret_bytes"] > 0, 15, "the grant")  # noqa: B023
        assert [each["node"] for each in hosts.on(hub).run(f"run-{hub}")["nodes"]] == [node]
    begin = time.monotonic()
    for hub, _ in PAIRS.values():
        hosts.on(hub).complete(f"run-{hub}")
    for _, node in PAIRS.values():
        poll(lambda: hosts.on(node).status()["secret_bytes"] == 0, 31 - (time.monotonic() - begin), "the wipe")  # noqa: B023
    for hub, job in jobs.items():
        hosts.run(hub, ["scancel", job])
        hosts.on(hub).await_end(job)


@pytest.mark.parametrize("form, words", [("hold", "':hold' is not available in this version"),
                                         ("random", "invalid form 'random'")])
def test_request_that_older_hub_does_not_know_is_refused_with_remedy(hosts, nothing_left, canary, form, words):
    hub, node = (hosts.on(name) for name in PAIRS["newer node"])
    hub.push("run-mixed", user={"TOK": canary("TOK")})
    newer = hosts.on("hub")  # for a plugin that knows the request
    done = newer.srun("-w", node.name, "--secrets-run=run-mixed", f"--secret=TOK:{form}", "true")
    assert done.code != 0 and words in done.err and REMEDY in done.err, done.err


def test_head_job_on_newer_node_is_told_that_older_hub_does_not_end_its_run(hosts, nothing_left, canary):
    hub, node = (hosts.on(name) for name in PAIRS["newer node"])
    value = canary("TOK")
    hub.push("mixed", user={"TOK": value})
    done = hosts.on("hub").run_batch("printenv TOK", "-w", node.name, "--job-name=nf-workflow-mixed", "--secret=TOK")
    assert (done.code, done.out) == (0, f"{value}\n"), done.err
    log = (hosts.dir / node.name / "log" / "slurmd.log").read_text()
    assert "run mixed does not end with job" in log
    assert "the hub is older than this node and cannot end a run with its head job; upgrade the hub" in log
    assert hub.runs() == ["mixed"]


def test_request_that_older_node_does_not_know_is_refused(hosts, nothing_left, canary):
    hub, node = (hosts.on(name) for name in PAIRS["newer hub"])
    hub.push("run-mixed", user={"TOK": canary("TOK")})
    done = hub.srun("-w", node.name, "--secrets-run=run-mixed", "--secret=TOK:hold", "true")
    assert done.code != 0 and "':hold' is not available in this version" in done.err, done.err

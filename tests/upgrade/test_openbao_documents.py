# SPDX-License-Identifier: Apache-2.0
"""Promise: a hub of the last release and one of this version share OpenBao: each reads what the other wrote, and what ends
at one has ended at the other. Host login has the older hub; n1 contacts the newer one first, n2 the older one."""

import json

import pytest
from evidence import check_nothing_left, noting_failure
from harness import poll
from hub_server import Pki
from mixture import mixed_hosts
from openbao_fixtures import HUB, LOGIN, canary, openbao, secretctl, start_hub  # noqa: F401

SHOW = ["bash", "-c", "echo $TOK"]


@pytest.fixture(scope="module")
def hosts(request, release):
    with mixed_hosts(request, release, ("login", "n1")) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def cluster(request, hosts, openbao, tmp_path_factory):  # noqa: F811
    pki = Pki(tmp_path_factory.mktemp("pki") / "ca")
    for host, address in (("hub", "10.77.0.1"), ("login", "10.77.0.4")):
        pki.issue(host, "--ip", address, "--server")
        hosts.start_view(host)
        start_hub(hosts, pki.folder, openbao, host)
    for node, urls in (("n1", f"'{HUB}', '{LOGIN}'"), ("n2", f"'{LOGIN}', '{HUB}'")):
        hosts.start_agent(node, f"hub: {{ urls: [{urls}], ca: {pki.ca} }}\n")
    return hosts


@pytest.fixture
def newer(request, cluster, canaries):
    yield cluster.on("hub")
    with noting_failure(request.session):
        for host in cluster.with_agent():
            check_nothing_left(host, canaries)


@pytest.fixture
def older(cluster):
    return cluster.on("login")


def facts(host, run="demo"):
    run = host.run(run)
    return {name: run[name] for name in ("owner", "generation", "created", "expires", "secrets")}


def has_ended(host, run="demo"):
    """A hub that granted something of the run knows its nodes for a while."""
    answer = host.http("GET", f"/v1/runs/{run}")
    return answer.status == 404 or "ended" in answer.json and answer.json["secrets"] == []


def test_runs_are_shared_in_both_directions(cluster, newer, older, canary):  # noqa: F811
    value, second = canary(), canary()
    older.push("demo", user={"TOK": value})
    assert facts(newer) == facts(older)
    newer.push("demo", user={"TOK": second})
    assert facts(newer) == facts(older) and facts(older)["generation"] == 2
    for node in ("n1", "n2"):
        done = newer.srun("-w", node, "--secrets-run=demo", *SHOW)
        assert done.out == f"{second}\n", done.err
    older.complete("demo")
    assert has_ended(newer)
    newer.push("demo", user={"TOK": value})
    newer.complete("demo")
    assert has_ended(older)


def test_stored_secrets_are_shared_in_both_directions(cluster, newer, older, canary):  # noqa: F811
    value, second = canary(), canary()
    secretctl(older, "set", "TOK", input=value)
    assert newer.srun("-w", "n1", "--secret=TOK", *SHOW).out == f"{value}\n"
    secretctl(newer, "set", "TOK", input=second)
    for node in ("n1", "n2"):
        assert newer.srun("-w", node, "--secret=TOK", *SHOW).out == f"{second}\n"
    listed = [json.loads(secretctl(host, "ls", "--json"))["secrets"][0] for host in (older, newer)]
    for field in ("name", "generation", "set", "bytes"):
        assert listed[0][field] == listed[1][field], listed
    secretctl(older, "rm", "TOK")
    refused = newer.submit("true", "--secret=TOK", user="alice")
    assert refused.code != 0 and "secret TOK" in refused.err, refused.err


def test_run_that_ends_with_job_is_read_by_older_hub_and_ends(cluster, newer, older, canary):  # noqa: F811
    value = canary()
    head = newer.sbatch("sleep 1000", "-w", "n1")
    poll(lambda: newer.job_state(head) == "RUNNING", 15, "the head job")
    body = {"owner": "alice", "user": {"TOK": value}, "until_job": int(head)}
    assert newer.http("PUT", "/v1/runs/demo", json.dumps(body)).status == 201
    assert facts(older) == facts(newer)
    assert newer.srun("-w", "n2", "--secrets-run=demo", *SHOW).out == f"{value}\n"
    assert newer.run("demo")["until_job"] == int(head)
    cluster.run("hub", ["scancel", head])
    poll(lambda: has_ended(newer), 40, "the end of the run")
    assert has_ended(older)


def test_document_that_older_hub_cannot_read_is_outage_for_it_and_not_changed(cluster, newer, older, canary):  # noqa: F811
    """The last release takes the name for one that controls a job."""
    value = canary()
    secretctl(newer, "set", "PERLMUTTER_TOKEN", input=value)
    answer = older.http("GET", "/v1/secrets", user="alice")
    assert answer.status == 503 and "PERLMUTTER_TOKEN" in answer.text, answer.text
    done = newer.srun("-w", "n2", "--secret=PERLMUTTER_TOKEN=TOK", *SHOW)  # whose agent turns to the newer hub
    assert done.out == f"{value}\n", done.err
    secretctl(newer, "rm", "PERLMUTTER_TOKEN")
    assert older.http("GET", "/v1/secrets", user="alice").json["secrets"] == []

# SPDX-License-Identifier: Apache-2.0
"""Node with several hubs: any hub serves a job, and all hubs know which node holds which run."""

import contextlib
import time
from datetime import datetime

import pytest
from harness import ALICE, poll
from plugin_protocol import GRANTED, WAITING, NodeConnection, grant_request
from openbao_fixtures import PRINT, canary, cluster, hub, login, openbao, pki, secretctl, start_hub, stream  # noqa: F401
from wall_clock import WallClock

AGENT = "slurm-secretsd"


def lost(host, how):
    """Kills the hub of a host, which the test starts again, or freezes the hub within the block."""
    if how == "frozen":
        return host.daemon_frozen(AGENT)
    host.daemon_kill(AGENT)
    return contextlib.nullcontext()


# ---- a lost hub ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_lost_hub_fails_no_job(cluster, login, pki, openbao, canary, how):
    value = canary()
    login.push("demo", workspace={"HF_TOKEN": value})
    threads, results = stream(cluster, value, 15)
    poll(lambda: len(results) >= 5, 30, "the first jobs")
    with lost(login, how):
        for thread in threads:
            thread.join()
        assert [done.code for done in results] == [0] * 30, [done.err for done in results if done.code]
        assert cluster.on("hub").runs() == ["demo"]
    if how == "killed":
        start_hub(cluster, pki, openbao, "login")
    assert login.runs() == ["demo"]


def test_submit_check_is_answered_by_second_hub_when_first_hangs(cluster, hub):
    with hub.daemon_frozen(AGENT):
        done = cluster.on("n1").submit("true", "--hold", "--secret=FORGOTTEN", user="alice")
        assert done.code == 1 and "secret FORGOTTEN is not set for alice" in done.err, done.err


@pytest.fixture
def job(cluster, hub):
    job = hub.sbatch("sleep 1000", "-w", "n1")
    poll(lambda: hub.job_state(job) == "RUNNING", 15, "the job")
    yield int(job)
    cluster.run("hub", ["scancel", job])
    hub.await_end(job)


@contextlib.contextmanager
def step_that_waits(cluster, job, run, milliseconds):
    """Requests a grant for a step on n1, which contacts the hub on `hub` first."""
    with NodeConnection(None, path=cluster.on("n1").local_path("/run/slurm-secrets/node.sock")) as step:
        step.send(grant_request(b"run:" + run, job=job, wait=milliseconds))
        assert step.reply()[0] == WAITING
        yield step


def test_waiting_step_is_granted_run_pushed_at_another_hub(cluster, login, job, canary):
    with step_that_waits(cluster, job, b"late", 20000) as step:
        time.sleep(2)
        login.push("late", workspace={"HF_TOKEN": canary()})
        kind, text = step.reply()[:2]
    assert kind == GRANTED, text


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_waiting_step_moves_to_another_hub_when_its_hub_is_lost(cluster, hub, login, pki, openbao, job, canary, how):
    """A frozen hub is noticed only at the end of the wait."""
    with step_that_waits(cluster, job, b"late", {"killed": 20000, "frozen": 4000}[how]) as step:
        time.sleep(3)  # longer than a hub has to answer
        with lost(hub, how):
            login.push("late", workspace={"HF_TOKEN": canary()})
            kind, text = step.reply()[:2]
    if how == "killed":
        start_hub(cluster, pki, openbao, "hub")
    assert kind == GRANTED, text


# ---- nodes that hold a run -------------------------------------------------------------------------


def holders(host, run):
    answer = host.http("GET", f"/v1/runs/{run}")
    return [node["node"] for node in answer.json.get("nodes", [])] if answer.status == 200 else []


def test_run_completed_at_one_hub_is_wiped_on_nodes_of_another(cluster, hub, login, canary):
    """Each hub knows which nodes hold something of a run, until they no longer do."""
    n1 = cluster.on("n1")
    hub.push("demo", workspace={"HF_TOKEN": canary()})
    job = hub.sbatch("srun sleep 1000", "-w", "n1", "--secrets-run=demo")
    poll(lambda: n1.status()["holds"] == 1, 15, "the hold")
    assert holders(hub, "demo") == ["n1"]
    poll(lambda: holders(login, "demo") == ["n1"], 31, "what the other hub knows")
    bytes_before = n1.status()["secret_bytes"]
    login.complete("demo")
    poll(lambda: n1.status()["secret_bytes"] < bytes_before, 31, "the wipe on n1")
    poll(lambda: holders(hub, "demo") == holders(login, "demo") == [], 31, "what the hubs know of it")
    cluster.run("hub", ["scancel", job])
    hub.await_end(job)


# ---- clocks ----------------------------------------------------------------------------------------


def test_run_that_one_hub_binds_to_its_head_job_ends_at_all_hubs(cluster, hub, login, canary):
    login.push("demo-1", workspace={"HF_TOKEN": canary()})
    head = hub.sbatch("sleep 1000", "-w", "n1", "-J", "nf-workflow-demo-1")
    for host in (hub, login):
        poll(lambda: host.run("demo-1").get("until_job") == int(head), 20, "the binding")  # noqa: B023
    cluster.run("hub", ["scancel", head])
    for host in (hub, login):
        poll(lambda: host.http("GET", "/v1/runs/demo-1").status == 404, 60, "the end of the run")  # noqa: B023


def test_hub_whose_clock_is_ahead_ends_nothing_too_early(cluster, hub, login, openbao, canary, tmp_path):
    """What hubs share expires by OpenBao's clock: a hub whose clock is wrong dropped it, and destroyed it for all others."""
    tmp_path.chmod(0o755)
    value = canary()
    hub.push("demo", workspace={"HF_TOKEN": value}, ttl="1h")
    secretctl(hub, "set", "SHORT", "--expires", "1h", input=canary())
    login.daemon_stop(AGENT)
    clock = WallClock(tmp_path / "clock")
    clock.jump(2 * 3600)
    login.daemon_start(AGENT, **clock.environment)
    poll(lambda: "this host's clock is 7" in cluster.agent_log("login"), 10, "the report that the clocks differ")
    assert login.runs() == ["demo"]
    done = login.srun("-w", "n2", "--secrets-run=demo", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n2\n"), done.err
    assert [secret["name"] for secret in login.http("GET", "/v1/secrets", user="alice").json["secrets"]] == ["SHORT"]
    login.push("own", workspace={"HF_TOKEN": value}, ttl="1h")
    expiries = [datetime.fromisoformat(hub.run(run)["expires"]).timestamp() - time.time() for run in ("demo", "own")]
    assert all(3300 < left <= 3660 for left in expiries), expiries
    assert len(openbao.stored_versions("runs/demo")) == len(openbao.stored_versions(f"users/{ALICE}")) == 1
    secretctl(hub, "rm", "SHORT")

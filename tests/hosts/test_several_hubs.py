"""A node has several hubs: any of them does for a job, and all know which node holds what."""

import contextlib
import time

import pytest
from harness import poll
from node_wire import GRANTED, WAITING, NodeConnection, ask
from openbao_fixtures import canary, cluster, hub, login, openbao, pki, start_hub, stream  # noqa: F401

AGENT = "slurm-secretsd"


def lost(host, how):
    """The hub of that host is killed, and started again by the test, or does nothing within this."""
    if how == "frozen":
        return host.daemon_frozen(AGENT)
    host.daemon_kill(AGENT)
    return contextlib.nullcontext()


# ---- a lost hub ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_hub_that_is_lost_under_a_stream_of_jobs_costs_none(cluster, login, pki, openbao, canary, how):
    value = canary()
    login.push("demo", workspace={"HF_TOKEN": value})
    threads, said = stream(cluster, value, 15)
    poll(lambda: len(said) >= 5, 30, "the first jobs")
    with lost(login, how):
        for thread in threads:
            thread.join()
        assert [done.code for done in said] == [0] * 30, [done.err for done in said if done.code]
        assert cluster.on("hub").runs() == ["demo"]
    if how == "killed":
        start_hub(cluster, pki, openbao, "login")
    assert login.runs() == ["demo"]


def test_a_job_is_refused_before_the_queue_by_another_hub(cluster, hub):
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
    """A step on n1, which asks the hub on `hub` first."""
    with NodeConnection(None, door=cluster.on("n1").here("/run/slurm-secrets/node.sock")) as step:
        step.send(ask(b"run:" + run, job=job, wait=milliseconds))
        assert step.reply()[0] == WAITING
        yield step


def test_a_step_waits_for_a_run_that_is_pushed_at_another_hub(cluster, login, job, canary):
    with step_that_waits(cluster, job, b"late", 20000) as step:
        time.sleep(2)
        login.push("late", workspace={"HF_TOKEN": canary()})
        kind, said = step.reply()[:2]
    assert kind == GRANTED, said


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_step_whose_hub_is_lost_while_it_waits_goes_on_at_another(cluster, hub, login, pki, openbao, job, canary, how):
    """Of one that is frozen this shows when the wait is over."""
    with step_that_waits(cluster, job, b"late", {"killed": 20000, "frozen": 4000}[how]) as step:
        time.sleep(3)  # longer than a hub has to answer
        with lost(hub, how):
            login.push("late", workspace={"HF_TOKEN": canary()})
            kind, said = step.reply()[:2]
    if how == "killed":
        start_hub(cluster, pki, openbao, "hub")
    assert kind == GRANTED, said


# ---- who holds what --------------------------------------------------------------------------------


def holders(host, run):
    answer = host.http("GET", f"/v1/runs/{run}")
    return [node["node"] for node in answer.json.get("nodes", [])] if answer.status == 200 else []


def test_a_run_that_ends_at_one_hub_is_wiped_on_the_nodes_of_another(cluster, hub, login, canary):
    """Each hub knows which nodes hold something, until they do not."""
    n1 = cluster.on("n1")
    hub.push("demo", workspace={"HF_TOKEN": canary()})
    job = hub.sbatch("srun sleep 1000", "-w", "n1", "--secrets-run=demo")
    poll(lambda: n1.status()["holds"] == 1, 15, "the hold")
    assert holders(hub, "demo") == ["n1"]
    poll(lambda: holders(login, "demo") == ["n1"], 31, "what the other hub knows")
    held = n1.status()["secret_bytes"]
    login.complete("demo")
    poll(lambda: n1.status()["secret_bytes"] < held, 31, "the wipe on n1")
    poll(lambda: holders(hub, "demo") == holders(login, "demo") == [], 31, "what the hubs know of it")
    cluster.run("hub", ["scancel", job])
    hub.await_end(job)

# SPDX-License-Identifier: Apache-2.0
"""Reaper: wipes the hold of a job that ended without an epilog as soon as Slurm says that the job has ended, and no
sooner."""

import contextlib
import os
import pwd
import signal
import struct
import time
from types import SimpleNamespace

import pytest
from conftest import running_cluster
from harness import poll
from plugin_protocol import DONE, WIPE, message
from test_node_socket import GRANTED, NodeConnection, grant_request

RUN = "--secrets-run=run-reap"
HOLDS_STAY = "cannot wipe the holds of jobs that ended without an epilog: "
AGAIN = "slurm-secrets-view answers for every job again"


@pytest.fixture(scope="module")
def cluster(request):
    """Starts a cluster whose agent queries ended jobs every second."""
    with running_cluster(request.session, "--agent-config", "reaper: { interval: 1s }") as cluster:
        yield cluster


@pytest.fixture
def token(cluster, canary):
    value = canary("TOK")
    cluster.push("run-reap", user={"TOK": value})
    return value


@pytest.fixture
def log(cluster):
    """Returns a function that reads what the agent logged since the test began."""
    before = len(cluster.agent_log())
    return lambda: cluster.agent_log()[before:]


def holders(cluster):
    return [str(hold["job"]) for hold in cluster.run("run-reap")["holds"]]


def start(cluster, *arguments):
    """Starts a job that runs until the file go-JOB exists."""
    job = cluster.sbatch("echo $$ >up-$SLURM_JOB_ID\nwhile [ ! -e go-$SLURM_JOB_ID ]; do sleep 0.05; done",
                         RUN, "--open-mode=append", *arguments)
    cluster.await_file(f"up-{job}")
    return job


def let_go(cluster, job):
    (cluster.out / f"go-{job}").touch()


@contextlib.contextmanager
def crashed(cluster, node, job):
    """Kills a node with all that runs on it. Slurm may learn of it within the block, after which the node returns."""
    cluster.daemon_kill(f"slurmd-{node}")
    for pid in cluster.slurmstepd_pids(f"{job}."):
        os.kill(pid, signal.SIGKILL)
    os.kill(int((cluster.out / f"up-{job}").read_text()), signal.SIGKILL)
    try:
        yield
    finally:
        cluster.node_start(node)
        # The node registers, which may make it idle; before that, it has no state to resume from.
        poll(lambda: cluster.scontrol("update", f"nodename={node}", "state=resume").code == 0 or
             f"{node} idle none" in cluster.sinfo(), 10, f"the return of {node}")


def await_saved(cluster, job):
    """Waits until slurmctld has saved that the job runs: it saves some seconds later, and a crash before forgets it."""
    begin = time.time()
    assert cluster.scontrol("update", f"JobId={job}", "Comment=saved").code == 0
    poll(lambda: (cluster.dir / "state" / "job_state").stat().st_mtime > begin, 15, "slurmctld's state on disk")


def update(cluster, node, *what):
    done = cluster.scontrol("update", f"nodename={node}", *what)
    assert done.code == 0, done.err


def declare_dead(cluster, node):
    update(cluster, node, "state=down", "reason=crash")


def test_reaper_wipes_hold_after_slurm_gives_up_crashed_node(cluster, token, log):
    lost = start(cluster, "--nodelist=n1", "--no-requeue")
    running = start(cluster, "--nodelist=n2")
    with crashed(cluster, "n1", lost):
        time.sleep(3)
        assert holders(cluster) == [lost, running]  # Slurm still reports it as running
        declare_dead(cluster, "n1")
        poll(lambda: holders(cluster) == [running], 10, "the wipe of the hold")
        assert f"job {lost} ended without an epilog: its hold with 1 grant was wiped" in log()
        time.sleep(3)
        assert holders(cluster) == [running]
    let_go(cluster, running)
    cluster.wait(running)
    poll(lambda: holders(cluster) == [], 10, "the wipe by the epilog")
    assert f"job {running} ended: its hold with 1 grant was wiped" in log()
    assert HOLDS_STAY not in log()


def test_reaper_keeps_hold_of_job_that_slurm_has_forgotten_for_some_seconds(cluster, token, log):
    """slurmctld may have lost its state: only ten minutes of such answers count."""
    with NodeConnection(SimpleNamespace(node_socket=cluster.dir / "run" / "node.sock")) as connection:
        connection.send(grant_request(b"run:run-reap,TOK", job=4000000000, uid=pwd.getpwnam("alice").pw_uid))
        assert connection.reply()[0] == GRANTED
    assert holders(cluster) == ["4000000000"]
    time.sleep(5)  # several rounds
    assert holders(cluster) == ["4000000000"]
    assert "ended without an epilog" not in log() and HOLDS_STAY not in log()
    with NodeConnection(SimpleNamespace(node_socket=cluster.dir / "run" / "node.sock")) as connection:
        connection.send(message(WIPE, struct.pack("=I", 4000000000)))
        assert connection.reply()[0] == DONE


def test_reaper_wipes_nothing_while_slurmctld_does_not_answer(cluster, token, log):
    job = start(cluster, "--nodelist=n1", "--no-requeue")
    await_saved(cluster, job)
    with crashed(cluster, "n1", job):
        with cluster.daemon_frozen("slurmctld"):
            poll(lambda: HOLDS_STAY in log(), 20, "the line that says so")
            begin = time.monotonic()
            assert cluster.status()["holds"] == 1
            assert time.monotonic() - begin < 1, "the agent waits for slurmctld"
            cluster.daemon_kill("slurmctld")
        time.sleep(4)
        assert holders(cluster) == [job]
        cluster.controller_start()
        poll(lambda: AGAIN in log(), 40, "the line that says that it is over")
        assert holders(cluster) == [job]
        declare_dead(cluster, "n1")
        poll(lambda: holders(cluster) == [], 20, "the wipe of the hold")
    assert f"job {job} ended without an epilog" in log()
    assert (log().count(HOLDS_STAY), log().count(AGAIN)) == (1, 1), "a line for each time"


def requeue(cluster, job):
    """Requeues a job and waits for its next start, for which Slurm uses the second in which the job ended."""
    up = cluster.out / f"up-{job}"
    up.unlink()
    time.sleep(1 - time.time() % 1)
    assert cluster.scontrol("requeue", job).code == 0
    poll(lambda: cluster.job_state(job) == "PENDING", 20, "the requeue")
    poll(lambda: cluster.scontrol("update", f"JobId={job}", "StartTime=now") and up.exists(), 40, "the next start")
    cluster.await_file(up.name)


def test_reaper_wipes_hold_of_requeued_job_without_second_epilog(new_cluster, canary, tmp_path):
    """slurmd of Slurm 22.05 skips the epilog of a requeued job that slurmctld started within the second of its previous
    end, if the job was launched later (PrologSlurmctld takes time) and less than two seconds after another step (on
    a busy node)."""
    prolog = tmp_path / "prolog"
    prolog.write_text("#!/bin/sh\nsleep 1.2\n")
    prolog.chmod(0o755)
    cluster = new_cluster("--agent-config", "reaper: { interval: 1s }", "--slurm-conf", f"PrologSlurmctld={prolog}")
    cluster.push("run-reap", user={"TOK": canary("TOK")})
    cluster.sbatch("while [ ! -e quiet ]; do srun -n1 true; sleep 0.2; done", "--nodelist=n1")
    for _ in range(8):
        job = start(cluster, "--nodelist=n1", "--requeue")
        requeue(cluster, job)
        assert holders(cluster) == [job]
        let_go(cluster, job)
        cluster.await_end(job)
        poll(lambda: holders(cluster) == [], 15, "the wipe of the hold")
        if f"job {job} ended without an epilog: its hold with 1 grant was wiped" in cluster.agent_log():
            break
    (cluster.out / "quiet").touch()
    if "ended without an epilog" not in cluster.agent_log():
        pytest.skip("this slurmd ran every epilog of a requeued job")
    assert f"Not running epilog for jobid {job}" in (cluster.dir / "log" / "slurmd-n1.log").read_text()


def test_jobs_run_and_holds_stay_without_view(cluster, token, log):
    cluster.view_stop()
    job = start(cluster)
    poll(lambda: HOLDS_STAY in log(), 10, "the line that says so")
    assert (HOLDS_STAY + f"cannot reach slurm-secrets-view: connect() to {cluster.view_socket} failed: Connection refused; "
            "is slurm-secrets-view.socket active?") in log()
    assert cluster.srun("-n1", RUN, "printenv", "TOK").out.strip() == token
    time.sleep(3)
    assert holders(cluster) == [job]
    cluster.view_start()
    poll(lambda: AGAIN in log(), 10, "the line that says that it is over")
    assert (log().count(HOLDS_STAY), log().count(AGAIN)) == (1, 1), "a line for each time"
    let_go(cluster, job)
    assert cluster.wait(job).code == 0


def test_hanging_view_delays_neither_jobs_nor_agent_stop(cluster, token, log):
    job = start(cluster)
    with cluster.daemon_frozen("slurm-secrets-view"):
        poll(lambda: HOLDS_STAY + "slurm-secrets-view did not answer within 15 s" in log(), 30, "the line that says so")
        assert cluster.srun("-n1", RUN, "printenv", "TOK").out.strip() == token
        time.sleep(2)
        begin = time.monotonic()
        cluster.agent_stop()  # in the middle of a query
        assert time.monotonic() - begin < 2.5, "the agent's end waits for the view"
    cluster.agent_start()
    cluster.push("run-reap", user={"TOK": token})
    let_go(cluster, job)
    assert cluster.wait(job).code == 0

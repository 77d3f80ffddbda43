"""The hold of a job that ended without an epilog is wiped, as soon as Slurm says that it has ended, and none
before."""

import contextlib
import os
import pwd
import signal
import time
from types import SimpleNamespace

import pytest
from conftest import running_cluster
from harness import poll
from test_node_door import GRANTED, NodeConnection, ask

RUN = "--secrets-run=run-reap"
KEPT = "holds of jobs that end without an epilog are kept: "
AGAIN = "slurm-secrets-view answers for every job again"


@pytest.fixture(scope="module")
def cluster(request):
    """One whose agent asks every second."""
    with running_cluster(request.session, "--agent-config", "reaper: { interval: 1s }") as cluster:
        yield cluster


@pytest.fixture
def token(cluster, canary):
    value = canary("TOK")
    cluster.push("run-reap", user={"TOK": value})
    return value


@pytest.fixture
def log(cluster):
    """What the agent wrote since the test began."""
    before = len(cluster.agent_log())
    return lambda: cluster.agent_log()[before:]


def holders(cluster):
    return [str(hold["job"]) for hold in cluster.run("run-reap")["holds"]]


def start(cluster, *arguments):
    """A job that has begun and runs until go-JOB is there."""
    job = cluster.sbatch("echo $$ >up-$SLURM_JOB_ID\nwhile [ ! -e go-$SLURM_JOB_ID ]; do sleep 0.05; done",
                         RUN, "--open-mode=append", *arguments)
    cluster.await_file(f"up-{job}")
    return job


def let_go(cluster, job):
    (cluster.out / f"go-{job}").touch()


@contextlib.contextmanager
def crashed(cluster, node, job):
    """The node is lost with all that ran there. Within it Slurm learns of that; behind it the node is back."""
    cluster.daemon_kill(f"slurmd-{node}")
    for pid in cluster.slurmstepd_pids(f"{job}."):
        os.kill(pid, signal.SIGKILL)
    os.kill(int((cluster.out / f"up-{job}").read_text()), signal.SIGKILL)
    try:
        yield
    finally:
        cluster.node_start(node)
        # It registers, and may be idle by that; until then there is nothing to resume from.
        poll(lambda: cluster.scontrol("update", f"nodename={node}", "state=resume").code == 0 or
             f"{node} idle none" in cluster.sinfo(), 10, f"the return of {node}")


def await_saved(cluster, job):
    """Until slurmctld has on disk that the job runs: it writes that some seconds later, and a crash forgets it."""
    begin = time.time()
    assert cluster.scontrol("update", f"JobId={job}", "Comment=saved").code == 0
    poll(lambda: (cluster.dir / "state" / "job_state").stat().st_mtime > begin, 15, "slurmctld's state on disk")


def update(cluster, node, *what):
    done = cluster.scontrol("update", f"nodename={node}", *what)
    assert done.code == 0, done.err


def declare_dead(cluster, node):
    update(cluster, node, "state=down", "reason=crash")


def test_the_hold_of_a_job_whose_node_crashed_is_wiped_once_slurm_gave_it_up(cluster, token, log):
    lost = start(cluster, "--nodelist=n1", "--no-requeue")
    running = start(cluster, "--nodelist=n2")
    with crashed(cluster, "n1", lost):
        time.sleep(3)
        assert holders(cluster) == [lost, running]  # for Slurm it still runs
        declare_dead(cluster, "n1")
        poll(lambda: holders(cluster) == [running], 10, "the wipe of the hold")
        assert f"job {lost} ended without an epilog: its hold with 1 grant was wiped" in log()
        time.sleep(3)
        assert holders(cluster) == [running]
    let_go(cluster, running)
    cluster.wait(running)
    poll(lambda: holders(cluster) == [], 10, "the wipe by the epilog")
    assert f"job {running} ended: its hold with 1 grant was wiped" in log()
    assert KEPT not in log()


def test_a_job_that_slurm_has_forgotten_keeps_no_hold(cluster, token, log):
    with NodeConnection(SimpleNamespace(node_socket=cluster.dir / "run" / "node.sock")) as door:
        door.send(ask(b"run:run-reap,TOK", job=4000000000, uid=pwd.getpwnam("alice").pw_uid))
        assert door.reply()[0] == GRANTED
    assert holders(cluster) == ["4000000000"]
    poll(lambda: holders(cluster) == [], 10, "the wipe of the hold")
    assert "job 4000000000 ended without an epilog: its hold with 1 grant was wiped" in log()


def test_while_slurmctld_does_not_answer_nothing_is_wiped(cluster, token, log):
    job = start(cluster, "--nodelist=n1", "--no-requeue")
    await_saved(cluster, job)
    with crashed(cluster, "n1", job):
        with cluster.daemon_frozen("slurmctld"):
            poll(lambda: KEPT in log(), 20, "the line that says so")
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
    assert (log().count(KEPT), log().count(AGAIN)) == (1, 1), "a line for each time"


def requeue(cluster, job):
    """Until the job has begun again; Slurm starts it within the second in which its first life ended."""
    up = cluster.out / f"up-{job}"
    up.unlink()
    time.sleep(1 - time.time() % 1)
    assert cluster.scontrol("requeue", job).code == 0
    poll(lambda: cluster.job_state(job) == "PENDING", 20, "the requeue")
    poll(lambda: cluster.scontrol("update", f"JobId={job}", "StartTime=now") and up.exists(), 40, "the next start")
    cluster.await_file(up.name)


def test_a_requeued_job_that_gets_no_second_epilog_keeps_no_hold(new_cluster, canary, tmp_path):
    """slurmd of Slurm 22.05 leaves out the epilog of a life that slurmctld began within the second of the last one's
    end, when it was launched later (a PrologSlurmctld takes its time) and less than two seconds after another step
    (on a busy node)."""
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


def test_without_slurm_secrets_view_jobs_run_as_ever(cluster, token, log):
    cluster.view_stop()
    job = start(cluster)
    poll(lambda: KEPT in log(), 10, "the line that says so")
    assert (KEPT + "slurm-secrets-view can't be reached, is slurm-secrets-view.socket active? connect() to "
            f"{cluster.view_socket} failed: Connection refused") in log()
    assert cluster.srun("-n1", RUN, "printenv", "TOK").out.strip() == token
    time.sleep(3)
    assert holders(cluster) == [job]
    cluster.view_start()
    poll(lambda: AGAIN in log(), 10, "the line that says that it is over")
    assert (log().count(KEPT), log().count(AGAIN)) == (1, 1), "a line for each time"
    let_go(cluster, job)
    assert cluster.wait(job).code == 0


def test_a_view_that_never_answers_keeps_the_agent_from_nothing(cluster, token, log):
    job = start(cluster)
    with cluster.daemon_frozen("slurm-secrets-view"):
        poll(lambda: KEPT + "slurm-secrets-view did not answer within 15 s" in log(), 30, "the line that says so")
        assert cluster.srun("-n1", RUN, "printenv", "TOK").out.strip() == token
        time.sleep(2)
        begin = time.monotonic()
        cluster.agent_stop()  # in the middle of a question
        assert time.monotonic() - begin < 2.5, "the agent's end waits for the view"
    cluster.agent_start()
    cluster.push("run-reap", user={"TOK": token})
    let_go(cluster, job)
    assert cluster.wait(job).code == 0

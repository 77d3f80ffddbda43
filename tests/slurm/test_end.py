# SPDX-License-Identifier: Apache-2.0
"""Hold of a job: lasts from the job's first grant to its epilog, however the job ends."""

import time

import pytest
from harness import poll

RUN = "--secrets-run=run-end"


@pytest.fixture
def token(cluster, canary):
    value = canary("TOK")
    cluster.push("run-end", user={"TOK": value})
    return value


def holders(cluster):
    return [str(hold["job"]) for hold in cluster.run("run-end")["holds"]]


def start(cluster, script, *arguments):
    """Starts a job, and waits until its script has written the file up-JOB."""
    job = cluster.sbatch(f"{script}\necho up >up-$SLURM_JOB_ID\nwhile [ ! -e go-$SLURM_JOB_ID ]; do sleep 0.05; done",
                         RUN, *arguments)
    cluster.await_file(f"up-{job}")
    return job


def let_go(cluster, job):
    (cluster.out / f"go-{job}").touch()


def test_hold_lasts_from_grant_to_epilog(cluster, token):
    job = start(cluster, "printenv TOK")
    assert holders(cluster) == [job]
    let_go(cluster, job)
    assert cluster.wait(job).out.split() == [token]
    poll(lambda: holders(cluster) == [], 10, "the wipe of the hold")
    assert f"job {job} ended: its hold with 1 grant was wiped" in cluster.agent_log()


def test_hold_of_second_job_survives_end_of_first(cluster, token):
    first, second = start(cluster, ":"), start(cluster, ":")
    assert sorted(holders(cluster)) == sorted([first, second])
    let_go(cluster, first)
    cluster.wait(first)
    poll(lambda: holders(cluster) == [second], 10, "the wipe of the first hold")
    let_go(cluster, second)
    cluster.wait(second)


def test_hold_of_cancelled_job_is_wiped(cluster, token):
    job = start(cluster, ":")
    cluster.as_user("alice", ["scancel", job])
    cluster.wait(job)
    poll(lambda: holders(cluster) == [], 10, "the wipe of the hold")


def test_requeued_job_is_granted_secrets_again(cluster, token):
    job = start(cluster, "echo got=$TOK restarts=${SLURM_RESTART_COUNT:-0}", "--requeue", "--open-mode=append")
    (cluster.out / f"up-{job}").unlink()
    assert cluster.scontrol("requeue", job).code == 0
    # Slurm delays a requeued job by two minutes; an admin can release it before. A job that starts again within about
    # two seconds of its epilog may get no second epilog (slurmd: "Not running epilog: File exists").
    poll(lambda: cluster.job_state(job) == "PENDING", 20, "the requeue")
    assert holders(cluster) == []
    again = cluster.out / f"up-{job}"
    time.sleep(2.5)
    poll(lambda: cluster.scontrol("update", f"JobId={job}", "StartTime=now") and again.exists(), 40, "the second start")
    cluster.await_file(again.name)
    assert holders(cluster) == [job]
    let_go(cluster, job)
    assert cluster.wait(job).out.split() == [f"got={token}", "restarts=0", f"got={token}", "restarts=1"]


def test_hold_of_killed_job_is_wiped(cluster, token):
    job = start(cluster, "trap '' TERM")
    cluster.as_user("root", ["scancel", "--signal=KILL", "--full", job])
    cluster.wait(job)
    poll(lambda: holders(cluster) == [], 10, "the wipe of the hold")

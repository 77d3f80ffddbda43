# SPDX-License-Identifier: Apache-2.0
"""A run that ends with a job: of its push (until_job), or by itself with the head job that has it in its name. However
the job ends, the run is completed; what runs goes on, and what starts later is refused."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import running_cluster
from harness import poll
from test_reaper import crashed, declare_dead

RUN = "run-1"
HEAD = ["-J", f"nf-workflow-{RUN}"]
TASK = {"TOWER_WORKFLOW_ID": RUN}
UNTIL_TOLD = "echo $$ >up-$SLURM_JOB_ID\nwhile [ ! -e go-$SLURM_JOB_ID ]; do sleep 0.05; done\n"


@pytest.fixture(scope="module")
def cluster(request):
    with running_cluster(request.session, "--agent-config", "reaper: { interval: 1s }",
                         "--plugin-arguments", "run_id_job_name=nf-workflow-") as cluster:
        yield cluster


@pytest.fixture
def token(cluster, canary):
    value = canary("TOK")
    cluster.push(RUN, user={"TOK": value})
    yield value
    cluster.complete(RUN)


def push_until(cluster, job, value):
    answer = cluster.http("PUT", f"/v1/runs/{RUN}", json.dumps({"owner": "alice", "user": {"TOK": value}, "until_job": int(job)}))
    assert answer.status in (200, 201), answer.text


def start(cluster, *arguments, script=UNTIL_TOLD, **options):
    """Starts a job that runs until the file go-JOB exists."""
    job = cluster.sbatch(script, *arguments, **options)
    cluster.await_file(f"up-{job}")
    return job


def let_go(cluster, job):
    (cluster.out / f"go-{job}").touch()


def is_there(cluster):
    return cluster.http("GET", f"/v1/runs/{RUN}").status == 200


def stays(cluster, seconds=4):
    """Returns whether the run is still there after several questions to slurmctld."""
    end = time.monotonic() + seconds
    while is_there(cluster) and time.monotonic() < end:
        time.sleep(0.1)
    return is_there(cluster)


def await_run_end(cluster, job, seconds=15):
    poll(lambda: not is_there(cluster), seconds, "the end of the run")
    sentence = cluster.http("GET", f"/v1/runs/{RUN}").json["detail"]
    assert re.fullmatch(rf"run {RUN} ended with job {job} at \S+Z", sentence)
    return sentence


def test_run_ends_with_the_head_job_of_its_name_and_orphans_are_refused(cluster, token):
    head = start(cluster, *HEAD)
    assert cluster.run(RUN)["until_job"] == int(head)
    running = start(cluster, "--secret=TOK", env=TASK, script=UNTIL_TOLD + 'printf "%s\\n" "$TOK"')
    waiting = cluster.sbatch("true", "--hold", "--secret=TOK", env=TASK)
    explicit = cluster.sbatch("true", "--hold", f"--secrets-run={RUN}")
    let_go(cluster, head)
    sentence = await_run_end(cluster, head)
    for orphan in (waiting, explicit):
        cluster.scontrol("release", orphan)
        done = cluster.wait(orphan)
        assert done.code != 0 and sentence in done.err, done.err
    let_go(cluster, running)
    done = cluster.wait(running)
    assert done.code == 0 and done.out == f"{token}\n"
    assert cluster.status()["holds"] == 0


@pytest.mark.parametrize("kind", ["srun", "salloc"])
def test_run_ends_with_a_head_of_srun_or_salloc(cluster, token, kind):
    script = cluster.out / f"head-{kind}"
    script.write_text(f'{UNTIL_TOLD}printf "%s" "$TOK" | sha256sum\n')
    command = ["srun", *HEAD] if kind == "srun" else ["salloc", *HEAD, "srun"]
    with ThreadPoolExecutor() as thread:
        done = thread.submit(cluster.as_user, "alice", [*command, "bash", str(script)])
        head = poll(lambda: cluster.jobs() and cluster.jobs()[0], 15, "the job")
        cluster.await_file(f"up-{head}")
        assert cluster.run(RUN)["until_job"] == int(head)
        let_go(cluster, head)
        assert done.result().code == 0, done.result().err
    await_run_end(cluster, head)


def test_run_ends_with_a_head_that_is_given_nothing(cluster, token):
    head = start(cluster, *HEAD, "--secret=OTHER?")
    assert cluster.run(RUN)["until_job"] == int(head)
    let_go(cluster, head)
    await_run_end(cluster, head)


def end_by_cancel(cluster, head):
    cluster.as_user("alice", ["scancel", head])


def end_by_kill(cluster, head):
    os.kill(int((cluster.out / f"up-{head}").read_text()), signal.SIGKILL)


def end_by_time_limit(cluster, head):
    assert cluster.scontrol("update", f"JobId={head}", "EndTime=now").code == 0


@pytest.mark.parametrize("end", [end_by_cancel, end_by_kill, end_by_time_limit])
def test_run_ends_however_its_head_ends(cluster, token, end):
    head = start(cluster, *HEAD, "--no-requeue")
    end(cluster, head)
    await_run_end(cluster, head, 70)


def test_run_ends_with_a_head_whose_node_is_lost(cluster, token):
    head = start(cluster, *HEAD, "--nodelist=n1", "--no-requeue")
    with crashed(cluster, "n1", head):
        declare_dead(cluster, "n1")
        await_run_end(cluster, head)


def test_run_stays_while_its_head_is_requeued(cluster, token):
    head = start(cluster, *HEAD, "--requeue")
    (cluster.out / f"up-{head}").unlink()
    assert cluster.scontrol("requeuehold", head).code == 0
    poll(lambda: cluster.job_state(head) == "PENDING" and cluster.status()["holds"] == 0, 20, "the requeue")
    assert stays(cluster)
    cluster.scontrol("release", head)
    poll(lambda: cluster.scontrol("update", f"JobId={head}", "StartTime=now") and (cluster.out / f"up-{head}").exists(),
         40, "the next start")
    assert is_there(cluster)
    let_go(cluster, head)
    await_run_end(cluster, head)


def test_run_stays_while_slurmctld_does_not_answer(cluster, token):
    head = start(cluster, *HEAD)
    before = len(cluster.agent_log())
    with cluster.daemon_frozen("slurmctld"):
        let_go(cluster, head)
        poll(lambda: "cannot tell whether the jobs with which runs end have ended: " in cluster.agent_log()[before:], 20,
             "the line that says so")
        assert is_there(cluster)
    await_run_end(cluster, head, 40)
    assert "slurm-secrets-view answers for the jobs with which runs end again" in cluster.agent_log()[before:]


def test_run_stays_when_jobs_end_that_name_it_but_are_not_its_head(cluster, token):
    """Neither tasks nor jobs of --secrets-run end a run by themselves."""
    for arguments, env in ((["--secret=TOK"], TASK), ([f"--secrets-run={RUN}"], {}), (["--array=1", *HEAD], {})):
        assert cluster.run_batch("srun -n1 true", *arguments, env=env).code == 0
    done = cluster.run_batch("sbatch -W --secret=TOK --wrap true && sbatch -W --wrap true", f"--secrets-run={RUN}")
    assert done.code == 0, done.err
    assert cluster.salloc(f"--secrets-run={RUN}", "true").code == 0
    assert stays(cluster)
    assert "until_job" not in cluster.run(RUN)


def test_another_users_job_of_that_name_does_not_end_the_run(cluster, token):
    assert cluster.run_batch("true", *HEAD, user="bob").code == 0
    assert stays(cluster)


def test_run_ends_with_the_job_of_its_push_which_holds_nothing(cluster, token):
    job = cluster.sbatch("true", "--hold", "--secrets=none")
    push_until(cluster, job, token)
    assert f"ends with job {job}" in cluster.secretctl("runs", RUN, user="alice").out
    assert cluster.run_batch("true", *HEAD).code == 0  # another job does not take its place
    assert stays(cluster), "a job that waits in the queue has not ended"
    cluster.scontrol("release", job)
    await_run_end(cluster, job)


def test_run_ends_with_a_job_that_was_cancelled_in_the_queue(cluster, token):
    job = cluster.sbatch("true", "--hold")
    push_until(cluster, job, token)
    end_by_cancel(cluster, job)
    await_run_end(cluster, job)


def test_run_that_is_pushed_again_outlives_the_job_that_ended_before(cluster, token):
    job = cluster.sbatch("true", "--hold")
    push_until(cluster, job, token)
    end_by_cancel(cluster, job)
    cluster.push(RUN, user={"TOK": token})
    assert stays(cluster) and "until_job" not in cluster.run(RUN)


def test_push_of_new_values_leaves_the_run_to_its_head(cluster, token):
    head = start(cluster, *HEAD)
    cluster.push(RUN, user={"TOK": token, "MORE": "x"})
    assert cluster.run(RUN)["until_job"] == int(head)
    let_go(cluster, head)
    await_run_end(cluster, head)


@pytest.mark.parametrize("kind", ["array", "het"])
def test_run_ends_with_the_last_of_an_array_or_heterogeneous_job(cluster, token, kind):
    wait = f"while [ ! -e go-{kind} ]; do sleep 0.05; done\n"
    if kind == "array":
        job = cluster.sbatch(f'[ "$SLURM_ARRAY_TASK_ID" = 1 ] || exit 0\n{wait}', "--array=1-3")
    else:
        job = cluster.sbatch(wait, "-n1", ":", "-n1")
    push_until(cluster, job, token)
    assert stays(cluster)
    (cluster.out / f"go-{kind}").touch()
    await_run_end(cluster, job, 40)


def test_push_with_a_malformed_job_changes_nothing(cluster, token):
    answer = cluster.http("PUT", f"/v1/runs/{RUN}", '{"owner": "alice", "until_job": "12"}')
    assert answer.status == 400 and "expected the id of a job" in answer.json["detail"]
    for word in ("12_3", "0", "x"):
        done = cluster.secretctl("push", RUN, "--until-job", word, user="alice", input="TOK=x\n")
        assert done.code == 2 and f"--until-job '{word}': expected the id of a job" in done.err
    assert cluster.run(RUN)["generation"] == 1

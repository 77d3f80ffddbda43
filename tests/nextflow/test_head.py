# SPDX-License-Identifier: Apache-2.0
"""The head job on real Nextflow: where its values come from, and what is left however it ends."""

import hashlib
import os
import signal
import subprocess

import pytest
from harness import poll
from nextflow_site import PLUGIN


@pytest.fixture
def own_secret(cluster, canary):
    """Gives alice a stored secret TOKEN_A for the test, and returns its value."""
    value = canary()
    done = cluster.secretctl("set", "TOKEN_A", user="alice", input=value)
    assert done.code == 0, done.err
    yield value
    assert cluster.secretctl("rm", "TOKEN_A", user="alice").code == 0


@pytest.mark.newest
def test_head_outside_of_a_job_submits_tasks_with_stored_secrets(cluster, pipeline, own_secret):
    simple = pipeline("simple")
    done = simple.run_outside_of_a_job()
    assert done.code == 0, done.out + done.err
    assert list(simple.seen()["fetch"][0]) == ["TOKEN_A"]


@pytest.mark.newest
def test_head_outside_of_a_job_gives_a_local_task_a_sentence(cluster, pipeline, own_secret):
    simple = pipeline("simple")
    simple.configure("process.executor = 'local'")
    done = simple.run_outside_of_a_job()
    assert done.code == 1
    assert "cannot give the secret TOKEN_A to a task of the local executor: Nextflow runs outside of a job" in done.out


def test_missing_secret_fails_at_once_with_the_agents_sentence(cluster, pipeline):
    simple = pipeline("simple")
    cluster.push("run-1", user={"TOKEN_B": "x"})
    done = simple.run("--secrets-run=run-1")
    assert done.code == 1
    assert "secret TOKEN_A is not among the secrets of run run-1" in done.out
    assert not list(simple.dir.rglob(".command.log")), "the task was submitted"


def test_local_task_without_its_secret_fails_with_a_sentence(cluster, pipeline):
    simple = pipeline("simple")
    simple.configure("process.executor = 'local'")
    cluster.push("run-1", user={"TOKEN_B": "x"})
    done = simple.run("--secrets-run=run-1")
    assert done.code == 1
    assert "cannot give the secret TOKEN_A to a task of the local executor: the job of Nextflow does not have it" in done.out
    assert simple.seen() == {}


@pytest.mark.newest
def test_failed_task_leaves_nothing(cluster, pipeline, canary):
    simple = pipeline("simple")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = simple.run("--secrets-run=run-1", arguments=["--script=false"])
    assert done.code == 1 and "terminated with an error exit status (1)" in done.out
    assert len(simple.seen()["fetch"]) == 1


@pytest.mark.newest
def test_resume_under_another_run_keeps_cached_tasks(cluster, pipeline, canary):
    simple = pipeline("simple")
    for number in (1, 2):
        cluster.push(f"run-{number}", user={"TOKEN_A": canary()})
        done = simple.run(f"--secrets-run=run-{number}", arguments=["-resume"])
        assert done.code == 0, done.out + done.err
    assert len(simple.seen()["fetch"]) == 1
    assert "Cached process > fetch" in done.out or "cached: 1" in done.out.lower(), done.out


def test_cancelled_head_leaves_nothing(cluster, pipeline, canary):
    simple = pipeline("simple")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    head = simple.submit("--secrets-run=run-1", arguments=["--script='sleep 300'"])
    simple.await_seen("fetch")
    cluster.as_user("alice", ["scancel", head])
    poll(lambda: not cluster.jobs(), 15, "the end of the head job and its task")


@pytest.mark.newest
def test_interrupt_at_a_terminal_leaves_nothing(cluster, pipeline, own_secret):
    simple = pipeline("simple")
    command = cluster.command("alice", ["bash", "-c", simple.command("--script='sleep 300'")], simple.env_outside_of_a_job)
    with subprocess.Popen(command, cwd=cluster.out, start_new_session=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as head:
        simple.await_seen("fetch")
        os.killpg(head.pid, signal.SIGINT)
        head.wait(30)
    poll(lambda: not cluster.jobs(), 15, "the end of the task")


@pytest.mark.newest
def test_killed_head_leaves_its_task_with_its_own_secret(cluster, pipeline, canary):
    simple = pipeline("simple")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    head = simple.submit("--secrets-run=run-1", arguments=["--script='sleep 300'"])
    simple.await_seen("fetch")
    os.kill(simple.head_pid(), signal.SIGKILL)
    poll(lambda: not cluster.job_state(head), 15, "the end of the head job")
    assert cluster.status()["holds"] == 1
    (task,) = cluster.jobs()
    assert cluster.run("run-1")["holds"][0]["job"] == int(task)
    cluster.as_user("alice", ["scancel", task])


@pytest.mark.newest
@pytest.mark.parametrize("item", ["TOKEN_A=TOKEN_OTHER", "TOKEN_A:file"])
def test_secret_in_another_variable_or_a_file_of_the_head_is_found(cluster, pipeline, reads_secrets, canary, item):
    value = canary() + "\n\n"
    simple = pipeline("simple")
    simple.configure(f"process.executor = 'local'\nparams.script = \"[ ${{secrets.TOKEN_A.length()}} -eq {len(value)} ]\"")
    cluster.push("run-1", user={"TOKEN_A": value})
    done = simple.run("--secrets-run=run-1", f"--secret={item}")
    assert done.code == 0, done.out + done.err
    assert simple.seen()["fetch"] == [{"TOKEN_A": hashlib.sha256(value.encode()).hexdigest()}]


@pytest.fixture
def held_secrets(cluster):
    if " get " not in cluster.secretctl("--help").out:
        pytest.skip("NOT TESTED on real Nextflow: this secretctl has no command 'get'")


@pytest.mark.newest
def test_held_secrets_are_read_without_being_in_the_heads_environment(cluster, pipeline, held_secrets, reads_secrets, canary):
    simple = pipeline("simple")
    simple.configure("process.executor = 'local'\nparams.script = secrets.TOKEN_B.endsWith('\\n\\n') ? 'true' : 'false'")
    value = canary()
    cluster.push("run-1", user={"TOKEN_A": value + "'\"\n", "TOKEN_B": canary() + "\n\n"})
    done = simple.run("--secrets-run=run-1", "--secret=TOKEN_A:hold,TOKEN_B:hold", before=f"env >{simple.dir}/head\n")
    assert done.code == 0, done.out + done.err
    assert "TOKEN_A=" not in (simple.dir / "head").read_text()
    assert simple.seen()["fetch"] == [{"TOKEN_A": hashlib.sha256((value + "'\"\n").encode()).hexdigest()}]


@pytest.mark.newest
def test_held_secret_that_cannot_be_read_is_an_error(cluster, pipeline, reads_secrets, canary):
    simple = pipeline("simple")
    simple.configure("params.script = secrets.TOKEN_A")
    simple.add_program("secretctl", "#!/bin/sh\necho 'secretctl: no agent answers' >&2\nexit 3\n")
    done = simple.run(before="export SLURM_SECRETS=TOKEN_A:hold NXF_JVM_ARGS=-javaagent:" + str(PLUGIN) + "\n")
    assert done.code == 1
    assert "cannot read secrets.TOKEN_A: no agent answers" in done.out

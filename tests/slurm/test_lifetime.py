# SPDX-License-Identifier: Apache-2.0
"""Jobs while runs are pushed, completed and expire, and while the agent stops, hangs and restarts."""

import contextlib
import os
import re
import time
from pathlib import Path

import pytest
from harness import poll

# Functions for job scripts, with which a test controls what happens between two steps.
SCRIPT = """
signal() { echo >"$1"; }
wait_for() { for _ in {1..400}; do [ -e "$1" ] && return; sleep 0.05; done; exit 99; }
"""


@pytest.fixture
def token(cluster, canary):
    """Pushes alice's run run-life, and returns the value of its TOK."""
    value = canary("TOK")
    cluster.push("run-life", user={"TOK": value})
    return value


@contextlib.contextmanager
def plugin_arguments(cluster, text):
    """Adds arguments to the plugin's line within the block. Every launch reads the line again."""
    file = cluster.dir / "plugstack.conf"
    line = file.read_text()

    def put(content):
        new = file.with_suffix(".new")
        new.write_text(content)
        new.rename(file)

    put(f"{line.rstrip()} {text}\n")
    try:
        yield
    finally:
        put(line)


@contextlib.contextmanager
def no_agent(cluster):
    cluster.agent_stop()
    try:
        yield
    finally:
        cluster.agent_start()


@pytest.fixture
def flag(cluster):
    """Makes names of files for signal and wait_for, and removes the files after the test."""
    names = []

    def make(name):
        names.append(cluster.out / f"flag-{name}")
        return names[-1]

    yield make
    for name in names:
        name.unlink(missing_ok=True)


def reached(flag):
    poll(flag.exists, 20, f"the job's {flag.name}")


def is_refused(done, sentence):
    """Checks that the task failed, with the sentence exactly once on its standard error."""
    assert done.code == 1, done
    assert done.err.count(f"error: secrets: {sentence}") == 1, done.err
    assert done.out == ""


def in_batch_and_srun(cluster, *options, user="alice"):
    """Starts a job in two ways, both of which must report a denial."""
    yield cluster.srun(*options, "printenv", "TOK", user=user)
    yield cluster.run_batch("printenv TOK", *options, user=user)


# ---- runs -------------------------------------------------------------------------------------------


def test_user_secret_shadows_workspace_secret(cluster, canary):
    users, workspaces, other = canary("USERS"), canary("WORKSPACES"), canary("OTHER")
    cluster.push("run-shadow", user={"TOK": users}, workspace={"TOK": workspaces, "OTHER": other})
    for options in ([], ["--secret=TOK,OTHER"]):
        done = cluster.srun("--secrets-run=run-shadow", *options, "printenv", "TOK", "OTHER")
        assert done.out == f"{users}\n{other}\n", done.err


def test_job_of_unknown_run_is_denied_after_wait(cluster):
    with plugin_arguments(cluster, "wait=1"):
        for done in in_batch_and_srun(cluster, "--secrets-run=no-such-run"):
            is_refused(done, "run no-such-run was not pushed within 1 s")


def test_job_of_unknown_run_is_denied_at_once_with_wait_0(cluster):
    with plugin_arguments(cluster, "wait=0"):
        for done in in_batch_and_srun(cluster, "--secrets-run=no-such-run"):
            is_refused(done, "run no-such-run is not known: it was not pushed, was completed, or expired")


@pytest.mark.parametrize("user", ["bob", "root"])
def test_job_of_another_users_run_is_denied(cluster, token, user):
    for options in (["--secrets-run=run-life"], ["--secrets-run=run-life", "--secret=TOK?"]):
        for done in in_batch_and_srun(cluster, *options, user=user):
            is_refused(done, f"run run-life belongs to another user, not to {user}")
    assert cluster.run("run-life")["holds"] == []


def test_job_of_expired_run_is_denied_at_once_with_its_end(cluster, canary):
    cluster.push("run-short", user={"TOK": canary()}, ttl="1s")
    poll(lambda: cluster.http("GET", "/v1/runs/run-short").status == 404, 5, "the expiry")
    for done in in_batch_and_srun(cluster, "--secrets-run=run-short"):
        is_refused(done, "run run-short expired at 20")
        assert "waited" not in done.err


def test_completed_run_leaves_running_task_alone_and_denies_next_step(cluster, token, flag):
    running, completed, ended = flag("running"), flag("completed"), flag("ended")
    job = cluster.sbatch(f"""{SCRIPT}
        srun bash -c 'printenv TOK; echo >{running}; until [ -e {completed} ]; do sleep 0.05; done; printenv TOK'
        srun printenv TOK
        signal {ended}; wait_for {flag("read")}
    """, "--secrets-run=run-life")
    reached(running)
    cluster.complete("run-life")
    completed.touch()
    reached(ended)
    assert cluster.status()["secret_bytes"] == 0
    flag("read").touch()
    done = cluster.wait(job)
    assert done.out == f"{token}\n{token}\n"
    assert done.err.count("error: secrets: run run-life was completed by ") == 1


def test_second_push_reaches_next_step(cluster, token, flag, canary):
    new = canary("NEW")
    first, pushed = flag("first"), flag("pushed")
    job = cluster.sbatch(f"""{SCRIPT}
        srun printenv TOK; signal {first}; wait_for {pushed}; srun printenv TOK NEWER; printenv TOK
    """, "--secrets-run=run-life")
    reached(first)
    assert cluster.run("run-life")["generation"] == 1
    cluster.push("run-life", user={"TOK": new, "NEWER": new})
    run = cluster.run("run-life")
    assert run["generation"] == 2 and [hold["job"] for hold in run["holds"]] == [int(job)]
    pushed.touch()
    # The batch script itself still has the value with which it was started.
    assert cluster.wait(job).out == f"{token}\n{new}\n{new}\n{token}\n"


def test_two_jobs_hold_one_run_until_each_ends(cluster, token, flag):
    flags = [flag("one"), flag("two")]
    jobs = [cluster.sbatch(f"{SCRIPT} printenv TOK; wait_for {name}; srun printenv TOK", "--secrets-run=run-life")
            for name in flags]

    def holders():
        return sorted(hold["job"] for hold in cluster.run("run-life")["holds"])

    poll(lambda: holders() == sorted(map(int, jobs)), 15, "both holds")
    flags[0].touch()
    assert cluster.wait(jobs[0]).out == f"{token}\n" * 2
    poll(lambda: holders() == [int(jobs[1])], 10, "the end of the first hold")
    flags[1].touch()
    assert cluster.wait(jobs[1]).out == f"{token}\n" * 2
    poll(lambda: holders() == [], 10, "the end of the second hold")


# ---- waiting for the push ---------------------------------------------------------------------------


def test_job_started_before_push_waits_and_reports_how_long(cluster, canary):
    value = canary()
    job = cluster.sbatch("printenv TOK", "--secrets-run=run-late")
    poll(lambda: cluster.job_state(job) == "RUNNING", 10, "the job's start")
    time.sleep(1)
    cluster.push("run-late", user={"TOK": value})
    done = cluster.wait(job)
    assert (done.code, done.out) == (0, f"{value}\n"), done.err
    waited = re.search(r"secrets: waited (\d+\.\d) s for run run-late\n", done.err)
    assert waited and 0.5 <= float(waited[1]) <= 10, done.err


def connections(socket):
    """The number of connections that a Unix socket has accepted."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(f" {socket}") and line.split()[5] == "03" for line in lines)


def test_wait_is_reported_once_per_node(cluster, canary):
    cluster.push("run-outer", user={"TOK": canary()})
    job = cluster.sbatch("srun -N2 -n8 --secrets-run=run-late-2 true; echo $?", "-N2", "-n8",
                         "--secrets-run=run-outer")
    poll(lambda: cluster.job_state(job) == "RUNNING", 10, "the job's start")
    poll(lambda: connections(cluster.dir / "run" / "node.sock") == 2, 20, "the wait of both nodes")
    cluster.push("run-late-2", user={"TOK": canary()})
    done = cluster.wait(job)
    assert done.out == "0\n" and done.err.count("secrets: waited ") == 2, done.err


def test_job_of_never_pushed_run_is_denied_after_10_s(cluster):
    begin = time.monotonic()
    is_refused(cluster.srun("--secrets-run=run-never", "true"), "run run-never was not pushed within 10 s")
    assert 9.5 < time.monotonic() - begin < 15


def test_job_cancelled_while_waiting_ends_within_its_wait(cluster):
    with plugin_arguments(cluster, "wait=2"):
        job = cluster.sbatch("touch too-late", "--secrets-run=run-never")
        poll(lambda: cluster.job_state(job) == "RUNNING", 10, "the job's start")
        cluster.as_user("alice", ["scancel", job])
        poll(lambda: not cluster.job_state(job), 8, "the end of the job")
    assert not (cluster.out / "too-late").exists()


def test_job_waiting_for_push_survives_agent_restart_and_kill(cluster, canary):
    value = canary()
    job = cluster.sbatch("printenv TOK", "--secrets-run=run-late-3")
    poll(lambda: cluster.job_state(job) == "RUNNING", 10, "the job's start")
    time.sleep(0.5)
    cluster.agent_restart()
    time.sleep(0.3)
    cluster.agent_kill()
    cluster.agent_start()
    cluster.push("run-late-3", user={"TOK": value})
    done = cluster.wait(job)
    assert (done.code, done.out) == (0, f"{value}\n"), done.err


# ---- the agent --------------------------------------------------------------------------------------


def test_job_without_agent_fails_in_bounded_time(cluster):
    with no_agent(cluster), plugin_arguments(cluster, "timeout=1"):
        begin = time.monotonic()
        for done in in_batch_and_srun(cluster, "--secrets-run=run-life"):
            is_refused(done, "the agent on this node did not reply within 1 s (")
            assert "is slurm-secretsd running?" in done.err
        assert time.monotonic() - begin < 12
        assert cluster.srun("echo", "asks for nothing").out == "asks for nothing\n"
        assert cluster.srun("--secrets=none", "echo", "asks for none", env={"SLURM_SECRETS": "TOK"}).code == 0


def test_job_with_hanging_agent_fails_in_bounded_time(cluster, token):
    with plugin_arguments(cluster, "timeout=1"):
        with cluster.agent_frozen():
            begin = time.monotonic()
            for done in in_batch_and_srun(cluster, "--secrets-run=run-life"):
                is_refused(done, "the agent on this node did not reply within 1 s (receiving timed out)")
            assert time.monotonic() - begin < 15
    # The agent then reads the grant requests and wipes of jobs that have ended, in their order.
    poll(lambda: cluster.status()["holds"] == 0, 5, "the wipe of what it gave to nobody")
    assert cluster.srun("--secrets-run=run-life", "printenv", "TOK").out == f"{token}\n"


def test_job_with_briefly_hanging_agent_succeeds(cluster, token):
    with cluster.agent_frozen():
        job = cluster.sbatch("printenv TOK", "--secrets-run=run-life")
        poll(lambda: cluster.job_state(job) == "RUNNING", 10, "the job's start")
        time.sleep(0.5)
    assert cluster.wait(job).out == f"{token}\n"


def test_step_after_agent_kill_is_denied_until_run_is_pushed_again(cluster, token, flag):
    first, killed, second, pushed = flag("first"), flag("killed"), flag("second"), flag("pushed")
    with plugin_arguments(cluster, "wait=1"):
        job = cluster.sbatch(f"""{SCRIPT}
            srun printenv TOK; signal {first}; wait_for {killed}
            srun printenv TOK; signal {second}; wait_for {pushed}
            srun printenv TOK
        """, "--secrets-run=run-life")
        reached(first)
        cluster.agent_kill()
        cluster.agent_start()
        assert cluster.status()["runs"] == 0
        killed.touch()
        reached(second)
        cluster.push("run-life", user={"TOK": token})
        pushed.touch()
        done = cluster.wait(job)
    assert done.out == f"{token}\n{token}\n"
    assert done.err.count("error: secrets: run run-life was not pushed within 1 s") == 1


def test_job_ends_normally_when_agent_has_stopped(cluster, token, flag):
    begun, go_on = flag("begun"), flag("go-on")
    job = cluster.sbatch(f"{SCRIPT} printenv TOK; signal {begun}; wait_for {go_on}", "--secrets-run=run-life")
    reached(begun)
    with no_agent(cluster):
        go_on.touch()
        assert cluster.wait(job).code == 0
        poll(lambda: cluster.sinfo() == ["n1 idle none", "n2 idle none"], 10, "idle nodes")


# ---- arguments of the plugin ------------------------------------------------------------------------


def goes_on_without(done, sentence):
    assert (done.code, done.out) == (0, "it goes on\n"), done
    assert done.err.count(f"secrets: warning: the job continues without secrets: {sentence}") == 1, done.err


def test_on_error_continue_starts_job_with_warning(cluster, token):
    script = "echo it goes on; [ ! -v TOK ] && [ ! -v SLURM_SECRETS_SET ]"
    with plugin_arguments(cluster, "on_error=continue wait=0 timeout=1"):
        for run, user, sentence in [("run-life", "bob", "run run-life belongs to another user"),
                                    ("no-such-run", "alice", "run no-such-run is not known")]:
            goes_on_without(cluster.srun(f"--secrets-run={run}", "bash", "-c", script, user=user), sentence)
            goes_on_without(cluster.run_batch(script, f"--secrets-run={run}", user=user), sentence)
        with cluster.agent_frozen():
            done = cluster.srun("-n4", "--secrets-run=run-life", "bash", "-c", "[ $SLURM_PROCID != 0 ] || " + script)
            goes_on_without(done, "the agent on this node did not reply within 1 s")
        assert cluster.srun("--secrets-run=run-life", "printenv", "TOK").out == f"{token}\n"


@pytest.mark.parametrize("arguments", ["timeout=soon", "wait=-1", "wait=601", "on_error=maybe", "nonsense", "x=y",
                                       "node_socket=run/x", "run_id_env=A-B", "timeout="])
def test_invalid_plugin_argument_is_logged_and_fails_no_job(cluster, token, arguments):
    log = cluster.dir / "log" / "slurmd-n1.log"
    before = os.path.getsize(log)
    with plugin_arguments(cluster, arguments):
        done = cluster.srun("-wn1", "--secrets-run=run-life", "printenv", "TOK")
    assert (done.code, done.out) == (0, f"{token}\n"), done.err
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(before)
        assert f"secrets: plugstack.conf: the argument '{arguments}'" in file.read()

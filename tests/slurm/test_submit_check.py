"""Fail before the queue, not after it: sbatch, srun and salloc ask the agent whether the job would get what it wants.
Only an agent that says no keeps a job from being submitted, and it has a second to say so."""

import contextlib
import socket
import threading
import time

import pytest
from node_wire import BUSY, DONE, REFUSED, text_message

MISSING = "error: secret NOPE is not "
LAUNCHERS = ["sbatch", "srun", "salloc"]


def launch(cluster, launcher, *options, user="alice", env=None):
    """Submits what will not run, or not for long; jobs that were submitted are cancelled."""
    rest = {"sbatch": ["--hold", "--wrap=true"], "srun": ["--test-only", "true"], "salloc": ["--no-shell"]}[launcher]
    done = cluster.as_user(user, [launcher, *options, *rest], env)
    if done.code == 0:
        for job in cluster.jobs():
            cluster.as_user("root", ["scancel", job])
    return done


def is_refused(cluster, done, launcher):
    assert done.code != 0
    assert f"{launcher}: {MISSING}" in done.err
    assert not cluster.jobs()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_secret_that_nobody_set_is_refused_before_the_queue(cluster, launcher):
    begin = time.monotonic()
    is_refused(cluster, launch(cluster, launcher, "--secret=NOPE"), launcher)
    is_refused(cluster, launch(cluster, launcher, env={"SLURM_SECRETS": "NOPE"}), launcher)
    is_refused(cluster, launch(cluster, launcher, "--secret=NOPE:file,ALSO?"), launcher)
    assert time.monotonic() - begin < 3


def test_a_directive_in_the_script_is_refused_too(cluster):
    is_refused(cluster, cluster.submit("#SBATCH --secret=NOPE\ntrue"), "sbatch")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_run_may_still_be_pushed(cluster, launcher, canary):
    cluster.push("run-there", user={"TOK": canary("TOK")})
    for options, env in ((["--secrets-run=run-later", "--secret=NOPE"], {}), (["--secrets-run=run-later"], {}),
                         (["--secret=NOPE"], {"TOWER_WORKFLOW_ID": "run-later"}),
                         (["--secret=TOK"], {"TOWER_WORKFLOW_ID": "run-there"})):
        done = launch(cluster, launcher, *options, env=env)
        assert done.code == 0 and "error" not in done.err, done.err


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_is_optional_or_switched_off_is_not_refused(cluster, launcher):
    for options, env in ((["--secret=NOPE?"], {}), (["--secrets=none"], {"SLURM_SECRETS": "NOPE"}), ([], {})):
        done = launch(cluster, launcher, *options, env=env)
        assert done.code == 0 and "NOPE" not in done.err, done.err


def test_within_a_job_srun_and_sbatch_are_refused_too(cluster, canary):
    cluster.push("run-inner", user={"TOK": canary("TOK")})
    done = cluster.run_batch("srun -n1 --secret=NOPE true; echo $?\nunset SLURM_SECRETS\n"
                             "srun -n1 --secret=NOPE true; echo $?\nsbatch --secret=NOPE --wrap=true; echo $?",
                             "--secrets-run=run-inner")
    # The first step narrows what its job's run gives, and a run may still get more.
    assert "error: secrets: secret NOPE is not among the secrets of run run-inner" in done.err
    assert f"srun: {MISSING}" in done.err and f"sbatch: {MISSING}" in done.err
    assert len(done.out.split()) == 3 and "0" not in done.out.split()


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("option", ["--help", "--usage", "--version"])
def test_help_asks_nothing(cluster, launcher, option):
    with cluster.agent_frozen():
        begin = time.monotonic()
        done = cluster.as_user("alice", [launcher, option, "--secret=NOPE"], {"SLURM_SECRETS": "NOPE"})
        assert time.monotonic() - begin < 0.9
    assert done.code == 0 and "NOPE" not in done.err


def test_root_is_not_asked_about(cluster):
    """It may submit for others."""
    done = launch(cluster, "sbatch", "--secret=NOPE", user="root")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_agent_that_does_not_answer_keeps_nobody_waiting_for_long(cluster, launcher):
    with cluster.agent_frozen():
        begin = time.monotonic()
        done = launch(cluster, launcher, "--secret=NOPE")
        took = time.monotonic() - begin
    assert done.code == 0 and "NOPE" not in done.err, done.err
    assert 0.9 < took < 3


def test_without_an_agent_nothing_is_said(cluster):
    cluster.agent_stop()
    try:
        begin = time.monotonic()
        done = launch(cluster, "sbatch", "--secret=NOPE")
        assert time.monotonic() - begin < 0.9
        assert (done.code, done.err) == (0, "")
    finally:
        cluster.agent_start()


# ---- other answers ----------------------------------------------------------------------------------


@pytest.fixture
def answering(cluster):
    """In the agent's place a job door that reads a request and sends what it is told to."""
    path = cluster.dir / "run" / "job.sock"
    cluster.agent_stop()

    @contextlib.contextmanager
    def answering(*packets):
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = door.accept()
                    with client:
                        client.recv(16384)
                        for packet in packets:
                            client.send(packet)

        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(path))
            path.chmod(0o666)
            door.listen()
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield
            finally:
                door.shutdown(socket.SHUT_RDWR)
                thread.join()
                path.unlink()

    yield answering
    cluster.agent_start()


@pytest.mark.parametrize("packets", [[], [b""], [b"x"], [b"SLS1" + bytes(12)], [text_message(DONE, "")],
                                     [text_message(BUSY, "you have too many connections here already")],
                                     [text_message(REFUSED, "")], [text_message(REFUSED, "x" * 2000)],
                                     [text_message(REFUSED, "NOPE")[:-1]]])
def test_what_is_no_refusal_is_passed_over(cluster, answering, packets):
    with answering(*packets):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert (done.code, done.err) == (0, "")


def test_a_refusal_is_shown_as_it_is_and_can_not_steer_the_terminal(cluster, answering):
    with answering(text_message(REFUSED, "100%s is not set")):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert done.code != 0 and "sbatch: error: 100%s is not set\n" in done.err
    with answering(text_message(REFUSED, "\x1b[31m not set")):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert "\x1b" not in done.err


# ---- what the admin wants ---------------------------------------------------------------------------


def test_warn_says_it_and_goes_on(new_cluster):
    cluster = new_cluster("--plugin-arguments", "check_at_submit=warn")
    for launcher in LAUNCHERS:
        done = launch(cluster, launcher, "--secret=NOPE")
        assert done.code == 0 and f"{launcher}: warning: secret NOPE is not " in done.err, done.err
        assert "error" not in done.err
    done = cluster.srun("--secret=NOPE", "true")
    assert done.code != 0 and "error: secrets: secret NOPE is not " in done.err  # its step got none


def test_off_asks_nothing(new_cluster):
    cluster = new_cluster("--plugin-arguments", "check_at_submit=off")
    done = launch(cluster, "sbatch", "--secret=NOPE")
    assert (done.code, done.err) == (0, "")
    with cluster.agent_frozen():
        begin = time.monotonic()
        assert launch(cluster, "sbatch", "--secret=NOPE").code == 0
        assert time.monotonic() - begin < 0.9

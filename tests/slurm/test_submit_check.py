# SPDX-License-Identifier: Apache-2.0
"""Submit check: a job fails before the queue, not after it. sbatch, srun and salloc query the agent whether the spec
would be granted. Only a refusal of the agent within a second prevents the submission."""

import contextlib
import socket
import threading
import time

import pytest
from plugin_protocol import BUSY, DONE, REFUSED, text_message

MISSING = "error: secret NOPE is not "
LAUNCHERS = ["sbatch", "srun", "salloc"]


def launch(cluster, launcher, *options, user="alice", env=None):
    """Submits a job that will not run, or not for long, and cancels it."""
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
def test_submit_check_rejects_unset_secret_before_queue(cluster, launcher):
    begin = time.monotonic()
    is_refused(cluster, launch(cluster, launcher, "--secret=NOPE"), launcher)
    is_refused(cluster, launch(cluster, launcher, env={"SLURM_SECRETS": "NOPE"}), launcher)
    is_refused(cluster, launch(cluster, launcher, "--secret=NOPE:file,ALSO?"), launcher)
    assert time.monotonic() - begin < 3


def test_submit_check_rejects_unset_secret_of_script_directive(cluster):
    is_refused(cluster, cluster.submit("#SBATCH --secret=NOPE\ntrue"), "sbatch")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_submit_check_passes_run_that_may_still_be_pushed(cluster, launcher, canary):
    cluster.push("run-there", user={"TOK": canary("TOK")})
    for options, env in ((["--secrets-run=run-later", "--secret=NOPE"], {}), (["--secrets-run=run-later"], {}),
                         (["--secret=NOPE"], {"TOWER_WORKFLOW_ID": "run-later"}),
                         (["--secret=TOK"], {"TOWER_WORKFLOW_ID": "run-there"})):
        done = launch(cluster, launcher, *options, env=env)
        assert done.code == 0 and "error" not in done.err, done.err


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_submit_check_rejects_what_own_run_that_is_there_lacks(cluster, launcher, canary):
    cluster.push("run-there", user={"TOK": canary("TOK")})
    for options, env in ((["--secrets-run=run-there", "--secret=TOK,NOPE"], {}), (["--secret=NOPE"], {"TOWER_WORKFLOW_ID": "run-there"})):
        done = launch(cluster, launcher, *options, env=env)
        is_refused(cluster, done, launcher)
        assert f"{MISSING}among the secrets of run run-there" in done.err
    # Of another user's run nobody says what it has, and one that has ended may be pushed again.
    assert launch(cluster, launcher, "--secrets-run=run-there", "--secret=NOPE", user="bob").code == 0
    cluster.complete("run-there")
    assert launch(cluster, launcher, "--secrets-run=run-there", "--secret=NOPE").code == 0


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_submit_check_passes_optional_and_switched_off_secrets(cluster, launcher):
    for options, env in ((["--secret=NOPE?"], {}), (["--secrets=none"], {"SLURM_SECRETS": "NOPE"}), ([], {})):
        done = launch(cluster, launcher, *options, env=env)
        assert done.code == 0 and "NOPE" not in done.err, done.err


def test_submit_check_rejects_unset_secret_within_job(cluster, canary):
    cluster.push("run-inner", user={"TOK": canary("TOK")})
    done = cluster.run_batch("srun -n1 --secret=NOPE true; echo $?\nunset SLURM_SECRETS\n"
                             "srun -n1 --secret=NOPE true; echo $?\nsbatch --secret=NOPE --wrap=true; echo $?",
                             "--secrets-run=run-inner")
    assert "srun: error: secret NOPE is not among the secrets of run run-inner" in done.err
    assert f"srun: {MISSING}" in done.err and f"sbatch: {MISSING}" in done.err
    assert len(done.out.split()) == 3 and "0" not in done.out.split()


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("option", ["--help", "--usage", "--version"])
def test_submit_check_is_skipped_for_help_usage_and_version(cluster, launcher, option):
    with cluster.agent_frozen():
        begin = time.monotonic()
        done = cluster.as_user("alice", [launcher, option, "--secret=NOPE"], {"SLURM_SECRETS": "NOPE"})
        assert time.monotonic() - begin < 0.9
    assert done.code == 0 and "NOPE" not in done.err


def test_submit_check_is_skipped_for_root(cluster):
    """Root may submit for other users."""
    done = launch(cluster, "sbatch", "--secret=NOPE", user="root")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_submit_check_with_hanging_agent_passes_after_one_second(cluster, launcher):
    with cluster.agent_frozen():
        begin = time.monotonic()
        done = launch(cluster, launcher, "--secret=NOPE")
        took = time.monotonic() - begin
    assert done.code == 0 and "NOPE" not in done.err, done.err
    assert 0.9 < took < 3


def test_submit_check_without_agent_passes_silently(cluster):
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
def fake_job_server(cluster):
    """Replaces the agent's job socket by one that reads a request and sends the given packets."""
    path = cluster.dir / "run" / "job.sock"
    cluster.agent_stop()

    @contextlib.contextmanager
    def fake_job_server(*packets):
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(16384)
                        for packet in packets:
                            client.send(packet)

        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
            server.bind(str(path))
            path.chmod(0o666)
            server.listen()
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()
                path.unlink()

    yield fake_job_server
    cluster.agent_start()


@pytest.mark.parametrize("packets", [[], [b""], [b"x"], [b"SLS1" + bytes(12)], [text_message(DONE, "")],
                                     [text_message(BUSY, "too many open connections to this socket")],
                                     [text_message(REFUSED, "")], [text_message(REFUSED, "x" * 2000)],
                                     [text_message(REFUSED, "NOPE")[:-1]]])
def test_submit_check_passes_on_any_answer_but_valid_refusal(cluster, fake_job_server, packets):
    with fake_job_server(*packets):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert (done.code, done.err) == (0, "")


def test_submit_check_prints_refusal_without_control_characters(cluster, fake_job_server):
    with fake_job_server(text_message(REFUSED, "100%s is not set")):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert done.code != 0 and "sbatch: error: 100%s is not set\n" in done.err
    with fake_job_server(text_message(REFUSED, "\x1b[31m not set")):
        done = launch(cluster, "sbatch", "--secret=NOPE")
    assert "\x1b" not in done.err


# ---- what the admin wants ---------------------------------------------------------------------------


def test_submit_check_warn_mode_warns_and_submits(new_cluster):
    cluster = new_cluster("--plugin-arguments", "check_at_submit=warn")
    for launcher in LAUNCHERS:
        done = launch(cluster, launcher, "--secret=NOPE")
        assert done.code == 0 and f"{launcher}: warning: secret NOPE is not " in done.err, done.err
        assert "error" not in done.err
    done = cluster.srun("--secret=NOPE", "true")
    assert done.code != 0 and "error: secrets: secret NOPE is not " in done.err  # its step got none


def test_submit_check_off_mode_contacts_no_agent(new_cluster):
    cluster = new_cluster("--plugin-arguments", "check_at_submit=off")
    done = launch(cluster, "sbatch", "--secret=NOPE")
    assert (done.code, done.err) == (0, "")
    with cluster.agent_frozen():
        begin = time.monotonic()
        assert launch(cluster, "sbatch", "--secret=NOPE").code == 0
        assert time.monotonic() - begin < 0.9

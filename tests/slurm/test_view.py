"""slurm-secrets-view says which jobs have ended, to root and the agent alone, in bounded time."""

import contextlib
import socket
import subprocess
import time

import pytest
import view
from harness import BUILD, poll
from view import ACTIVE, ENDED, UNKNOWN, ask

VIEW = BUILD / "slurm-secrets-view"


@pytest.fixture
def sleeper(cluster):
    """Submits jobs that run until they are cancelled."""

    def submit(*arguments):
        return cluster.sbatch("sleep 300", *arguments)

    yield submit
    cluster.as_user("root", ["scancel", *cluster.jobs()])


def await_running(cluster, job):
    poll(lambda: cluster.job_state(job) == "RUNNING", 20, f"the start of job {job}")


@contextlib.contextmanager
def another_view(cluster, *arguments, user="root"):
    """A further slurm-secrets-view; its process, and its socket."""
    path = cluster.out / "another-view.sock"
    command = cluster.command(user, [VIEW, "--listen", path, *arguments])
    with subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            poll(path.exists, 10, "the socket of another view")
            yield process, path
        finally:
            process.terminate()
            process.wait(10)
            path.unlink(missing_ok=True)


def test_a_job_is_active_while_it_runs_and_ended_after_that(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    assert ask(cluster.view_socket, job) == ([ACTIVE], "")
    assert cluster.scontrol("suspend", job).code == 0
    assert ask(cluster.view_socket, job) == ([ACTIVE], "")
    assert cluster.scontrol("resume", job).code == 0
    cluster.as_user("root", ["scancel", job])
    poll(lambda: ask(cluster.view_socket, job) == ([ENDED], ""), 10, "the end of the job")


def test_a_job_that_waits_in_the_queue_holds_nothing(cluster, sleeper):
    job = sleeper("--hold")
    assert ask(cluster.view_socket, job) == ([ENDED], "")


def test_that_a_job_has_ended_is_never_said_from_memory(cluster, sleeper):
    job = sleeper("--hold")
    assert ask(cluster.view_socket, job) == ([ENDED], "")
    cluster.scontrol("release", job)
    await_running(cluster, job)
    assert ask(cluster.view_socket, job) == ([ACTIVE], "")


def test_a_job_that_slurm_has_forgotten_has_ended(cluster):
    assert ask(cluster.view_socket, 4000000000) == ([ENDED], "")


def test_each_task_of_an_array_counts_for_itself(cluster, sleeper):
    array = sleeper("--array=1-2")
    await_running(cluster, array)
    tasks = dict(line.split() for line in cluster.as_user(
        "root", ["squeue", "-h", "-j", array, "-o", "%K %A"]).out.splitlines())
    cluster.as_user("root", ["scancel", f"{array}_1"])
    poll(lambda: ask(cluster.view_socket, tasks["1"], tasks["2"]) == ([ENDED, ACTIVE], ""), 10, "the end of a task")


def test_many_jobs_are_answered_in_their_order(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    jobs = [*range(4000000000, 4000000063), job]
    assert ask(cluster.view_socket, *jobs) == ([ENDED] * 63 + [ACTIVE], "")


@pytest.mark.parametrize("packet, sentence", [
    (b"SLV1", "a message is shorter than its header"),
    (view.message(1, b"\1\0\0\0\7\0\0\0", magic=b"SLS1"), "a message does not speak the protocol of slurm-secrets"),
    (view.message(1, b"", version=2),
     "a message has protocol version 2 and this side speaks version 1; install agent and slurm-secrets-view of "
     "one release"),
    (view.message(7, b""), "a message has the unknown type 7"),
    (view.question(), "a malformed JOBS message"),
    (view.question(*range(65)), "a malformed JOBS message"),
    (b"SLV1" + bytes(60000), "a message is too long"),
    (view.message(2, view.text("a b") + view.text("")), "a malformed ACCOUNT message"),
], ids=["short", "magic", "version", "type", "no job", "too many jobs", "too long", "account"])
def test_what_is_no_question_is_refused(cluster, packet, sentence):
    assert view.send(cluster.view_socket, packet) == ([], sentence)
    assert ask(cluster.view_socket, 4000000000) == ([ENDED], "")


def test_a_stranger_can_t_ask(cluster):
    with pytest.raises(PermissionError):
        ask(cluster.view_socket, 1, user="alice")
    cluster.view_socket.chmod(0o666)
    try:
        assert ask(cluster.view_socket, 1, user="alice") == ([], "only root and the agent may ask slurm-secrets-view")
    finally:
        cluster.view_socket.chmod(0o600)


def test_whose_the_socket_is_may_ask(cluster):
    with another_view(cluster, user="nobody") as (_, path):
        assert ask(path, 4000000000, user="nobody") == ([ENDED], "")
        assert ask(path, 4000000000) == ([ENDED], "")
        path.chmod(0o666)
        assert ask(path, 4000000000, user="alice")[0] == []


def test_one_who_stays_silent_does_not_keep_others_waiting(cluster):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as silent:
        silent.connect(str(cluster.view_socket))
        begin = time.monotonic()
        assert ask(cluster.view_socket, 4000000000) == ([ENDED], "")
        assert time.monotonic() - begin < 5


def test_while_slurmctld_says_nothing_the_answer_is_that(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    time.sleep(3.1)  # until it is no longer remembered that the job was active
    with cluster.daemon_frozen("slurmctld"):
        begin = time.monotonic()
        assert ask(cluster.view_socket, job, 4000000000) == (
            [UNKNOWN, UNKNOWN], "slurmctld did not answer within 5 s")
        assert 4 < time.monotonic() - begin < 8
        begin = time.monotonic()
        assert ask(cluster.view_socket, job) == ([], "still waiting for slurmctld, which was asked 5 s ago")
        assert time.monotonic() - begin < 1
    poll(lambda: ask(cluster.view_socket, job, 4000000000) == ([ACTIVE, ENDED], ""), 20, "slurmctld's answer")


def test_where_slurm_hides_jobs_what_is_not_known_is_not_ended(new_cluster):
    cluster = new_cluster("--slurm-conf", "PrivateData=jobs")
    job = cluster.sbatch("sleep 300")
    await_running(cluster, job)
    assert ask(cluster.view_socket, job, 4000000000) == ([ACTIVE, ENDED], "")  # as root
    with another_view(cluster, user="nobody") as (_, path):
        states, sentence = ask(path, job, 4000000000)
        assert states == [UNKNOWN, UNKNOWN]
        assert sentence == ("slurmctld does not know a job or hides it: PrivateData in slurm.conf has jobs, and "
                            "slurm-secrets-view runs neither as SlurmUser nor as root")
    cluster.as_user("root", ["scancel", job])


def test_where_a_cluster_has_no_accounts_that_is_the_answer(cluster):
    assert view.users_of(cluster.view_socket, "chem") == (
        "this cluster has no accounts: AccountingStorageType in slurm.conf is not accounting_storage/slurmdbd")


def test_without_a_slurm_conf_it_ends_and_says_so(cluster):
    conf = cluster.out / "empty.conf"
    conf.write_text("")
    done = cluster.as_user("root", [VIEW, "--listen", cluster.out / "no-view.sock"], env={"SLURM_CONF": conf})
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(
        "slurm-secrets-view: libslurm gave up, for the reason above. It needs the cluster's slurm.conf")


def test_without_a_socket_it_says_what_to_start(cluster):
    done = cluster.as_user("root", [VIEW])
    assert (done.code, done.out) == (1, "")
    assert done.err == ("slurm-secrets-view: no socket to listen at: start slurm-secrets-view.socket, which starts "
                        "this program when it is asked, or give --listen PATH\n")


def test_it_takes_the_socket_of_systemd_and_ends_when_its_time_is_over(cluster):
    path = cluster.out / "activated.sock"
    command = cluster.command("root", ["systemd-socket-activate", "--seqpacket", "--listen", path,
                                       "--setenv=SLURM_CONF", VIEW, "--lifetime", "2"])
    with subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            poll(path.exists, 10, "the activated socket")
            for _ in range(3):
                assert ask(path, 4000000000) == ([ENDED], "")
            assert process.wait(5) == 0
        finally:
            process.kill()
            path.unlink(missing_ok=True)

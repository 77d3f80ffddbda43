# SPDX-License-Identifier: Apache-2.0
"""slurm-secrets-view: tells only root and the agent which jobs have ended, in bounded time."""

import contextlib
import socket
import subprocess
import time

import pytest
import view
from harness import BUILD, poll
from view import ACTIVE, ENDED, FORGOTTEN, UNKNOWN, query_jobs

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
    """Starts a further slurm-secrets-view; yields its process and its socket."""
    path = cluster.out / "another-view.sock"
    command = cluster.command(user, [VIEW, "--listen", path, *arguments], {"SLURMD_NODENAME": "n1"})
    with subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            poll(path.exists, 10, "the socket of another view")
            yield process, path
        finally:
            process.terminate()
            process.wait(10)
            path.unlink(missing_ok=True)


def states_of_processes(cluster, job):
    """The states of a job's processes on this host, as ps shows them: T for one that is stopped."""
    done = subprocess.run(["ps", "-eo", "state=,args="], capture_output=True, text=True, check=True)
    script = f"/job{int(job):05}/slurm_script"
    return [line[0] for line in done.stdout.splitlines() if str(cluster.dir) in line and script in line]


def test_view_reports_job_active_while_running_and_ended_after(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    assert query_jobs(cluster.view_socket, job) == ([ACTIVE], "")
    assert cluster.scontrol("suspend", job).code == 0
    assert query_jobs(cluster.view_socket, job) == ([ACTIVE], "")
    # slurmctld does not wait for slurmd: a resume that overtakes the suspend leaves a job that cannot be cancelled.
    poll(lambda: set(states_of_processes(cluster, job)) == {"T"}, 10, "the job's suspension")
    assert cluster.scontrol("resume", job).code == 0
    poll(lambda: "T" not in states_of_processes(cluster, job), 10, "the job's resumption")
    cluster.as_user("root", ["scancel", job])
    poll(lambda: query_jobs(cluster.view_socket, job) == ([ENDED], ""), 10, "the end of the job")


def test_view_names_job_of_process(cluster, sleeper):
    job = cluster.sbatch("sleep 300 & echo $! >pid; echo >>pid; wait", "-wn1")
    pid = int(cluster.await_file("pid").split()[0])
    assert view.job_of(cluster.view_socket, pid) == int(job)
    assert view.job_of(cluster.view_socket, 1) == 0
    (cluster.out / "pid").unlink()


def test_view_reports_queued_job_as_ended(cluster, sleeper):
    job = sleeper("--hold")
    assert query_jobs(cluster.view_socket, job) == ([ENDED], "")


def test_view_never_reports_end_from_cache(cluster, sleeper):
    job = sleeper("--hold")
    assert query_jobs(cluster.view_socket, job) == ([ENDED], "")
    cluster.scontrol("release", job)
    await_running(cluster, job)
    assert query_jobs(cluster.view_socket, job) == ([ACTIVE], "")


def test_view_reports_job_without_step_that_slurmctld_does_not_know_as_forgotten(cluster):
    assert query_jobs(cluster.view_socket, 4000000000) == ([FORGOTTEN], "")


def test_view_reports_unknown_for_forgotten_and_queued_jobs_while_slurmd_is_silent(cluster, sleeper):
    queued = sleeper("--hold")
    with cluster.daemon_frozen("slurmd-n1"):
        states, sentence = query_jobs(cluster.view_socket, 4000000000, queued)
        assert states == [UNKNOWN, UNKNOWN]
        assert sentence == "slurmd did not answer within 5 s"
    poll(lambda: query_jobs(cluster.view_socket, 4000000000, queued) == ([FORGOTTEN, ENDED], ""), 20, "slurmd's answer")


def test_view_reports_each_array_task_separately(cluster, sleeper):
    array = sleeper("--array=1-2")
    await_running(cluster, array)
    tasks = dict(line.split() for line in cluster.as_user(
        "root", ["squeue", "-h", "-j", array, "-o", "%K %A"]).out.splitlines())
    cluster.as_user("root", ["scancel", f"{array}_1"])
    poll(lambda: query_jobs(cluster.view_socket, tasks["1"], tasks["2"]) == ([ENDED, ACTIVE], ""), 10, "the end of a task")


def test_view_answers_many_jobs_in_order(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    jobs = [*range(4000000000, 4000000063), job]
    assert query_jobs(cluster.view_socket, *jobs) == ([FORGOTTEN] * 63 + [ACTIVE], "")


@pytest.mark.parametrize("packet, sentence", [
    (b"SLV1", "an invalid message: it is shorter than its header"),
    (view.message(1, b"\1\0\0\0\7\0\0\0", magic=b"SLS1"), "an invalid message: it does not belong to a slurm-secrets protocol"),
    (view.message(1, b"", version=3),
     "a message of protocol version 3, but this side has version 2; install agent and slurm-secrets-view of "
     "one release"),
    (view.message(7, b""), "a message of unknown type 7"),
    (view.jobs_message(), "a malformed JOBS message"),
    (view.jobs_message(*range(65)), "a malformed JOBS message"),
    (b"SLV1" + bytes(60000), "the message is too long"),
    (view.message(2, view.text("a b") + view.text("")), "a malformed ACCOUNT message"),
], ids=["short", "magic", "version", "type", "no job", "too many jobs", "too long", "account"])
def test_view_rejects_malformed_query(cluster, packet, sentence):
    assert view.send(cluster.view_socket, packet) == ([], sentence)
    assert query_jobs(cluster.view_socket, 4000000000) == ([FORGOTTEN], "")


def test_view_socket_rejects_other_users(cluster):
    with pytest.raises(PermissionError):
        query_jobs(cluster.view_socket, 1, user="alice")
    cluster.view_socket.chmod(0o666)
    try:
        assert query_jobs(cluster.view_socket, 1, user="alice") == ([], "only root and the agent may query slurm-secrets-view")
    finally:
        cluster.view_socket.chmod(0o600)


def test_view_socket_accepts_owner_uid(cluster):
    with another_view(cluster, user="nobody") as (_, path):
        assert query_jobs(path, 4000000000, user="nobody") == ([FORGOTTEN], "")
        assert query_jobs(path, 4000000000) == ([FORGOTTEN], "")
        path.chmod(0o666)
        assert query_jobs(path, 4000000000, user="alice")[0] == []


def test_view_silent_client_does_not_delay_others(cluster):
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as silent:
        silent.connect(str(cluster.view_socket))
        begin = time.monotonic()
        assert query_jobs(cluster.view_socket, 4000000000) == ([FORGOTTEN], "")
        assert time.monotonic() - begin < 5


def test_view_reports_unknown_while_slurmctld_is_silent(cluster, sleeper):
    job = sleeper()
    await_running(cluster, job)
    time.sleep(3.1)  # until the cached answer, that the job is active, has expired
    with cluster.daemon_frozen("slurmctld"):
        begin = time.monotonic()
        assert query_jobs(cluster.view_socket, job, 4000000000) == (
            [UNKNOWN, UNKNOWN], "slurmctld did not answer within 5 s")
        assert 4 < time.monotonic() - begin < 8
        begin = time.monotonic()
        assert query_jobs(cluster.view_socket, job) == ([], "still waiting for slurmctld, which was queried 5 s ago")
        assert time.monotonic() - begin < 1
    poll(lambda: query_jobs(cluster.view_socket, job, 4000000000) == ([ACTIVE, FORGOTTEN], ""), 20, "slurmctld's answer")


def test_view_reports_unknown_for_jobs_hidden_by_private_data(new_cluster):
    cluster = new_cluster("--slurm-conf", "PrivateData=jobs")
    job = cluster.sbatch("sleep 300")
    await_running(cluster, job)
    assert query_jobs(cluster.view_socket, job, 4000000000) == ([ACTIVE, FORGOTTEN], "")  # as root
    with another_view(cluster, user="nobody") as (_, path):
        states, sentence = query_jobs(path, job, 4000000000)
        assert states == [UNKNOWN, UNKNOWN]
        assert sentence == ("slurmctld does not know a job or hides it: PrivateData in slurm.conf has jobs, and "
                            "slurm-secrets-view runs neither as SlurmUser nor as root")
    cluster.as_user("root", ["scancel", job])


def test_view_reports_cluster_without_accounts(cluster):
    assert view.users_of(cluster.view_socket, "chem") == (
        "this cluster has no accounts: AccountingStorageType in slurm.conf is not accounting_storage/slurmdbd")


def test_view_without_slurm_conf_exits_with_reason(cluster):
    conf = cluster.out / "empty.conf"
    conf.write_text("")
    done = cluster.as_user("root", [VIEW, "--listen", cluster.out / "no-view.sock"], env={"SLURM_CONF": conf})
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(
        "slurm-secrets-view: libslurm ended this process for the reason above. It needs the cluster's slurm.conf")


def test_view_without_socket_exits_naming_socket_unit(cluster):
    done = cluster.as_user("root", [VIEW])
    assert (done.code, done.out) == (1, "")
    assert done.err == ("slurm-secrets-view: no socket to listen on: start slurm-secrets-view.socket, which starts "
                        "this program on demand, or use --listen PATH\n")


def test_view_serves_systemd_socket_and_exits_after_lifetime(cluster):
    path = cluster.out / "activated.sock"
    command = cluster.command("root", ["systemd-socket-activate", "--seqpacket", "--listen", path,
                                       "--setenv=SLURM_CONF", "--setenv=SLURMD_NODENAME=n1", VIEW, "--lifetime", "2"])
    with subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            poll(path.exists, 10, "the activated socket")
            for _ in range(3):
                assert query_jobs(path, 4000000000) == ([FORGOTTEN], "")
            assert process.wait(5) == 0
        finally:
            process.kill()
            path.unlink(missing_ok=True)

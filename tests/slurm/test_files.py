# SPDX-License-Identifier: Apache-2.0
"""Secret files (NAME:file): byte-exact, listable and readable only by the job's user and root, safe against planted
links and directories, and removed with their step and job."""

import hashlib
import os
import pwd
import shutil
import signal
import time

import pytest
from conftest import running_cluster
from harness import poll
from test_reaper import crashed, declare_dead

RUN = "--secrets-run=run-files"
WAIT = "echo $$ >up-$SLURM_JOB_ID; while [ ! -e go-$SLURM_JOB_ID ]; do sleep 0.05; done"
ALICE = pwd.getpwnam("alice")
BOB = pwd.getpwnam("bob")


@pytest.fixture(scope="module")
def cluster(request):
    """Starts a cluster whose agent accepts large runs and queries every second which jobs have ended. Jobs run on one
    node: both nodes are this machine, so that a step on both would write the same files twice."""
    with running_cluster(request.session, "--agent-config", "reaper: { interval: 1s }",
                         "--agent-config", "limits: { run_bytes: 4194304 }") as cluster:
        yield cluster


@pytest.fixture
def jobs(cluster):
    """Returns the directory for the files of all jobs."""
    return cluster.dir / "run" / "jobs"


@pytest.fixture
def key(cluster, canary):
    value = canary("KEY")
    cluster.push("run-files", user={"KEY": value, "OTHER": canary("OTHER")})
    return value


@pytest.fixture(autouse=True)
def no_files_left(cluster, jobs):
    """Checks after every test that no job has left a directory."""
    yield
    poll(lambda: not cluster.jobs(), 30, "the end of all jobs")
    poll(lambda: not jobs.exists() or not list(jobs.iterdir()), 10, "the removal of all files")


def start(cluster, script, *options):
    """Starts a job that runs `script` and then waits for let_go()."""
    job = cluster.sbatch(f"{script}\n{WAIT}", RUN, "-N1", "--open-mode=append", *options)
    cluster.await_file(f"up-{job}")
    return job


def let_go(cluster, job):
    (cluster.out / f"go-{job}").touch()


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


# ---- granted files ----------------------------------------------------------------------------------


def test_secret_file_holds_pushed_bytes_exactly(cluster, canary):
    secret = canary("BYTES").encode()
    values = {"ANY": bytes(range(256)) * 255 + secret + bytes(256 - len(secret)), "NUL": b"\0", "EMPTY": b"",
              "LINES": b"-----BEGIN\n" + secret + b"\n\n", "my-key": secret + b"\0" + secret}
    assert len(values["ANY"]) == 64 * 1024
    cluster.push("run-files", user=values)
    done = cluster.srun(RUN, "--secret=" + ",".join(f"{name}:file" for name in values), "bash", "-c",
                        'for v in ANY NUL EMPTY LINES my_key; do f=${v}_FILE; sha256sum <"${!f}"; done')
    assert done.code == 0, done.err
    assert done.out.split()[::2] == [hashlib.sha256(value).hexdigest() for value in values.values()]


def test_secret_file_is_private_to_job_user(cluster, key, jobs):
    job = start(cluster, 'echo $KEY_FILE', "--secret=KEY:file")
    file = jobs / job / "KEY.batch"
    assert (cluster.out / f"{job}.out").read_text() == f"{file}\n"
    assert file.read_text() == key
    status = file.stat()
    assert (oct(status.st_mode & 0o7777), status.st_uid, status.st_gid) == (oct(0o400), ALICE.pw_uid, ALICE.pw_gid)
    status = file.parent.stat()
    assert (oct(status.st_mode & 0o7777), status.st_uid, status.st_gid) == (oct(0o570), ALICE.pw_uid, 0)
    status = jobs.stat()
    assert (oct(status.st_mode & 0o7777), status.st_uid, status.st_gid) == (oct(0o711), 0, 0)
    for command in (["ls", jobs], ["ls", file.parent], ["cat", file], ["stat", file]):
        done = cluster.as_user("bob", command)
        assert done.code != 0 and not done.out, command
        assert "Permission denied" in done.err
    assert cluster.as_user("alice", ["cat", file]).out == key
    assert cluster.as_user("alice", ["touch", file.parent / "mine"]).code != 0
    let_go(cluster, job)
    assert cluster.wait(job).code == 0


def test_secret_file_works_beside_variable_of_same_secret(cluster, key):
    done = cluster.srun(RUN, "--secret=KEY,KEY:file,KEY=G:file,OTHER", "bash", "-c",
                        'cat $KEY_FILE; echo; cat $G_FILE; echo; echo $KEY; echo "[$OTHER_FILE]"; '
                        'echo $SLURM_SECRETS_SET; [ $KEY_FILE = $G_FILE ]')
    assert done.code == 0, done.err
    assert done.out.splitlines() == [key, key, key, "[]", "KEY,KEY_FILE,G_FILE,OTHER"]


def test_secret_file_path_is_not_passed_to_inner_sbatch(cluster, key):
    inner = "sbatch --parsable --secrets=none --wait -o inner-$SLURM_JOB_ID --wrap 'env >inner-env'"
    done = cluster.run_batch(inner, RUN, "--secret=KEY:file")
    assert done.code == 0, done.err
    assert "KEY" not in (cluster.out / "inner-env").read_text()


def test_secret_file_exists_only_for_requesting_step_while_it_runs(cluster, key, jobs):
    job = start(cluster, "srun -n1 --secret=KEY:file bash -c 'ls $(dirname $KEY_FILE)'\n"
                         "srun -n1 bash -c 'echo [$KEY_FILE]'\necho [$KEY_FILE]", "--secret=OTHER")
    assert (cluster.out / f"{job}.out").read_text() == "KEY.0\n[]\n[]\n", (cluster.out / f"{job}.err").read_text()
    assert names_in(jobs / job) == []
    let_go(cluster, job)
    assert cluster.wait(job).code == 0


def test_secret_file_is_given_to_each_of_concurrent_steps(cluster, key):
    steps = "for i in 1 2 3 4 5 6 7 8; do srun -n1 --exact --mem=0 bash -c 'cat $KEY_FILE; echo \" $KEY_FILE\"' & done"
    done = cluster.run_batch(f"{steps}\nwait", RUN, "--secret=KEY:file", "-N1", "-n8")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert [value for value, _ in lines] == [key] * 8, done.err
    assert sorted(os.path.basename(path) for _, path in lines) == [f"KEY.{step}" for step in range(8)]


def test_secret_file_is_shared_by_tasks_of_step(cluster, key):
    done = cluster.srun(RUN, "-N1", "-n4", "--secret=KEY:file", "bash", "-c", 'echo $KEY_FILE $(cat $KEY_FILE)')
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 4 and len(set(done.out.splitlines())) == 1
    assert done.out.splitlines()[0].endswith(f"/KEY.0 {key}")


def test_secret_file_works_in_arrays_and_salloc(cluster, key):
    done = cluster.salloc(RUN, "--secret=KEY:file", "-N1", "srun", "-n1", "bash", "-c", "cat $KEY_FILE")
    assert done.out == key
    array = cluster.submit('echo $(cat $KEY_FILE) >array-$SLURM_ARRAY_TASK_ID', RUN, "--secret=KEY:file", "--array=1-3")
    assert array.code == 0, array.err
    for task in (1, 2, 3):
        assert cluster.await_file(f"array-{task}") == f"{key}\n"


def test_secret_file_is_given_again_to_requeued_job(cluster, key):
    job = start(cluster, "cat $KEY_FILE; echo", "--secret=KEY:file", "--requeue")
    (cluster.out / f"up-{job}").unlink()
    assert cluster.scontrol("requeue", job).code == 0
    poll(lambda: cluster.job_state(job) == "PENDING", 20, "the requeue")
    time.sleep(2.5)  # see test_end.py
    poll(lambda: cluster.scontrol("update", f"JobId={job}", "StartTime=now") and
         (cluster.out / f"up-{job}").exists(), 40, "the next start")
    let_go(cluster, job)
    done = cluster.wait(job)
    assert done.out == f"{key}\n{key}\n" and done.code == 0, done.err


# ---- planted links and directories ------------------------------------------------------------------


def held_job(cluster, *options):
    return cluster.sbatch("cat $KEY_FILE; echo", RUN, "--hold", "-N1", "--secret=KEY:file", *options)


def test_symlink_at_job_directory_is_not_followed(cluster, key, jobs, tmp_path):
    jobs.mkdir(mode=0o711, exist_ok=True)
    jobs.chmod(0o711)
    job = held_job(cluster)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (jobs / job).symlink_to(elsewhere)
    cluster.scontrol("release", job)
    done = cluster.wait(job)
    assert (done.code, done.out) == (0, f"{key}\n"), done.err
    assert names_in(elsewhere) == []
    assert (elsewhere.stat().st_uid, elsewhere.stat().st_mode & 0o7777) == (0, 0o700)


def test_job_directory_owned_by_another_user_is_replaced(cluster, key, jobs):
    jobs.mkdir(mode=0o711, exist_ok=True)
    jobs.chmod(0o711)
    job = held_job(cluster)
    (jobs / job).mkdir(mode=0o777)
    (jobs / job / "KEY.batch").symlink_to("/etc/hostname")
    os.chown(jobs / job, BOB.pw_uid, BOB.pw_gid)
    cluster.scontrol("release", job)
    done = cluster.wait(job)
    assert (done.code, done.out) == (0, f"{key}\n"), done.err


def test_job_fails_when_foreign_job_directory_cannot_be_removed(cluster, key, jobs):
    jobs.mkdir(mode=0o711, exist_ok=True)
    jobs.chmod(0o711)
    job = held_job(cluster)
    (jobs / job / "deep" / "deeper").mkdir(parents=True)
    os.chown(jobs / job, BOB.pw_uid, BOB.pw_gid)
    try:
        cluster.scontrol("release", job)
        done = cluster.wait(job)
        assert done.code == 1
        assert (f"error: secrets: cannot remove {jobs / job}, which is not this job's directory: removing a file in the directory "
                "failed: Directory not empty") in done.err
        assert names_in(jobs / job) == ["deep"]
    finally:
        shutil.rmtree(jobs / job)


def test_user_symlink_at_secret_file_path_is_not_followed(cluster, key, jobs):
    """The user owns the job's directory and can make it writable."""
    target = cluster.out / "target"
    target.write_text("untouched")
    target.chmod(0o600)
    plant = (f"D={jobs}/$SLURM_JOB_ID\nchmod u+w $D\nfor i in 0 1 2; do ln -s {target} $D/KEY.$i; done\n"
             "srun -n1 --secret=KEY:file bash -c 'cat $KEY_FILE; echo; [ ! -L $KEY_FILE ]'")
    done = cluster.run_batch(plant, RUN, "-N1", "--secret=OTHER:file")
    assert (done.code, done.out) == (0, f"{key}\n"), done.err
    assert target.read_text() == "untouched"
    assert (target.stat().st_uid, target.stat().st_mode & 0o7777) == (0, 0o600)


# ---- errors ---------------------------------------------------------------------------------------


def test_job_fails_when_secret_files_exceed_size_limit(cluster):
    cluster.push("run-files", user={f"F{number}": "x" * 65536 for number in range(33)})
    for options in ((), ("-N1",)):
        done = cluster.srun(RUN, *options, "--secret=" + ",".join(f"F{number}:file" for number in range(33)), "true")
        assert done.code == 1
        assert ("error: secrets: the secrets requested as files or with ':hold' have 2162688 bytes in total; the limit is "
                "2097152; request only those that the step needs") in done.err
    most = ",".join(f"F{number}:file" for number in range(32))
    assert cluster.srun(RUN, f"--secret={most}", "bash", "-c", "cat $F31_FILE | wc -c").out == "65536\n"


def test_job_fails_and_node_stays_up_when_no_secret_file_can_be_written(new_cluster, canary):
    cluster = new_cluster("--plugin-arguments", "files=/nowhere/at/all")
    cluster.push("run-files", user={"KEY": canary("KEY")})
    done = cluster.srun(RUN, "--secret=KEY:file", "true")
    assert done.code == 1
    assert ("error: secrets: creating the directory for job files, /nowhere/at/all, failed: No such file or "
            "directory") in done.err
    assert cluster.srun(RUN, "--secret=KEY", "true").code == 0


def test_on_error_continue_warns_when_secret_files_cannot_be_written(new_cluster, canary):
    cluster = new_cluster("--plugin-arguments", "files=/nowhere/at/all on_error=continue")
    cluster.push("run-files", user={"KEY": canary("KEY")})
    done = cluster.srun(RUN, "--secret=KEY:file,KEY", "bash", "-c", "echo [$KEY][$KEY_FILE]")
    assert (done.code, done.out) == (0, "[][]\n")
    assert "the job continues without secrets: creating the directory for job files" in done.err


# ---- removal ----------------------------------------------------------------------------------------


def test_epilog_removes_secret_files_of_killed_step(cluster, key, jobs):
    step = "srun -n1 --secret=KEY:file bash -c 'echo $$ >step-$SLURM_JOB_ID; exec sleep 60' &"
    job = start(cluster, step, "--secret=OTHER:file", "-N1")
    cluster.await_file(f"step-{job}")
    poll(lambda: names_in(jobs / job) == ["KEY.0", "OTHER.batch"], 10, "both files")
    for pid in cluster.slurmstepd_pids(f"{job}."):
        os.kill(pid, signal.SIGKILL)
    for name in (f"step-{job}", f"up-{job}"):
        os.kill(int((cluster.out / name).read_text()), signal.SIGKILL)
    cluster.as_user("root", ["scancel", job])
    poll(lambda: not (jobs / job).exists(), 15, "the removal by the epilog")
    assert "ended without an epilog: its files" not in cluster.agent_log()


def test_epilog_logs_files_it_cannot_remove_and_node_stays_up(cluster, key, jobs):
    done = cluster.run_batch("chmod u+w $(dirname $KEY_FILE); mkdir -p $(dirname $KEY_FILE)/deep/deeper; "
                             "echo $SLURM_JOB_ID", RUN, "-N1", "--secret=KEY:file")
    job = done.out.strip()
    try:
        assert names_in(jobs / job) == ["deep"]
        sentence = f"cannot remove the files of job {job} in {jobs}: removing a file in the directory failed: Directory not empty"
        poll(lambda: sentence in cluster.agent_log(), 10, "the agent's sentence")
        slurmd = "".join((cluster.dir / "log" / f"slurmd-{node}.log").read_text() for node in ("n1", "n2"))
        assert (f"secrets: cannot remove the files of job {job} in {jobs}: removing a file in the directory failed: "
                "Directory not empty") in slurmd
        assert cluster.sinfo() == cluster.nodes
    finally:
        shutil.rmtree(jobs / job)
    assert cluster.agent_log().count(sentence) == 1


def test_reaper_removes_secret_files_when_no_epilog_ran(cluster, key, jobs):
    job = start(cluster, "", "--secret=KEY:file", "--nodelist=n1", "--no-requeue")
    assert names_in(jobs / job) == ["KEY.batch"]
    with crashed(cluster, "n1", job):
        declare_dead(cluster, "n1")
        poll(lambda: not (jobs / job).exists(), 15, "the removal by the reaper")
    sentence = f"job {job} ended without an epilog: its files were removed"
    poll(lambda: sentence in cluster.agent_log(), 5, "the log entry of the removal")


def test_secret_files_of_running_job_outlive_hold_and_agent(cluster, key, jobs):
    """A stopped agent, unlike a restarted one, wipes the hold. The files are still removed once the job has ended."""
    job = start(cluster, "", "--secret=KEY:file", "--nodelist=n1")
    cluster.agent_stop()
    cluster.agent_start()
    assert cluster.status()["holds"] == 0
    time.sleep(4)
    assert names_in(jobs / job) == ["KEY.batch"]
    let_go(cluster, job)
    assert cluster.wait(job).code == 0
    poll(lambda: not (jobs / job).exists(), 10, "the removal")


def test_reaper_removes_directory_of_ended_job_without_hold(cluster, jobs):
    job = cluster.sbatch("true", "--nodelist=n1")
    assert cluster.wait(job).code == 0
    jobs.mkdir(mode=0o711, exist_ok=True)
    jobs.chmod(0o711)
    left = jobs / job
    left.mkdir()
    (left / "KEY.0").write_text("left")
    (jobs / "other").mkdir()
    poll(lambda: not left.exists(), 15, "the removal by the reaper")
    sentence = f"job {job} ended without an epilog: its files were removed"
    poll(lambda: sentence in cluster.agent_log(), 5, "the log entry of the removal")
    assert (jobs / "other").exists()
    (jobs / "other").rmdir()

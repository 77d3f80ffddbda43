"""Files of jobs with the real units: systemd makes their directory, they outlive whatever happens to the agent, and
the agent removes, from its sandbox, what is left of jobs that have ended."""

import os
import pwd
import time

import pytest
from harness import poll
from machines import AGENT

JOBS = "/run/slurm-secrets/jobs"


def stat(machine, path):
    return machine.enter("stat", "-c", "%a %U %G", path).out.strip()


@pytest.fixture
def running(machine, canary):
    """A job that was given a file and goes on until its end() file is there."""
    value = canary()
    machine.push("files", user={"KEY": value})
    job = machine.sbatch("echo begun >begun.$SLURM_JOB_ID; until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done; "
                         "cat $KEY_FILE", "--secrets-run=files", "--secret=KEY:file")
    machine.await_file(f"begun.{job}")
    yield job
    (machine.out / f"end.{job}").touch()
    assert machine.wait(job).out == value
    assert machine.enter("ls", "-A", JOBS).out == ""


def is_untouched(machine, job):
    assert stat(machine, "/run/slurm-secrets") == "755 root root"
    assert stat(machine, JOBS) == "711 slurm-secrets slurm-secrets"
    assert stat(machine, f"{JOBS}/{job}") == "570 alice slurm-secrets"
    assert stat(machine, f"{JOBS}/{job}/KEY.batch") == "400 alice alice"


def test_the_directory_is_the_services_and_the_jobs_the_users(machine, running):
    is_untouched(machine, running)
    for path in (JOBS, f"{JOBS}/{running}"):
        assert "Permission denied" in machine.as_user("bob", ["ls", path]).err


def test_a_restart_and_a_kill_leave_files_as_they_are(machine, running):
    machine.restart_agent()
    is_untouched(machine, running)
    machine.kill_agent()
    is_untouched(machine, running)


def test_a_stop_leaves_the_files_of_running_jobs(machine, running):
    machine.systemctl("stop", AGENT)
    is_untouched(machine, running)
    machine.systemctl("start", AGENT)
    machine.await_agent()
    is_untouched(machine, running)


def test_from_its_sandbox_the_agent_removes_what_is_left(machine):
    jobs = machine.here(JOBS)
    left = jobs / "4000000002"
    left.mkdir()
    (left / "KEY.0").write_text("left")
    (left / "KEY.0").chmod(0o400)
    alice = pwd.getpwnam("alice")
    os.chown(left / "KEY.0", alice.pw_uid, alice.pw_gid)
    os.chown(left, alice.pw_uid, jobs.stat().st_gid)
    left.chmod(0o570)
    begin = time.time()
    with machine.configured("reaper: { interval: 1s }\n"):
        poll(lambda: not left.exists(), 20, "the removal by the reaper")
    machine.await_journal("job 4000000002 ended without an epilog: its files were removed", begin)

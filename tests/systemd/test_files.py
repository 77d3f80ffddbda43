# SPDX-License-Identifier: Apache-2.0
"""Secret files with the real units: systemd makes their directory, they survive restarts, kills and stops of the agent,
and the agent removes, from its sandbox, what is left of jobs that have ended."""

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
    """Starts a job with a secret file, which runs until the file end.JOB exists."""
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


def test_job_file_directories_have_expected_owners_and_modes(machine, running):
    is_untouched(machine, running)
    for path in (JOBS, f"{JOBS}/{running}"):
        assert "Permission denied" in machine.as_user("bob", ["ls", path]).err


def test_job_files_survive_agent_restart_and_kill(machine, running):
    machine.restart_agent()
    is_untouched(machine, running)
    machine.kill_agent()
    is_untouched(machine, running)


def test_job_files_of_running_job_survive_agent_stop(machine, running):
    machine.systemctl("stop", AGENT)
    is_untouched(machine, running)
    machine.systemctl("start", AGENT)
    machine.await_agent()
    is_untouched(machine, running)


def test_sandboxed_agent_removes_files_of_ended_job(machine):
    job = machine.sbatch("true")
    machine.wait(job)
    jobs = machine.local_path(JOBS)
    left = jobs / job
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
    machine.await_journal(f"job {job} ended without an epilog: its files were removed", begin)

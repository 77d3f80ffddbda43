# SPDX-License-Identifier: Apache-2.0
"""Journal and audit file under the real unit: what is found in them, and how the agent does without them."""

import contextlib
import json
import os
import re
import signal
import stat
import time

import pytest

from harness import PROJECT, poll
from machines import AGENT
from own_agent import HttpConnection, request

JOURNALD = "systemd-journald.service"


def documented_kinds():
    """Reads the table of docs/audit.md: action and level of each MESSAGE_ID."""
    rows = re.findall(r"^\| `(\w+)` \| `([0-9a-f]{32})` \| (\w+) \|", (PROJECT / "docs/audit.md").read_text(), re.M)
    return {message_id: (action, level) for action, message_id, level in rows}


KINDS = documented_kinds()
PRIORITIES = {"info": "6", "warning": "4", "error": "3"}


def actions(entries):
    return [entry["SECRETS_ACTION"] for entry in entries]


# ---- entries ---------------------------------------------------------------------------------------


class Story:
    """Takes a run from push to wipe, with one job that uses it and one that is denied."""

    def __init__(self, machine, value):
        refused = machine.sbatch("true", "--hold", "--secrets-run=story", "--secret=NOPE")  # the run may still be pushed
        machine.push("story", workspace={"TOKEN": value, "OTHER": "x"})
        self.job = machine.sbatch("printenv TOKEN >/dev/null", "--secrets-run=story", "--secret=TOKEN")
        machine.await_end(self.job)
        poll(lambda: machine.status()["holds"] == 0, 10, "the wipe of the hold")
        machine.scontrol("release", refused)
        assert "secret NOPE is not among the secrets of run story" in machine.wait(refused).err
        machine.complete("story")


@pytest.fixture(scope="module")
def logged_story(machine):
    """Runs the story once for all tests that read it; returns its value, its job and the time at which it began."""
    begin, value = time.time(), f"told-{os.urandom(16).hex()}"
    return value, Story(machine, value).job, begin


def test_journal_shows_run_from_push_to_wipe(machine, logged_story):
    entries = machine.entries("SECRETS_RUN=story")
    assert actions(entries) == ["push", "ask", "wipe", "refuse", "complete", "wipe"]
    push, granted, ended, refused, completed, wiped = entries
    assert push["SECRETS_NAMES"] == wiped["SECRETS_NAMES"] == "OTHER,TOKEN"
    assert (push["SECRETS_OWNER"], push["SECRETS_CALLER"], push["SECRETS_CALLER_UID"]) == ("alice", "root", "0")
    assert granted["SECRETS_NAMES"] == "TOKEN" and granted["SLURM_STEP_ID"] == "batch"
    assert (refused["SECRETS_NAMES"], refused["SLURM_STEP_ID"]) == ("NOPE", "batch")
    assert refused["SECRETS_REASON"] == ("secret NOPE is not among the secrets of run story, and not set for alice; "
                                         "set it with: secretctl set NOPE")
    assert completed["SECRETS_CALLER"] == "root"
    for receipt in (ended, wiped):
        assert receipt["SECRETS_RECORDS"] == "1" and int(receipt["SECRETS_BYTES"]) > 0


def test_journal_shows_job_from_grant_to_wipe(machine, logged_story):
    _, job, _ = logged_story
    granted, ended = machine.entries(f"SLURM_JOB_ID={job}")
    assert (granted["SECRETS_ACTION"], granted["SECRETS_RUN"]) == ("ask", "story")
    assert (ended["SECRETS_ACTION"], ended["SECRETS_RUN"]) == ("wipe", "story")
    assert machine.entries(f"SLURM_JOB_ID={job}", "SECRETS_ACTION=ask") == [granted]


def test_journal_entries_come_from_agent_and_are_documented(machine, logged_story):
    uid = machine.enter("id", "-u", "slurm-secrets").out.strip()
    entries = machine.entries("SYSLOG_IDENTIFIER=slurm-secretsd", f"_UID={uid}")
    structured = [entry for entry in entries if "SECRETS_ACTION" in entry]
    assert {"start", "push", "ask", "refuse", "complete", "wipe"} <= set(actions(structured))
    for entry in structured:
        action, level = KINDS[entry["MESSAGE_ID"]]
        assert (entry["SECRETS_ACTION"], entry["PRIORITY"]) == (action, PRIORITIES[level]), entry
        assert entry["_SYSTEMD_UNIT"] == AGENT
    assert machine.entries("SECRETS_RUN=story")[0]["_PID"] == machine.show("MainPID")


def test_journal_holds_no_value(machine, logged_story):
    value, _, begin = logged_story
    journal = machine.enter("journalctl", "--output=export", "--all", f"--since=@{begin:.6f}").out
    assert "SECRETS_RUN=story" in journal
    assert value not in journal


def test_journal_catalog_explains_every_message_id(machine, logged_story):
    machine.enter("journalctl", "--update-catalog")
    listed = machine.enter("journalctl", "--list-catalog", *KINDS).out
    for message_id in KINDS:
        assert re.search(f"^{message_id} slurm-secrets: ", listed, re.M), message_id
    _, job, _ = logged_story
    explained = machine.enter("journalctl", "--quiet", "-x", "SECRETS_RUN=story").out
    for words in ("Subject: Run story was pushed", "root pushed these secrets for the jobs of alice: OTHER,TOKEN",
                  f"Subject: Job {job} was granted secrets", "Step batch of the job requested secrets and was granted: TOKEN",
                  "Subject: A job was refused its secrets", "Subject: Run story was completed", "Records: 1, bytes: "):
        assert words in explained, explained
    assert "@" not in explained, "a field that an entry lacks"


def test_journal_records_at_stop_what_was_handed_over_or_wiped(machine):
    begin = time.time()
    machine.restart_agent()
    machine.await_journal("^ended: nothing was held$", begin)
    machine.push("kept")
    machine.restart_agent()
    machine.await_journal("^ended: 1 run and 0 holds handed to systemd for the next process$", begin)
    machine.systemctl("stop", AGENT)
    machine.await_journal("^ended: 1 record wiped$", begin)
    assert machine.show("StatusText") == "ended: 1 record wiped"
    machine.systemctl("start", AGENT)
    machine.await_agent()


# ---- a journald that is stalled or replaced ----------------------------------------------------------


@contextlib.contextmanager
def journald_stopped(machine):
    pid = machine.local_pid(machine.show("MainPID", JOURNALD))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_stalled_journald_delays_no_request_and_gets_queued_entries(machine, canary):
    value = canary()
    begin = time.time()
    with journald_stopped(machine):
        machine.push("stalled", workspace={"TOKEN": value})
        since = time.monotonic()
        done = machine.srun("--secrets-run=stalled", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, value + "\n"), done.err
        poll(lambda: machine.status()["holds"] == 0, 10, "the wipe of the hold")
        assert time.monotonic() - since < 5
        # More than the kernel buffers for a socket: the agent has to queue the rest.
        with HttpConnection(machine.local_path(machine.control_socket)) as connection:
            for _ in range(700):
                connection.send(request("PUT", "/v1/runs/stalled", {"owner": "alice"}))
                assert connection.answer().status == 200
        machine.complete("stalled")
    story = ["push", "ask", "wipe", *["push"] * 700, "complete", "wipe"]
    poll(lambda: actions(machine.entries("SECRETS_RUN=stalled", since=begin)) == story, 10, "the whole story")
    assert machine.status()["log_entries_dropped"] == 0


def test_stalled_journald_with_full_queue_drops_and_counts_entries(machine, canary):
    """Sends 1,500 entries of 7 KB each to a queue of 4 MiB."""
    secrets = {f"{'A_LONG_NAME_' * 4}{number:03}": "x" for number in range(120)}
    body = request("PUT", "/v1/runs/flood", {"owner": "alice", "workspace": secrets})
    begin, value, slowest = time.time(), canary(), 0
    with journald_stopped(machine):
        with HttpConnection(machine.local_path(machine.control_socket)) as connection:
            for number in range(1500):
                since = time.monotonic()
                connection.send(body)
                assert connection.answer().status == (200 if number else 201)
                slowest = max(slowest, time.monotonic() - since)
        dropped = machine.status()["log_entries_dropped"]
        assert dropped > 0
        machine.push("beside", workspace={"TOKEN": value})
        done = machine.srun("--secrets-run=beside", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, value + "\n"), done.err
    assert slowest < 1
    drops = poll(lambda: machine.entries("SECRETS_ACTION=drop", since=begin), 10, "a word of what is missing")
    assert sum(int(entry["SECRETS_COUNT"]) for entry in drops) == machine.status()["log_entries_dropped"] >= dropped
    arrived = machine.entries("SECRETS_RUN=flood", since=begin)
    assert len(arrived) >= 1500 - machine.status()["log_entries_dropped"]
    assert all(entry["MESSAGE"].startswith("run flood of alice was pushed ") for entry in arrived)
    machine.push("after")
    poll(lambda: machine.entries("SECRETS_RUN=after", since=begin), 5, "entries as before")


def restarted(machine):
    machine.systemctl("restart", JOURNALD)


def killed(machine):
    pid = machine.local_pid(machine.show("MainPID", JOURNALD))
    os.kill(pid, signal.SIGKILL)
    poll(lambda: not os.path.exists(f"/proc/{pid}"), 5, "journald's end")


@pytest.mark.parametrize("end", [restarted, killed], ids=lambda end: end.__name__)
def test_journal_entries_continue_with_new_journald(machine, end):
    begin, agent = time.time(), machine.agent_pid
    dropped = machine.status()["log_entries_dropped"]
    machine.push("before")
    end(machine)
    machine.push("behind")
    for run in ("before", "behind"):
        poll(lambda run=run: machine.entries(f"SECRETS_RUN={run}", since=begin), 10, f"the entry of {run}")
    assert machine.agent_pid == agent
    assert machine.status()["log_entries_dropped"] == dropped


# ---- the audit file ----------------------------------------------------------------------------------

FOLDER = "/var/log/slurm-secrets"
FILE = f"{FOLDER}/audit.jsonl"
AUDIT = f"audit: {{ file: {FILE} }}\n"


def lines_of(machine, file=FILE):
    return [json.loads(line) for line in machine.local_path(file).read_text().splitlines()]


def runs_of(machine, file=FILE):
    return [line["run"] for line in lines_of(machine, file) if line["action"] == "push"]


@pytest.fixture
def audited(machine):
    with machine.configured(AUDIT):
        yield
    for file in machine.local_path(FOLDER).iterdir():
        file.unlink()


def test_audit_file_is_private_to_agent(machine, audited, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    uid = int(machine.enter("id", "-u", "slurm-secrets").out)
    file, folder = machine.local_path(FILE).stat(), machine.local_path(FOLDER).stat()
    assert (stat.S_IMODE(file.st_mode), file.st_uid) == (0o600, uid)
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o750, uid)
    assert [line["action"] for line in lines_of(machine)] == ["start", "push"]
    assert lines_of(machine)[1]["names"] == ["TOKEN"]


def test_audit_file_is_rotated_by_rename_and_reload(machine, audited):
    machine.push("r1")
    machine.local_path(FILE).rename(machine.local_path(f"{FILE}.1"))
    machine.push("r2")
    machine.systemctl("reload", AGENT)
    poll(machine.local_path(FILE).exists, 5, "the new file")
    machine.push("r3")
    assert runs_of(machine, f"{FILE}.1") == ["r1", "r2"]
    assert runs_of(machine) == ["r3"]
    assert stat.S_IMODE(machine.local_path(FILE).stat().st_mode) == 0o600


def test_audit_file_outside_log_directory_is_rejected_with_remedy(machine, audited):
    begin = time.time()
    config = machine.root / "etc/slurm-secrets/agentd.yaml"
    config.write_text(config.read_text().replace(FILE, "/var/lib/audit.jsonl"))
    machine.systemctl("reload", AGENT)
    machine.await_journal(r"audit\.file: cannot open the audit trail /var/lib/audit\.jsonl: Read-only file system; "
                          r".* only in /var/log/slurm-secrets ", begin)
    machine.push("still")
    assert runs_of(machine) == ["still"]
    poll(lambda: "the last reload failed: audit.file" in machine.show("StatusText"), 5, "a status that says it")


@pytest.fixture
def small_disk(machine):
    """Mounts four pages as the agent's log folder, before the agent starts, whose unit has mounts of its own."""
    machine.enter("mount", "-t", "tmpfs", "-o", "size=16k,mode=750", "tmpfs", FOLDER)
    try:
        with machine.configured(AUDIT):
            yield machine.local_path(FOLDER)
    finally:
        machine.enter("umount", "--lazy", FOLDER)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x")


def push_status(machine, run):
    return machine.http("PUT", f"/v1/runs/{run}", '{"owner":"alice"}').status


@pytest.fixture
def running_job(machine, small_disk, canary):
    """Starts a job with a secret of run kept; yields the job, the secret, and a function that ends the job."""
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    job = machine.sbatch("echo begun >begun.$SLURM_JOB_ID; until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done",
                         "--secrets-run=kept")
    machine.await_file(f"begun.{job}")
    yield job, value, (machine.out / f"end.{job}").touch
    (machine.out / f"end.{job}").touch()


def test_full_audit_disk_rejects_pushes_and_grants_but_no_wipe(machine, small_disk, running_job):
    job, value, end = running_job
    begin = time.time()
    fill(small_disk)
    # The rest of the file's last page still takes a few lines.
    poll(lambda: push_status(machine, "filler") == 503, 10, "a full page")
    sentence = f"cannot write the audit trail {FILE}: No space left on device"

    answer = machine.http("PUT", "/v1/runs/new", '{"owner":"alice"}')
    assert (answer.status, answer.json["detail"]) == (503, sentence)
    refused = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert refused.code != 0 and refused.out == ""
    assert sentence in refused.err
    assert machine.http("DELETE", "/v1/runs/kept").status == 503
    assert machine.status()["holds"] == 1

    end()
    machine.await_end(job)
    poll(lambda: machine.status()["holds"] == 0, 10, "the epilog's wipe")
    poll(lambda: machine.sinfo() == machine.nodes, 15, "an idle node")
    machine.await_journal(f": No space left on device; missing entry: job {job} ended", begin)

    (small_disk / "filler").unlink()
    job_after = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert (job_after.code, job_after.out) == (0, value + "\n"), job_after.err
    machine.complete("kept")

"""The real journal and the audit file under the unit: who finds what there, and what becomes of the agent without."""

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
    """The table of docs/audit.md: action and level of each MESSAGE_ID."""
    rows = re.findall(r"^\| `(\w+)` \| `([0-9a-f]{32})` \| (\w+) \|", (PROJECT / "docs/audit.md").read_text(), re.M)
    return {message_id: (action, level) for action, message_id, level in rows}


KINDS = documented_kinds()
PRIORITIES = {"info": "6", "warning": "4", "error": "3"}


def actions(entries):
    return [entry["SECRETS_ACTION"] for entry in entries]


# ---- who finds what --------------------------------------------------------------------------------


class Story:
    """A run from its push to its wipe, with one job that used it and one that was refused."""

    def __init__(self, machine, value):
        machine.push("story", workspace={"TOKEN": value, "OTHER": "x"})
        self.job = machine.sbatch("printenv TOKEN >/dev/null", "--secrets-run=story", "--secret=TOKEN")
        machine.await_end(self.job)
        poll(lambda: machine.status()["holds"] == 0, 10, "the wipe of the hold")
        refused = machine.srun("--secrets-run=story", "--secret=NOPE", "true")
        assert "secret NOPE is not among the secrets of run story" in refused.err
        machine.complete("story")


@pytest.fixture(scope="module")
def told(machine):
    """The story's value, its job and the time at which it began; told once for all tests that read it."""
    begin, value = time.time(), f"told-{os.urandom(16).hex()}"
    return value, Story(machine, value).job, begin


def test_a_run_is_followed_from_its_push_to_its_wipe(machine, told):
    entries = machine.entries("SECRETS_RUN=story")
    assert actions(entries) == ["push", "ask", "wipe", "refuse", "complete", "wipe"]
    push, asked, ended, refused, completed, wiped = entries
    assert push["SECRETS_NAMES"] == wiped["SECRETS_NAMES"] == "OTHER,TOKEN"
    assert (push["SECRETS_OWNER"], push["SECRETS_CALLER"], push["SECRETS_CALLER_UID"]) == ("alice", "root", "0")
    assert asked["SECRETS_NAMES"] == "TOKEN" and asked["SLURM_STEP_ID"] == "batch"
    assert (refused["SECRETS_NAMES"], refused["SLURM_STEP_ID"]) == ("NOPE", "0")
    assert refused["SECRETS_REASON"] == ("secret NOPE is not among the secrets of run story, and not set for alice; "
                                         "set it with: secretctl set NOPE")
    assert completed["SECRETS_CALLER"] == "root"
    for receipt in (ended, wiped):
        assert receipt["SECRETS_RECORDS"] == "1" and int(receipt["SECRETS_BYTES"]) > 0


def test_a_job_is_followed_from_its_ask_to_its_wipe(machine, told):
    _, job, _ = told
    asked, ended = machine.entries(f"SLURM_JOB_ID={job}")
    assert (asked["SECRETS_ACTION"], asked["SECRETS_RUN"]) == ("ask", "story")
    assert (ended["SECRETS_ACTION"], ended["SECRETS_RUN"]) == ("wipe", "story")
    assert machine.entries(f"SLURM_JOB_ID={job}", "SECRETS_ACTION=ask") == [asked]


def test_every_entry_is_the_agents_and_of_a_documented_kind(machine, told):
    uid = machine.enter("id", "-u", "slurm-secrets").out.strip()
    entries = machine.entries("SYSLOG_IDENTIFIER=slurm-secretsd", f"_UID={uid}")
    structured = [entry for entry in entries if "SECRETS_ACTION" in entry]
    assert {"start", "push", "ask", "refuse", "complete", "wipe"} <= set(actions(structured))
    for entry in structured:
        action, level = KINDS[entry["MESSAGE_ID"]]
        assert (entry["SECRETS_ACTION"], entry["PRIORITY"]) == (action, PRIORITIES[level]), entry
        assert entry["_SYSTEMD_UNIT"] == AGENT
    assert machine.entries("SECRETS_RUN=story")[0]["_PID"] == machine.show("MainPID")


def test_no_entry_of_anybody_has_a_value(machine, told):
    value, _, begin = told
    journal = machine.enter("journalctl", "--output=export", "--all", f"--since=@{begin:.6f}").out
    assert "SECRETS_RUN=story" in journal
    assert value not in journal


def test_the_catalog_explains_every_kind(machine, told):
    machine.enter("journalctl", "--update-catalog")
    listed = machine.enter("journalctl", "--list-catalog", *KINDS).out
    for message_id in KINDS:
        assert re.search(f"^{message_id} slurm-secrets: ", listed, re.M), message_id
    _, job, _ = told
    explained = machine.enter("journalctl", "--quiet", "-x", "SECRETS_RUN=story").out
    for words in ("Subject: Run story was pushed", "root pushed these secrets for the jobs of alice: OTHER,TOKEN",
                  f"Subject: Job {job} was granted secrets", "Step batch of the job asked, and was given: TOKEN",
                  "Subject: A job was refused its secrets", "Subject: Run story was completed", "Records: 1, bytes: "):
        assert words in explained, explained
    assert "@" not in explained, "a field that an entry lacks"


def test_the_end_says_what_is_kept_and_what_was_wiped(machine):
    begin = time.time()
    machine.restart_agent()
    machine.await_journal("^ended: nothing was held$", begin)
    machine.push("kept")
    machine.restart_agent()
    machine.await_journal("^ended: 1 run and 0 holds are kept for the process that follows$", begin)
    machine.systemctl("stop", AGENT)
    machine.await_journal("^ended: 1 record wiped$", begin)
    assert machine.show("StatusText") == "ended: 1 record wiped"
    machine.systemctl("start", AGENT)
    machine.await_agent()


# ---- a journal that stands still, or goes away -------------------------------------------------------


@contextlib.contextmanager
def journald_stopped(machine):
    pid = machine.pid_here(machine.show("MainPID", JOURNALD))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_journal_that_stands_still_holds_nothing_up_and_gets_all_that_waited(machine, canary):
    value = canary()
    begin = time.time()
    with journald_stopped(machine):
        machine.push("stalled", workspace={"TOKEN": value})
        since = time.monotonic()
        done = machine.srun("--secrets-run=stalled", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, value + "\n"), done.err
        poll(lambda: machine.status()["holds"] == 0, 10, "the wipe of the hold")
        assert time.monotonic() - since < 5
        # More than the kernel holds for a socket: the agent has to keep the rest.
        with HttpConnection(machine.here(machine.control_socket)) as connection:
            for _ in range(700):
                connection.send(request("PUT", "/v1/runs/stalled", {"owner": "alice"}))
                assert connection.answer().status == 200
        machine.complete("stalled")
    story = ["push", "ask", "wipe", *["push"] * 700, "complete", "wipe"]
    poll(lambda: actions(machine.entries("SECRETS_RUN=stalled", since=begin)) == story, 10, "the whole story")
    assert machine.status()["log_entries_dropped"] == 0


def test_what_finds_no_room_to_wait_is_counted_and_requests_go_on(machine, canary):
    """Entries of 7 KB each, 1,500 of them: their room is 4 MiB."""
    secrets = {f"{'A_LONG_NAME_' * 4}{number:03}": "x" for number in range(120)}
    body = request("PUT", "/v1/runs/flood", {"owner": "alice", "workspace": secrets})
    begin, value, slowest = time.time(), canary(), 0
    with journald_stopped(machine):
        with HttpConnection(machine.here(machine.control_socket)) as connection:
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
    told = poll(lambda: machine.entries("SECRETS_ACTION=drop", since=begin), 10, "a word of what is missing")
    assert sum(int(entry["SECRETS_COUNT"]) for entry in told) == machine.status()["log_entries_dropped"] >= dropped
    arrived = machine.entries("SECRETS_RUN=flood", since=begin)
    assert len(arrived) >= 1500 - machine.status()["log_entries_dropped"]
    assert all(entry["MESSAGE"].startswith("run flood of alice was pushed ") for entry in arrived)
    machine.push("after")
    poll(lambda: machine.entries("SECRETS_RUN=after", since=begin), 5, "entries as before")


def restarted(machine):
    machine.systemctl("restart", JOURNALD)


def killed(machine):
    pid = machine.pid_here(machine.show("MainPID", JOURNALD))
    os.kill(pid, signal.SIGKILL)
    poll(lambda: not os.path.exists(f"/proc/{pid}"), 5, "journald's end")


@pytest.mark.parametrize("end", [restarted, killed], ids=lambda end: end.__name__)
def test_entries_go_on_over_a_new_journald(machine, end):
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
    return [json.loads(line) for line in machine.here(file).read_text().splitlines()]


def runs_of(machine, file=FILE):
    return [line["run"] for line in lines_of(machine, file) if line["action"] == "push"]


@pytest.fixture
def audited(machine):
    with machine.configured(AUDIT):
        yield
    for file in machine.here(FOLDER).iterdir():
        file.unlink()


def test_the_audit_file_is_the_agents_and_nobody_elses(machine, audited, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    uid = int(machine.enter("id", "-u", "slurm-secrets").out)
    file, folder = machine.here(FILE).stat(), machine.here(FOLDER).stat()
    assert (stat.S_IMODE(file.st_mode), file.st_uid) == (0o600, uid)
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o750, uid)
    assert [line["action"] for line in lines_of(machine)] == ["start", "push"]
    assert lines_of(machine)[1]["names"] == ["TOKEN"]


def test_the_audit_file_is_rotated_by_a_rename_and_a_reload(machine, audited):
    machine.push("r1")
    machine.here(FILE).rename(machine.here(f"{FILE}.1"))
    machine.push("r2")
    machine.systemctl("reload", AGENT)
    poll(machine.here(FILE).exists, 5, "the new file")
    machine.push("r3")
    assert runs_of(machine, f"{FILE}.1") == ["r1", "r2"]
    assert runs_of(machine) == ["r3"]
    assert stat.S_IMODE(machine.here(FILE).stat().st_mode) == 0o600


def test_a_file_where_the_unit_lets_nobody_write_is_refused_with_the_place_that_is_for_it(machine, audited):
    begin = time.time()
    config = machine.root / "etc/slurm-secrets/agentd.yaml"
    config.write_text(config.read_text().replace(FILE, "/var/lib/audit.jsonl"))
    machine.systemctl("reload", AGENT)
    machine.await_journal(r"audit\.file: the audit trail /var/lib/audit\.jsonl can't be opened: Read-only file system; "
                          r".* /var/log/slurm-secrets alone", begin)
    machine.push("still")
    assert runs_of(machine) == ["still"]
    poll(lambda: "the last reload was refused: audit.file" in machine.show("StatusText"), 5, "a status that says it")


@pytest.fixture
def small_disk(machine):
    """Four pages for the agent's log folder, mounted before the agent starts: its unit has mounts of its own."""
    machine.enter("mount", "-t", "tmpfs", "-o", "size=16k,mode=750", "tmpfs", FOLDER)
    try:
        with machine.configured(AUDIT):
            yield machine.here(FOLDER)
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
    """A job that was given a secret of run kept, and goes on until end() is called; that secret."""
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    job = machine.sbatch("echo begun >begun.$SLURM_JOB_ID; until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done",
                         "--secrets-run=kept")
    machine.await_file(f"begun.{job}")
    yield job, value, (machine.out / f"end.{job}").touch
    (machine.out / f"end.{job}").touch()


def test_a_full_disk_refuses_pushes_and_asks_and_no_wipe(machine, small_disk, running_job):
    job, value, end = running_job
    begin = time.time()
    fill(small_disk)
    # What is left of the file's last page holds a few lines.
    poll(lambda: push_status(machine, "filler") == 503, 10, "a full page")
    sentence = f"the audit trail {FILE} can't be written: No space left on device"

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
    machine.await_journal(f"can't be written: No space left on device; it lacks this: job {job} ended", begin)

    (small_disk / "filler").unlink()
    job_after = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert (job_after.code, job_after.out) == (0, value + "\n"), job_after.err
    machine.complete("kept")

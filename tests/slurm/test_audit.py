# SPDX-License-Identifier: Apache-2.0
"""Audit file and journal: entries are on disk before the answer, requests are checked during a full disk and a stalled
journal, and what a user is refused neither fills the disk nor delays others."""

import contextlib
import datetime
import json
import os
import pwd
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest

from harness import BUILD, poll
from plugin_protocol import DONE, GRANTED, PING, REFUSED, WIPE, NodeConnection, grant_request, message, reply_to
from own_agent import AGENT, own_agent, request

SECRETCTL = BUILD / "secretctl"
ALICE = pwd.getpwnam("alice").pw_uid


def lines_of(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def actions_of(file):
    return [line["action"] for line in lines_of(file)]


def wipe(agent, job=7):
    return reply_to(agent, message(WIPE, struct.pack("=I", job)))


@pytest.fixture
def disk(tmp_path):
    """Mounts a file system of four pages."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True, timeout=10)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True, timeout=10)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x")


# ---- the file --------------------------------------------------------------------------------------


def test_audit_file_records_run_from_push_to_wipe(tmp_path):
    file = tmp_path / "audit.jsonl"
    begin = datetime.datetime.now(datetime.timezone.utc)
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("r1", user={"A": "value-of-a", "B": "value-of-b"})
        assert reply_to(agent, grant_request(b"run:r1,A=MY_A", uid=ALICE))[0] == GRANTED
        assert reply_to(agent, grant_request(b"run:r1,NOPE", uid=ALICE))[0] == REFUSED
        assert agent.http("PUT", "/v1/runs/r1", {"user": {}}, user="bob").status == 403
        assert wipe(agent)[0] == DONE
        assert agent.http("DELETE", "/v1/runs/r1").status == 204
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "value-of" not in file.read_text()
    lines = lines_of(file)
    assert [line["action"] for line in lines] == ["start", "push", "ask", "refuse", "refuse", "wipe", "complete",
                                                  "wipe", "stopping", "stop"]
    times = [datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")) for line in lines]
    assert times == sorted(times) and times[0] >= begin
    _, push, granted, denied_grant, refused_push, ended, completed, wiped, _, stop = lines
    assert push["names"] == ["A", "B"] and push["owner"] == "alice" and push["caller_uid"] == 0
    assert (granted["job"], granted["step"], granted["run"], granted["names"]) == (7, "0", "r1", ["A"])
    assert granted["owner_uid"] == ALICE
    assert granted["message"] == f"job 7 step 0 of uid {ALICE} was granted A (as MY_A) of run r1"
    assert denied_grant["reason"] == "secret NOPE is not among the secrets of run r1"
    assert denied_grant["names"] == ["NOPE"] and denied_grant["level"] == "warning"
    assert refused_push["caller"] == "bob" and refused_push["run"] == "r1"
    assert (ended["job"], ended["run"], ended["records"]) == (7, "r1", 1) and ended["bytes"] > 0
    assert completed["caller"] == "root" and "bytes" not in completed
    assert wiped["names"] == ["A", "B"] and wiped["bytes"] > 20 and "job" not in wiped
    assert stop["records"] == 0


def test_audit_file_is_synced_before_each_answer(tmp_path):
    """Checks the order of the system calls: write, sync, answer. A completion wipes only after these."""
    file = tmp_path / "audit.jsonl"
    trace = tmp_path / "trace"
    strace = ["strace", "-o", trace, "-s", "400", "-e", "trace=write,fdatasync,sendmsg,writev,sendto"]
    with own_agent(f"audit: {{ file: {file} }}", prefix=strace) as agent:
        agent.push("r1", user={"A": "x"})
        reply_to(agent, grant_request(b"run:r1,A", uid=ALICE))
        agent.http("PUT", "/v1/runs/r1", {"user": {}}, user="bob")
        agent.http("DELETE", "/v1/runs/r1")
        # The signal goes to the agent, which is strace's child.
        child = int(open(f"/proc/{agent.pid}/task/{agent.pid}/children").read().split()[0])
        os.kill(child, signal.SIGTERM)
        assert agent.process.wait(10) == 0
    calls = [line for line in trace.read_text().splitlines()
             if '\\"action\\"' in line or "fdatasync" in line or "HTTP/1.1" in line or "SLS1" in line]

    def position_of(fragment, after=0):
        found = [i for i, line in enumerate(calls) if i > after and fragment in line]
        assert found, (fragment, calls)
        return found[0]

    for action, answer in (("push", "HTTP/1.1 201"), ("ask", "SLS1"), ("complete", "HTTP/1.1 204")):
        written = position_of(f'\\"action\\":\\"{action}\\"')
        assert "fdatasync" in calls[written + 1] and calls[written + 1].endswith("= 0"), calls[written + 1]
        assert position_of(answer) > written + 1
    # A refusal is in the file before the answer, but nobody waits for the disk.
    refused = position_of('\\"action\\":\\"refuse\\"')
    assert "HTTP/1.1 403" in calls[refused + 1], calls[refused + 1]


def test_full_audit_disk_rejects_changes_and_still_wipes(disk):
    file = disk / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("kept", user={"A": "x"})
        agent.push("short", user={"B": "x"}, ttl="5s")
        assert reply_to(agent, grant_request(b"run:kept,A", uid=ALICE))[0] == GRANTED
        fill(disk)
        # The rest of the file's last page still takes a few lines.
        sentence = f"cannot write the audit trail {file}: No space left on device"
        poll(lambda: agent.http("PUT", "/v1/runs/filler", {"owner": "alice"}).status == 503, 10, "a full page")
        before = agent.state()

        answer = agent.http("PUT", "/v1/runs/new", {"owner": "alice", "user": {"A": "y"}})
        assert answer.status == 503 and answer.detail == sentence
        answer = agent.http("PUT", "/v1/runs/kept", {"owner": "alice", "user": {"A": "y"}})
        assert answer.status == 503 and answer.detail == sentence
        answer = agent.http("DELETE", "/v1/runs/kept")
        assert answer.status == 503 and answer.detail == sentence
        assert reply_to(agent, grant_request(b"run:kept,A", job=8, uid=ALICE)) == (REFUSED, sentence, 0)
        assert agent.http("PUT", "/v1/runs/kept", {"user": {}}, user="bob").status == 403
        assert "secret NOPE" in reply_to(agent, grant_request(b"run:kept,NOPE", uid=ALICE))[1]
        poll(lambda: "short" not in [run["run"] for run in agent.state()[0]["runs"]], 10, "the expiry")
        before[0]["runs"] = [run for run in before[0]["runs"] if run["run"] != "short"]
        assert agent.state()[0] == before[0]

        kind, receipt, _ = wipe(agent)
        assert kind == DONE and receipt == "job 7 ended: its hold with 1 grant was wiped"
        assert agent.status()["holds"] == 0
        log = agent.log.read_text()
        assert f"error: {sentence}; missing entry: job 7 ended: its hold with 1 grant was wiped" in log
        assert f"error: {sentence}; missing entry: run short of alice expired and was wiped: B" in log
        assert f"warning: root was refused the push of run new: {sentence}" in log

        # With space again, requests succeed, the torn line is the only invalid one, and an entry reports the gap.
        (disk / "filler").unlink()
        assert agent.http("DELETE", "/v1/runs/kept").status == 204
        agent.push("new", user={"A": "y"})
        text = file.read_text().splitlines()
        with pytest.raises(ValueError):
            [json.loads(line) for line in text]
        whole = []
        for line in text:
            with contextlib.suppress(ValueError):
                whole.append(json.loads(line))
        assert len(whole) == len(text) - 1
        assert [line["action"] for line in whole[-4:]] == ["trail", "complete", "wipe", "push"]
        assert whole[-4]["count"] >= 8
    assert actions_of_whole(file)[-2:] == ["stopping", "stop"]


def actions_of_whole(file):
    actions = []
    for line in file.read_text().splitlines():
        with contextlib.suppress(ValueError):
            actions.append(json.loads(line)["action"])
    return actions


def test_sigterm_wipes_and_stops_with_full_audit_disk(disk):
    file = disk / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("kept", user={"A": "x"})
        fill(disk)
        poll(lambda: agent.http("PUT", "/v1/runs/filler", {"owner": "alice"}).status == 503, 10, "a full page")
        code, seconds = agent.stop()
        assert code == 0 and seconds < 1
        assert ": No space left on device; missing entry: ended: " in agent.log.read_text()


def test_sighup_reopens_audit_file(tmp_path):
    file = tmp_path / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("r1")
        file.rename(tmp_path / "audit.jsonl.1")
        agent.push("r2")
        agent.process.send_signal(signal.SIGHUP)
        poll(file.exists, 5, "the new file")
        agent.push("r3")
    assert [line["run"] for line in lines_of(tmp_path / "audit.jsonl.1") if line["action"] == "push"] == ["r1", "r2"]
    assert [line["run"] for line in lines_of(file) if line["action"] == "push"] == ["r3"]


def test_sighup_with_invalid_audit_path_continues_with_open_file(tmp_path):
    file = tmp_path / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        file.rename(tmp_path / "moved")
        file.symlink_to(tmp_path / "moved")
        agent.process.send_signal(signal.SIGHUP)
        poll(lambda: "it is a symbolic link; name the file itself" in agent.log.read_text(), 5, "the complaint")
        agent.push("r1")
    assert "push" in actions_of(tmp_path / "moved")


@pytest.mark.parametrize(("make", "why"), [
    (lambda file: file.symlink_to("/dev/null"), "it is a symbolic link; name the file itself"),
    (lambda file: file.mkdir(), "Is a directory"),
    (lambda file: os.mkfifo(file), "it is not a regular file"),
    (lambda file: file.parent.rmdir(), "No such file or directory"),
], ids=["symlink", "directory", "fifo", "no-folder"])
def test_agent_does_not_start_when_audit_file_cannot_be_opened(tmp_path, make, why):
    folder = tmp_path / "log"
    folder.mkdir()
    file = folder / "audit.jsonl"
    make(file)
    config = tmp_path / "agentd.yaml"
    config.write_text(f"node_socket: {tmp_path}/node.sock\ncontrol_socket: {tmp_path}/control.sock\n"
                      f"audit: {{ file: {file} }}\n")
    done = subprocess.run([AGENT, "--config", config], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr == f"slurm-secretsd: audit.file: cannot open the audit trail {file}: {why}\n"
    assert not (tmp_path / "node.sock").exists()


# ---- a flood ---------------------------------------------------------------------------------------


def test_denial_flood_is_summarised_in_log_and_audit_file(tmp_path):
    file = tmp_path / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("kept", user={"A": "x"})
        with agent.connect("bob") as connection:
            for _ in range(150):
                connection.send(request("DELETE", "/v1/runs/kept"))
                assert connection.answer().status == 403
        assert agent.http("PUT", "/v1/runs/kept", b"{", user="alice").status == 400
        agent.stop()
        log = agent.log.read_text()
    assert log.count("bob was refused the completion of run kept") == 100
    assert log.count("alice was refused the push of run kept") == 1
    bob = pwd.getpwnam("bob").pw_uid
    assert f"warning: ... and 50 more completions of uid {bob} were refused in the last " in log
    refusals = [line for line in lines_of(file) if line["action"] == "refuse"]
    assert len(refusals) == 102
    assert refusals[-1]["count"] == 50 and refusals[-1]["caller_uid"] == bob
    assert [line["action"] for line in lines_of(file)][-3:] == ["stopping", "refuse", "stop"]


def send_garbage(agent):
    assert reply_to(agent, b"garbage!", user="alice", path=agent.job_socket)[0] == REFUSED


def refuse_reply(agent):
    """Sends a request whose reply the agent cannot send, by a client that is still there."""
    with NodeConnection(agent, "alice", path=agent.job_socket) as connection:
        connection.socket.shutdown(socket.SHUT_RD)
        connection.send(message(PING, b""))
        ended = select.poll()
        ended.register(connection.socket, select.POLLHUP)
        assert ended.poll(10_000), "the agent has not closed the connection"


@pytest.mark.parametrize("fault", [send_garbage, refuse_reply])
def test_faults_of_client_of_job_socket_are_summarised_and_cost_no_sync(tmp_path, fault):
    file = tmp_path / "audit.jsonl"
    trace = tmp_path / "trace"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        before = file.read_text()
        with subprocess.Popen(["strace", "-f", "-o", trace, "-e", "trace=fdatasync", "-p", str(agent.pid)],
                              stderr=subprocess.PIPE) as strace:
            strace.stderr.readline()  # it has attached
            for _ in range(1000):
                fault(agent)
            strace.terminate()
        assert "fdatasync" not in trace.read_text()
        assert agent.status()["audit"]["state"] == "writable"
        agent.stop()
    lines = [line for line in lines_of(file) if line["action"] == "refuse"]
    assert before.count("refuse") == 0 and len(lines) == 101
    assert (lines[-1]["caller_uid"], lines[-1]["count"]) == (ALICE, 900)


@contextlib.contextmanager
def acting_as_uid(uid):
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def send_garbage_as(agent, uid, times):
    """Sends packets with an effective uid that has no name, as from a user namespace."""
    for _ in range(times):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            with acting_as_uid(uid):
                connection.connect(str(agent.job_socket))
            connection.send(b"garbage!")
            connection.recv(4096)


def metric(agent, name):
    return float(next(line for line in agent.http("GET", "/metrics").text.splitlines()
                      if line.startswith(name + " ")).split()[1])


def secretctl(agent, *arguments):
    return subprocess.run([SECRETCTL, "--socket", agent.control_socket, *arguments], capture_output=True, text=True,
                          timeout=60).stdout


def test_refusals_of_many_uids_leave_a_reserve_of_the_disk_for_grants(disk):
    subprocess.run(["mount", "-o", "remount,size=192k", disk], check=True, timeout=10)
    file = disk / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        agent.push("kept", user={"A": "x"})
        for uid in range(70000, 70012):
            send_garbage_as(agent, uid, 110)
        trail = agent.status()["audit"]
        assert trail["state"] == "low" and trail["file"] == str(file) and trail["missing"] > 100
        assert trail["free_bytes"] > 40 * 1024
        for job in range(100, 150):
            assert reply_to(agent, grant_request(b"run:kept,A", job=job, uid=ALICE))[0] == GRANTED
            assert wipe(agent, job)[0] == DONE
        answer = agent.http("PUT", "/v1/runs/new", {"owner": "alice"})
        assert answer.status == 503 and "KiB of its file system are free, which are kept for grants" in answer.detail
        assert agent.http("DELETE", "/v1/runs/kept").status == 204

        assert metric(agent, "slurm_secrets_audit_file_low") == 1
        assert metric(agent, "slurm_secrets_audit_file_fails") == 0
        assert metric(agent, "slurm_secrets_audit_entries_missing") == trail["missing"]
        assert re.search(rf"^audit file +{file}, low, ", secretctl(agent, "status"), re.MULTILINE)
        check = next(line for line in secretctl(agent, "doctor").splitlines() if line.startswith("audit file"))
        assert "denials are not written, and pushes and changes of secrets are refused" in check
        assert agent.log.read_text().count("is low on space") == 1

        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True, timeout=10)
        agent.push("new", user={"A": "x"})
        assert agent.status()["audit"]["state"] == "writable"
        gap = next(line for line in lines_of(file) if line["action"] == "trail")
        assert gap["count"] == trail["missing"]
    assert actions_of(file).count("ask") == 50


def test_status_and_doctor_show_that_audit_file_cannot_be_written(disk):
    file = disk / "audit.jsonl"
    with own_agent(f"audit: {{ file: {file} }}") as agent:
        assert re.search(rf"^audit file +{file}, writable, ", secretctl(agent, "status"), re.MULTILINE)
        agent.push("kept", user={"A": "x"})
        fill(disk)
        sentence = f"cannot write the audit trail {file}: No space left on device"
        poll(lambda: agent.http("PUT", "/v1/runs/filler", {"owner": "alice"}).status == 503, 10, "a full page")
        trail = agent.status()["audit"]
        assert trail["state"] == "failing" and trail["missing"] >= 1 and trail["free_bytes"] == 0
        assert trail["trouble"] == f"{sentence}; pushes, changes of secrets, grants and completions are refused"
        assert metric(agent, "slurm_secrets_audit_file_fails") == 1
        assert re.search(rf"^audit file +{file}, failing, ", secretctl(agent, "status"), re.MULTILINE)
        assert re.search(rf"^audit file +FAIL +{re.escape(sentence)}; ", secretctl(agent, "doctor"), re.MULTILINE)
        # The agent notices by itself that there is space again.
        (disk / "filler").unlink()
        poll(lambda: agent.status()["audit"]["state"] == "writable", 20, "the next attempt")
    assert actions_of_whole(file)[-3:] == ["trail", "stopping", "stop"]


# ---- the journal -----------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path):
    """Yields a journal socket that only the test reads, and the command that starts an agent which finds it."""
    folder = tmp_path / "journal"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "socket"))
        listening.setblocking(False)
        script = f"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && " \
                 f"mount --bind {folder} /run/systemd/journal && exec \"$@\""
        yield listening, ["unshare", "--mount", "sh", "-c", script, "sh"]


def fields_of(entry):
    return dict(line.split("=", 1) for line in entry.decode().splitlines())


def read_all(listening):
    entries = []
    with contextlib.suppress(BlockingIOError):
        while True:
            entries.append(fields_of(listening.recv(1 << 18)))
    return entries


def test_journal_entries_have_all_fields(journal):
    listening, inside = journal
    with own_agent(log="{ to: journal }", prefix=inside) as agent:
        agent.push("r1", user={"A": "value-of-a"})
        reply_to(agent, grant_request(b"run:r1,A", uid=ALICE))
        entries = []
        # The log has a grant when its delivery has been sent.
        poll(lambda: len(entries.extend(read_all(listening)) or entries) == 3, 5, "the entries")
        assert agent.log.read_text() == ""
    start, push, granted = entries
    assert start["SECRETS_ACTION"] == "start" and start["SYSLOG_IDENTIFIER"] == "slurm-secretsd"
    assert push["SECRETS_RUN"] == "r1" and push["SECRETS_NAMES"] == "A" and push["SECRETS_OWNER"] == "alice"
    assert granted["SLURM_JOB_ID"] == "7" and granted["SLURM_STEP_ID"] == "0" and granted["PRIORITY"] == "6"
    assert granted["MESSAGE"] == f"job 7 step 0 of uid {ALICE} was granted A of run r1"
    assert len({entry["MESSAGE_ID"] for entry in entries}) == 3
    assert "value-of-a" not in str(entries)


def test_stalled_journal_delays_neither_requests_nor_shutdown(journal):
    listening, inside = journal
    with own_agent(log="{ to: journal }", prefix=inside) as agent:
        agent.push("r1", user={"A": "x"})
        begin = time.monotonic()
        with agent.connect() as connection:
            # More entries than fit into the socket and the agent's queue together.
            for _ in range(9500):
                connection.send(request("PUT", "/v1/runs/r1", {"owner": "alice"}))
                assert connection.answer().status == 200
        assert time.monotonic() - begin < 60
        dropped = agent.status()["log_entries_dropped"]
        assert dropped > 0
        # The journal is read again: queued entries arrive, followed by an entry that counts the missing ones.
        arrived = [{"SECRETS_ACTION": ""}]
        listening.settimeout(10)
        while arrived[-1]["SECRETS_ACTION"] != "drop":
            arrived.append(fields_of(listening.recv(1 << 18)))
        del arrived[0]
        assert int(arrived[-1]["SECRETS_COUNT"]) == dropped
        assert len(arrived) + dropped == 2 + 9500 + 1  # start, the first push, and the entry that counts
        generations = [entry["MESSAGE"] for entry in arrived if entry["SECRETS_ACTION"] == "push"]
        assert all(f"(generation {n})" in text for n, text in enumerate(generations[1:], 2))
        while agent.status()["log_entries_dropped"] == dropped:
            assert agent.http("PUT", "/v1/runs/r1", {"owner": "alice"}).status == 200
        code, seconds = agent.stop()
        assert code == 0 and seconds < 2

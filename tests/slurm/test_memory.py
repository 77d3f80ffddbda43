"""The agent's memory: who looks into it, alive or as a core, finds no value there."""

import base64
import errno
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import hunt
from faulty_agent import FaultyAgent
from harness import poll
from own_agent import AGENT, own_agent, request

KINDS = {"memfd_secret": [], "memfd": ["memory: { force_memfd: true }"]}


@pytest.fixture(params=KINDS)
def kind(request):
    """Both kinds of memory: what the kernel gives, and the fallback."""
    return request.param


@pytest.fixture
def agent(kind):
    with own_agent(*KINDS[kind]) as agent:
        if agent.status()["memory"] != kind:
            pytest.skip(f"this kernel gives no {kind}")
        yield agent



def found_in_memory(agent, value):
    """Where in the agent `value`, or most of it, or its base64, can be read by root."""
    needles = [value.encode(), value.encode()[4:-4], base64.b64encode(value.encode())[:24]]
    return [place for place, _ in hunt.in_memory("the agent", agent.pid, needles)]


@pytest.fixture
def value():
    return "canary-" + secrets.token_hex(16)


def body_with(value):
    """A value in all the ways in which one can be pushed."""
    return {"owner": "alice", "workspace": {"LONG": value * 200, "ESCAPED": f'\n"{value}\\'},
            "user": {"TEXT": value, "BASE64": {"base64": base64.b64encode(value.encode()).decode()}}}


def hold_values(agent, value):
    agent.push("held", **{k: v for k, v in body_with(value).items() if k != "owner"})


def test_the_hunt_finds_a_value_that_is_there(agent, value):
    """A body that is being received is in ordinary memory, until it is whole."""
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/half", body_with(value))[:-5])
        poll(lambda: found_in_memory(agent, value), 5, "the first half")


def test_a_value_that_is_held_can_be_read_in_no_memory_of_the_agent(agent, kind, value):
    """The fallback's slabs are locked memory that root can read. Nothing else of it has the value."""
    hold_values(agent, value)
    slabs = [place for place in found_in_memory(agent, value) if "/memfd:slurm-secrets" in place]
    assert bool(slabs) == (kind == "memfd")
    assert [place for place in found_in_memory(agent, value) if place not in slabs] == []


def push(agent, connection, value):
    connection.send(request("PUT", "/v1/runs/one", body_with(value)))
    assert connection.answer().status == 201


def push_with_half_a_request_behind_it(agent, connection, value):
    connection.send(request("PUT", "/v1/runs/one", body_with(value)) + b"GET /v1/st")
    assert connection.answer().status == 201


def push_in_small_pieces(agent, connection, value):
    data = request("PUT", "/v1/runs/one", body_with(value))
    for begin in range(0, len(data), 61):
        connection.send(data[begin:begin + 61])
    assert connection.answer().status == 201


def push_often(agent, connection, value):
    for _ in range(20):
        push_and_complete = request("PUT", "/v1/runs/one", body_with(value))
        connection.send(push_and_complete + request("DELETE", "/v1/runs/one"))
        assert [connection.answer().status for _ in range(2)] == [201, 204]


def push_half_and_leave(agent, connection, value):
    connection.send(request("PUT", "/v1/runs/one", body_with(value))[:-5])
    poll(lambda: found_in_memory(agent, value), 5, "the first half")
    connection.socket.shutdown(socket.SHUT_RDWR)


def push_what_is_refused_by_its_head(agent, connection, value):
    connection.send(request("PUT", "/v1/runs/one", body_with(value), {"Content-Type": "text/plain"}))
    assert connection.answer().status == 415


def push_without_a_length(agent, connection, value):
    connection.send(request("PUT", "/v1/runs/one", body_with(value), {"Content-Length": None}))
    assert connection.answer().status == 411


def push_what_is_no_json(agent, connection, value):
    for end in (b"", b"}} x", b',"A":', b',"A":1}}', b',"PATH":"x"}}'):
        body = b'{"owner":"alice","user":{"TEXT":"' + value.encode() + b'"' + end
        connection.send(request("PUT", "/v1/runs/one", body))
        assert connection.answer().status == 400


@pytest.mark.parametrize("way", [push, push_with_half_a_request_behind_it, push_in_small_pieces,
                                 push_often, push_half_and_leave, push_what_is_refused_by_its_head,
                                 push_without_a_length, push_what_is_no_json])
def test_no_value_is_left_in_memory_after_a(way, agent, value):
    with agent.connect() as connection:
        way(agent, connection, value)
        agent.http("DELETE", "/v1/runs/one")
        poll(lambda: found_in_memory(agent, value) == [], 3, "the last of the value")
        assert agent.status()["secret_bytes"] == 0


def test_no_value_is_left_in_memory_after_a_run_expired(agent, value):
    agent.push("short", ttl="1s", user={"TEXT": value})
    poll(lambda: agent.status()["runs"] == 0, 5, "the expiry")
    assert found_in_memory(agent, value) == []


# ---- cores ------------------------------------------------------------------------------------------


def test_the_agent_forbids_cores_and_debuggers_of_another_user(agent):
    limits = Path(f"/proc/{agent.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert os.stat(f"/proc/{agent.pid}/mem").st_uid == 0


def test_a_core_that_a_debugger_forces_has_no_value(agent, value, tmp_path):
    """gcore's way: gdb attaches and writes all that it can read and that is not left out of dumps."""
    hold_values(agent, value)
    core = tmp_path / "core"
    done = subprocess.run(["gdb", "-p", str(agent.pid), "-batch", "-nx", "-ex", f"gcore {core}"],
                          capture_output=True, text=True, timeout=60)
    content = core.read_bytes()
    assert len(content) > 1 << 20 and b"slurm-secretsd" in content, done.stderr
    assert value.encode() not in content and value.encode()[4:-4] not in content
    assert agent.is_alive()


@pytest.mark.parametrize("forbidden", [True, False])
def test_a_crash_leaves_no_core_whatever_the_limit(kind, value, tmp_path, forbidden):
    """Also where the limit could not be lowered, and stays as high as it was at the start."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or pattern.startswith("|"):
        pytest.skip(f"cores go elsewhere on this machine: {pattern}")
    agent = FaultyAgent(*KINDS[kind], works_in=tmp_path, prefix=("prlimit", "--core=unlimited"),
                        at_start=[] if forbidden else [("setrlimit", errno.EPERM)])
    try:
        hold_values(agent, value)
        limits = Path(f"/proc/{agent.pid}/limits").read_text()
        assert bool(re.search(r"Max core file size +unlimited", limits)) != forbidden
        agent.process.send_signal(signal.SIGABRT)
        assert agent.process.wait(10) == -signal.SIGABRT
        assert not list(tmp_path.glob("core*"))
    finally:
        agent.start()
        agent.remove()


# ---- swap -------------------------------------------------------------------------------------------


def locked_kilobytes(pid):
    return int(re.search(r"VmLck:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


def mappings(pid):
    """Of each mapping its first line and its fields, from /proc/PID/smaps."""
    found = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append((line, {}))
        else:
            name, _, content = line.partition(":")
            found[-1][1][name] = content.strip()
    return found


def test_no_page_that_could_hold_a_value_can_be_swapped(agent, value):
    hold_values(agent, value)
    assert locked_kilobytes(agent.pid) > 1024
    for line, fields in mappings(agent.pid):
        if "w" not in line.split()[1] or "[vvar" in line or "[vsyscall]" in line:
            continue
        assert " lo" in " " + fields["VmFlags"], line
        assert fields["Swap"] == "0 kB", line


def test_memory_that_is_taken_later_is_locked_too(agent):
    before = locked_kilobytes(agent.pid)
    agent.push("large", user={f"V{i}": "x" * 60000 for i in range(15)})
    assert locked_kilobytes(agent.pid) > before
    for line, fields in mappings(agent.pid):
        if "[heap]" in line:
            assert " lo" in " " + fields["VmFlags"]


@pytest.mark.parametrize("total", [1 << 20, 1 << 30])
def test_where_memory_cannot_be_locked_the_agent_does_not_start_and_says_what_to_raise(total, tmp_path):
    """As another user than root, without CAP_IPC_LOCK and with a limit that is too small."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        parent.chmod(parent.stat().st_mode | 0o711)
    config = tmp_path / "agentd.yaml"
    config.write_text("".join(f"{door}_socket: {tmp_path}/{door}.sock\n" for door in ("node", "job", "control")) +
                      f"limits: {{ total_bytes: {total} }}\nlog: {{ to: stderr }}\n")
    program = tmp_path / "slurm-secretsd"
    shutil.copy(AGENT, program)
    needed = (total >> 20) + 64
    done = subprocess.run(["prlimit", "--memlock=4194304:4194304", "runuser", "-u", "alice", "--", program,
                           "--config", config], capture_output=True, text=True, timeout=10, cwd="/")
    assert done.returncode == 1
    assert done.stderr == (f"slurm-secretsd: the limit of locked memory is 4 MiB, and the agent needs {needed} MiB: "
                           f"set LimitMEMLOCK={needed}M in its unit (ulimit -l elsewhere), give it CAP_IPC_LOCK, "
                           "or lower limits.total_bytes in its configuration\n")
    assert not list(tmp_path.glob("*.sock"))

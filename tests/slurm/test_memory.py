# SPDX-License-Identifier: Apache-2.0
"""Agent memory: contains no readable value, neither in the running process nor in a core, and is never swapped."""

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
from smaps import is_locked, locked_kilobytes, mappings, within_reach_of_swap

KINDS = {"memfd_secret": [], "memfd": ["memory: { force_memfd: true }"]}


@pytest.fixture(params=KINDS)
def kind(request):
    """Selects the kind of memory: memfd_secret, or the fallback memfd."""
    return request.param


@pytest.fixture
def agent(kind):
    with own_agent(*KINDS[kind]) as agent:
        if agent.status()["memory"] != kind:
            pytest.skip(f"this kernel gives no {kind}")
        yield agent


def found_in_memory(agent, value):
    """Returns the locations in the agent at which root can read `value`, most of it, or its base64."""
    needles = [value.encode(), value.encode()[4:-4], base64.b64encode(value.encode())[:24]]
    return [location for location, _ in hunt.in_memory("the agent", agent.pid, needles, regions=True)]


@pytest.fixture
def value():
    return "canary-" + secrets.token_hex(16)


def body_with(value):
    """Returns a body with the value in every form that a push accepts."""
    return {"owner": "alice", "workspace": {"LONG": value * 200, "ESCAPED": f'\n"{value}\\'},
            "user": {"TEXT": value, "BASE64": {"base64": base64.b64encode(value.encode()).decode()}}}


def hold_values(agent, value):
    agent.push("held", **{k: v for k, v in body_with(value).items() if k != "owner"})


def test_hunt_finds_value_of_unfinished_request(agent, value):
    """A body is in ordinary memory until it is complete, so that the hunt must find it."""
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/half", body_with(value))[:-5])
        poll(lambda: found_in_memory(agent, value), 5, "the first half")


def test_held_value_is_readable_in_no_agent_memory_but_fallback_slabs(agent, kind, value):
    """The slabs of the fallback are locked memory that root can read. No other memory has the value."""
    hold_values(agent, value)
    slabs = [location for location in found_in_memory(agent, value) if "/memfd:slurm-secrets" in location]
    assert bool(slabs) == (kind == "memfd")
    assert [location for location in found_in_memory(agent, value) if location not in slabs] == []


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
def test_agent_memory_holds_no_value_after_push(way, agent, value):
    with agent.connect() as connection:
        way(agent, connection, value)
        agent.http("DELETE", "/v1/runs/one")
        poll(lambda: found_in_memory(agent, value) == [], 3, "the last of the value")
        assert agent.status()["secret_bytes"] == 0


def test_agent_memory_holds_no_value_after_expiry(agent, value):
    agent.push("short", ttl="1s", user={"TEXT": value})
    poll(lambda: agent.status()["runs"] == 0, 5, "the expiry")
    assert found_in_memory(agent, value) == []


# ---- cores ------------------------------------------------------------------------------------------


def test_agent_forbids_core_dumps_and_debuggers_of_other_users(agent):
    limits = Path(f"/proc/{agent.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    assert os.stat(f"/proc/{agent.pid}/mem").st_uid == 0


def test_forced_core_dump_holds_no_value(agent, value, tmp_path):
    """As gcore does: gdb attaches and writes all memory that it can read and that dumps include."""
    hold_values(agent, value)
    core = tmp_path / "core"
    done = subprocess.run(["gdb", "-p", str(agent.pid), "-batch", "-nx", "-ex", f"gcore {core}"],
                          capture_output=True, text=True, timeout=60)
    content = core.read_bytes()
    assert len(content) > 1 << 20 and b"slurm-secretsd" in content, done.stderr
    assert value.encode() not in content and value.encode()[4:-4] not in content
    assert agent.is_alive()


@pytest.mark.parametrize("forbidden", [True, False])
def test_crash_leaves_no_core_file_at_any_limit(kind, value, tmp_path, forbidden):
    """No core appears even if the limit could not be lowered and stays as it was at the start."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if "/" in pattern or pattern.startswith("|"):
        pytest.skip(f"cores go elsewhere on this machine: {pattern}")
    agent = FaultyAgent(*KINDS[kind], works_in=tmp_path, prefix=("prlimit", "--core=unlimited"),
                        at_start=[] if forbidden else [("setrlimit", errno.EPERM)])
    try:
        hold_values(agent, value)
        limits = Path(f"/proc/{agent.pid}/limits").read_text()
        assert bool(re.search(r"Max core file size +unlimited", limits)) != forbidden
        assert ("cannot lower the limit of core files to 0: " in agent.log.read_text()) != forbidden
        agent.process.send_signal(signal.SIGABRT)
        assert agent.process.wait(10) == -signal.SIGABRT
        assert not list(tmp_path.glob("core*"))
    finally:
        agent.start()
        agent.remove()


def test_agent_does_not_start_if_dumps_cannot_be_forbidden(tmp_path):
    config = tmp_path / "agentd.yaml"
    config.write_text("".join(f"{name}_socket: {tmp_path}/{name}.sock\n" for name in ("node", "job", "control")))
    done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", "inject=prctl:error=EPERM", AGENT, "--config", config],
                          capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert done.stderr == ("slurm-secretsd: cannot forbid core files and debuggers: prctl(PR_SET_DUMPABLE) failed: "
                           "Operation not permitted; allow prctl in SystemCallFilter= of the agent's unit\n")
    assert not list(tmp_path.glob("*.sock"))


# ---- swap -------------------------------------------------------------------------------------------


def test_agent_pages_that_may_hold_values_cannot_be_swapped(agent, value):
    hold_values(agent, value)
    assert locked_kilobytes(agent.pid) > 1024
    assert within_reach_of_swap(agent.pid) == []


def test_agent_memory_allocated_later_is_locked(agent):
    before = locked_kilobytes(agent.pid)
    agent.push("large", user={f"V{i}": "x" * 60000 for i in range(15)})
    assert locked_kilobytes(agent.pid) > before
    for line, fields in mappings(agent.pid):
        if "[heap]" in line:
            assert is_locked(fields), line


@pytest.mark.parametrize("total", [1 << 20, 1 << 30])
def test_agent_does_not_start_without_lockable_memory_and_names_limit(total, tmp_path):
    """Runs the agent as another user than root, without CAP_IPC_LOCK and with a limit that is too small."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        parent.chmod(parent.stat().st_mode | 0o711)
    config = tmp_path / "agentd.yaml"
    config.write_text("".join(f"{name}_socket: {tmp_path}/{name}.sock\n" for name in ("node", "job", "control")) +
                      f"limits: {{ total_bytes: {total} }}\nlog: {{ to: stderr }}\n")
    program = tmp_path / "slurm-secretsd"
    shutil.copy(AGENT, program)
    needed = (total >> 20) + 64
    done = subprocess.run(["prlimit", "--memlock=4194304:4194304", "runuser", "-u", "alice", "--", program,
                           "--config", config], capture_output=True, text=True, timeout=10, cwd="/")
    assert done.returncode == 1
    assert done.stderr == (f"slurm-secretsd: cannot lock memory: the limit is 4 MiB and the agent needs {needed} MiB; "
                           f"set LimitMEMLOCK={needed}M in its unit (ulimit -l elsewhere), give it CAP_IPC_LOCK, "
                           "or lower limits.total_bytes in its configuration\n")
    assert not list(tmp_path.glob("*.sock"))

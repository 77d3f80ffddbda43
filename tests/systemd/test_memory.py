# SPDX-License-Identifier: Apache-2.0
"""Agent memory under the real unit: no other process reads a value, and no value is swapped."""

import contextlib
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import hunt
from harness import memory_kind, poll
from machines import AGENT
from slabs import open_slabs
from smaps import locked_kilobytes, within_reach_of_swap

needs_memfd_secret = pytest.mark.skipif(memory_kind() != "memfd_secret", reason="this kernel has no memfd_secret")


def found_in(machine, value, regions=False):
    """Returns the locations at which root finds a value, or most of it, in the memory of the machine's daemons."""
    needles = [value.encode(), value.encode()[4:-4]]
    return [location for name, pid in machine.daemons().items() for location, _ in hunt.in_memory(name, pid, needles, regions)]


@pytest.fixture
def memfd(machine):
    """Makes the agent use the memory of kernels without memfd_secret."""
    with machine.configured("memory: { force_memfd: true }\n"):
        assert machine.status()["memory"] == "memfd"
        yield


def job_gets(machine, run, value):
    done = machine.srun(f"--secrets-run={run}", "--secret=TOKEN", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, value + "\n"), done.err


# ---- readers -----------------------------------------------------------------------------------------


@pytest.fixture
def end_of_jobs(machine):
    yield
    machine.as_user("root", ["scancel", "--user=alice"])


def test_root_finds_no_value_in_memory_of_any_daemon(machine, end_of_jobs, canary):
    """Searches while runs are held, a job has a grant, and systemd stores the descriptors of all slabs."""
    value = canary()
    machine.push("held", workspace={"TOKEN": value, "LONG": value * 100})
    machine.push("held", workspace={"TOKEN": value, "LONG": value * 100}, user={"B": value.encode()})
    job = machine.sbatch("printenv TOKEN >/dev/null; echo begun >begun.$SLURM_JOB_ID; sleep 600", "--secrets-run=held")
    machine.await_file(f"begun.{job}")
    with open_slabs(machine.agent_pid) as slabs:
        assert slabs.have(value.encode()), "the value is not held"
    assert machine.stored() == machine.status()["slabs"] > 0
    assert found_in(machine, value) == []
    machine.restart_agent()
    assert machine.run("held")["generation"] == 2
    assert found_in(machine, value) == []
    machine.as_user("alice", ["scancel", job])
    machine.await_end(job)
    machine.complete("held")
    assert found_in(machine, value) == []


def test_expired_run_leaves_no_value_in_memory(machine, canary):
    value = canary()
    machine.push("short", workspace={"TOKEN": value}, ttl="1s")
    with open_slabs(machine.agent_pid) as slabs:
        poll(lambda: machine.status()["runs"] == 0, 5, "the expiry")
        assert not slabs.have(value.encode())
    assert found_in(machine, value) == []
    poll(lambda: machine.stored() == 0, 5, "an empty descriptor store")


# Runs as the agent's user; prints the ways in which it can read a process.
READER = """
import ctypes, os, sys
from ctypes import byref
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
pid, address = map(int, sys.argv[1:])
buffer = ctypes.create_string_buffer(1)
local, remote = Piece(ctypes.addressof(buffer), 1), Piece(address, 1)
def done(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
ways = {
    "its memory": lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY),
    "its descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
    "a copy of its memory": lambda: done(libc.process_vm_readv(pid, byref(local), 1, byref(remote), 1, 0)),
    "a descriptor taken over": lambda: done(libc.syscall(438, os.pidfd_open(pid), 0, 0)),  # pidfd_getfd
    "a debugger": lambda: done(libc.ptrace(16, pid, None, None)),  # PTRACE_ATTACH
}
for name, way in ways.items():
    try:
        way()
        print(name)
    except PermissionError:
        pass
"""
WAYS = ["its memory", "its descriptors", "a copy of its memory", "a descriptor taken over", "a debugger"]


def ways_into(machine, pid, local_pid):
    """Returns the ways in which a process of the agent's user can read another. `pid` is its pid in the machine."""
    maps = Path(f"/proc/{local_pid}/maps").read_text().splitlines()
    address = int(next(line for line in maps if " r" in line).split("-")[0], 16)
    done = machine.as_user("slurm-secrets", ["python3", "-c", READER, pid, address])
    assert done.code == 0, done.err
    return done.out.splitlines()


@pytest.fixture
def ordinary(machine):
    """Starts an unprotected process of the agent's user; yields its pid in the machine and its local pid."""
    machine.enter("systemd-run", "--quiet", "--unit=ordinary", "--uid=slurm-secrets", "sleep", "600")
    try:
        machine_pid = int(machine.show("MainPID", "ordinary.service"))
        local_pid = machine.local_pid(machine_pid)
        poll(lambda: Path(f"/proc/{local_pid}/comm").read_text() == "sleep\n", 5, "the process")
        yield machine_pid, local_pid
    finally:
        machine.systemctl("stop", "ordinary.service")


def test_process_of_same_user_cannot_read_agent_memory(machine, ordinary):
    restricted = Path("/proc/sys/kernel/yama/ptrace_scope")
    if not restricted.exists() or restricted.read_text() == "0\n":
        assert ways_into(machine, *ordinary) == WAYS, "this reads nobody"
    assert ways_into(machine, int(machine.show("MainPID")), machine.agent_pid) == []


def test_agent_is_undumpable_and_leaves_no_core(machine):
    pid = machine.agent_pid
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    assert machine.process_status(pid)["Uid"][0] != "0"
    assert re.search(r"Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text())


# ---- locked memory -----------------------------------------------------------------------------------


def test_agent_memory_that_may_hold_values_is_locked(machine, canary):
    empty = locked_kilobytes(machine.agent_pid)
    value = canary() * 1000
    machine.push("held", user={f"V{i}": value for i in range(15)})
    assert locked_kilobytes(machine.agent_pid) >= empty + 1024
    assert within_reach_of_swap(machine.agent_pid) == []


def test_fallback_memory_is_locked_and_only_slabs_hold_value(machine, memfd, canary):
    value = canary()
    machine.push("held", workspace={"TOKEN": value})
    assert within_reach_of_swap(machine.agent_pid) == []
    locations = found_in(machine, value, regions=True)
    assert locations and all("/memfd:slurm-secrets" in location for location in locations), locations
    machine.complete("held")
    assert found_in(machine, value, regions=True) == []


NO_RIGHT = "[Service]\nCapabilityBoundingSet=\nAmbientCapabilities=\nLimitMEMLOCK=1M\n"


def test_agent_does_not_start_without_lockable_memory_and_loses_nothing(machine, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    stored = machine.stored()
    with machine.drop_in(NO_RIGHT):
        begin = time.time()
        assert machine.systemctl("restart", AGENT, check=False).code != 0
        match = machine.await_journal(r"^cannot lock memory: the limit is (.*)", begin)
        assert match[1] == ("1 MiB and the agent needs 1088 MiB; set LimitMEMLOCK=1088M in its unit (ulimit -l "
                            "elsewhere), give it CAP_IPC_LOCK, or lower limits.total_bytes in its configuration")
        errors = machine.entries(f"_SYSTEMD_UNIT={AGENT}", "PRIORITY=3", since=begin)
        assert errors and all(entry["MESSAGE"].startswith("cannot lock memory: the limit is 1 MiB") for entry in errors)
        assert machine.show("ActiveState") != "active"
        assert machine.stored() == stored > 0
    machine.await_agent()
    assert machine.runs() == ["kept"]
    job_gets(machine, "kept", value)


# ---- swap --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def swap(machine):
    """Gives the whole host a small swap device within the block."""
    file = machine.dir / "swap"
    with open(file, "wb") as content:
        os.fchmod(content.fileno(), 0o600)
        content.write(bytes(1 << 20))
    try:
        for command in (["mkswap", file], ["swapon", "--priority=0", file]):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
            if done.returncode != 0:
                pytest.skip(f"NOT TESTED on a machine with swap: {done.stderr.strip()}")
        yield
    finally:
        subprocess.run(["swapoff", file], capture_output=True, check=False, timeout=60)
        file.unlink()


@pytest.fixture
def no_swap():
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        pytest.skip("NOT TESTED on a machine without swap: this one has some")


@pytest.fixture
def quick(machine):
    """Makes the agent check for swap every second, which it does three times in an interval of the watchdog."""
    with machine.drop_in("[Service]\nWatchdogSec=3s\n"):
        yield


def test_fallback_memory_survives_restart_and_kill(machine, no_swap, memfd, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    assert machine.stored() == machine.status()["slabs"] == 1
    machine.restart_agent()
    machine.kill_agent()
    assert machine.runs() == ["kept"]
    job_gets(machine, "kept", value)


LOST = "lost at a restart (swap is active)"


def test_fallback_memory_is_lost_at_restart_while_swap_is_active(machine, no_swap, quick, memfd, canary):
    value = canary()
    machine.push("early", workspace={"TOKEN": value})
    assert LOST not in machine.show("StatusText")
    begin = time.time()
    with swap(machine):
        poll(lambda: LOST in machine.show("StatusText"), 5, "a status that says it")
        machine.await_journal("swap is active: secrets in memfd memory will not survive a restart", begin)
        assert machine.stored() == 0
        machine.push("late", workspace={"TOKEN": value})
        job_gets(machine, "late", value)
        assert machine.stored() == 0
        with open_slabs(machine.agent_pid) as slabs:
            machine.restart_agent()
            assert not slabs.have(value.encode()), "not overwritten"
        assert machine.runs() == []
        machine.await_journal("ended: [23] records wiped", begin)
        machine.push("again", workspace={"TOKEN": value})
        machine.kill_agent()
        assert machine.runs() == []
        machine.push("last", workspace={"TOKEN": value})
        assert LOST in machine.show("StatusText")
    machine.await_journal("secrets survive a restart again: swap is no longer active", begin)
    assert machine.stored() == 1
    poll(lambda: LOST not in machine.show("StatusText"), 5, "a status that says it no longer")
    machine.kill_agent()
    assert machine.runs() == ["last"]


@needs_memfd_secret
def test_memfd_secret_survives_restart_while_swap_is_active(machine, quick, canary):
    value = canary()
    machine.restart_agent()
    with swap(machine):
        machine.push("kept", workspace={"TOKEN": value})
        machine.restart_agent()
        assert machine.runs() == ["kept"]
        assert LOST not in machine.show("StatusText")
        assert machine.stored() == 1
        job_gets(machine, "kept", value)


@needs_memfd_secret
def test_agent_restores_runs_held_in_other_kind_of_memory(machine, no_swap, canary):
    value = canary()
    machine.push("first", workspace={"TOKEN": value})
    with machine.configured("memory: { force_memfd: true }\n"):
        assert machine.runs() == ["first"]
        job_gets(machine, "first", value)
        machine.push("second", workspace={"TOKEN": value, "L1": "x" * 65000, "L2": "x" * 65000})
        machine.push("third", workspace={f"L{i}": "x" * 65000 for i in range(15)} | {"TOKEN": value})
        assert machine.stored() == 2
    assert machine.status()["memory"] == "memfd_secret"
    assert machine.runs() == ["first", "second", "third"]
    for run in machine.runs():
        job_gets(machine, run, value)


@needs_memfd_secret
def test_active_swap_loses_only_fallback_memory_at_restart(machine, no_swap, quick, canary):
    """Slabs of the fallback stay what they are after the fallback is switched off."""
    value = canary()
    begin = time.time()
    with machine.configured("memory: { force_memfd: true }\n"):
        machine.push("fallback", workspace={"TOKEN": value, "L1": "x" * 65000, "L2": "x" * 65000})
    machine.push("better", workspace={f"L{i}": "x" * 65000 for i in range(15)} | {"TOKEN": value})
    assert machine.stored() == 2
    with swap(machine):
        poll(lambda: "some of it lost at a restart" in machine.show("StatusText"), 5, "a status that says it")
        assert machine.stored() == 1
        machine.restart_agent()
        assert machine.runs() == ["better"]
        job_gets(machine, "better", value)
        machine.await_journal("ended: 1 run and 0 holds handed to systemd for the next process, 1 record wiped", begin)

# SPDX-License-Identifier: Apache-2.0
"""Restart: held records survive every end of the agent but `systemctl stop`, unnoticed by jobs and clients."""

import hashlib
import os
import shutil
import signal
import subprocess
import time

import pytest

from clients import clients_of
from harness import poll
from machines import AGENT, PROGRAM, broken_program, replace_program
from slabs import open_slabs
from wall_clock import DAY, LIBRARY, WallClock


def state(machine):
    """Returns what the agent reports about the records that it holds, and how many descriptors systemd stores."""
    status = machine.status()
    del status["uptime_seconds"], status["name_service"]
    status.pop("last_errors", None)
    return machine.http("GET", "/v1/runs").json, status, machine.stored()


class Held:
    """Pushes a run twice, and starts a job with a secret of it, which runs until end()."""

    def __init__(self, machine, value):
        self.machine = machine
        machine.push("kept", workspace={"TOKEN": "an older value"})
        machine.push("kept", workspace={"TOKEN": value}, user={"OTHER": "x" * 1000})
        script = "printenv TOKEN; echo begun >begun.$SLURM_JOB_ID; until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done"
        self.job = machine.sbatch(script, "--secrets-run=kept", "--secret=TOKEN")
        machine.await_file(f"begun.{self.job}")
        self.value = value
        self.state = state(machine)
        runs, status, stored = self.state
        assert runs["runs"][0]["generation"] == 2
        assert (status["runs"], status["holds"]) == (1, 1)
        assert stored == status["slabs"] > 0

    def is_as_before(self):
        assert state(self.machine) == self.state
        done = self.machine.srun("--secrets-run=kept", "--secret=TOKEN", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, self.value + "\n"), done.err
        poll(lambda: state(self.machine) == self.state, 10, "the wipe of what the step held")

    def let_end(self):
        (self.machine.out / f"end.{self.job}").touch()

    def end(self):
        begin = time.time()
        self.let_end()
        done = self.machine.wait(self.job)
        assert (done.code, done.out) == (0, self.value + "\n"), done.err
        return begin


@pytest.fixture
def held(machine, canary):
    held = Held(machine, canary())
    yield held
    held.let_end()


# ---- ways in which an agent ends ---------------------------------------------------------------------


def restarted(machine):
    machine.restart_agent()


def killed(machine):
    machine.kill_agent(signal.SIGKILL)


def aborted(machine):
    machine.kill_agent(signal.SIGABRT)


def crashed(machine):
    machine.kill_agent(signal.SIGSEGV)


def after_a_reexec_of_systemd(machine):
    machine.systemctl("daemon-reexec")
    machine.restart_agent()


def after_a_reload_of_systemd(machine):
    machine.systemctl("daemon-reload")
    machine.kill_agent()


def upgraded(machine):
    newer = (machine.root / PROGRAM).read_bytes() + b"newer"
    replace_program(machine, newer)
    machine.restart_agent()
    with open(f"/proc/{machine.agent_pid}/exe", "rb") as program:
        assert program.read() == newer


def installed_again(machine):
    machine.install()
    machine.systemctl("daemon-reload")
    machine.restart_agent()


ENDS = [restarted, killed, aborted, crashed, after_a_reexec_of_systemd, after_a_reload_of_systemd, upgraded,
        installed_again]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_runs_and_holds_are_restored_however_agent_ends(machine, held, end):
    pid = machine.agent_pid
    end(machine)
    assert machine.agent_pid != pid
    held.is_as_before()
    begin = held.end()
    machine.await_journal(f"job {held.job} ended: its hold with 1 grant was wiped", begin)
    poll(lambda: machine.status()["holds"] == 0, 10, "the wipe of the hold")


def test_broken_program_between_restarts_loses_nothing(machine, held):
    """A job that starts meanwhile gets its secret if the program is repaired in time."""
    with broken_program(machine):
        machine.systemctl("restart", AGENT, check=False)
        poll(lambda: int(machine.show("NRestarts")) > 3, 10, "vain starts")
        assert machine.stored() == held.state[2]
        job = machine.sbatch("printenv TOKEN", "--secrets-run=kept", "--secret=TOKEN")
    machine.await_agent()
    done = machine.wait(job)
    assert (done.code, done.out) == (0, held.value + "\n"), done.err
    held.is_as_before()
    held.end()


def test_completed_run_is_not_restored(machine, canary):
    machine.push("gone", workspace={"TOKEN": canary()})
    machine.push("stays", workspace={"TOKEN": canary()})
    machine.complete("gone")
    machine.kill_agent()
    assert machine.runs() == ["stays"]


def test_thousand_runs_are_restored(machine):
    for number in range(1000):
        machine.push(f"many-{number}", workspace={f"S{index}": "v" * 64 for index in range(10)})
    before = state(machine)
    machine.restart_agent()
    assert state(machine) == before


def test_runs_survive_restart_after_jump_of_wall_clock(machine, canary):
    clock = WallClock(machine.root / "etc/clock", seen_as=("/etc/clock", "/usr/lib/libwall_clock.so"))
    shutil.copy(LIBRARY, machine.root / "usr/lib")
    lines = "".join(f"Environment={name}={value}\n" for name, value in clock.environment.items())
    with machine.drop_in(f"[Service]\n{lines}"):
        machine.restart_agent()
        machine.push("kept", workspace={"TOKEN": canary()}, ttl="24h")
        clock.jump(2 * DAY)
        for end in (machine.restart_agent, machine.kill_agent):
            end()
            assert machine.runs() == ["kept"]
        machine.push("short", workspace={"TOKEN": canary()}, ttl="5s")
        clock.jump(-2 * DAY)
        machine.restart_agent()
        poll(lambda: machine.runs() == ["kept"], 15, "the expiry")
        machine.complete("kept")
    machine.restart_agent()
    (machine.root / "usr/lib/libwall_clock.so").unlink()


# ---- systemctl stop ----------------------------------------------------------------------------------


def test_stop_overwrites_secrets_and_start_begins_empty(machine, held):
    begin = time.time()
    with open_slabs(machine.agent_pid) as slabs:
        assert slabs.have(held.value.encode())
        machine.systemctl("stop", AGENT)
        assert len(slabs) == held.state[2]
        assert not slabs.have(held.value.encode())
        assert not slabs.have(b"x" * 1000)
    assert machine.stored() == 0
    machine.await_journal("records wiped", begin)
    machine.systemctl("start", AGENT)
    machine.await_agent()
    runs, status, stored = state(machine)
    assert (runs, status["runs"], status["holds"], status["slabs"], stored) == ({"runs": []}, 0, 0, 0, 0)
    held.end()


def test_stop_empties_fd_store_when_no_agent_runs(machine, held):
    """The agent is killed and can't start again before the stop."""
    with broken_program(machine):
        os.kill(machine.agent_pid, signal.SIGKILL)
        poll(lambda: int(machine.show("NRestarts")) > 1, 10, "vain starts")
        machine.systemctl("stop", AGENT)
        assert machine.stored() == 0
    machine.systemctl("start", AGENT)
    machine.await_agent()
    assert machine.runs() == []
    held.end()


# ---- jobs and clients ----------------------------------------------------------------------------


def in_turn(machine, times, pause):
    """Restarts and kills the agent alternately."""
    for number in range(times):
        (machine.restart_agent if number % 2 else machine.kill_agent)()
        time.sleep(pause)


def test_steps_succeed_during_20_restarts_and_kills(machine, canary):
    value = canary()
    machine.push("stream", workspace={"TOKEN": value})
    step = "srun --quiet --secrets-run=stream --secret=TOKEN sh -c 'printenv TOKEN | sha256sum'"
    # At least fifty steps each, and until the last restart has ended.
    loop = f"i=0; while [ $i -lt 50 ] || [ ! -e stream.over ]; do {step} || echo FAILED; i=$((i + 1)); done"
    streams = [subprocess.Popen(machine.command("alice", ["sh", "-c", f"{{ {loop}; }} >stream.{number} 2>&1"]),
                                stdin=subprocess.DEVNULL) for number in range(4)]
    try:
        in_turn(machine, 20, 0.1)
        (machine.out / "stream.over").touch()
        for stream in streams:
            assert stream.wait(240) == 0
    finally:
        for stream in streams:
            stream.kill()
            stream.wait()
    expected = hashlib.sha256(value.encode() + b"\n").hexdigest() + "  -"
    for number in range(4):
        lines = (machine.out / f"stream.{number}").read_text().splitlines()
        assert len(lines) >= 50 and set(lines) == {expected}, lines


def test_clients_lose_no_request_over_50_restarts(machine):
    with clients_of(machine, retries=0) as clients:
        for _ in range(50):
            machine.systemctl("restart", AGENT)
    clients.lost_nothing()


def test_retrying_clients_lose_no_request_over_20_kills(machine):
    with clients_of(machine, retries=1) as clients:
        for _ in range(20):
            machine.kill_agent()
            clients.await_answers()
    clients.lost_nothing()

# SPDX-License-Identifier: Apache-2.0
"""Watchdog: systemd ends an agent whose event loop hangs, and starts it again."""

import os
import signal
import time

import pytest

from harness import poll


@pytest.fixture(scope="module")
def impatient(machine):
    """Shortens the unit's watchdog interval to one second."""
    assert machine.show("WatchdogUSec") not in ("0", "infinity")
    with machine.drop_in("[Service]\nWatchdogSec=1s\n"):
        machine.restart_agent()
        yield machine
    machine.restart_agent()


def test_watchdog_replaces_hung_agent_and_nothing_is_lost(machine, impatient, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    begin = time.time()
    pid = machine.agent_pid
    os.kill(pid, signal.SIGSTOP)
    done = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, value + "\n"), done.err
    assert machine.agent_pid not in (pid, 0)
    assert "Watchdog timeout" in machine.journal(begin)
    assert machine.runs() == ["kept"]


def test_watchdog_leaves_idle_and_busy_agent_alone(machine, impatient):
    pid = machine.agent_pid
    time.sleep(2.5)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert machine.http("GET", "/v1/status").status == 200
    assert machine.agent_pid == pid


def test_watchdog_hung_agent_does_not_delay_restart(machine, impatient):
    os.kill(machine.agent_pid, signal.SIGSTOP)
    begin = time.monotonic()
    machine.restart_agent()
    assert time.monotonic() - begin < 10
    poll(lambda: machine.show("ActiveState") == "active", 5, "the new agent")

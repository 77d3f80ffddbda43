# SPDX-License-Identifier: Apache-2.0
"""Watchdog: systemd ends an agent whose event loop hangs, and starts it again."""

import os
import shutil
import signal
import time

import pytest

from harness import BUILD, poll
from name_service import NameService


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


@pytest.fixture
def names(machine):
    """Gives the agent a name service of the tests' own, for the groups of workspace lab."""
    nsswitch = machine.root / "etc/nsswitch.conf"
    before = nsswitch.read_text()
    names = NameService(machine.root / "etc")  # replaces nsswitch.conf
    shutil.copy(BUILD / "libnss_slow.so.2", machine.root / "usr/lib/x86_64-linux-gnu")
    folder = machine.root / "etc/systemd/system/slurm-secretsd.service.d"
    (folder / "names.conf").write_text("[Service]\nEnvironment=SECRETS_NAME_SERVICE=/etc/names\n")
    machine.systemctl("daemon-reload")
    yield names
    nsswitch.write_text(before)
    (folder / "names.conf").unlink()
    machine.systemctl("daemon-reload")
    (machine.root / "usr/lib/x86_64-linux-gnu/libnss_slow.so.2").unlink()


LAB = "workspaces: [{ name: lab, admins: { users: [bob] }, members: { users: [ghost], groups: [ldapgroup] } }]\n"


def test_watchdog_leaves_agent_alone_whose_name_service_hangs(machine, impatient, names, canary):
    with machine.configured(LAB):
        done = machine.secretctl("set", "LICENSE", "--workspace=lab", user="bob", input=canary())
        assert done.code == 0, done.err
        names.set("slow 30")
        machine.push("r9", owner="bob", user={"A": "x"})
        machine.restart_agent()
        begin, pid = time.time(), machine.agent_pid
        done = machine.srun("--secret=LICENSE", "true")
        assert done.code != 0 and "the name service has not answered yet; try again in a moment" in done.err
        done = machine.srun("--secrets-run=r9", "printenv", "A", user="bob")
        assert (done.code, done.out) == (0, "x\n"), done.err
        assert time.time() - begin > 2.5  # more than two intervals of the watchdog
        assert machine.agent_pid == pid and "Watchdog timeout" not in machine.journal(begin)
        names.set("answer")
        machine.secretctl("rm", "LICENSE", "--workspace=lab", user="bob")

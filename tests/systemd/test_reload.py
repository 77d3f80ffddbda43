# SPDX-License-Identifier: Apache-2.0
"""`systemctl reload`: applies a new configuration, or leaves the old one in force and says why."""

import os
import signal
import time

import pytest

from harness import poll
from machines import AGENT, CONFIG


@pytest.fixture
def config(machine):
    """Yields the installed configuration, and restores it after the test."""
    shipped = (machine.root / CONFIG).read_text()
    yield shipped
    machine.write(CONFIG, shipped)
    machine.restart_agent()


def limit_of(machine):
    """Finds out how long a value may be by pushing one of 1000 bytes."""
    answer = machine.http("PUT", "/v1/runs/trial", '{"owner":"alice","user":{"A":"%s"}}' % ("a" * 1000))
    if answer.status == 201:
        machine.complete("trial")
        return "long"
    assert "at most 500 bytes" in answer.text
    return "short"


SHORT = "limits: { value_bytes: 500 }\n"
WRONG = "limits:\n  value_bytes: 500\n  nonsense: 1\n"


def test_reload_applies_configuration_and_loses_nothing(machine, config, canary):
    machine.push("kept", workspace={"TOKEN": canary()})
    pid = machine.agent_pid
    assert limit_of(machine) == "long"
    machine.write(CONFIG, config + SHORT)
    assert limit_of(machine) == "long"
    machine.systemctl("reload", AGENT)
    poll(lambda: limit_of(machine) == "short", 5, "the new limit")
    assert machine.agent_pid == pid
    assert machine.runs() == ["kept"]
    assert machine.show("ActiveState") == "active"


def test_reload_rejects_invalid_configuration_with_position(machine, config):
    machine.write(CONFIG, config + SHORT)
    machine.systemctl("reload", AGENT)
    poll(lambda: limit_of(machine) == "short", 5, "the new limit")
    machine.write(CONFIG, WRONG)
    begin, pid = time.time(), machine.agent_pid
    refused = machine.systemctl("reload", AGENT, check=False)
    assert refused.code != 0
    machine.await_journal(r"agentd\.yaml:3:3: .*nonsense", begin)
    assert machine.agent_pid == pid
    assert limit_of(machine) == "short"
    assert machine.show("ActiveState") == "active"


def test_sighup_rejects_invalid_configuration(machine, config):
    machine.write(CONFIG, WRONG)
    begin, pid = time.time(), machine.agent_pid
    os.kill(pid, signal.SIGHUP)
    machine.await_journal(r"agentd\.yaml:3:3: .*nonsense", begin)
    assert machine.agent_pid == pid
    assert limit_of(machine) == "long"
    assert machine.show("ActiveState") == "active"


def test_restart_with_invalid_configuration_loses_nothing_once_corrected(machine, config, canary):
    machine.push("kept", workspace={"TOKEN": canary()})
    stored = machine.stored()
    machine.write(CONFIG, WRONG)
    begin = time.time()
    machine.systemctl("restart", AGENT, check=False)
    machine.await_journal(r"agentd\.yaml:3:3: .*nonsense", begin)
    poll(lambda: int(machine.show("NRestarts")) > 3, 10, "vain starts")
    assert machine.stored() == stored
    machine.write(CONFIG, config)
    machine.await_agent()
    assert machine.runs() == ["kept"]

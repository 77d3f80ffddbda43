# SPDX-License-Identifier: Apache-2.0
"""secretctl doctor on a real systemd: an agent that fails at each start, and units that are not as they were installed."""

import json

import pytest
from harness import poll
from machines import AGENT, CONFIG, broken_program

WRONG = "limits:\n  nonsense: 1\n"


def checks(machine):
    answer = json.loads(machine.enter("secretctl", "doctor", "--json", check=False).out)
    return {check["name"]: check for check in answer["checks"]}


def check_of(machine, name):
    return checks(machine)[name]


@pytest.fixture
def config(machine):
    """Yields the installed configuration, and restores it and the agent after the test."""
    shipped = (machine.root / CONFIG).read_text()
    yield shipped
    machine.write(CONFIG, shipped)
    machine.restart_agent()


def test_doctor_shows_why_agent_fails_at_each_start(machine, config):
    assert check_of(machine, "agent's unit")["state"] == "ok"
    machine.write(CONFIG, WRONG)
    machine.systemctl("restart", AGENT, check=False)
    poll(lambda: int(machine.show("NRestarts")) > 1, 10, "restarts")
    found = poll(lambda: (check := check_of(machine, "agent's unit"))["state"] == "fail" and check, 10, "a failed check")
    assert "it fails at each start, so far " in found["sentence"], found
    assert "agentd.yaml:2:3: unknown key 'nonsense'" in found["sentence"], found
    assert "journalctl -u slurm-secretsd" in found["what_to_do"]
    silent = machine.enter("secretctl", "status", check=False)
    assert silent.code == 3 and "/run/slurm-secrets/control.sock" in silent.err, silent.err
    assert silent.err.endswith("; see: systemctl status slurm-secretsd\n"), silent.err
    machine.write(CONFIG, config)
    machine.restart_agent()
    assert check_of(machine, "agent's unit")["state"] != "fail"
    machine.systemctl("reset-failed", AGENT)  # forgets the restarts, which systemd else counts on
    assert check_of(machine, "agent's unit")["state"] == "ok"


def test_doctor_shows_systemds_own_reason(machine, config):
    with broken_program(machine):
        machine.systemctl("restart", AGENT, check=False)
        poll(lambda: int(machine.show("NRestarts")) > 1, 10, "restarts")
        poll(lambda: "Exec format error" in check_of(machine, "agent's unit")["sentence"], 15, "systemd's reason")
        assert check_of(machine, "agent's unit")["state"] == "fail"


def test_doctor_fails_on_dangling_drop_in(machine):
    assert check_of(machine, "unit's drop-ins")["state"] == "ok"
    folder = f"/etc/systemd/system/{AGENT}.d"
    machine.enter("mkdir", "-p", folder)
    machine.enter("ln", "-s", "/usr/share/doc/slurm-secrets/no-more/node.conf", f"{folder}/node.conf")
    try:
        found = check_of(machine, "unit's drop-ins")
        assert found["state"] == "fail" and "daemon-reload" in found["what_to_do"], found
        assert f"{folder}/node.conf is a link to /usr/share/doc/slurm-secrets/no-more/node.conf, which does not exist" \
            in found["sentence"], found
    finally:
        machine.enter("rm", "-r", folder)
    assert check_of(machine, "unit's drop-ins")["state"] == "ok"


def test_doctor_warns_of_recent_restart_and_of_units_that_changed(machine):
    machine.restart_agent()
    machine.kill_agent()
    found = check_of(machine, "agent's unit")
    assert found["state"] == "warn" and "systemd has restarted it 1 time, and it has run for " in found["sentence"], found
    machine.restart_agent()
    unit = machine.root / machine.show("FragmentPath").lstrip("/")
    text = unit.read_text()
    unit.write_text(text + "# changed\n")
    try:
        found = check_of(machine, "agent's unit")
        assert found["state"] == "warn" and "have changed since systemd read them" in found["sentence"], found
    finally:
        unit.write_text(text)
        machine.systemctl("daemon-reload")
    assert check_of(machine, "agent's unit")["state"] == "ok"

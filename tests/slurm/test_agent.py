# SPDX-License-Identifier: Apache-2.0
"""Agent process: command line, configuration, sockets and shutdown."""

import re
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from harness import poll
from own_agent import AGENT, own_agent, request


def run_agent(*arguments):
    done = subprocess.run([AGENT, *arguments], capture_output=True, text=True, timeout=10, cwd="/")
    return done.returncode, done.stdout, done.stderr


# ---- command line and configuration -----------------------------------------------------------------


def test_agent_prints_version():
    code, out, _ = run_agent("--version")
    assert code == 0 and re.fullmatch(r"slurm-secretsd \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["stray"], ["--config"]])
def test_agent_rejects_invalid_command_line(arguments):
    code, _, err = run_agent(*arguments)
    assert code == 2 and err


GOOD = [
    "",
    "# nothing but a comment",
    """
node_socket: /run/slurm-secrets/node.sock
job_socket: /run/slurm-secrets/job.sock
control_socket: /run/slurm-secrets/control.sock
memory: { require_secretmem: false, force_memfd: false }
limits: { value_bytes: 65536, run_bytes: 1048576, runs_per_owner: 1000, total_bytes: 1073741824 }
runs: { default_ttl: 24h, max_ttl: 30d }
platforms:
  - { name: tower, user: alice, users: [alice, bob], groups: [hpc] }
log: { level: info, to: auto }
""",
]


@pytest.mark.parametrize("text", GOOD)
def test_check_config_accepts_valid_configuration(tmp_path, text):
    (tmp_path / "agentd.yaml").write_text(text)
    code, out, err = run_agent("--config", tmp_path / "agentd.yaml", "--check-config")
    assert (code, out, err) == (0, f"{tmp_path}/agentd.yaml: the configuration is valid\n", "")


BAD = [
    # text, line, column, sentence
    ("node_sockets: /x", 1, 1, "unknown key 'node_sockets'; expected one of: node_socket"),
    ("log: { level: info }\nlimits:\n  value_bytes: 1\n  run_byte: 1", 4, 3, "unknown key 'run_byte'"),
    ("memory: { require: true }", 1, 11, "unknown key 'require'"),
    ("platforms:\n  - { name: a, user: b, uid: 3 }", 2, 25, "unknown key 'uid'"),
    ("log: { level: info, level: debug }", 1, 21, "duplicate key 'level'"),
    ("log: {}\nlog: {}", 2, 1, "duplicate key 'log'"),
    ("limits: { value_bytes: 65537 }", 1, 24, "invalid value '65537'; expected a whole number from 1 to 65536"),
    ("limits: { value_bytes: -1 }", 1, 24, "invalid value '-1'; expected a whole number"),
    ("limits: { value_bytes: 1e3 }", 1, 24, "invalid value '1e3'; expected a whole number"),
    ("limits: { run_bytes: 99999999999999999999 }", 1, 22, "expected a whole number"),
    ("limits: { total_bytes: 1 }", 1, 24, "invalid value '1'; expected a whole number from 1048576"),
    ("limits: [1]", 1, 9, "expected keys and values"),
    ("runs: { max_ttl: forever }", 1, 18, "invalid duration 'forever'"),
    ("runs: { default_ttl: 2d, max_ttl: 1d }", 1, 7, "runs.default_ttl is longer than runs.max_ttl"),
    ("memory: { require_secretmem: maybe }", 1, 30, "invalid value 'maybe'; expected true or false"),
    ("node_socket: run/x", 1, 14, "'run/x' is not an absolute path"),
    ("node_socket: /" + "x" * 107, 1, 14, "socket path is too long; the limit is 107 characters"),
    ("node_socket: [/x]", 1, 14, "expected a text value"),
    ("platforms: { name: a }", 1, 12, "expected a list of platforms"),
    ("platforms:\n  - { user: b }", 2, 5, "a platform needs a name"),
    ("platforms:\n  - { name: a }", 2, 5, "a platform needs a user"),
    ("platforms:\n  - { name: a, user: b, users: alice }", 2, 32, "expected a list"),
    ("log: { level: loud }", 1, 15, "invalid log level 'loud'; expected one of: debug, info, warn, error"),
    ("log: { to: /var/log/x }", 1, 12, "invalid log target '/var/log/x'; expected one of: auto, journal, stderr"),
    ("log: { level: info", 1, 1, "end of map flow not found"),
    ("- a", 1, 1, "expected keys and values"),
    ("just a text", 1, 1, "expected keys and values"),
]


@pytest.mark.parametrize("text, line, column, sentence", BAD)
def test_check_config_rejects_invalid_configuration_with_line_and_column(tmp_path, text, line, column, sentence):
    file = tmp_path / "agentd.yaml"
    file.write_text(text)
    code, out, err = run_agent("--config", file, "--check-config")
    assert (code, out) == (1, "")
    assert err.startswith(f"slurm-secretsd: {file}:{line}:{column}: "), err
    assert sentence in err
    assert run_agent("--config", file)[0] == 1, "it must not start with it either"


def test_check_config_names_missing_file():
    code, _, err = run_agent("--config", "/no/such/file", "--check-config")
    assert code == 1 and "cannot read the configuration /no/such/file: No such file or directory" in err


# ---- sockets and shutdown ---------------------------------------------------------------------------


def test_agent_sockets_have_expected_modes():
    with own_agent() as agent:
        assert stat.S_IMODE(agent.node_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(agent.control_socket.stat().st_mode) == 0o666


def test_agent_sigterm_when_idle_stops_at_once_and_removes_sockets():
    with own_agent() as agent:
        agent.push("held", user={"A": "x"})
        with agent.connect() as idle:
            code, seconds = agent.stop()
            assert code == 0 and seconds < 1
            assert idle.is_closed()
        assert not agent.node_socket.exists() and not agent.control_socket.exists()
        assert "ended: 1 record wiped" in agent.log.read_text()


def test_agent_sigterm_finishes_started_request_and_then_stops():
    with own_agent() as agent, agent.connect() as connection:
        data = request("PUT", "/v1/runs/late", {"owner": "alice", "user": {"A": "x"}})
        connection.send(data[:-5])
        agent.status()  # by now the agent has read the head
        agent.process.send_signal(signal.SIGTERM)
        poll(lambda: "shutting down" in agent.log.read_text(), 5, "the signal")
        connection.send(data[-5:])
        assert connection.answer().status == 201
        assert connection.is_closed()
        assert agent.process.wait(1) == 0


def test_agent_stops_despite_client_that_never_finishes():
    with own_agent() as agent, agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/never", b"{}", {"Content-Length": "100"}))
        code, seconds = agent.stop()
        assert code == 0 and seconds < 4


def test_second_agent_fails_and_leaves_sockets_of_first():
    with own_agent() as agent:
        code, _, err = run_agent("--config", agent.config)
        assert code == 1 and "another process listens on" in err
        assert agent.is_alive()


def test_agent_takes_over_sockets_of_killed_agent():
    with own_agent() as agent:
        agent.push("lost")
        agent.process.kill()
        agent.process.wait()
        assert agent.node_socket.exists() and agent.control_socket.exists()
        agent.start()
        assert agent.http("GET", "/v1/runs").json == {"runs": []}


def test_agent_does_not_remove_regular_file_at_socket_path():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        file = Path(folder) / "node.sock"
        file.write_text("mine")
        config = Path(folder) / "agentd.yaml"
        config.write_text(f"node_socket: {file}\ncontrol_socket: {folder}/control.sock\n")
        code, _, err = run_agent("--config", config)
        assert code == 1 and "exists and is not a socket" in err
        assert file.read_text() == "mine"

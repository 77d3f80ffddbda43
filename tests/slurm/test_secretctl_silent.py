# SPDX-License-Identifier: Apache-2.0
"""secretctl and a socket behind which nothing answers: systemd listens for an agent that cannot start, or the agent
hangs. Every command says so within 3 s; an agent that is only slow is waited for."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from harness import BUILD
from own_agent import own_agent

SECRETCTL = BUILD / "secretctl"
UNREACHABLE = 3
COMMANDS = [["status"], ["runs"], ["runs", "r"], ["push", "r"], ["complete", "r"], ["check", "A"], ["ls"], ["set", "A"],
            ["rm", "A"], ["rename", "A", "B"], ["workspaces"], ["watch"]]


@pytest.fixture
def folder():
    folder = Path(tempfile.mkdtemp(prefix="silent.", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def listening(path, backlog=16):
    """Listens as a socket unit does whose service cannot be started: clients connect, and nobody accepts them."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(backlog)
        yield


def start(path, *arguments):
    return subprocess.Popen([SECRETCTL, "--socket", path, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]})


def shortest_of_three(call):
    """Returns the least time that a call takes: the machine may be busy with others."""
    times = []
    for _ in range(3):
        begin = time.monotonic()
        call()
        times.append(time.monotonic() - begin)
        if times[-1] < 3:
            break
    return min(times)


def say_that_nobody_answers(path, commands):
    """Runs the commands side by side."""
    started = [(command, start(path, *command)) for command in commands]
    for command, process in started:
        out, err = process.communicate("A=1\n", timeout=10)
        assert (process.returncode, out) == (UNREACHABLE, ""), (command, process.returncode, out, err)
        last = err.splitlines()[-1]
        assert last.startswith("secretctl: ") and f"no agent answers at {path}: " in last, (command, err)
        assert last.endswith("; see: systemctl status slurm-secretsd"), err


def test_every_command_reports_socket_without_agent_within_three_seconds(folder):
    path = folder / "control.sock"
    with listening(path):
        assert shortest_of_three(lambda: say_that_nobody_answers(path, [COMMANDS[0]])) < 3
        say_that_nobody_answers(path, COMMANDS)


def test_secretctl_reports_agent_whose_queue_is_full(folder):
    path = folder / "control.sock"
    with listening(path, backlog=0), socket.socket(socket.AF_UNIX) as first:
        first.connect(str(path))
        assert shortest_of_three(lambda: say_that_nobody_answers(path, [["status"]])) < 3


def test_secretctl_reports_hanging_agent(folder):
    with own_agent() as agent:
        os.kill(agent.pid, signal.SIGSTOP)
        try:
            assert shortest_of_three(lambda: say_that_nobody_answers(agent.control_socket, [["status"]])) < 3
        finally:
            os.kill(agent.pid, signal.SIGCONT)
        assert start(agent.control_socket, "status").wait(10) == 0


def test_secretctl_waits_for_agent_that_is_only_slow(folder):
    """A request may take its time as long as the agent answers others."""
    path = folder / "control.sock"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"runs\":[]}"

    def serve(client):
        with client, client.makefile("rb") as reader:
            if b"/v1/runs" in reader.readline():
                time.sleep(4)
            client.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        done = start(path, "runs")
        out, err = done.communicate(timeout=10)
        assert done.returncode == 0, err
        listener.shutdown(socket.SHUT_RDWR)


def test_doctor_reports_socket_without_agent_within_three_seconds(folder):
    (folder / "slurm.conf").write_text("ClusterName=c\n")
    path = folder / "control.sock"
    environment = {"PATH": os.environ["PATH"], "SLURM_CONF": str(folder / "slurm.conf")}

    def examine():
        done = subprocess.run([SECRETCTL, "doctor", "--socket", path], capture_output=True, text=True, timeout=20,
                              check=False, env=environment)
        assert done.returncode == 1 and f"no agent answers at {path}" in done.stdout, done.stdout + done.stderr

    with listening(path):
        assert shortest_of_three(examine) < 3

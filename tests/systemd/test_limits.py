# SPDX-License-Identifier: Apache-2.0
"""Limits of systemd: no burst of crashes or of connections ends the service, its fd store or its sockets."""

import contextlib
import os
import signal
import socket
import time

import pytest

from harness import poll
from machines import SOCKETS, broken_program
from plugin_protocol import DONE, PING, NodeConnection, message, reply_to


def crash_at_once(machine, times):
    """Kills each process of the service as soon as it appears, even one that is about to start or to check."""
    killed = set()
    end = time.monotonic() + 60
    while len(killed) < times:
        assert time.monotonic() < end, f"the service is gone after {len(killed)} crashes"
        for pid in machine.processes():
            if pid not in killed:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                except ProcessLookupError:
                    pass


def check_service_is_intact(machine, runs):
    machine.await_agent()
    assert machine.show("ActiveState") == "active"
    for unit in SOCKETS:
        assert machine.show("ActiveState", unit) == "active", unit
    assert machine.runs() == runs
    assert reply_to(machine, message(PING))[0] == DONE


@pytest.fixture
def held_runs(machine, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    yield ["kept"]
    done = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, value + "\n"), done.err


def test_service_survives_30_crashes_in_a_row(machine, held_runs):
    crash_at_once(machine, 30)
    check_service_is_intact(machine, held_runs)


def probe(path, kind):
    """Connects without waiting for an answer. A full backlog is no failure of the socket."""
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(0)
    try:
        client.connect(path)
    except BlockingIOError:
        pass
    return client


def test_service_survives_2000_connections_at_once(machine, held_runs):
    sockets = [(machine.local_path(machine.control_socket), socket.SOCK_STREAM), (machine.node_socket, socket.SOCK_SEQPACKET)]
    for path, kind in sockets:
        clients = [probe(str(path), kind) for _ in range(2000)]
        for client in clients:
            client.close()
        check_service_is_intact(machine, held_runs)


def test_clients_are_answered_after_series_of_failed_starts(machine, held_runs):
    pid = machine.agent_pid
    with contextlib.ExitStack() as stack:
        with broken_program(machine):
            os.kill(pid, signal.SIGKILL)
            poll(lambda: pid not in machine.processes(), 10, "the agent's end")
            client = stack.enter_context(NodeConnection(machine))
            client.send(message(PING))
            begin = int(machine.show("NRestarts"))
            poll(lambda: int(machine.show("NRestarts")) > begin + 10, 30, "vain starts")
        assert client.reply()[0] == DONE
    check_service_is_intact(machine, held_runs)


@pytest.mark.parametrize("unit", SOCKETS)
def test_socket_units_have_no_trigger_limit(machine, unit):
    """systemd's default of 20 starts in 2 s is never reached on slow machines: so the property is checked."""
    assert machine.show("TriggerLimitIntervalUSec", unit) == "0"


def test_stopped_service_is_started_by_first_client(machine):
    machine.systemctl("stop", "slurm-secretsd.service")
    assert machine.show("ActiveState") == "inactive"
    assert machine.secretctl("status").code == 0
    poll(lambda: machine.show("ActiveState") == "active", 5, "the service")
    for unit in SOCKETS:
        assert machine.show("ActiveState", unit) == "active", unit

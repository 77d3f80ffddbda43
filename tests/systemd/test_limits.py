"""No burst of crashes or of connections takes the service, its store or its sockets away."""

import contextlib
import os
import signal
import socket
import time

import pytest

from harness import poll
from machines import SOCKETS, broken_program
from node_wire import DONE, PING, NodeConnection, message, reply_to


def crash_at_once(machine, times):
    """Kills whatever the service runs as soon as it is there: also what is about to start or to check."""
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


def all_is_there(machine, runs):
    machine.await_agent()
    assert machine.show("ActiveState") == "active"
    for unit in SOCKETS:
        assert machine.show("ActiveState", unit) == "active", unit
    assert machine.runs() == runs
    assert reply_to(machine, message(PING))[0] == DONE


@pytest.fixture
def kept(machine, canary):
    value = canary()
    machine.push("kept", workspace={"TOKEN": value})
    yield ["kept"]
    done = machine.srun("--secrets-run=kept", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, value + "\n"), done.err


def test_thirty_crashes_in_a_row(machine, kept):
    crash_at_once(machine, 30)
    all_is_there(machine, kept)


def knock(path, kind):
    """Connects and goes away. A full backlog is no failure of the socket's."""
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(0)
    try:
        client.connect(path)
    except BlockingIOError:
        pass
    return client


def test_two_thousand_connections_at_once(machine, kept):
    doors = [(machine.here(machine.control_socket), socket.SOCK_STREAM), (machine.node_socket, socket.SOCK_SEQPACKET)]
    for door, kind in doors:
        clients = [knock(str(door), kind) for _ in range(2000)]
        for client in clients:
            client.close()
        all_is_there(machine, kept)


def test_clients_wait_while_no_start_succeeds_and_are_answered_in_the_end(machine, kept):
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
    all_is_there(machine, kept)


@pytest.mark.parametrize("unit", SOCKETS)
def test_no_number_of_starts_takes_a_socket_away(machine, unit):
    """Each start that it triggers counts, and systemd's own limit is 20 of them in 2 s: slow machines never see it."""
    assert machine.show("TriggerLimitIntervalUSec", unit) == "0"


def test_a_service_that_ended_is_started_by_the_first_who_asks(machine):
    machine.systemctl("stop", "slurm-secretsd.service")
    assert machine.show("ActiveState") == "inactive"
    assert machine.secretctl("status").code == 0
    poll(lambda: machine.show("ActiveState") == "active", 5, "the service")
    for unit in SOCKETS:
        assert machine.show("ActiveState", unit) == "active", unit

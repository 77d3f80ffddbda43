# SPDX-License-Identifier: Apache-2.0
"""Memory of requests: what one user's requests lock is bounded, leaves room for others and goes back to the host."""

import contextlib
import json
import os
import socket
import time

import pytest

from harness import ALICE, poll
from own_agent import HttpConnection, own_agent, request
from plugin_protocol import DONE, PING, message, reply_to
from smaps import locked_kilobytes

LONGEST = 2_300_000  # of a push's body, with the default limits
MIB = 1024  # in kB


@pytest.fixture
def agent():
    with own_agent() as agent:
        yield agent


@contextlib.contextmanager
def crowd(agent, users, each, data):
    """Holds connections of users, on each of which `data` was sent."""
    connections = []
    try:
        for user in users:
            for _ in range(each):
                connections.append(HttpConnection(agent.control_socket, user))
                connections[-1].send(data)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def head(length, path="/v1/runs/large"):
    return request("PUT", path, b"", {"Content-Length": str(length)})


def grown(agent, before):
    return locked_kilobytes(agent.pid) - before


def ping(agent):
    begin = time.monotonic()
    assert reply_to(agent, message(PING))[0] == DONE
    return time.monotonic() - begin


def test_announced_bodies_lock_no_memory(agent):
    before = locked_kilobytes(agent.pid)
    with crowd(agent, ["alice", "bob"], 128, head(LONGEST)):
        assert max(ping(agent) for _ in range(20)) < 1
        assert grown(agent, before) < 16 * MIB  # 576 MiB were announced
        assert agent.http("GET", "/v1/status").status == 200
    poll(lambda: grown(agent, before) < 4 * MIB, 5, "the memory")


def test_bodies_of_one_user_leave_memory_for_others_and_give_it_back(agent):
    before = locked_kilobytes(agent.pid)
    body = json.dumps({"owner": "alice", "user": {"A": "x"}}).encode()
    most = body + b" " * (LONGEST - len(body))
    with contextlib.ExitStack() as stack:
        connections = stack.enter_context(crowd(agent, ["alice"], 40, head(LONGEST)))
        for connection in connections:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(most[:-1])
        refused = [connection for connection in connections if is_answered(connection)]
        begun = [connection for connection in connections if connection not in refused]
        assert len(refused) > 20 and begun
        for connection in refused:
            answer = connection.answer()
            assert answer.status == 503 and answer.headers["retry-after"] == "1"
            assert f"the requests of uid {ALICE} that are being served would exceed 16777216 bytes" in answer.detail
        assert grown(agent, before) < 40 * MIB
        late = agent.http("PUT", "/v1/runs/large", b"", "alice", {"Content-Length": str(LONGEST)})
        assert late.status == 503
        assert agent.http("PUT", "/v1/runs/small", {"user": {"A": "x"}}, "alice").status == 201
        assert agent.http("PUT", "/v1/runs/of-bob", {"user": {f"N{n}": "x" * 60000 for n in range(10)}}, "bob").status == 201
        begun[0].send(most[-1:])
        assert begun[0].answer().status == 201
    for run in ("large", "small", "of-bob"):
        agent.http("DELETE", f"/v1/runs/{run}")
    poll(lambda: grown(agent, before) < 4 * MIB, 5, "the memory")


def is_answered(connection):
    """Whether an answer came within a moment, or had come."""
    connection.socket.settimeout(0.2)
    try:
        return bool(connection.reader.peek(1))
    except TimeoutError:
        connection.reader = connection.socket.makefile("rb")  # after a timeout the old one reads no more
        return False
    finally:
        connection.socket.settimeout(10)


def test_memory_of_large_bodies_goes_back_past_small_ones(agent):
    """The order in which glibc kept 286 MiB: a few large bodies, many, small ones above them."""
    before = locked_kilobytes(agent.pid)
    part = head(LONGEST) + b" " * (LONGEST // 2)
    with crowd(agent, ["alice"], 4, part):
        ping(agent)
    with crowd(agent, ["alice", "bob"], 5, part):
        with crowd(agent, ["root"], 8, request("GET", "/v1/status")) as small:
            for connection in small:
                assert connection.answer().status == 200
    poll(lambda: grown(agent, before) < 4 * MIB, 5, "the memory")


def test_idle_connections_of_users_give_way_at_the_limit_of_all(agent):
    """Eight users take all 1,024 connections; root and a ninth user are served all the same."""
    connections = []
    try:
        for uid in range(70001, 70009):
            for _ in range(128):
                connections.append(connection_of(agent, uid))
        for user in ("root", "alice"):
            assert agent.http("GET", "/v1/status", user=user).status == 200
        assert connections[-1] is not None
    finally:
        for connection in connections:
            connection.close()


def connection_of(agent, uid):
    """Connects as a uid of which the host knows no name."""
    connection = socket.socket(socket.AF_UNIX)
    os.seteuid(uid)
    try:
        connection.connect(str(agent.control_socket))
    finally:
        os.seteuid(0)
    return connection


def test_one_user_cannot_fill_the_memory_for_runs():
    values = {f"N{number}": "x" * 60000 for number in range(10)}
    with own_agent("limits: { total_bytes: 16777216 }") as agent:
        taken = 0
        while (answer := agent.http("PUT", f"/v1/runs/r{taken}", {"owner": "alice", "user": values})).status == 201:
            taken += 1
        assert answer.status == 429
        assert "the limit is 4194304 (limits.bytes_per_owner in its configuration); complete some first" in answer.detail
        assert taken == 6
        assert agent.http("PUT", "/v1/runs/of-bob", {"owner": "bob", "user": values}).status == 201
        agent.http("DELETE", "/v1/runs/r0")
        assert agent.http("PUT", "/v1/runs/again", {"owner": "alice", "user": values}).status == 201

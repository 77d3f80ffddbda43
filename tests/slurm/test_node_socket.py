# SPDX-License-Identifier: Apache-2.0
"""Node socket: the agent answers an invalid message with a refusal or not at all, and stays as it was."""

import array
import random
import socket
import struct
import time

import pytest

from harness import BOB, poll
from plugin_protocol import (DONE, GRANT, GRANTED, HEADER, MAX_MESSAGE, MAX_SPEC, NOTHING, PING, REFUSED, WAITING, WIPE,
                       NodeConnection, grant_request, message, reply_to)
from own_agent import own_agent


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        agent.push("kept", user={"A": "value of A"})
        yield agent


@pytest.fixture(autouse=True)
def nothing_changes(agent):
    before, descriptors = agent.state(), agent.open_descriptors()
    yield
    assert agent.state() == before
    poll(lambda: agent.open_descriptors() <= descriptors, 12, "the end of all connections")


@pytest.fixture
def changes(agent):
    """Removes the hold and the runs of tests that are granted secrets."""
    yield
    reply_to(agent, message(WIPE, struct.pack("=I", 7)))
    for run in agent.http("GET", "/v1/runs").json["runs"]:
        if run["run"] != "kept":
            agent.http("DELETE", f"/v1/runs/{run['run']}")


def is_refused(reply, fragment):
    kind, sentence, descriptors = reply
    assert (kind, descriptors) == (REFUSED, 0)
    assert fragment in sentence, sentence


# ---- valid messages, so that invalid ones below fail for their own reason only -----------------------


def test_node_socket_answers_ping_with_version(agent):
    kind, text, _ = reply_to(agent, message(PING))
    assert kind == DONE and text.startswith("slurm-secretsd ")


def test_node_socket_grants_one_descriptor_and_wipe_ends_hold(agent, changes):
    assert reply_to(agent, grant_request()) == (GRANTED, "", 1)
    assert agent.status()["holds"] == 1
    assert agent.http("GET", "/v1/runs/kept").json["holds"][0]["job"] == 7
    kind, receipt, _ = reply_to(agent, message(WIPE, struct.pack("=I", 7)))
    assert kind == DONE and "its hold with 1 grant was wiped" in receipt


def test_node_socket_grants_plugin_that_says_how_long_it_waits_and_one_that_does_not(agent, changes):
    for patience in (None, 1, 5000, 600_000):
        assert reply_to(agent, grant_request(patience=patience)) == (GRANTED, "", 1)
    is_refused(reply_to(agent, grant_request(patience=600_001)), "a malformed GRANT message")


def test_node_socket_accepts_wipe_of_job_without_hold(agent):
    for job in (7, 0, 0xffffffff):
        assert reply_to(agent, message(WIPE, struct.pack("=I", job))) == (DONE, f"job {job} held nothing", 0)


def test_node_socket_repeated_grant_of_step_adds_no_hold(agent, changes):
    for _ in range(5):
        assert reply_to(agent, grant_request()) == (GRANTED, "", 1)
    assert agent.status()["holds"] == 1


def test_node_socket_limits_job_to_256_different_specs(agent, changes):
    for number in range(256):
        assert reply_to(agent, grant_request(b"run:kept,A=V%d" % number))[0] == GRANTED
    is_refused(reply_to(agent, grant_request(b"run:kept,A=ONE_MORE")), "has requested 256 different secret specs")
    assert reply_to(agent, grant_request(b"run:kept,A=V0"))[0] == GRANTED, "it has made this one before"


# ---- invalid messages -------------------------------------------------------------------------------


@pytest.mark.parametrize("data, fragment", [
    (message(PING, magic=b"SLS2"), "does not belong to a slurm-secrets protocol"),
    (message(PING, magic=b"GET "), "does not belong to a slurm-secrets protocol"),
    (message(PING, magic=b"\0" * 4), "does not belong to a slurm-secrets protocol"),
    (message(PING, version=0), "a message of protocol version 0, but this side has version 2"),
    (message(PING, version=3), "install agent and plugin of one release"),
    (message(PING, version=0xffff), "a message of protocol version 65535"),
    (message(0), "unknown type 0"),
    (message(8), "unknown type 8"),
    (message(GRANTED, struct.pack("=II", 4096, 0)), "unknown type 101"),
    (message(0xffff), "unknown type 65535"),
    (message(PING, length=0), "declares 0 bytes but has 12"),
    (message(PING, length=13), "declares 13 bytes but has 12"),
    (message(PING, length=0xffffffff), "declares 4294967295 bytes"),
    (message(PING, b"x"), "a malformed PING message"),
    (message(WIPE), "a malformed WIPE message"),
    (message(WIPE, b"\0\0\0"), "a malformed WIPE message"),
    (message(WIPE, b"\0" * 5), "a malformed WIPE message"),
    (message(GRANT), "a malformed GRANT message"),
    (grant_request(length=11), "a malformed GRANT message"),
    (grant_request(length=9), "a malformed GRANT message"),
    (grant_request(length=0xffffffff), "a malformed GRANT message"),
    (grant_request(length=0xfffffff0), "a malformed GRANT message"),
    (grant_request() + b"\0", "it declares"),
    (grant_request(wait=10 * 60 * 1000 + 1), "a malformed GRANT message"),
    (grant_request(wait=0xffffffff), "a malformed GRANT message"),
    (grant_request(b"A" * (MAX_SPEC + 1)), "a malformed GRANT message"),
    (message(PING, b"x" * (MAX_MESSAGE - HEADER.size + 1)), "the message is too long"),
    (message(PING, b"x" * 100_000), "the message is too long"),
    (b"x", "shorter than its header"),
    (b"\0" * 11, "shorter than its header"),
])
def test_node_socket_rejects_malformed_message_with_reason(agent, data, fragment):
    is_refused(reply_to(agent, data), fragment)


def test_node_socket_rejects_every_truncated_grant_request(agent):
    whole = grant_request(b"run:kept,A")
    for length in range(1, len(whole)):
        cut = whole[:length]
        is_refused(reply_to(agent, cut), "")
        if length >= HEADER.size:  # once more, with a header that gives the shorter length
            is_refused(reply_to(agent, message(GRANT, cut[HEADER.size:])), "a malformed GRANT message")


@pytest.mark.parametrize("text, fragment", [
    (b"", "no secret is named"),
    (b"\x1b]0;title\x07", "'?]0;title?'"),
    (b"A\nB", "'A?B'"),
    (b"A\0", "'A?'"),
    (b"run:kept\n", "'kept?'"),
    (b"run:../../etc", "must begin with a letter or a digit"),
    (b"\xff\xfe", "'??'"),
    (b"," * MAX_SPEC, "an item is missing"),
    (b"A" * MAX_SPEC, "8192 characters"),
    (b"A=PATH", "controls which programs run"),
    (b"LD_PRELOAD", "controls the dynamic loader"),
    (b"A:held", "invalid form 'held'"),
    (b"A,B=A", "would be set from both"),
    (b"workspace:lab", "a workspace is named, but no secret"),
    (b"workspace:../lab,A", "must begin with a letter or a digit"),
    (b"run:kept,run:other", "a second run is named"),
    (b",".join(b"N%d" % number for number in range(257)), "more than 256 secrets"),
    (b"B", "names no run"),
    (b"run:kept,B", "secret B is not among the secrets of run kept"),
    (b"run:nowhere,A", "run nowhere is not known"),
])
def test_node_socket_denies_invalid_spec_with_printable_reason(agent, text, fragment):
    lines = agent.log.read_text().count("\n")
    is_refused(reply_to(agent, grant_request(text)), fragment)
    new_lines = agent.log.read_text().splitlines()[lines:]
    assert len(new_lines) == 1 and new_lines[0].isprintable()


@pytest.mark.parametrize("uid", [0, BOB, 65534, 0xffffffff])
def test_node_socket_denies_run_of_another_user_even_to_root(agent, uid):
    is_refused(reply_to(agent, grant_request(uid=uid)), "run kept belongs to another user")
    assert reply_to(agent, grant_request(b"run:kept?,A?", uid=uid)) == (NOTHING, "", 0)


def test_node_socket_closes_connection_without_request(agent):
    with NodeConnection(agent) as connection:
        connection.send(b"")
        assert connection.reply() is None
    NodeConnection(agent).socket.close()
    with NodeConnection(agent) as connection:
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.reply() is None


def test_node_socket_connection_carries_one_request(agent):
    with NodeConnection(agent) as connection:
        connection.send(message(PING))
        assert connection.reply()[0] == DONE
        assert connection.reply() is None


def test_node_socket_closes_descriptors_sent_with_request(agent):
    """Sends one descriptor, and so many that the kernel has to drop some."""
    before = agent.open_descriptors()
    with open("/dev/null", "rb") as null:
        for count in (1, 2, 200):
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * count))]
            with NodeConnection(agent) as connection:
                connection.socket.sendmsg([message(PING)], rights)
                assert connection.reply()[0] == DONE
    poll(lambda: agent.open_descriptors() <= before, 5, "the close of all descriptors")


def test_node_socket_closes_silent_connection_without_delaying_others(agent):
    begin = time.monotonic()
    with NodeConnection(agent) as silent:
        assert reply_to(agent, message(PING))[0] == DONE
        assert time.monotonic() - begin < 1
        assert silent.reply() is None
    assert 3 < time.monotonic() - begin < 8


def test_node_socket_grants_nothing_for_randomly_damaged_request(agent):
    generator = random.Random(20261125)
    whole = grant_request(b"run:kept,B", wait=0)  # the run has no B, so that even an undamaged request is denied
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        data = bytes(damaged[:generator.randint(1, len(damaged))] if generator.random() < 0.3 else damaged)
        kind, _, descriptors = reply_to(agent, data)
        assert descriptors == 0
        assert kind in (REFUSED, NOTHING, DONE, WAITING)


# ---- permissions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["bob", "alice", "nobody"])
def test_node_socket_lets_only_root_connect(agent, user):
    with pytest.raises(PermissionError):
        NodeConnection(agent, user)


@pytest.mark.parametrize("user", ["bob", "alice", "nobody"])
def test_node_socket_with_loosened_mode_still_rejects_other_users(agent, user):
    agent.node_socket.chmod(0o666)
    try:
        for data in (grant_request(), message(PING), message(WIPE, struct.pack("=I", 7)), b"x", None):
            with NodeConnection(agent, user) as connection:
                if data is not None:
                    try:
                        connection.send(data)
                    except BrokenPipeError:
                        pass  # it was refused already
                is_refused(connection.reply(), "only root may use the agent's node socket")
    finally:
        agent.node_socket.chmod(0o600)


# ---- grant requests that wait -----------------------------------------------------------------------


def test_node_socket_grant_waits_for_push_and_reports_how_long(agent, changes):
    with NodeConnection(agent) as connection:
        connection.send(grant_request(b"run:later,A", wait=8000))
        assert connection.reply() == (WAITING, "", 0)
        agent.push("later", user={"A": "x"})
        kind, note, descriptors = connection.reply()
        assert (kind, descriptors) == (GRANTED, 1)
        assert note.startswith("waited ") and note.endswith(" s for run later")


def test_node_socket_denies_grant_when_wait_ends_without_push(agent):
    begin = time.monotonic()
    with NodeConnection(agent) as connection:
        connection.send(grant_request(b"run:never,A", wait=1000))
        assert connection.reply()[0] == WAITING
        is_refused(connection.reply(), "run never was not pushed within 1 s")
    assert 0.9 < time.monotonic() - begin < 3


def test_node_socket_denies_waiting_grant_of_another_users_run(agent, changes):
    with NodeConnection(agent) as connection:
        connection.send(grant_request(b"run:bobs", wait=8000))
        assert connection.reply()[0] == WAITING
        agent.push("bobs", owner="bob", user={"A": "x"})
        is_refused(connection.reply(), "run bobs belongs to another user")


def test_node_socket_adds_no_hold_for_client_gone_while_waiting(agent, changes):
    with NodeConnection(agent) as connection:
        connection.send(grant_request(b"run:too-late,A", wait=2000))
        assert connection.reply()[0] == WAITING
    agent.push("too-late", user={"A": "x"})
    time.sleep(0.1)
    assert agent.status()["holds"] == 0


def test_agent_stop_closes_waiting_grant_requests():
    """Their connections close without an answer, and the plugins try again."""
    with own_agent() as agent, NodeConnection(agent) as waiting, NodeConnection(agent) as silent:
        waiting.send(grant_request(b"run:never,A", wait=60000))
        assert waiting.reply()[0] == WAITING
        code, seconds = agent.stop()
        assert waiting.reply() is None and silent.reply() is None
        assert code == 0 and seconds < 1

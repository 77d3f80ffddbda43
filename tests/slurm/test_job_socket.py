# SPDX-License-Identifier: Apache-2.0
"""Job socket: any local user checks whether a job of their own may be submitted; only names are exchanged."""

import pytest

from plugin_protocol import CHECK, DONE, GRANT, REFUSED, WIPE, NodeConnection, grant_request, message, reply_to, text_message
from own_agent import own_agent


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        agent.push("theirs", user={"A": "secret of alice"})
        yield agent


def check(agent, text, user="alice"):
    return reply_to(agent, text_message(CHECK, text), user, path=agent.job_socket)


@pytest.mark.parametrize("text", ["none", "run:theirs", "run:theirs,A", "run:not-pushed-yet", "run:not-pushed-yet,B",
                                  "NOPE?"])
@pytest.mark.parametrize("user", ["root", "alice", "bob"])
def test_job_socket_accepts_spec_that_is_or_may_become_grantable(agent, text, user):
    assert check(agent, text, user) == (DONE, "", 0)


@pytest.mark.parametrize("text, fragment", [
    ("NOPE", "NOPE"),
    ("A,,B", "the secret spec at character "),
    ("A=PATH", "PATH"),
    ("\0", "character 1"),
])
def test_job_socket_rejects_spec_that_cannot_be_granted_with_reason(agent, text, fragment):
    kind, sentence, descriptors = check(agent, text)
    assert (kind, descriptors) == (REFUSED, 0) and fragment in sentence


def test_job_socket_clients_that_leave_early_do_not_fill_log(agent):
    with agent.connect("root"):
        lines = len(agent.log.read_text().splitlines())
        for _ in range(50):
            with NodeConnection(agent, "bob", path=agent.job_socket) as gone:
                gone.send(message(3))
        assert check(agent, "none") == (DONE, "", 0)
        assert len(agent.log.read_text().splitlines()) == lines


def test_job_socket_answers_ping_and_rejects_grant_and_wipe(agent):
    ping = reply_to(agent, message(3), "alice", path=agent.job_socket)
    assert ping[0] == DONE and ping[1].startswith("slurm-secretsd ")
    for request in (grant_request(b"run:theirs"), message(WIPE, b"\1\0\0\0")):
        for user in ("alice", "root"):
            reply = reply_to(agent, request, user, path=agent.job_socket)
            assert reply == (REFUSED, "the agent's job socket accepts only CHECK, MARKER, GET and PING", 0)
    assert agent.status()["holds"] == 0
    assert GRANT != CHECK


def test_node_socket_rejects_check(agent):
    reply = reply_to(agent, text_message(CHECK, "none"))
    assert reply == (REFUSED, "the agent's node socket accepts only GRANT, WIPE, BIND and PING", 0)


def test_job_socket_silent_connections_give_way_to_new_ones(agent):
    connections = [NodeConnection(agent, "alice", path=agent.job_socket) for _ in range(64)]
    try:
        for user in ("alice", "bob", "root"):
            assert check(agent, "none", user) == (DONE, "", 0)
        assert connections[0].reply() is None
    finally:
        for connection in connections:
            connection.socket.close()


def test_job_socket_closes_silent_connection(agent):
    with NodeConnection(agent, "alice", path=agent.job_socket) as connection:
        assert connection.reply() is None

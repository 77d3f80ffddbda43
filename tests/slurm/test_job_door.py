"""The job door: any local user asks there, for themselves, whether a job may be submitted; names only."""

import pytest

from harness import poll
from node_wire import ASK, BUSY, CHECK, DONE, REFUSED, WIPE, NodeConnection, ask, message, reply_to, text_message
from own_agent import own_agent


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        agent.push("theirs", user={"A": "secret of alice"})
        yield agent


def check(agent, text, user="alice"):
    return reply_to(agent, text_message(CHECK, text), user, door=agent.job_socket)


@pytest.mark.parametrize("text", ["none", "run:theirs", "run:theirs,A", "run:not-pushed-yet", "run:not-pushed-yet,B",
                                  "NOPE?"])
@pytest.mark.parametrize("user", ["root", "alice", "bob"])
def test_what_has_or_may_still_get_an_answer_may_be_submitted(agent, text, user):
    assert check(agent, text, user) == (DONE, "", 0)


@pytest.mark.parametrize("text, fragment", [
    ("NOPE", "NOPE"),
    ("A,,B", "the ask at character "),
    ("A=PATH", "PATH"),
    ("\0", "character 1"),
])
def test_what_can_get_none_is_refused_with_the_reason(agent, text, fragment):
    kind, sentence, descriptors = check(agent, text)
    assert (kind, descriptors) == (REFUSED, 0) and fragment in sentence


def test_clients_that_go_before_their_answer_can_not_fill_the_log(agent):
    with agent.connect("root"):
        lines = len(agent.log.read_text().splitlines())
        for _ in range(50):
            with NodeConnection(agent, "bob", door=agent.job_socket) as gone:
                gone.send(message(3))
        assert check(agent, "none") == (DONE, "", 0)
        assert len(agent.log.read_text().splitlines()) == lines


def test_it_answers_a_ping_and_takes_nothing_else(agent):
    ping = reply_to(agent, message(3), "alice", door=agent.job_socket)
    assert ping[0] == DONE and ping[1].startswith("slurm-secretsd ")
    for request in (ask(b"run:theirs"), message(WIPE, b"\1\0\0\0")):
        for user in ("alice", "root"):
            reply = reply_to(agent, request, user, door=agent.job_socket)
            assert reply == (REFUSED, "the agent's job socket takes CHECK and PING alone", 0)
    assert agent.status()["holds"] == 0
    assert ASK != CHECK


def test_the_node_door_takes_no_check(agent):
    reply = reply_to(agent, text_message(CHECK, "none"))
    assert reply == (REFUSED, "the agent's node socket takes ASK, WIPE and PING alone", 0)


def test_one_user_who_takes_all_places_leaves_others_theirs(agent):
    connections = [NodeConnection(agent, "alice", door=agent.job_socket) for _ in range(64)]
    try:
        poll(lambda: check(agent, "none") == (BUSY, "you have too many connections here already", 0), 5, "the bound")
        assert check(agent, "none", "bob") == (DONE, "", 0)
        assert check(agent, "none", "root") == (DONE, "", 0)
    finally:
        for connection in connections:
            connection.socket.close()
    poll(lambda: check(agent, "none") == (DONE, "", 0), 5, "room for alice again")


def test_a_client_that_stays_silent_is_let_go(agent):
    with NodeConnection(agent, "alice", door=agent.job_socket) as connection:
        assert connection.reply() is None

# SPDX-License-Identifier: Apache-2.0
"""Out of memory during a request: the request fails or its connection closes, nothing is half done, and the agent
goes on. Each allocation of each request fails once: the first, the second, and so on."""

import errno
import struct

import pytest

from faulty_agent import ALWAYS, FaultyAgent
from harness import poll
from plugin_protocol import DONE, GRANTED, NOTHING, PING, REFUSED, WIPE, grant_request, message, reply_to

JOB = 7
RUN = {"owner": "alice", "user": {"A": "a" * 100, "B": "b" * 3000}, "workspace": {"C": "c"}}
NAMES = ["A", "B", "C"]


@pytest.fixture
def agent():
    agent = FaultyAgent()
    try:
        prepare(agent)
        yield agent
    finally:
        agent.faults.clear()
        agent.remove()


def prepare(agent):
    agent.push("kept", user={"A": "value of A"})
    for kind in KINDS:  # the first request of a kind loads libraries and fills caches
        kind.before(agent)
        kind.answer(agent)
        kind.undo(agent)
    agent.await_quiet()


def was_ended_by_libc(agent):
    """Whether libc's loader ended the process: it had no memory for a library's thread-local data (of NSS, say)."""
    return not agent.answers() and agent.process.wait(5) == 127 and \
        "cannot allocate memory for thread-local data: ABORT" in agent.log.read_text()


def put(agent):
    return agent.http("PUT", "/v1/runs/r", RUN)


def delete(agent):
    answer = agent.http("DELETE", "/v1/runs/r")
    assert answer.status == 204, answer.text


def wipe(agent, job=JOB):
    reply = reply_to(agent, message(WIPE, struct.pack("=I", job)))
    assert reply[0] == DONE, reply


class Kind:
    """A kind of request: its preparation, the request, a check of what it may leave, and its undoing."""

    @staticmethod
    def before(agent):
        pass

    @staticmethod
    def check(agent):
        pass

    @staticmethod
    def undo(agent):
        pass


class Push(Kind):
    answer = staticmethod(put)

    @staticmethod
    def check(agent):
        """Checks that all of the run is there, or nothing of it."""
        answer = agent.http("GET", "/v1/runs/r")
        if answer.status == 200:
            assert [secret["name"] for secret in answer.json["secrets"]] == NAMES
            assert reply_to(agent, grant_request(b"run:r,B", job=8))[0] == GRANTED
            wipe(agent, 8)
        else:
            assert answer.status == 404

    undo = staticmethod(delete)


class PushAgain(Push):
    @staticmethod
    def before(agent):
        assert put(agent).status == 201

    @staticmethod
    def check(agent):
        """Checks that one generation of the run or the other is there."""
        assert agent.http("GET", "/v1/runs/r").status == 200
        Push.check(agent)


class Complete(PushAgain):
    @staticmethod
    def answer(agent):
        return agent.http("DELETE", "/v1/runs/r")

    check = Push.check


class GrantRequest(Kind):
    @staticmethod
    def answer(agent):
        return reply_to(agent, grant_request(job=JOB))

    undo = staticmethod(wipe)


class SecondGrantRequest(GrantRequest):
    """Requests another grant for a job that has one."""

    @staticmethod
    def before(agent):
        assert reply_to(agent, grant_request(b"run:kept", job=JOB))[0] == GRANTED

    @staticmethod
    def check(agent):
        assert agent.http("GET", "/v1/runs/kept").json["holds"][0]["job"] == JOB


class Wipe(GrantRequest):
    @staticmethod
    def before(agent):
        assert reply_to(agent, grant_request(job=JOB))[0] == GRANTED

    @staticmethod
    def answer(agent):
        return reply_to(agent, message(WIPE, struct.pack("=I", JOB)))


class Ping(Kind):
    @staticmethod
    def answer(agent):
        return reply_to(agent, message(PING))


class List(Kind):
    @staticmethod
    def answer(agent):
        return agent.http("GET", "/v1/runs")


class Status(Kind):
    @staticmethod
    def answer(agent):
        return agent.http("GET", "/v1/status")


KINDS = [Push, PushAgain, Complete, GrantRequest, SecondGrantRequest, Wipe, Ping, List, Status]


def is_answer(answer):
    """Whether a client may get this answer; None is a closed connection."""
    if answer is None:
        return True
    if isinstance(answer, tuple):
        return answer[0] in (GRANTED, NOTHING, REFUSED, DONE)
    if answer.status == 400:
        # libc reports an unknown user if one source of accounts had no memory and the next one answered.
        return answer.detail == "\"owner\": there is no user 'alice' on this machine"
    return answer.status in (200, 201, 204, 503)


def answer_without_memory(agent, kind, skip, count):
    """Makes a request with failing allocations; returns whether one failed."""
    agent.await_quiet()
    agent.faults.set("malloc", errno.ENOMEM, skip=skip, count=count)
    try:
        answer = kind.answer(agent)
    except (BrokenPipeError, ConnectionResetError):
        answer = None
    struck = agent.faults.struck("malloc")
    agent.faults.clear()
    assert is_answer(answer), answer if isinstance(answer, tuple) else answer.text
    return struck > 0


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_request_is_done_wholly_or_not_at_all_whichever_allocation_fails(agent, kind, count):
    before, failed = agent.holdings(), 0
    while True:
        kind.before(agent)
        struck = answer_without_memory(agent, kind, failed, count)
        if was_ended_by_libc(agent):
            agent.start()
            prepare(agent)
            before = agent.holdings()
        else:
            assert agent.process.poll() is None, agent.log.read_text()[-2000:]
            kind.check(agent)
            kind.undo(agent)
        if not struck:
            break
        failed += 1
        assert failed < 3000
    assert failed > 2
    agent.await_quiet()
    assert agent.holdings() == before
    assert agent.http("DELETE", "/v1/runs/kept").status == 204
    assert agent.status()["slabs"] == 0, "a record that was given up is still in a slab"


@pytest.mark.parametrize("kind", KINDS)
def test_agent_recovers_after_period_without_memory(agent, kind):
    before = agent.holdings()
    kind.before(agent)
    answer_without_memory(agent, kind, 0, ALWAYS)
    poll(agent.is_alive, 5, "an answer")
    kind.check(agent)
    kind.undo(agent)
    agent.await_quiet()
    assert agent.holdings() == before

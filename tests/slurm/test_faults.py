"""The kernel says no: each failed call is an error answer, or a client that has to try again, and never more.

After every test here the agent holds what it held before: records, open files, locked memory."""

import contextlib
import errno
import os
import resource
import socket
import struct
import time

import pytest

from faulty_agent import ALWAYS, FaultyAgent, connections_of, resources_of
from harness import poll
from own_agent import OwnAgent, own_agent, request
from test_node_door import (DONE, GRANTED, PING, REFUSED, WIPE, NodeConnection, ask, is_refused, message,
                            reply_to)

VALUE = "v" * 65000
LARGE_RUN = {f"S{number}": VALUE for number in range(16)}  # no slab that is there has room for it
JOB = 7


@contextlib.contextmanager
def faulty_agent(*config, at_start=()):
    agent = FaultyAgent(*config, at_start=at_start)
    try:
        agent.push("kept", user={"A": "value of A" * 1000})
        yield agent
    finally:
        agent.faults.clear()
        agent.remove()


@pytest.fixture(scope="module")
def secretmem_agent():
    with faulty_agent() as agent:
        assert agent.status()["memory"] == "memfd_secret"
        yield agent


@pytest.fixture(scope="module")
def fallback_agent():
    """As on a kernel without memfd_secret."""
    with faulty_agent(at_start=[("memfd_secret", errno.ENOSYS)]) as agent:
        assert agent.status()["memory"] == "memfd"
        yield agent


@pytest.fixture(params=["secretmem", "fallback"])
def agent(request):
    yield from unchanged(request.getfixturevalue(f"{request.param}_agent"))


@pytest.fixture
def secretmem(secretmem_agent):
    yield from unchanged(secretmem_agent)


@pytest.fixture
def fallback(fallback_agent):
    yield from unchanged(fallback_agent)


def unchanged(agent):
    before = agent.holdings()
    yield agent
    agent.faults.clear()
    must_hold_again(agent, before)


def must_hold_again(agent, before):
    agent.await_quiet()
    assert agent.holdings() == before


# ---- requests, each as (do it, whether it was done, how to undo it) ----------------------------------


class Push:
    """Of a run that needs a slab of its own."""

    @staticmethod
    def answer(agent):
        return agent.http("PUT", "/v1/runs/large", {"owner": "alice", "user": LARGE_RUN})

    @staticmethod
    def must_be_error(answer, sentence):
        assert answer.status == 503 and sentence in answer.detail, answer.text

    @staticmethod
    def is_done(answer):
        return answer.status == 201

    @staticmethod
    def undo(agent):
        assert agent.http("DELETE", "/v1/runs/large").status == 204


class Ask:
    @staticmethod
    def answer(agent):
        return reply_to(agent, ask(job=JOB))

    must_be_error = staticmethod(is_refused)

    @staticmethod
    def is_done(answer):
        return answer == (GRANTED, "", 1)

    @staticmethod
    def undo(agent):
        assert reply_to(agent, message(WIPE, struct.pack("=I", JOB)))[0] == DONE


class Wipe:
    @staticmethod
    def answer(agent):
        return reply_to(agent, message(WIPE, struct.pack("=I", JOB)))

    @staticmethod
    def is_done(answer):
        return answer is not None and answer[0] == DONE

    @staticmethod
    def undo(agent):
        pass


class Ping(Wipe):
    @staticmethod
    def answer(agent):
        return reply_to(agent, message(PING))


class Status:
    @staticmethod
    def answer(agent):
        return agent.http("GET", "/v1/status")

    @staticmethod
    def is_done(answer):
        return answer is not None and answer.status == 200

    @staticmethod
    def undo(agent):
        pass


class Complete(Status):
    @staticmethod
    def answer(agent):
        return agent.http("DELETE", "/v1/runs/nothing")

    @staticmethod
    def is_done(answer):
        return answer is not None and answer.status == 204


def is_answered_once_it_can_be(agent, kind):
    assert kind.is_done(kind.answer(agent))
    kind.undo(agent)


# ---- memory for secrets ------------------------------------------------------------------------------

LIMIT = "raise the limit of locked memory (LimitMEMLOCK=)"
FILES = "raise the limit of open files (LimitNOFILE=)"


@pytest.mark.parametrize("kind", [Push, Ask])
@pytest.mark.parametrize("call, error, sentence", [
    ("memfd_secret", errno.ENOMEM, "locked memory: memfd_secret failed: Cannot allocate memory"),
    ("memfd_secret", errno.EMFILE, FILES),
    ("memfd_secret", errno.ENFILE, "Too many open files in system"),
    ("ftruncate", errno.ENOMEM, "locked memory: ftruncate failed: Cannot allocate memory"),
    ("mmap", errno.ENOMEM, "locked memory: mmap failed: Cannot allocate memory"),
    ("mmap", errno.EAGAIN, LIMIT),
    ("madvise", errno.EINVAL, "locked memory: madvise(MADV_DONTFORK) failed: Invalid argument"),
])
def test_memory_that_the_kernel_refuses_is_an_error_answer(secretmem, kind, call, error, sentence):
    with secretmem.failing(call, error):
        kind.must_be_error(kind.answer(secretmem), sentence)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("kind", [Push, Ask])
@pytest.mark.parametrize("call, error, sentence", [
    ("memfd_create", errno.ENOMEM, "locked memory: memfd_create failed: Cannot allocate memory"),
    ("memfd_create", errno.EMFILE, FILES),
    ("ftruncate", errno.ENOSPC, "locked memory: ftruncate failed: No space left on device"),
    ("mmap", errno.ENOMEM, "locked memory: mmap failed: Cannot allocate memory"),
    ("mmap", errno.EAGAIN, LIMIT),
    ("mlock", errno.ENOMEM, LIMIT),
    ("mlock", errno.EAGAIN, LIMIT),
    ("mlock", errno.EPERM, LIMIT),
])
def test_fallback_memory_that_the_kernel_refuses_is_an_error_answer(fallback, kind, call, error, sentence):
    fallback.faults.clear()  # of the start: what kind of memory it is was decided then
    with fallback.failing(call, error):
        kind.must_be_error(kind.answer(fallback), sentence)
    is_answered_once_it_can_be(fallback, kind)


@pytest.mark.parametrize("kind", [Push, Ask])
@pytest.mark.parametrize("call, error", [
    ("mmap", errno.ENOMEM), ("madvise", errno.ENOMEM), ("mlock", errno.ENOMEM), ("ftruncate", errno.ENOMEM)])
def test_whichever_of_the_calls_of_a_region_fails_nothing_of_it_is_left(agent, kind, call, error):
    """The first of them, the second, and so on until there is none left to fail."""
    agent.faults.clear()
    before, failed = agent.holdings(), 0
    while failed < 20:
        agent.await_quiet()
        agent.faults.set(call, error, skip=failed)
        answer = kind.answer(agent)
        struck = agent.faults.struck(call)
        agent.faults.clear()
        if not struck:
            break
        failed += 1
        kind.must_be_error(answer, call)
        must_hold_again(agent, before)
    assert kind.is_done(answer)
    kind.undo(agent)
    assert failed > 0 or (call == "mlock" and agent.status()["memory"] == "memfd_secret")


def test_a_run_whose_next_generation_does_not_fit_keeps_the_one_it_has(secretmem):
    secretmem.push("growing", user={"A": "first"})
    with secretmem.failing("mmap", errno.EAGAIN):
        answer = secretmem.http("PUT", "/v1/runs/growing", {"owner": "alice", "user": LARGE_RUN})
        assert answer.status == 503 and LIMIT in answer.detail
    run = secretmem.http("GET", "/v1/runs/growing").json
    assert run["generation"] == 1 and [secret["name"] for secret in run["secrets"]] == ["A"]
    assert reply_to(secretmem, ask(b"run:growing,A", job=JOB))[0] == GRANTED
    Ask.undo(secretmem)
    assert secretmem.http("DELETE", "/v1/runs/growing").status == 204


@pytest.mark.parametrize("kind", [Wipe, Ping, Status, Complete])
def test_what_takes_away_or_only_tells_needs_no_memory_for_secrets(agent, kind):
    for call in ("memfd_secret", "memfd_create", "ftruncate", "mmap", "madvise", "mlock"):
        agent.faults.set(call, errno.ENOMEM, count=ALWAYS)
    assert kind.is_done(kind.answer(agent))
    agent.faults.clear()


def test_a_wipe_and_a_complete_while_no_memory_is_given_free_what_was_held(agent):
    agent.faults.clear()
    assert Push.is_done(Push.answer(agent))
    assert Ask.is_done(Ask.answer(agent))
    for call in ("memfd_secret", "memfd_create", "ftruncate", "mmap", "madvise", "mlock"):
        agent.faults.set(call, errno.ENOMEM, count=ALWAYS)
    assert Wipe.is_done(Wipe.answer(agent))
    assert agent.http("DELETE", "/v1/runs/large").status == 204
    agent.faults.clear()


# ---- connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Push, Ask, Wipe, Ping, Status, Complete])
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM])
def test_a_connection_that_can_not_be_taken_waits_until_it_can(secretmem, kind, error):
    with secretmem.failing("accept4", error, count=3):
        assert kind.is_done(kind.answer(secretmem))
        assert secretmem.faults.struck("accept4") == 3
    kind.undo(secretmem)


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EINTR, errno.EAGAIN])
def test_a_client_that_went_before_it_was_taken_holds_nobody_up(secretmem, error):
    with secretmem.failing("accept4", error, count=5):
        begin = time.monotonic()
        assert Status.is_done(Status.answer(secretmem))
        assert time.monotonic() - begin < 0.5


def test_a_long_lack_of_descriptors_is_said_once_and_costs_no_time(secretmem):
    secretmem.faults.set("accept4", errno.EMFILE, count=ALWAYS)
    lines, spent = secretmem.log.read_text().count("\n"), cpu_seconds(secretmem.pid)
    with secretmem.connect() as waiting:
        time.sleep(1.5)
        said = secretmem.log.read_text().splitlines()[lines:]
        assert cpu_seconds(secretmem.pid) - spent < 0.3
        assert 2 < secretmem.faults.struck("accept4") < 100
        secretmem.faults.clear()
        waiting.send(request("GET", "/v1/status"))
        assert waiting.answer().status == 200
    assert len(said) == 1, said
    assert "control door: accept() failed: Too many open files" in said[0] and FILES in said[0]


@pytest.mark.parametrize("kind, call, error", [
    (kind, call, error)
    for kind in (Push, Status, Complete)
    for call, error in [("recvmsg", errno.ENOMEM), ("sendmsg", errno.ENOBUFS), ("epoll_ctl", errno.ENOMEM),
                        ("epoll_ctl", errno.ENOSPC), ("getsockopt", errno.ENOBUFS)]
])
def test_a_client_of_the_control_door_that_can_not_be_served_is_let_go(secretmem, kind, call, error):
    """Without an answer: there is no way to give one. It tries again."""
    with secretmem.failing(call, error):
        try:
            assert kind.answer(secretmem) is None
        except (BrokenPipeError, ConnectionResetError):
            pass
    if (kind, call) == (Push, "sendmsg"):  # it was done, and only its answer was lost
        kind.undo(secretmem)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("kind", [Ask, Wipe, Ping])
def test_a_request_of_the_node_door_that_can_not_be_read_is_refused(secretmem, kind):
    with secretmem.failing("recvmsg", errno.ENOMEM):
        is_refused(kind.answer(secretmem), "the request could not be read: receiving failed: Cannot allocate memory")
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.ETOOMANYREFS, errno.EMFILE])
def test_a_delivery_that_can_not_be_handed_over_is_a_refusal(secretmem, error):
    with secretmem.failing("sendmsg", error):
        is_refused(Ask.answer(secretmem),
                   f"the delivery could not be handed over: sending failed: {os.strerror(error)}")
    # The job's hold stays for its next step and its epilog; the delivery is gone.
    assert secretmem.status()["holds"] == 1
    assert Ask.is_done(Ask.answer(secretmem))
    Ask.undo(secretmem)


@pytest.mark.parametrize("kind", [Ask, Wipe, Ping])
def test_a_client_of_the_node_door_that_can_be_told_nothing_is_let_go(secretmem, kind):
    lines = secretmem.log.read_text().count("\n")
    with secretmem.failing("sendmsg", errno.ENOBUFS, count=2):
        assert kind.answer(secretmem) is None
    said = "\n".join(secretmem.log.read_text().splitlines()[lines:])
    assert "node door: the reply was lost: sending failed: No buffer space available" in said
    Ask.undo(secretmem)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("call, error", [("epoll_ctl", errno.ENOSPC), ("epoll_ctl", errno.ENOMEM)])
def test_a_silent_client_of_the_node_door_that_can_not_be_waited_for_is_let_go(secretmem, call, error):
    with secretmem.failing(call, error):
        with NodeConnection(secretmem) as connection:
            assert connection.reply() is None
    is_answered_once_it_can_be(secretmem, Ask)


def test_a_client_that_the_kernel_does_not_know_is_refused_by_the_node_door(secretmem):
    with secretmem.failing("getsockopt", errno.ENOBUFS), NodeConnection(secretmem) as connection:
        is_refused(connection.reply(), "the kernel does not say who is calling")
    is_answered_once_it_can_be(secretmem, Ask)


def test_a_start_without_a_socket_ends_with_a_sentence():
    with pytest.raises(AssertionError, match=r"node_socket: socket\(\) failed: Too many open files; raise"):
        FaultyAgent(at_start=[("socket", errno.EMFILE)])


class NotifiedAgent(FaultyAgent):
    """Its systemd is this test: a socket that hears what systemd would."""

    def start(self):
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(self.folder / "notify"))
        self.more_environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "1500000"}
        super().start()


def test_a_slab_that_systemd_could_not_be_told_of_is_told_again():
    agent = NotifiedAgent()
    try:
        with agent.failing("sendmsg", errno.ENOBUFS):
            agent.push("kept", user={"A": "x"})
        assert agent.status()["slabs"] == 1
        poll(lambda: agent.status()["kept_slabs"] == 1, 5, "the slab's way to systemd")
        agent.systemd.settimeout(5)
        while not (heard := agent.systemd.recv(4096)).startswith(b"FDSTORE=1"):
            pass
        assert heard == b"FDSTORE=1\nFDNAME=slab-1"
    finally:
        agent.remove()
        agent.systemd.close()


# ---- the real thing: nothing is injected, there is no more ------------------------------------------


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def leave_descriptors(agent, count):
    """From here on the agent can open `count` more."""
    used = {int(number) for number in os.listdir(f"/proc/{agent.pid}/fd")}
    free = (number for number in range(20000) if number not in used)
    limit = [next(free) for _ in range(count + 1)][-1]
    _, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (limit, hard))


@contextlib.contextmanager
def descriptors_left(agent, count):
    limits = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    leave_descriptors(agent, count)
    try:
        yield
    finally:
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("kind", [Push, Ask])
def test_without_a_descriptor_for_a_region_a_request_is_refused(secretmem, kind):
    secretmem.await_quiet()
    with descriptors_left(secretmem, 1):  # the one of the connection
        kind.must_be_error(kind.answer(secretmem), FILES)
    is_answered_once_it_can_be(secretmem, kind)


def test_without_a_descriptor_those_who_are_served_go_on_and_others_wait(secretmem):
    secretmem.await_quiet()
    with secretmem.connect() as served:
        served.send(request("GET", "/v1/status"))
        assert served.answer().status == 200
        with descriptors_left(secretmem, 0):
            with secretmem.connect() as waiting, NodeConnection(secretmem) as waiting_step:
                waiting.send(request("GET", "/v1/status"))
                waiting_step.send(message(PING))
                served.send(request("PUT", "/v1/runs/large", {"owner": "alice", "user": LARGE_RUN}))
                answer = served.answer()
                assert answer.status == 503 and FILES in answer.detail
                served.send(request("PUT", "/v1/runs/small", {"owner": "alice", "user": {"A": "x"}}))
                answer = served.answer()  # not that there is no such user
                assert answer.status == 503
                assert answer.detail == f"looking up a user failed: Too many open files; {FILES}"
                served.send(request("DELETE", "/v1/runs/nothing"))
                assert served.answer().status == 204
                waiting.socket.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    waiting.socket.recv(1)
                waiting.socket.settimeout(10)
                leave_descriptors(secretmem, 2)
                assert waiting_step.reply()[0] == DONE
                poll(lambda: b"200 OK" in waiting.socket.recv(65536), 5, "the answer that had to wait")
    is_answered_once_it_can_be(secretmem, Push)


def test_a_hundred_clients_more_than_descriptors_are_all_served():
    with own_agent() as agent:
        agent.push("kept", user={"A": "x"})
        poll(lambda: not connections_of(agent.pid), 10, "the end of all connections")
        leave_descriptors(agent, 10)
        connections = []
        for _ in range(100):
            connections.append(NodeConnection(agent))
            connections[-1].send(ask(job=JOB))
        for connection in connections:
            kind, sentence, _ = connection.reply()
            assert kind == GRANTED or (kind == REFUSED and FILES in sentence)
            connection.socket.close()
        Ask.undo(agent)
        assert agent.is_alive()


def test_when_the_memory_for_secrets_is_full_pushes_and_asks_are_refused_until_some_is_free():
    full = "limits.total_bytes in its configuration"
    with own_agent("limits: { total_bytes: 1048576 }") as agent:
        size, runs = 60000, 0
        while size > 8:  # ever smaller ones, until nothing fits
            answer = agent.http("PUT", f"/v1/runs/r{runs}", {"owner": "alice", "user": {"A": "x" * size}})
            if answer.status == 201:
                runs += 1
                continue
            assert answer.status == 503 and full in answer.detail
            size //= 2
        before = agent.state()
        is_refused(reply_to(agent, ask(b"run:r0,A", job=JOB)), full)
        answer = agent.http("PUT", "/v1/runs/r0", {"owner": "alice", "user": {"A": "y" * 60000}})
        assert answer.status == 503 and full in answer.detail
        assert agent.state() == before
        assert agent.http("DELETE", "/v1/runs/r1").status == 204
        assert reply_to(agent, ask(b"run:r0,A", job=JOB))[0] == GRANTED
        Ask.undo(agent)
        assert agent.http("PUT", "/v1/runs/r1", {"owner": "alice", "user": {"A": "z"}}).status == 201


def test_without_the_right_to_lock_more_the_limit_is_named():
    """Another user's agent, without CAP_IPC_LOCK: it may lock what RLIMIT_MEMLOCK says and no more."""
    limit = 3 * 1024 * 1024

    class LimitedAgent(OwnAgent):
        prefix = ("setpriv", "--reuid=alice", "--regid=alice", "--clear-groups", "--inh-caps=-all",
                  "--bounding-set=-all", "prlimit", f"--memlock={limit}:{limit}", "--")

        def start(self):
            os.chown(self.folder, 1001, 1001)
            os.chown(self.config, 1001, 1001)
            super().start()

    try:
        agent = LimitedAgent()
    except AssertionError as ended:  # it locks all that it has, and says at the start that it can't
        assert "LimitMEMLOCK" in str(ended)
        return
    try:
        before, answers = resources_of(agent.pid), []
        while not answers or answers[-1].status == 201:
            answers.append(agent.http("PUT", f"/v1/runs/r{len(answers)}", {"owner": "alice", "user": LARGE_RUN}))
            assert len(answers) < 10
        assert len(answers) > 1 and answers[-1].status == 503 and LIMIT in answers[-1].detail
        for number in range(len(answers)):
            assert agent.http("DELETE", f"/v1/runs/r{number}").status == 204
        poll(lambda: resources_of(agent.pid) == before, 10, "the end of all that was locked")
        agent.push("again", user=LARGE_RUN)
    finally:
        agent.remove()

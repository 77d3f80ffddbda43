# SPDX-License-Identifier: Apache-2.0
"""Failing system calls: each causes an error answer or a client that has to try again, and nothing worse.

After every test the agent holds what it held before: records, open files, locked memory."""

import contextlib
import errno
import os
import re
import resource
import socket
import struct
import time

import pytest

from faulty_agent import ALWAYS, FaultyAgent, connections_of, resources_of
from harness import ALICE, memory_kind, poll
from own_agent import OwnAgent, own_agent, request
from test_node_socket import (DONE, GRANTED, PING, REFUSED, WIPE, NodeConnection, grant_request, is_refused, message,
                            reply_to)

VALUE = "v" * 65000
LARGE_RUN = {f"S{number}": VALUE for number in range(16)}  # fits into no existing slab
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
    if memory_kind() != "memfd_secret":
        pytest.skip("this kernel has no memfd_secret")
    with faulty_agent() as agent:
        assert agent.status()["memory"] == "memfd_secret"
        yield agent


@pytest.fixture(scope="module")
def fallback_agent():
    """Starts an agent as on a kernel without memfd_secret."""
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


# ---- requests, each with answer(), is_done() and undo() ----------------------------------------------


class Push:
    """Pushes a run that needs a slab of its own."""

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


class GrantRequest:
    @staticmethod
    def answer(agent):
        return reply_to(agent, grant_request(job=JOB))

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


@pytest.mark.parametrize("kind", [Push, GrantRequest])
@pytest.mark.parametrize("call, error, sentence", [
    ("memfd_secret", errno.ENOMEM, "locked memory: memfd_secret failed: Cannot allocate memory"),
    ("memfd_secret", errno.EMFILE, FILES),
    ("memfd_secret", errno.ENFILE, "Too many open files in system"),
    ("ftruncate", errno.ENOMEM, "locked memory: ftruncate failed: Cannot allocate memory"),
    ("mmap", errno.ENOMEM, "locked memory: mmap failed: Cannot allocate memory"),
    ("mmap", errno.EAGAIN, LIMIT),
    ("madvise", errno.EINVAL, "locked memory: madvise(MADV_DONTFORK) failed: Invalid argument"),
])
def test_agent_answers_error_when_secret_memory_allocation_fails(secretmem, kind, call, error, sentence):
    with secretmem.failing(call, error):
        kind.must_be_error(kind.answer(secretmem), sentence)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("kind", [Push, GrantRequest])
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
def test_agent_answers_error_when_fallback_memory_allocation_fails(fallback, kind, call, error, sentence):
    fallback.faults.clear()  # the faults of the start, which chose the kind of memory
    with fallback.failing(call, error):
        kind.must_be_error(kind.answer(fallback), sentence)
    is_answered_once_it_can_be(fallback, kind)


@pytest.mark.parametrize("kind", [Push, GrantRequest])
@pytest.mark.parametrize("call, error", [
    ("mmap", errno.ENOMEM), ("madvise", errno.ENOMEM), ("mlock", errno.ENOMEM), ("ftruncate", errno.ENOMEM)])
def test_region_set_up_in_part_is_released_whichever_call_fails(agent, kind, call, error):
    """Fails the first call, then the second, and so on, until the request makes no further one."""
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


def test_push_that_cannot_fit_leaves_previous_generation(secretmem):
    secretmem.push("growing", user={"A": "first"})
    with secretmem.failing("mmap", errno.EAGAIN):
        answer = secretmem.http("PUT", "/v1/runs/growing", {"owner": "alice", "user": LARGE_RUN})
        assert answer.status == 503 and LIMIT in answer.detail
    run = secretmem.http("GET", "/v1/runs/growing").json
    assert run["generation"] == 1 and [secret["name"] for secret in run["secrets"]] == ["A"]
    assert reply_to(secretmem, grant_request(b"run:growing,A", job=JOB))[0] == GRANTED
    GrantRequest.undo(secretmem)
    assert secretmem.http("DELETE", "/v1/runs/growing").status == 204


@pytest.mark.parametrize("kind", [Wipe, Ping, Status, Complete])
def test_wipe_ping_status_and_complete_need_no_secret_memory(agent, kind):
    for call in ("memfd_secret", "memfd_create", "ftruncate", "mmap", "madvise", "mlock"):
        agent.faults.set(call, errno.ENOMEM, count=ALWAYS)
    assert kind.is_done(kind.answer(agent))
    agent.faults.clear()


def test_wipe_and_complete_release_memory_while_allocation_fails(agent):
    agent.faults.clear()
    assert Push.is_done(Push.answer(agent))
    assert GrantRequest.is_done(GrantRequest.answer(agent))
    for call in ("memfd_secret", "memfd_create", "ftruncate", "mmap", "madvise", "mlock"):
        agent.faults.set(call, errno.ENOMEM, count=ALWAYS)
    assert Wipe.is_done(Wipe.answer(agent))
    assert agent.http("DELETE", "/v1/runs/large").status == 204
    agent.faults.clear()


# ---- connections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Push, GrantRequest, Wipe, Ping, Status, Complete])
@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM])
def test_agent_accepts_connection_once_accept_succeeds_again(secretmem, kind, error):
    with secretmem.failing("accept4", error, count=3):
        assert kind.is_done(kind.answer(secretmem))
        assert secretmem.faults.struck("accept4") == 3
    kind.undo(secretmem)


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EINTR, errno.EAGAIN])
def test_aborted_accept_delays_no_other_client(secretmem, error):
    with secretmem.failing("accept4", error, count=5):
        begin = time.monotonic()
        assert Status.is_done(Status.answer(secretmem))
        assert time.monotonic() - begin < 0.5


def test_lack_of_descriptors_is_logged_once_and_costs_no_cpu(secretmem):
    secretmem.faults.set("accept4", errno.EMFILE, count=ALWAYS)
    lines, spent = secretmem.log.read_text().count("\n"), cpu_seconds(secretmem.pid)
    with secretmem.connect() as waiting:
        time.sleep(1.5)
        logged = secretmem.log.read_text().splitlines()[lines:]
        assert cpu_seconds(secretmem.pid) - spent < 0.3
        assert 2 < secretmem.faults.struck("accept4") < 100
        secretmem.faults.clear()
        waiting.send(request("GET", "/v1/status"))
        assert waiting.answer().status == 200
    assert len(logged) == 1, logged
    assert "control socket: accept() failed: Too many open files" in logged[0] and FILES in logged[0]


@pytest.mark.parametrize("kind, call, error", [
    (kind, call, error)
    for kind in (Push, Status, Complete)
    for call, error in [("recvmsg", errno.ENOMEM), ("sendmsg", errno.ENOBUFS), ("epoll_ctl", errno.ENOMEM),
                        ("epoll_ctl", errno.ENOSPC), ("getsockopt", errno.ENOBUFS)]
])
def test_control_socket_drops_client_it_cannot_serve(secretmem, kind, call, error):
    """The connection closes without an answer, since none can be sent; the client tries again."""
    with secretmem.failing(call, error):
        try:
            assert kind.answer(secretmem) is None
        except (BrokenPipeError, ConnectionResetError):
            pass
    if (kind, call) == (Push, "sendmsg"):  # the push succeeded, and only its answer was lost
        kind.undo(secretmem)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("kind", [GrantRequest, Wipe, Ping])
def test_node_socket_rejects_request_it_cannot_read(secretmem, kind):
    with secretmem.failing("recvmsg", errno.ENOMEM):
        is_refused(kind.answer(secretmem), "cannot read the request: receiving failed: Cannot allocate memory")
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.ETOOMANYREFS, errno.EMFILE])
def test_node_socket_denies_grant_whose_delivery_cannot_be_sent(secretmem, error):
    with secretmem.failing("sendmsg", error):
        is_refused(GrantRequest.answer(secretmem),
                   f"cannot send the delivery: sending failed: {os.strerror(error)}")
    # The job's hold stays for its next step and its epilog; the delivery is gone.
    assert secretmem.status()["holds"] == 1
    assert GrantRequest.is_done(GrantRequest.answer(secretmem))
    GrantRequest.undo(secretmem)


@pytest.mark.parametrize("kind", [GrantRequest, Wipe, Ping])
def test_node_socket_drops_client_it_cannot_answer(secretmem, kind):
    lines = secretmem.log.read_text().count("\n")
    with secretmem.failing("sendmsg", errno.ENOBUFS, count=2):
        assert kind.answer(secretmem) is None
    logged = "\n".join(secretmem.log.read_text().splitlines()[lines:])
    assert re.search("the node socket cannot send its reply to pid .*: sending failed: No buffer space available", logged)
    GrantRequest.undo(secretmem)
    is_answered_once_it_can_be(secretmem, kind)


@pytest.mark.parametrize("call, error", [("epoll_ctl", errno.ENOSPC), ("epoll_ctl", errno.ENOMEM)])
def test_node_socket_drops_silent_client_it_cannot_wait_for(secretmem, call, error):
    with secretmem.failing(call, error):
        with NodeConnection(secretmem) as connection:
            assert connection.reply() is None
    is_answered_once_it_can_be(secretmem, GrantRequest)


def test_node_socket_rejects_client_without_peer_credentials(secretmem):
    with secretmem.failing("getsockopt", errno.ENOBUFS), NodeConnection(secretmem) as connection:
        is_refused(connection.reply(), "cannot identify the calling process")
    is_answered_once_it_can_be(secretmem, GrantRequest)


def test_agent_start_without_socket_fails_with_reason():
    with pytest.raises(AssertionError, match=r"node_socket: socket\(\) failed: Too many open files; raise"):
        FaultyAgent(at_start=[("socket", errno.EMFILE)])


class NotifiedAgent(FaultyAgent):
    """Sends its notifications to a socket of the test instead of systemd."""

    def start(self):
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(self.folder / "notify"))
        self.more_environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "1500000"}
        super().start()


def test_slab_is_sent_to_fd_store_again_after_failed_notify():
    agent = NotifiedAgent()
    try:
        with agent.failing("sendmsg", errno.ENOBUFS):
            agent.push("kept", user={"A": "x"})
        assert agent.status()["slabs"] == 1
        poll(lambda: agent.status()["kept_slabs"] == 1, 5, "the slab's way to systemd")
        agent.systemd.settimeout(5)
        while not (heard := agent.systemd.recv(4096)).startswith(b"FDSTORE=1"):
            pass
        # The name tells the next process how far this one's clock was from the wall clock.
        assert re.fullmatch(rb"FDSTORE=1\nFDNAME=slab-1-\d+", heard), heard
    finally:
        agent.remove()
        agent.systemd.close()


# ---- real shortage, without injected faults ---------------------------------------------------------


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def leave_descriptors(agent, count):
    """Limits the agent to `count` further descriptors."""
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


@pytest.mark.parametrize("kind", [Push, GrantRequest])
def test_agent_rejects_request_without_descriptor_for_region(secretmem, kind):
    secretmem.await_quiet()
    with descriptors_left(secretmem, 1):  # for the connection
        kind.must_be_error(kind.answer(secretmem), FILES)
    is_answered_once_it_can_be(secretmem, kind)


def test_agent_without_descriptors_serves_open_connections_and_delays_others(secretmem):
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
                served.send(request("PUT", "/v1/runs/small", {"owner": "games", "user": {"A": "x"}}))
                answer = served.answer()  # and not 400, as for an unknown user
                assert answer.status == 503
                assert answer.detail == (f"cannot look up user 'games': the name service failed: Too many open files; {FILES}; "
                                         "try again in a moment")
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


def test_agent_answers_100_clients_beyond_descriptor_limit():
    with own_agent() as agent:
        agent.push("kept", user={"A": "x"})
        poll(lambda: not connections_of(agent.pid), 10, "the end of all connections")
        leave_descriptors(agent, 10)
        connections = []
        for _ in range(100):
            connections.append(NodeConnection(agent))
            connections[-1].send(grant_request(job=JOB))
        for connection in connections:
            kind, sentence, _ = connection.reply()
            assert kind == GRANTED or (kind == REFUSED and FILES in sentence)
            connection.socket.close()
        GrantRequest.undo(agent)
        assert agent.is_alive()


def test_full_secret_memory_rejects_pushes_and_grants_until_freed():
    full = "limits.total_bytes in its configuration"
    with own_agent("limits: { total_bytes: 1048576, bytes_per_owner: 1048576 }") as agent:
        size, runs = 60000, 0
        while size > 8:  # pushes ever smaller values, until none fits
            answer = agent.http("PUT", f"/v1/runs/r{runs}", {"owner": "alice", "user": {"A": "x" * size}})
            if answer.status == 201:
                runs += 1
                continue
            assert answer.status == 503 and full in answer.detail
            size //= 2
        before = agent.state()
        is_refused(reply_to(agent, grant_request(b"run:r0,A", job=JOB)), full)
        answer = agent.http("PUT", "/v1/runs/r0", {"owner": "alice", "user": {"A": "y" * 60000}})
        assert answer.status == 503 and full in answer.detail
        assert agent.state() == before
        assert agent.http("DELETE", "/v1/runs/r1").status == 204
        assert reply_to(agent, grant_request(b"run:r0,A", job=JOB))[0] == GRANTED
        GrantRequest.undo(agent)
        assert agent.http("PUT", "/v1/runs/r1", {"owner": "alice", "user": {"A": "z"}}).status == 201


def test_agent_without_cap_ipc_lock_names_memlock_limit():
    """Runs the agent as another user without CAP_IPC_LOCK, so that RLIMIT_MEMLOCK limits what it may lock."""
    limit = 3 * 1024 * 1024

    class LimitedAgent(OwnAgent):
        prefix = ("setpriv", "--reuid=alice", "--regid=alice", "--clear-groups", "--inh-caps=-all",
                  "--bounding-set=-all", "prlimit", f"--memlock={limit}:{limit}", "--")

        def start(self):
            os.chown(self.folder, ALICE, ALICE)
            os.chown(self.config, ALICE, ALICE)
            super().start()

    try:
        agent = LimitedAgent()
    except AssertionError as ended:  # an agent that locks all its memory reports at the start that it can't
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

"""Promise: what people keep is on the disk, wholly or not at all, and in clear nowhere; the agent says what is
wrong with its store."""

import array
import contextlib
import errno
import http.client
import mmap
import os
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from faulty_agent import ALWAYS, KILLED, FaultyAgent
from harness import BUILD
from node_wire import GRANTED, HEADER, NodeConnection, ask
from own_agent import OwnAgent

WORKSPACES = "workspaces: [{name: lab, admins: {users: [bob]}, members: {users: [alice]}}]"


class Keeping:
    """An agent that keeps secrets, below a folder that outlives it."""

    def prepare(self, folder):
        self.store = folder / "store.db"
        self.key = folder / "store.key"
        if not os.path.lexists(self.key):
            self.key.write_bytes(os.urandom(32))
            self.key.chmod(0o400)
        return f"store: {{file: {self.store}, key_file: {self.key}}}"

    def set(self, name, value, user="alice", place="", **fields):
        body = {"value": value, **fields}
        return self.http("PUT", f"/v1{place}/secrets/{name}", body, user=user)

    def names(self, user="alice", place=""):
        answer = self.http("GET", f"/v1{place}/secrets", user=user)
        assert answer.status == 200, answer.text
        return {secret["name"]: secret["generation"] for secret in answer.json["secrets"]}

    def given(self, text, uid=1001, job=7):
        """The image of what a step is given; None where it is refused."""
        with NodeConnection(self) as connection:
            connection.send(ask(text.encode(), job=job, uid=uid))
            data, ancillary, _, _ = connection.socket.recvmsg(65536, socket.CMSG_SPACE(64))
            kind = HEADER.unpack_from(data)[2]
            if kind != GRANTED:
                return None
            descriptors = array.array("i")
            descriptors.frombytes(ancillary[0][2])
            try:
                size = os.fstat(descriptors[0]).st_size
                with mmap.mmap(descriptors[0], size, mmap.MAP_SHARED, mmap.PROT_READ) as image:
                    return bytes(image)
            finally:
                os.close(descriptors[0])


class KeepingAgent(Keeping, OwnAgent):
    def __init__(self, folder, *config):
        super().__init__(self.prepare(folder), WORKSPACES, *config)


class FragileAgent(Keeping, FaultyAgent):
    def __init__(self, folder):
        super().__init__(self.prepare(folder), WORKSPACES)


@contextlib.contextmanager
def running(agent):
    try:
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.stop()
        shutil.rmtree(agent.folder)


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_what_people_keep_outlives_a_restart_and_a_kill(folder, canary):
    value, shared = canary(), canary()
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", value).status == 201
        assert agent.set("SHARED", shared, user="bob", place="/workspaces/lab").status == 201
        agent.process.kill()
        agent.process.wait()
        agent.start()
        assert agent.names() == {"TOKEN": 1}
        image = agent.given("TOKEN,SHARED")
        assert value.encode() in image and shared.encode() in image
        assert agent.given("TOKEN", uid=1002) is None
        # On a later day: another value, and a request that is out of date.
        answer = agent.set("TOKEN", "new")
        assert answer.status == 200 and answer.headers["etag"] == '"2"'


def test_no_file_of_a_store_holds_a_value(folder, canary):
    values = [canary() for _ in range(4)]
    with running(FragileAgent(folder)) as agent:
        for number, value in enumerate(values):
            assert agent.set(f"A{number}", value).status == 201
        assert agent.http("DELETE", "/v1/secrets/A1", user="alice").status == 204
        assert agent.http("PATCH", "/v1/secrets/A2", {"name": "B"}, user="alice").status == 200
        # In the middle of a change, with its journal there.
        agent.faults.set("disk", KILLED, skip=3)
        with contextlib.suppress(Exception):
            agent.set("A3", values[0])
        agent.process.wait()
        files = list(folder.iterdir())
        assert len(files) >= 3, files  # the store, its key, its journal
        for file in files:
            content = file.read_bytes()
            assert not any(value.encode() in content for value in values), file
        agent.faults.clear()


BEFORE = {"KEPT": "kept-before", "OLD": "old-before", "GONE": "gone-before"}
# Each change: the request, and what is different once it is done.
CHANGES = [
    (("PUT", "KEPT", {"value": "kept-after"}), {"KEPT": "kept-after"}),
    (("PUT", "NEW", {"value": "new-after"}), {"NEW": "new-after"}),
    (("PATCH", "OLD", {"name": "RENAMED"}), {"OLD": None, "RENAMED": "old-before"}),
    (("DELETE", "GONE", None), {"GONE": None}),
]


def states():
    """What may be there after none, one, two… of the changes."""
    state = dict(BEFORE)
    yield dict(state)
    for _, difference in CHANGES:
        state |= difference
        state = {name: value for name, value in state.items() if value is not None}
        yield dict(state)


def put_back(agent):
    for name in agent.names():
        if name not in BEFORE:
            assert agent.http("DELETE", f"/v1/secrets/{name}", user="alice").status == 204
    for name, value in BEFORE.items():
        assert agent.set(name, value).status in (200, 201)


def run_changes(agent):
    """How many were answered before the agent was gone."""
    for number, ((method, name, body), _) in enumerate(CHANGES):
        try:
            answer = agent.http(method, f"/v1/secrets/{name}", body, user="alice")
        except (OSError, http.client.HTTPException):
            return number
        if answer is None:
            return number
        assert answer.status in (200, 201, 204), answer.text
    return len(CHANGES)


def held(agent):
    """The names, and of each the value that a job is given."""
    known = [*BEFORE.values(), *(value for _, difference in CHANGES for value in difference.values() if value)]
    state = {}
    for name in agent.names():
        image = agent.given(name)
        state[name] = next(value for value in known if value.encode() + b"\0" in image)
    return state


def test_a_kill_at_every_write_leaves_each_change_wholly_there_or_not_at_all(folder):
    kills = 0
    allowed = list(states())
    with running(FragileAgent(folder)) as agent:
        while kills < 200:
            put_back(agent)
            for skip in range(1000):
                agent.faults.set("disk", KILLED, skip=skip)
                answered = run_changes(agent)
                agent.faults.clear()
                if agent.process.poll() is None and answered == len(CHANGES):
                    break  # there are no further writes in the batch
                agent.process.wait()
                kills += 1
                agent.start()
                # Exactly what was answered, and what was on its way: done, or not.
                state = held(agent)
                assert state in allowed[answered:answered + 2], (skip, answered, state)
                put_back(agent)
    assert kills >= 200


def test_a_full_disk_is_an_answer_and_changes_nothing(folder):
    with running(FragileAgent(folder)) as agent:
        assert agent.set("TOKEN", "first").status == 201
        for failure in (errno.ENOSPC, errno.EIO):
            agent.faults.set("disk", failure, count=ALWAYS)
            for answer in (agent.set("TOKEN", "second"), agent.set("OTHER", "value"),
                           agent.http("DELETE", "/v1/secrets/TOKEN", user="alice"),
                           agent.http("PATCH", "/v1/secrets/TOKEN", {"name": "X"}, user="alice")):
                assert answer.status == 503 and str(agent.store) in answer.detail, answer.text
            agent.faults.clear()
            assert agent.names() == {"TOKEN": 1}
            assert b"first\0" in agent.given("TOKEN")
        assert agent.set("TOKEN", "second").status == 200


def start_fails(folder, *config):
    """What an agent says that does not start with this store."""
    try:
        agent = KeepingAgent(folder, *config)
    except AssertionError as log:
        return str(log)
    with running(agent):
        return ""


def test_a_wrong_or_missing_key_is_a_sentence_and_no_start(folder):
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        store, key = agent.store, agent.key
    right = key.read_bytes()
    key.unlink()
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)
    said = start_fails(folder)
    assert f"the store {store} is sealed under the key " in said and "put the right key back" in said
    key.chmod(0o644)
    assert f"run: chmod 0400 {key}" in start_fails(folder)
    key.unlink()
    key.write_bytes(b"short")
    key.chmod(0o400)
    assert "has 5 bytes and not 32" in start_fails(folder)
    key.unlink()
    key.symlink_to(folder / "nothing")
    assert "can't be opened" in start_fails(folder)
    key.unlink()
    key.write_bytes(right)
    key.chmod(0o400)
    with running(KeepingAgent(folder)) as agent:
        assert agent.names() == {"TOKEN": 1}


def test_a_row_that_was_moved_is_named_and_not_given(folder):
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", "of alice").status == 201
        assert agent.set("OTHER", "of alice too").status == 201
    with contextlib.closing(sqlite3.connect(agent.store)) as database:
        database.execute("UPDATE secrets SET owner='1002' WHERE name='TOKEN'")
        database.commit()
    with running(KeepingAgent(folder)) as agent:
        assert "the stored secret 'TOKEN' of uid 1002 was altered or moved" in agent.log.read_text()
        assert agent.given("TOKEN", uid=1002) is None
        assert agent.given("OTHER") is not None
        listed = agent.http("GET", "/v1/secrets", user="bob").json["secrets"]
        assert [secret["name"] for secret in listed if secret.get("damaged")] == ["TOKEN"]
        assert agent.set("TOKEN", "bob's own", user="bob").status == 200
        assert b"bob's own\0" in agent.given("TOKEN", uid=1002)


def command(agent, *arguments):
    return subprocess.run([BUILD / "slurm-secretsd", "--config", agent.config, *arguments],
                          text=True, capture_output=True)


def test_keys_are_rotated_while_the_agent_runs(folder):
    new_key = folder / "new.key"
    new_key.write_bytes(os.urandom(32))
    new_key.chmod(0o400)
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        done = command(agent, "--rekey", new_key)
        assert done.returncode == 0 and "1 secret is sealed under the key" in done.stdout, done
        assert b"value\0" in agent.given("TOKEN")
        refused = agent.set("OTHER", "value")
        assert refused.status == 503 and "restart it" in refused.detail
        again = command(agent, "--rekey", new_key)
        assert again.returncode == 1 and "is sealed under the key" in again.stderr
        agent.process.terminate()
        assert agent.process.wait() == 0
        os.replace(new_key, agent.key)
        agent.start()
        assert b"value\0" in agent.given("TOKEN")
        assert agent.set("OTHER", "value").status == 201


def test_a_backup_made_while_the_agent_runs_can_be_put_in_its_place(folder):
    copy = folder / "copy.db"
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        assert command(agent, "--backup", copy).returncode == 0
        taken = command(agent, "--backup", copy)
        assert taken.returncode == 1 and "File exists" in taken.stderr
        assert agent.set("TOKEN", "later").status == 200
        agent.process.terminate()
        assert agent.process.wait() == 0
        os.replace(copy, agent.store)
        agent.start()
        assert agent.names() == {"TOKEN": 1}
        assert b"value\0" in agent.given("TOKEN")


def test_the_agent_s_memory_holds_no_value_that_is_kept(folder, canary):
    value = canary()
    with running(KeepingAgent(folder)) as agent:
        assert agent.set("TOKEN", value).status == 201
        assert agent.given("TOKEN") is not None
        agent.http("GET", "/v1/secrets", user="alice")
        found = []
        with open(f"/proc/{agent.pid}/mem", "rb", buffering=0) as memory:
            for line in Path(f"/proc/{agent.pid}/maps").read_text().splitlines():
                span, access, *_ = line.split()
                begin, end = (int(address, 16) for address in span.split("-"))
                if not access.startswith("r") or "[v" in line:
                    continue
                with contextlib.suppress(OSError):
                    memory.seek(begin)
                    if value.encode() in memory.read(end - begin):
                        found.append(line)
        assert not found

# SPDX-License-Identifier: Apache-2.0
"""Promise: a change of a stored secret is on disk wholly or not at all, no value is on disk in clear, and the agent
says what is wrong with its store."""

import array
import contextlib
import errno
import http.client
import mmap
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
from pathlib import Path

import hunt
import pytest

from faulty_agent import ALWAYS, KILLED, STOPPED, FaultyAgent, resources_of
from harness import ALICE, BOB, BUILD, poll
from plugin_protocol import GRANTED, HEADER, NodeConnection, grant_request
from own_agent import OwnAgent

WORKSPACES = "workspaces: [{name: lab, admins: {users: [bob]}, members: {users: [alice]}}]"


class StoreMixin:
    """Gives an agent a store in a folder that outlives the agent."""

    def prepare(self, folder):
        self.store = folder / "store.db"
        self.key = folder / "store.key"
        if not os.path.lexists(self.key):
            self.key.write_bytes(os.urandom(32))
            self.key.chmod(0o400)
        return f"store: {{file: {self.store}, key_file: {self.key}}}"

    def set(self, name, value, user="alice", prefix="", **fields):
        body = {"value": value, **fields}
        return self.http("PUT", f"/v1{prefix}/secrets/{name}", body, user=user)

    def names(self, user="alice", prefix=""):
        answer = self.http("GET", f"/v1{prefix}/secrets", user=user)
        assert answer.status == 200, answer.text
        return {secret["name"]: secret["generation"] for secret in answer.json["secrets"]}

    def granted_image(self, text, uid=ALICE, job=7):
        """Returns the content of a step's delivery, or None if the grant is denied."""
        with NodeConnection(self) as connection:
            connection.send(grant_request(text.encode(), job=job, uid=uid))
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


class AgentWithStore(StoreMixin, OwnAgent):
    def __init__(self, folder, *config):
        super().__init__(self.prepare(folder), WORKSPACES, *config)


class FaultyAgentWithStore(StoreMixin, FaultyAgent):
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


def test_stored_secrets_survive_agent_kill_and_restart(folder, canary):
    value, shared = canary(), canary()
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", value).status == 201
        assert agent.set("SHARED", shared, user="bob", prefix="/workspaces/lab").status == 201
        agent.process.kill()
        agent.process.wait()
        agent.start()
        assert agent.names() == {"TOKEN": 1}
        image = agent.granted_image("TOKEN,SHARED")
        assert value.encode() in image and shared.encode() in image
        assert agent.granted_image("TOKEN", uid=BOB) is None
        # A change after the restart continues the generations.
        answer = agent.set("TOKEN", "new")
        assert answer.status == 200 and answer.headers["etag"] == '"2"'


def test_store_files_hold_no_value_in_clear(folder, canary):
    values = [canary() for _ in range(4)]
    with running(FaultyAgentWithStore(folder)) as agent:
        for number, value in enumerate(values):
            assert agent.set(f"A{number}", value).status == 201
        assert agent.http("DELETE", "/v1/secrets/A1", user="alice").status == 204
        assert agent.http("PATCH", "/v1/secrets/A2", {"name": "B"}, user="alice").status == 200
        # Kills the agent in the middle of a change, while the store's journal exists.
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
# Each change: the request, and the difference that it makes.
CHANGES = [
    (("PUT", "KEPT", {"value": "kept-after"}), {"KEPT": "kept-after"}),
    (("PUT", "NEW", {"value": "new-after"}), {"NEW": "new-after"}),
    (("PATCH", "OLD", {"name": "RENAMED"}), {"OLD": None, "RENAMED": "old-before"}),
    (("DELETE", "GONE", None), {"GONE": None}),
]


def states():
    """Yields the secrets that exist after none, one, two… of the changes."""
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
    """Makes the changes; returns how many were answered before the agent ended."""
    for number, ((method, name, body), _) in enumerate(CHANGES):
        try:
            answer = agent.http(method, f"/v1/secrets/{name}", body, user="alice")
        except (OSError, http.client.HTTPException):
            return number
        if answer is None:
            return number
        assert answer.status in (200, 201, 204), answer.text
    return len(CHANGES)


def stored_values(agent):
    """Returns the names, each with the value that a job is granted."""
    known = [*BEFORE.values(), *(value for _, difference in CHANGES for value in difference.values() if value)]
    state = {}
    for name in agent.names():
        image = agent.granted_image(name)
        state[name] = next(value for value in known if value.encode() + b"\0" in image)
    return state


def test_store_change_is_atomic_when_killed_at_any_write(folder):
    kills = 0
    allowed = list(states())
    with running(FaultyAgentWithStore(folder)) as agent:
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
                # Every answered change was made, and the one in progress was made or not.
                state = stored_values(agent)
                assert state in allowed[answered:answered + 2], (skip, answered, state)
                put_back(agent)
    assert kills >= 200


def test_store_on_full_disk_answers_503_and_changes_nothing(folder):
    with running(FaultyAgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "first").status == 201
        for failure in (errno.ENOSPC, errno.EIO):
            agent.faults.set("disk", failure, count=ALWAYS)
            for answer in (agent.set("TOKEN", "second"), agent.set("OTHER", "value"),
                           agent.http("DELETE", "/v1/secrets/TOKEN", user="alice"),
                           agent.http("PATCH", "/v1/secrets/TOKEN", {"name": "X"}, user="alice")):
                assert answer.status == 503 and str(agent.store) in answer.detail, answer.text
            agent.faults.clear()
            assert agent.names() == {"TOKEN": 1}
            assert b"first\0" in agent.granted_image("TOKEN")
        assert agent.set("TOKEN", "second").status == 200


def why_closed(folder):
    """Starts an agent that cannot open this store; returns the reason that its status gives."""
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("OTHER", "value").status == 503
        agent.push("r", user={"TOKEN": "of the run"})
        assert b"of the run" in agent.granted_image("run:r,TOKEN")
        store = agent.http("GET", "/v1/status").json["store"]
        assert store["state"] == "closed" and set(store) == {"state", "trouble"}
        assert store["trouble"] in agent.log.read_text()
        shown = subprocess.run([BUILD / "secretctl", "--socket", agent.control_socket, "status"], capture_output=True,
                               text=True, check=True).stdout
        assert f"closed: {store['trouble']}\n" in shown, shown
        return store["trouble"]


def test_agent_serves_runs_with_wrong_or_missing_store_key(folder):
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        store, key = agent.store, agent.key
    right = key.read_bytes()
    key.unlink()
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)
    message = why_closed(folder)
    assert f"cannot open the store {store}: it is sealed under the key " in message and "put the right key back" in message
    key.chmod(0o644)
    assert f"run: chmod 0400 {key}" in why_closed(folder)
    key.unlink()
    key.write_bytes(b"short")
    key.chmod(0o400)
    assert "must be exactly 32 bytes, has 5" in why_closed(folder)
    key.unlink()
    key.symlink_to(folder / "nothing")
    assert "cannot open the store's key " in why_closed(folder)
    key.unlink()
    key.write_bytes(right)
    key.chmod(0o400)
    with running(AgentWithStore(folder)) as agent:
        assert agent.names() == {"TOKEN": 1}


def test_agent_waits_for_store_that_is_locked_at_its_start(folder):
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        agent.stop()
        with contextlib.closing(sqlite3.connect(agent.store, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            unlock = threading.Timer(2, other.rollback)
            unlock.start()
            agent.start()
            unlock.join()
        assert agent.names() == {"TOKEN": 1}


def test_agent_opens_closed_store_when_its_trouble_ends(folder):
    with running(AgentWithStore(folder)) as first:
        assert first.set("TOKEN", "value").status == 201
        with running(AgentWithStore(folder)) as second:
            assert "in use by another slurm-secretsd" in second.http("GET", "/v1/status").json["store"]["trouble"]
            first.stop()
            poll(lambda: second.http("GET", "/v1/status").json["store"]["state"] == "open", 40, "the store")
            assert second.names() == {"TOKEN": 1}
            assert b"value\0" in second.granted_image("TOKEN")
            assert f"the store {second.store} is open" in second.log.read_text()


def test_store_detects_moved_row_and_does_not_grant_it(folder):
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "of alice").status == 201
        assert agent.set("OTHER", "of alice too").status == 201
    with contextlib.closing(sqlite3.connect(agent.store)) as database:
        database.execute("UPDATE secrets SET owner=? WHERE name='TOKEN'", (str(BOB),))
        database.commit()
    with running(AgentWithStore(folder)) as agent:
        assert f"the stored secret 'TOKEN' of uid {BOB} was altered or moved" in agent.log.read_text()
        assert agent.granted_image("TOKEN", uid=BOB) is None
        assert agent.granted_image("OTHER") is not None
        listed = agent.http("GET", "/v1/secrets", user="bob").json["secrets"]
        assert [secret["name"] for secret in listed if secret.get("damaged")] == ["TOKEN"]
        assert agent.set("TOKEN", "bob's own", user="bob").status == 200
        assert b"bob's own\0" in agent.granted_image("TOKEN", uid=BOB)


def command(agent, *arguments):
    return subprocess.run([BUILD / "slurm-secretsd", "--config", agent.config, *arguments],
                          text=True, capture_output=True)


def test_store_rekey_works_while_agent_runs(folder):
    new_key = folder / "new.key"
    new_key.write_bytes(os.urandom(32))
    new_key.chmod(0o400)
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        done = command(agent, "--rekey", new_key)
        assert done.returncode == 0 and "1 secret is now sealed under the key" in done.stdout, done
        assert b"value\0" in agent.granted_image("TOKEN")
        refused = agent.set("OTHER", "value")
        assert refused.status == 503 and "restart it" in refused.detail
        again = command(agent, "--rekey", new_key)
        assert again.returncode == 1 and "is sealed under the key" in again.stderr
        agent.process.terminate()
        assert agent.process.wait() == 0
        os.replace(new_key, agent.key)
        agent.start()
        assert b"value\0" in agent.granted_image("TOKEN")
        assert agent.set("OTHER", "value").status == 201


def test_store_backup_of_running_agent_can_be_restored(folder):
    copy = folder / "copy.db"
    with running(AgentWithStore(folder)) as agent:
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
        assert b"value\0" in agent.granted_image("TOKEN")


def test_store_of_uid_that_another_user_has_now_is_refused_until_root_decides(folder):
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201

        def restart(change):
            agent.process.terminate()
            assert agent.process.wait() == 0
            change()
            agent.start()

        def give_away():
            with contextlib.closing(sqlite3.connect(agent.store)) as database, database:
                assert database.execute("SELECT * FROM users").fetchall() == [(str(ALICE), "alice")]
                database.execute("UPDATE users SET name='mallory'")

        restart(give_away)
        answer = agent.set("TOKEN", "mine")
        assert answer.status == 403
        assert f"belong to user mallory, but uid {ALICE} is alice now; root can remove them" in answer.json["detail"]
        assert agent.granted_image("TOKEN") is None
        done = command(agent, "--keep-secrets-of", str(ALICE))
        assert f"1 secret of uid {ALICE} kept for the user who has this number now" in done.stdout, done
        restart(lambda: None)
        assert b"value\0" in agent.granted_image("TOKEN")
        restart(give_away)
        done = command(agent, "--remove-secrets-of", str(ALICE))
        assert f"1 secret of uid {ALICE} removed; restart slurm-secretsd" in done.stdout, done
        restart(lambda: None)
        assert agent.names() == {}


def test_agent_wipes_what_it_holds_before_it_saves_the_store_at_its_end(folder):
    with running(FaultyAgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", "value").status == 201
        agent.push("r", owner="alice", user={"A": "x"})
        assert b"value" in agent.granted_image("run:r,TOKEN")
        slab = 1024 * 1024
        assert any(size >= slab for _, size in resources_of(agent.pid)["regions"])
        agent.faults.set("disk", STOPPED)  # the first call with which it saves that a job used TOKEN
        agent.process.terminate()
        poll(lambda: state_of(agent.pid) == "T", 10, "the stop in front of the disk")
        assert not any(size >= slab for _, size in resources_of(agent.pid)["regions"])
        os.kill(agent.pid, signal.SIGCONT)
        assert agent.process.wait(10) == 0
        assert "ended: 2 records wiped" in agent.log.read_text()
        agent.start()
        secret = agent.http("GET", "/v1/secrets/TOKEN", user="alice").json
        assert secret["used"]["job"] == 7


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_agent_memory_holds_no_stored_value(folder, canary):
    value = canary()
    with running(AgentWithStore(folder)) as agent:
        assert agent.set("TOKEN", value).status == 201
        assert agent.granted_image("TOKEN") is not None
        agent.http("GET", "/v1/secrets", user="alice")
        assert hunt.in_memory("the agent", agent.pid, [value.encode()]) == []

# SPDX-License-Identifier: Apache-2.0
"""Promise: this agent reads the store of the last release, and the last release what this agent wrote: nothing is
lost on the way there or back."""

import base64
import contextlib
import sqlite3

import pytest
from own_agent import AGENT, OwnAgent
from test_store import WORKSPACES, StoreMixin, running

BYTES = b"\x00\xff bytes \n"
ACCEPTED_NOW = "PERLMUTTER_TOKEN"  # the last release takes the name for one that controls a job


class Agent(StoreMixin, OwnAgent):
    """An agent with the store in `folder`; of the last release if `program` is its."""

    def __init__(self, folder, program):
        self.program = program
        super().__init__(self.prepare(folder), WORKSPACES)

    def has(self, values):
        """Checks that the store has these values of alice, and no others."""
        assert set(self.names()) == set(values)
        for name, value in values.items():
            image = self.granted_image(f"{name}:file")
            assert image is not None and value in image, name


@pytest.fixture
def old(release, tmp_path):
    return lambda: running(Agent(tmp_path, release / "slurm-secretsd"))


@pytest.fixture
def new(tmp_path):
    return lambda: running(Agent(tmp_path, AGENT))


def set_bytes(agent, name, value, **fields):
    body = {"value": {"base64": base64.b64encode(value).decode()}, **fields}
    answer = agent.http("PUT", f"/v1/secrets/{name}", body, user="alice")
    assert answer.status in (200, 201), answer.text


def test_stored_secrets_survive_upgrade_and_way_back(old, new):
    values = {"TEXT": b"text", "BYTES": BYTES, "LASTING": b"lasting"}
    with old() as agent:
        for name, value in values.items():
            set_bytes(agent, name, value, **({"ttl": "30d"} if name == "LASTING" else {}))
        set_bytes(agent, "TEXT", b"newer")
        assert agent.set("SHARED", "shared", user="bob", prefix="/workspaces/lab").status == 201
        values["TEXT"] = b"newer"
        agent.has(values)
        before = agent.http("GET", "/v1/secrets", user="alice").json
    with new() as agent:
        assert agent.http("GET", "/v1/secrets", user="alice").json == before
        agent.has(values)
        assert b"shared" in agent.granted_image("SHARED")
        set_bytes(agent, "ADDED", b"added")
        set_bytes(agent, "TEXT", b"newest")
        assert agent.http("DELETE", "/v1/secrets/BYTES", user="alice").status == 204
        assert agent.http("PATCH", "/v1/secrets/LASTING", {"name": "RENAMED"}, user="alice").status == 200
        values = {"TEXT": b"newest", "ADDED": b"added", "RENAMED": b"lasting"}
        agent.has(values)
        before = agent.http("GET", "/v1/secrets", user="alice").json
    with old() as agent:
        assert agent.http("GET", "/v1/secrets", user="alice").json == before
        agent.has(values)
        set_bytes(agent, "BACK", b"back")
        values["BACK"] = b"back"
    with new() as agent:
        agent.has(values)
        assert agent.names()["TEXT"] == 3
        assert b"shared" in agent.granted_image("SHARED")


def test_name_that_last_release_refuses_is_not_lost_by_way_back(old, new):
    with new() as agent:
        set_bytes(agent, ACCEPTED_NOW, b"value")
        set_bytes(agent, "OTHER", b"other")
    with old() as agent:
        assert set(agent.names()) == {ACCEPTED_NOW, "OTHER"}
        assert b"other" in agent.granted_image("OTHER")
        assert agent.granted_image(ACCEPTED_NOW) is None
    with new() as agent:
        agent.has({ACCEPTED_NOW: b"value", "OTHER": b"other"})


def test_store_of_later_schema_is_refused_and_not_changed(new, tmp_path):
    """An agent that is too old for a store goes on with runs."""
    with new() as agent:
        set_bytes(agent, "TEXT", b"text")
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("PRAGMA user_version=2")
    before = (tmp_path / "store.db").read_bytes()
    with new() as agent:
        store = agent.status()["store"]
        assert store["state"] == "closed"
        assert store["trouble"].endswith("it has format 2, and this version supports only format 1; "
                                         "run the version that wrote it")
        agent.push("run-kept", user={"A": "value of A"})
        assert b"value of A" in agent.granted_image("run:run-kept,A")
        answer = agent.set("MORE", "more")
        assert answer.status == 503 and "the agent's store is closed" in answer.detail, answer.text
    assert (tmp_path / "store.db").read_bytes() == before

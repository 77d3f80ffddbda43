# SPDX-License-Identifier: Apache-2.0
"""Policy of stored secrets: every kind of caller on every route; a refused request changes nothing."""

import pytest

from harness import ALICE, BOB
from plugin_protocol import GRANTED, REFUSED, grant_request, reply_to
from test_store import AgentWithStore, running

PLATFORM = "platforms: [{ name: tower, user: games, users: [alice, bob] }]"
# root; the workspace's admin; its member, who has a secret of her own; a platform that acts for both; a stranger.
CALLERS = ["root", "bob", "alice", "games", "nobody"]
LAB = "/v1/workspaces/lab/secrets"


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with running(AgentWithStore(tmp_path_factory.mktemp("rights"), PLATFORM)) as agent:
        yield agent


@pytest.fixture(autouse=True)
def stored_secrets(agent):
    """Sets SHARED of the workspace and OWN of alice anew for every test."""
    assert agent.set("SHARED", "shared", user="bob", prefix="/workspaces/lab").status in (200, 201)
    assert agent.set("OWN", "own").status in (200, 201)
    yield
    for caller in CALLERS:
        for name in agent.names(user=caller):
            agent.http("DELETE", f"/v1/secrets/{name}", user=caller)
    for name in agent.names(user="bob", prefix="/workspaces/lab"):
        agent.http("DELETE", f"{LAB}/{name}", user="bob")


def state(agent):
    """Returns everything stored: names and generations, and whether the values are unchanged."""
    everybody = {caller: agent.names(user=caller) for caller in CALLERS}
    everybody["lab"] = agent.names(user="bob", prefix="/workspaces/lab")
    image = agent.granted_image("OWN?,SHARED?", job=99) or b""
    return everybody, b"own\0" in image, b"shared\0" in image


VALUE = {"value": "new"}
# The status of the answer to each caller, in the order of CALLERS.
TABLE = [
    # method   path                    body              root bob  alice games nobody
    ("GET",    LAB,                    None,             [200, 200, 200, 404, 404]),
    ("GET",    f"{LAB}/SHARED",        None,             [200, 200, 403, 404, 404]),
    ("PUT",    f"{LAB}/SHARED",        VALUE,            [200, 200, 403, 404, 404]),
    ("PUT",    f"{LAB}/ANOTHER",       VALUE,            [201, 201, 403, 404, 404]),
    ("PATCH",  f"{LAB}/SHARED",        {"name": "NEW"},  [200, 200, 403, 404, 404]),
    ("DELETE", f"{LAB}/SHARED",        None,             [204, 204, 403, 404, 404]),
    ("GET",    "/v1/workspaces/other/secrets", None,     [404, 404, 404, 404, 404]),
    ("PUT",    "/v1/workspaces/other/secrets/A", VALUE,  [404, 404, 404, 404, 404]),
    # At these paths only alice has secrets; for other callers there are none.
    ("GET",    "/v1/secrets/OWN",      None,             [404, 404, 200, 404, 404]),
    ("PATCH",  "/v1/secrets/OWN",      {"name": "NEW"},  [404, 404, 200, 404, 404]),
    ("DELETE", "/v1/secrets/OWN",      None,             [404, 404, 204, 404, 404]),
    ("PUT",    "/v1/secrets/OWN",      VALUE,            [201, 201, 200, 201, 201]),
    ("GET",    "/v1/secrets",          None,             [200, 200, 200, 200, 200]),
    ("GET",    "/v1/workspaces",       None,             [200, 200, 200, 200, 200]),
]
CASES = [(caller, *row[:3], row[3][number]) for row in TABLE for number, caller in enumerate(CALLERS)]


@pytest.mark.parametrize("caller, method, path, body, status", CASES,
                         ids=[f"{case[0]}-{case[1]}-{case[2]}" for case in CASES])
def test_stored_secret_routes_answer_by_policy_table(agent, caller, method, path, body, status):
    before = state(agent)
    answer = agent.http(method, path, body, user=caller)
    assert answer.status == status, answer.text
    after = state(agent)
    if status >= 400:
        assert answer.detail
        assert after == before
    # Only alice can have changed alice's secrets.
    if caller != "alice":
        assert after[0]["alice"] == before[0]["alice"] and after[1]
    assert '"shared"' not in answer.text and '"own"' not in answer.text  # no answer holds a value


def test_user_lists_only_own_secrets_and_workspaces(agent):
    def secrets(caller):
        return [secret["name"] for secret in agent.http("GET", "/v1/secrets", user=caller).json["secrets"]]

    def workspaces(caller):
        return [(each["workspace"], each["role"], each.get("secrets"))
                for each in agent.http("GET", "/v1/workspaces", user=caller).json["workspaces"]]

    assert [secrets(caller) for caller in CALLERS] == [[], [], ["OWN"], [], []]
    assert [workspaces(caller) for caller in CALLERS] == [
        [("lab", "admin", 1)], [("lab", "admin", 1)], [("lab", "member", 1)], [], []]


@pytest.mark.parametrize("uid, own, shared", [(0, False, False), (ALICE, True, True), (BOB, False, True),
                                              (5, False, False), (65534, False, False)])
def test_grant_of_stored_secret_depends_on_job_owner(agent, uid, own, shared):
    assert reply_to(agent, grant_request(b"OWN", job=21, uid=uid))[0] == (GRANTED if own else REFUSED)
    assert reply_to(agent, grant_request(b"SHARED", job=22, uid=uid))[0] == (GRANTED if shared else REFUSED)


def test_invalid_stored_secret_request_changes_nothing(agent):
    before = state(agent)
    for method, path, body, headers, status in [
        ("PUT", "/v1/secrets/1A", VALUE, {}, 400),
        ("PUT", "/v1/secrets/LD_PRELOAD", VALUE, {}, 400),
        ("PUT", "/v1/secrets/OWN", {"value": "x" * 65537}, {}, 413),
        ("PUT", "/v1/secrets/OWN", {"value": "x", "ttl": "soon"}, {}, 400),
        ("PUT", "/v1/secrets/OWN", {"ttl": "1d"}, {}, 400),
        ("PUT", "/v1/secrets/OWN", {"value": 1}, {}, 400),
        ("PUT", "/v1/secrets/OWN", b"{", {}, 400),
        ("PUT", "/v1/secrets/OWN", VALUE, {"Content-Type": "text/plain"}, 415),
        ("PUT", "/v1/secrets/OWN", VALUE, {"If-Match": '"99"'}, 412),
        ("PUT", "/v1/secrets/NEW", VALUE, {"If-Match": "*"}, 412),
        ("PUT", "/v1/secrets/OWN", VALUE, {"If-None-Match": "*"}, 412),
        ("PUT", "/v1/secrets/OWN", VALUE, {"If-Match": "99"}, 400),
        ("PATCH", "/v1/secrets/OWN", {"name": "PATH"}, {}, 400),
        ("PATCH", "/v1/secrets/OWN", {"value": "x"}, {}, 400),
        ("DELETE", "/v1/secrets/OWN", None, {"If-Match": '"99"'}, 412),
        ("POST", "/v1/secrets/OWN", VALUE, {}, 405),
        ("PUT", "/v1/workspaces/a%20b/secrets/A", VALUE, {}, 400),
    ]:
        answer = agent.http(method, path, body, user="alice", headers=headers)
        assert answer.status == status, (method, path, answer.text)
        assert state(agent) == before


def test_stored_secret_events_reach_only_owner_and_admins(agent):
    begin = agent.http("GET", "/v1/events", user="root").json["next"]
    agent.set("OWN", "again")
    agent.set("SHARED", "again", user="bob", prefix="/workspaces/lab")

    def seen(caller):
        events = agent.http("GET", f"/v1/events?after={begin}", user=caller).json["events"]
        return [event["names"][0] for event in events if event["action"] == "set"]

    assert [seen(caller) for caller in CALLERS] == [["OWN", "SHARED"], ["SHARED"], ["OWN"], [], []]

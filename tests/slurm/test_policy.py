# SPDX-License-Identifier: Apache-2.0
"""Policy of the control socket: which caller may do what, and how much. The kernel identifies the caller."""

import grp
import pwd

import pytest

from harness import poll
from own_agent import own_agent

# Accounts that every Debian has serve as platforms. None of them needs to run anything.
PLATFORMS = """
platforms:
  - { name: tower,   user: games, users: [alice, root] }
  - { name: seqera,  user: mail,  groups: [alice] }
  - { name: another, user: lp,    users: [bob], groups: [bob, no-such-group] }
  - { name: nobody,  user: news }
  - { name: phantom, user: no-such-account, users: [alice, bob, no-such-account] }
"""
CALLERS = ["root", "alice", "bob", "games", "mail", "lp", "news", "nobody"]
MAY_ACT_FOR_ALICE = {"root", "alice", "games", "mail"}


@pytest.fixture(scope="module")
def agent():
    for group in ("alice", "bob"):
        assert grp.getgrnam(group).gr_gid == pwd.getpwnam(group).pw_gid
    with own_agent(PLATFORMS) as agent:
        yield agent


@pytest.fixture(autouse=True)
def clean(agent):
    yield
    for run in agent.http("GET", "/v1/runs").json["runs"]:
        agent.http("DELETE", f"/v1/runs/{run['run']}")


def is_forbidden(answer, *fragments):
    assert answer.status == 403, answer.text
    for fragment in fragments:
        assert fragment in answer.detail


def unchanged(agent, before):
    assert agent.state() == before
    return True


BODY = {"owner": "alice", "user": {"A": "x"}}


@pytest.mark.parametrize("caller", CALLERS)
def test_push_for_alice_is_allowed_only_to_alice_root_and_her_platforms(agent, caller):
    before = agent.state()
    answer = agent.http("PUT", "/v1/runs/new", BODY, user=caller)
    if caller in MAY_ACT_FOR_ALICE:
        assert answer.status == 201 and answer.json["owner"] == "alice"
    else:
        is_forbidden(answer, f"{caller} may not push runs for alice")
        assert unchanged(agent, before)


@pytest.mark.parametrize("caller", CALLERS)
def test_run_of_alice_is_accessible_only_to_alice_root_and_her_platforms(agent, caller):
    agent.push("hers", user={"A": "x"})
    allowed = caller in MAY_ACT_FOR_ALICE
    before = agent.state()

    listed = agent.http("GET", "/v1/runs", user=caller).json["runs"]
    assert [run["run"] for run in listed] == (["hers"] if allowed else [])
    read = agent.http("GET", "/v1/runs/hers", user=caller)
    checked = agent.http("GET", "/v1/check?ask=run:hers,A", user=caller).json
    if allowed:
        assert read.status == 200 and read.json["secrets"][0]["bytes"] == 1
        assert checked["ok"] and checked["items"][0]["found"]
    else:
        is_forbidden(read, f"run hers belongs to another user, not to {caller}")
        assert not checked["ok"] and checked["items"] == []
        assert checked["reason"] == f"run hers belongs to another user, not to {caller}"
    assert unchanged(agent, before)

    replaced = agent.http("PUT", "/v1/runs/hers", BODY, user=caller)
    if allowed:
        assert replaced.status == 200 and replaced.json["generation"] == 2
    else:
        is_forbidden(replaced, "belongs to another user")
        assert unchanged(agent, before)

    completed = agent.http("DELETE", "/v1/runs/hers", user=caller)
    if allowed:
        assert completed.status == 204
        assert agent.state()[0] == {"runs": []}
    else:
        is_forbidden(completed, "belongs to another user")
        assert unchanged(agent, before)


def test_user_pushes_own_run_with_or_without_owner_field(agent):
    for body in ({"user": {"A": "x"}}, {"owner": "alice"}, {"owner": str(pwd.getpwnam("alice").pw_uid)}):
        assert agent.http("PUT", "/v1/runs/mine", body, user="alice").json["owner"] == "alice"


@pytest.mark.parametrize("caller", ["root", "games", "mail", "lp", "news"])
def test_push_by_root_or_platform_requires_owner_field(agent, caller):
    before = agent.state()
    answer = agent.http("PUT", "/v1/runs/whose", {"user": {"A": "x"}}, user=caller)
    assert answer.status == 400 and '"owner" is missing' in answer.detail
    assert unchanged(agent, before)


def test_user_may_not_push_for_another_owner(agent):
    before = agent.state()
    is_forbidden(agent.http("PUT", "/v1/runs/x", {"owner": "bob"}, user="alice"),
                 "alice may not push runs for bob", "platforms")
    is_forbidden(agent.http("PUT", "/v1/runs/x", {"owner": "root"}, user="alice"),
                 "alice may not push runs for root")
    assert unchanged(agent, before)


def test_push_of_another_users_run_is_denied_before_body_is_read(agent):
    agent.push("taken", owner="bob")
    before = agent.state()
    with agent.connect("alice") as connection:
        connection.send(b"PUT /v1/runs/taken HTTP/1.1\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 100000\r\n\r\n")
        is_forbidden(connection.answer(), "run taken belongs to another user, not to alice")
        assert connection.is_closed()
    assert unchanged(agent, before)


def test_push_cannot_change_owner_of_run(agent):
    agent.push("bobs", owner="bob")
    before = agent.state()
    answer = agent.http("PUT", "/v1/runs/bobs", BODY)
    assert answer.status == 409 and "run bobs belongs to bob; complete it" in answer.detail
    assert unchanged(agent, before)


def test_platform_may_not_access_runs_of_another_platform(agent):
    agent.push("bobs", owner="bob")
    before = agent.state()
    for caller in ("games", "mail"):
        is_forbidden(agent.http("PUT", "/v1/runs/bobs", BODY, user=caller))
        is_forbidden(agent.http("DELETE", "/v1/runs/bobs", user=caller))
        is_forbidden(agent.http("PUT", "/v1/runs/new", {"owner": "bob"}, user=caller))
    assert unchanged(agent, before)
    assert agent.http("GET", "/v1/runs/bobs", user="lp").status == 200


def test_completing_missing_run_succeeds_for_any_caller(agent):
    for caller in CALLERS:
        answer = agent.http("DELETE", "/v1/runs/never-was", user=caller)
        assert (answer.status, answer.text) == (204, "")


def test_status_is_readable_by_any_caller(agent):
    for caller in CALLERS:
        status = agent.http("GET", "/v1/status", user=caller).json
        assert status["version"] and status["memory"] in ("memfd_secret", "memfd")


# ---- limits -----------------------------------------------------------------------------------------


def test_configured_size_limits_are_enforced():
    limits = "limits: { value_bytes: 1000, run_bytes: 2500, runs_per_owner: 2 }"
    with own_agent(limits) as agent:
        agent.push("full", user={"A": "x" * 1000, "B": "x" * 1000}, workspace={"A": "x" * 500})
        before = agent.state()
        for path, body, status, sentence in [
            ("full", {"user": {"A": "x" * 1001}}, 413, "at most 1000 bytes are accepted"),
            ("full", {"user": {"A": "x" * 1000, "B": "x" * 1000}, "workspace": {"A": "x" * 501}}, 413,
             "2501 bytes in total; the limit is 2500"),
        ]:
            answer = agent.http("PUT", f"/v1/runs/{path}", {"owner": "alice", **body})
            assert answer.status == status and sentence in answer.detail
            assert unchanged(agent, before)


def test_runs_per_owner_limit_is_enforced():
    with own_agent("limits: { runs_per_owner: 2 }") as agent:
        agent.push("one")
        agent.push("two")
        before = agent.state()
        answer = agent.http("PUT", "/v1/runs/three", BODY)
        assert answer.status == 429 and "alice owns 2 runs already" in answer.detail
        assert unchanged(agent, before)
        agent.push("one", user={"A": "x"})
        agent.push("three", owner="bob")
        assert agent.http("DELETE", "/v1/runs/two").status == 204
        agent.push("four")


def test_full_memory_rejects_push_and_leaves_held_runs():
    values = {f"N{number}": "x" * 60000 for number in range(10)}
    with own_agent("limits: { total_bytes: 1048576, bytes_per_owner: 2097152 }") as agent:
        agent.push("first", workspace=values)
        before = agent.state()
        for run in ("first", "second"):
            answer = agent.http("PUT", f"/v1/runs/{run}", {"owner": "alice", "user": values})
            assert answer.status in (429, 503) and "limits.total_bytes" in answer.detail
            assert unchanged(agent, before)
        agent.http("DELETE", "/v1/runs/first")
        agent.push("second", user=values)


# ---- expiry -----------------------------------------------------------------------------------------


def test_expired_run_is_wiped(agent):
    agent.push("short", ttl="1s", user={"A": "x"})
    agent.push("long", ttl="2h")
    poll(lambda: agent.status()["runs"] == 1, 5, "the expiry")
    assert agent.http("GET", "/v1/runs/short").status == 404
    assert [run["run"] for run in agent.http("GET", "/v1/runs").json["runs"]] == ["long"]
    assert "run short of alice expired and was wiped" in agent.log.read_text()


def test_second_push_resets_expiry(agent):
    first = agent.push("again", ttl="1h")
    assert agent.push("again", ttl="2s")["expires"] < first["expires"]
    assert agent.push("again")["expires"] > first["expires"]

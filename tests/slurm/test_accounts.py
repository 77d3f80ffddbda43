# SPDX-License-Identifier: Apache-2.0
"""Promise: the users of the Slurm account that a workspace names are in the workspace within the interval, and nobody
else is, but who left the account in the last ten minutes.
Unknown membership is refused as unknown, and only where a request depends on it."""

import contextlib
import json
import os
import pwd
import re
import signal
import struct
import time
from types import SimpleNamespace

import pytest

import view
from conftest import running_cluster
from harness import BUILD, poll
from plugin_protocol import DONE, GRANTED, REFUSED, WIPE, grant_request, message, reply_to
from test_view import another_view

NOT_YET = ("cannot tell yet if {} is in workspace {}: slurmctld has not yet listed the users of the Slurm account {}; "
           "try again in a moment")
STAYS = "cannot refresh Slurm account members, using the last known list: "
AGAIN = "Slurm account members are refreshed again"
WORKSPACES = """workspaces:
  - {{ name: lab, admins: {{ users: [root] }}, members: {{ accounts: [{lab}] }} }}
  - {{ name: archive, admins: {{ accounts: [bio] }}, members: {{ users: [alice] }} }}
"""


def configure(cluster, lab="chem"):
    config = cluster.dir / "agentd.yaml"
    head = config.read_text().partition("workspaces:")[0]
    config.write_text(head + WORKSPACES.format(lab=lab) + "slurm_accounts: { interval: 1s }\n")


def sacctmgr(cluster, *arguments):
    done = cluster.as_user("root", ["sacctmgr", "--immediate", *arguments])
    assert done.code == 0, done.out + done.err


@pytest.fixture(scope="module")
def cluster(request):
    with running_cluster(request.session, "--accounting", "--store", "--without-agent") as cluster:
        sacctmgr(cluster, "add", "account", "chem,bio")
        sacctmgr(cluster, "add", "account", "organic", "parent=chem")
        sacctmgr(cluster, "add", "user", "alice", "account=chem")
        configure(cluster)
        cluster.agent_start()
        yield cluster


@pytest.fixture(autouse=True)
def token(request, canary):
    """Sets TOKEN of workspace lab, and returns its value."""
    if "cluster" not in request.fixturenames:
        return None
    cluster = request.getfixturevalue("cluster")
    value = canary("TOK")
    done = cluster.secretctl("set", "TOKEN", "--workspace=lab", input=value)
    assert done.code == 0, done.err
    poll(lambda: workspaces(cluster, "alice") == {"lab": "member", "archive": "member"}, 10, "alice in lab")
    return value


@pytest.fixture
def log(cluster):
    """Returns a function that reads what the agent logged since the test began."""
    before = len(cluster.agent_log())
    return lambda: cluster.agent_log()[before:]


@contextlib.contextmanager
def association(cluster, user, account):
    sacctmgr(cluster, "add", "user", user, f"account={account}")
    try:
        yield
    finally:
        sacctmgr(cluster, "delete", "user", user, f"account={account}")


@contextlib.contextmanager
def private_data(cluster, kinds):
    conf = cluster.dir / "slurm.conf"
    before = conf.read_text()
    try:
        conf.write_text(before + f"PrivateData={kinds}\n")
        assert cluster.scontrol("reconfigure").code == 0
        yield
    finally:
        conf.write_text(before)
        assert cluster.scontrol("reconfigure").code == 0


def workspaces(cluster, user):
    answer = cluster.http("GET", "/v1/workspaces", user=user)
    if answer.status != 200:
        return answer.json["detail"]
    return {entry["workspace"]: entry["role"] for entry in answer.json["workspaces"]}


def check(cluster, user, text):
    answer = cluster.http("GET", f"/v1/check?ask={text}", user=user)
    return answer.json["ok"] if answer.status == 200 else (answer.status, answer.json["detail"])


def doctor(cluster):
    done = cluster.secretctl("doctor", "--json")
    return next(found for found in json.loads(done.out)["checks"] if found["name"] == "Slurm accounts")


def grant_reply_for_step(cluster, user, text):
    """Requests a grant for a step and ends its job; returns the kind of the reply and its text."""
    agent = SimpleNamespace(node_socket=cluster.dir / "run" / "node.sock")
    kind, reply_text, _ = reply_to(agent, grant_request(text.encode(), job=4000000000, uid=pwd.getpwnam(user).pw_uid))
    assert reply_to(agent, message(WIPE, struct.pack("=I", 4000000000)))[0] == DONE
    return kind, reply_text


def test_workspace_members_are_exactly_users_of_slurm_account(cluster, token):
    assert cluster.srun("-n1", "--secret=TOKEN", "printenv", "TOKEN").out.strip() == token
    assert cluster.run_batch("printenv TOKEN", "--secret=TOKEN,workspace:lab").code == 0
    assert workspaces(cluster, "bob") == {}
    refused = cluster.srun("-n1", "--secret=TOKEN", "true", user="bob")
    assert refused.code != 0 and "secret TOKEN is not set for bob" in refused.err
    refused = cluster.submit("true", "--secret=TOKEN,workspace:lab", user="bob")
    assert refused.code != 0 and "there is no workspace lab that bob is in" in refused.err
    done = cluster.as_user("alice", [BUILD / "secretctl", "--socket", cluster.control_socket, "workspaces"])
    assert re.search(r"^lab +member", done.out, re.MULTILINE), done.out
    assert doctor(cluster)["sentence"] == "their members are known from slurmctld"
    assert re.search(r"^slurm accounts +2$", cluster.secretctl("status").out, re.MULTILINE)


def test_workspace_membership_follows_slurm_account_changes(cluster, token):
    with association(cluster, "bob", "chem"):
        poll(lambda: workspaces(cluster, "bob") == {"lab": "member"}, 5, "bob in lab")
        assert cluster.srun("-n1", "--secret=TOKEN", "printenv", "TOKEN", user="bob").out.strip() == token
        assert workspaces(cluster, "alice") == {"lab": "member", "archive": "member"}
    time.sleep(4)  # several answers without bob, within less than ten minutes
    assert workspaces(cluster, "bob") == {"lab": "member"}
    assert cluster.srun("-n1", "--secret=TOKEN", "true", user="bob").code == 0
    cluster.agent_restart()
    poll(lambda: workspaces(cluster, "bob") == {}, 5, "bob out of lab")
    assert cluster.srun("-n1", "--secret=TOKEN", "true", user="bob").code != 0


def test_workspace_admins_may_come_from_slurm_account(cluster):
    with association(cluster, "bob", "bio"):
        poll(lambda: workspaces(cluster, "bob") == {"archive": "admin"}, 5, "bob as admin of archive")
        command = [BUILD / "secretctl", "--socket", cluster.control_socket, "set", "PEN", "--workspace=archive"]
        assert cluster.as_user("bob", command, input="ink").code == 0
        assert check(cluster, "alice", "PEN") is True
        assert cluster.as_user("alice", command, input="ink").code == 1
    cluster.agent_restart()  # which remembers no member
    poll(lambda: cluster.as_user("bob", command, input="ink").code == 1, 5, "bob out of archive")
    assert cluster.secretctl("rm", "PEN", "--workspace=archive").code == 0


def poll_users(cluster, account, users):
    """Waits until slurmctld has an account's users: it acknowledges a change before it makes it, and looks each up."""
    poll(lambda: view.users_of(cluster.view_socket, account) == users, 60, f"{len(users)} users of account {account}")


def test_view_account_users_exclude_child_accounts(cluster):
    with association(cluster, "bob", "organic"):
        poll_users(cluster, "organic", ["bob"])
        assert view.users_of(cluster.view_socket, "chem") == ["alice"]
    poll_users(cluster, "organic", [])
    for other in ("physics", "che", "CHEM", "chem,bio"):
        assert view.users_of(cluster.view_socket, other) is None


def test_view_lists_account_user_of_several_partitions_once(cluster):
    sacctmgr(cluster, "add", "user", "alice", "account=chem", "partition=debug")
    assert view.users_of(cluster.view_socket, "chem") == ["alice"]
    sacctmgr(cluster, "delete", "user", "alice", "account=chem", "partition=debug")
    assert view.users_of(cluster.view_socket, "chem") == ["alice"]


def test_view_sends_large_account_in_parts(cluster):
    users = [f"u{number:04}" for number in range(250)]
    sacctmgr(cluster, "add", "account", "large")
    sacctmgr(cluster, "add", "user", ",".join(users), "account=large")
    poll_users(cluster, "large", users)


def test_membership_stays_as_last_known_while_slurmctld_is_down(cluster, token, log):
    cluster.daemon_kill("slurmctld")
    poll(lambda: STAYS in log(), 15, "the line that says so")
    os.kill(cluster.agent_pid, signal.SIGHUP)
    poll(lambda: "reloaded " in log(), 5, "the reload")
    assert check(cluster, "alice", "TOKEN") is True
    assert check(cluster, "bob", "TOKEN") is False
    assert grant_reply_for_step(cluster, "alice", "TOKEN")[0] == GRANTED
    found = doctor(cluster)
    assert found["state"] == "warn" and found["sentence"].startswith("their last known members are used: "), found
    cluster.controller_start()
    poll(lambda: AGAIN in log(), 15, "the line that says that it is over")
    assert (log().count(STAYS), log().count(AGAIN)) == (1, 1), "a line for each time"


def test_membership_unknown_at_start_denies_only_dependent_requests(cluster, token, log):
    assert cluster.secretctl("set", "PEN", "--workspace=archive", input="ink").code == 0
    cluster.daemon_kill("slurmctld")
    cluster.agent_restart()
    sentence = NOT_YET.format("alice", "lab", "chem")
    assert workspaces(cluster, "alice") == sentence
    assert cluster.http("GET", "/v1/check?ask=TOKEN").json["ok"] is True  # root is in lab by its name
    assert check(cluster, "alice", "TOKEN") == (503, sentence)
    assert check(cluster, "alice", "TOKEN?") == (503, sentence)
    assert check(cluster, "bob", "TOKEN,workspace:lab") == (503, NOT_YET.format("bob", "lab", "chem"))
    assert check(cluster, "bob", "workspace:archive,PEN") == (503, NOT_YET.format("bob", "archive", "bio"))
    assert check(cluster, "alice", "PEN") is True
    assert check(cluster, "alice", "workspace:archive,PEN") is True
    assert grant_reply_for_step(cluster, "alice", "PEN")[0] == GRANTED
    assert grant_reply_for_step(cluster, "alice", "TOKEN") == (REFUSED, sentence)
    found = doctor(cluster)
    assert found["state"] == "fail" and found["sentence"].startswith("their members are unknown"), found
    command = [BUILD / "secretctl", "--socket", cluster.control_socket, "set", "PEN", "--workspace=archive"]
    refused = cluster.as_user("alice", command, input="ink")
    assert refused.code != 0 and NOT_YET.format("alice", "archive", "bio") in refused.err
    cluster.controller_start()
    poll(lambda: check(cluster, "alice", "TOKEN") is True, 15, "alice in lab")
    assert check(cluster, "bob", "TOKEN") is False
    assert STAYS not in log()
    assert cluster.secretctl("rm", "PEN", "--workspace=archive").code == 0


def test_unknown_slurm_account_has_no_members_and_is_logged_once(cluster, log):
    missing = ("slurmctld does not know the Slurm account physics, which therefore adds no members to a workspace; check "
               "its name with 'sacctmgr show account', or remove it from the configuration")
    configure(cluster, lab="physics")
    os.kill(cluster.agent_pid, signal.SIGHUP)
    poll(lambda: missing in log(), 5, "the line that says so")
    poll(lambda: workspaces(cluster, "alice") == {"archive": "member"}, 5, "alice out of lab")
    assert doctor(cluster)["sentence"] == "slurmctld does not know physics"
    sacctmgr(cluster, "add", "account", "physics")
    with association(cluster, "alice", "physics"):
        poll(lambda: "lab" in workspaces(cluster, "alice"), 5, "alice in lab")
        assert "slurmctld knows the Slurm account physics now" in log()
        assert log().count(missing) == 1
    sacctmgr(cluster, "delete", "account", "physics")
    configure(cluster)
    os.kill(cluster.agent_pid, signal.SIGHUP)
    poll(lambda: "lab" in workspaces(cluster, "alice"), 5, "alice in lab")


def test_view_reports_account_hidden_by_private_data(cluster):
    with private_data(cluster, "users"), another_view(cluster, user="nobody") as (_, path):
        assert view.users_of(cluster.view_socket, "chem") == ["alice"]  # as SlurmUser
        assert view.users_of(path, "chem") == (
            "slurmctld hides the users of an account: PrivateData in slurm.conf has users or usage, and "
            "slurm-secrets-view does not run as SlurmUser")
    with another_view(cluster, user="nobody") as (_, path):
        assert view.users_of(path, "chem") == ["alice"]

# SPDX-License-Identifier: Apache-2.0
"""Runs secretctl for stored secrets, with an agent that has a store, and reads what it prints."""

import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from harness import BUILD
from own_agent import own_agent

SECRETCTL = BUILD / "secretctl"
FINE, REFUSED, BAD_INPUT, UNREACHABLE = 0, 1, 2, 3
VALUE = "canary-5e11c0de-value"


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    key = folder / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)
    with own_agent(f"store: {{ file: {folder}/store.db, key_file: {key} }}",
                   "workspaces: [{ name: lab, admins: { users: [alice] }, members: { users: [bob] } }]") as agent:
        yield agent


@pytest.fixture(autouse=True)
def no_secrets_are_left(agent):
    yield
    for user in ("alice", "bob"):
        for secret in agent.http("GET", "/v1/secrets", user=user).json["secrets"]:
            agent.http("DELETE", f"/v1/secrets/{secret['name']}", user=user)
    for secret in agent.http("GET", "/v1/workspaces/lab/secrets", user="alice").json["secrets"]:
        agent.http("DELETE", f"/v1/workspaces/lab/secrets/{secret['name']}", user="alice")


class Done:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()
        assert "canary" not in self.out + self.err

    @property
    def json(self):
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    def is_error(self, code, *fragments):
        """Checks for one sentence on standard error, and nothing on standard output."""
        assert self.code == code, (self.code, self.err)
        assert self.out == "" and self.err.startswith("secretctl: ") and self.err.count("\n") == 1, self.err
        for fragment in fragments:
            assert fragment in self.err, self.err


def environment_of(agent, home, socket=None):
    return {"PATH": os.environ["PATH"], "TZ": "UTC", "HOME": str(home),
            "SLURM_SECRETS_SOCKET": str(socket or agent.control_socket)}


def secretctl(agent, *arguments, user="alice", stdin=b"", home="/nonexistent", socket=None):
    account = pwd.getpwnam(user)
    return Done(subprocess.run(
        [SECRETCTL, *map(str, arguments)], input=stdin, env=environment_of(agent, home, socket), cwd="/", timeout=20,
        capture_output=True, user=account.pw_uid, group=account.pw_gid, extra_groups=[]))


def value_in_a_run(agent, name, user="alice"):
    """Returns length and scope of a secret that a job would get; lengths tell values apart, which are never shown."""
    item = agent.http("GET", f"/v1/check?ask={name}", user=user).json["items"][0]
    return item.get("bytes"), item.get("scope")


@pytest.fixture
def home(tmp_path_factory):
    """Makes a home directory of alice."""
    account = pwd.getpwnam("alice")
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/home.XXXXXX"], check=True, capture_output=True,
                                 text=True).stdout.strip())
    os.chown(folder, account.pw_uid, account.pw_gid)
    yield folder
    subprocess.run(["rm", "-r", "--", folder], check=True)


def write(path, text, mode=0o600):
    account = pwd.getpwnam("alice")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, account.pw_uid, account.pw_gid)
    return path

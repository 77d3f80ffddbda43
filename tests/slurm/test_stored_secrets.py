# SPDX-License-Identifier: Apache-2.0
"""Promise: jobs get what their user and the admin of the user's workspace have set, and jobs of others do not."""

import hashlib
import json

import pytest

from conftest import running_cluster
from harness import BUILD, poll


@pytest.fixture(scope="module")
def cluster(request):
    with running_cluster(request.session, "--store") as cluster:
        yield cluster


def secretctl(cluster, user, *arguments, input=None):
    return cluster.as_user(user, [str(BUILD / "secretctl"), "--socket", str(cluster.control_socket), *arguments],
                           input=input)


@pytest.fixture
def set_secret(cluster):
    """Sets a secret as a user does, and removes it after the test."""
    stored = []

    def set_one(user, name, value, *options):
        done = secretctl(cluster, user, "set", name, *options, input=value)
        assert done.code == 0, done.err
        stored.append((user, name, [option for option in options if option.startswith("--workspace")]))

    yield set_one
    for user, name, workspace_option in stored:
        secretctl(cluster, user, "rm", name, *workspace_option)


def hash_of(value):
    return hashlib.sha256(value.encode() + b"\n").hexdigest()


SHOW = "printenv {} | sha256sum | cut -d' ' -f1"


def test_job_gets_stored_secret_of_its_user(cluster, set_secret, canary):
    value = canary()
    set_secret("alice", "HF_TOKEN", value)
    job = cluster.sbatch(f"#!/bin/sh\n#SBATCH --secret=HF_TOKEN\n{SHOW.format('HF_TOKEN')}\n")
    poll(lambda: not cluster.job_state(job), 30, "the job's end")
    assert (cluster.out / f"{job}.out").read_text().strip() == hash_of(value)
    for _ in range(2):  # and again
        done = cluster.srun("-N1", "--secret=HF_TOKEN", "sh", "-c", SHOW.format("HF_TOKEN"))
        assert done.out.strip() == hash_of(value), done.err
    listed = secretctl(cluster, "alice", "ls").out
    assert "HF_TOKEN" in listed and f"job {int(job) + 2}" in listed
    assert value not in listed


def test_stored_secret_is_denied_to_another_user(cluster, set_secret, canary):
    set_secret("alice", "HF_TOKEN", canary())
    done = cluster.srun("--secret=HF_TOKEN", "true", user="bob")
    assert done.code != 0
    assert ("error: secret HF_TOKEN is not set for bob; set it with: secretctl set HF_TOKEN") in done.err
    assert "HF_TOKEN" not in secretctl(cluster, "bob", "ls").out


def test_submission_names_command_that_sets_missing_secret(cluster):
    done = cluster.submit("#!/bin/sh\ntrue\n", "--secret=FORGOTTEN")
    assert done.code != 0
    assert "sbatch: error: secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN" in done.err
    assert not cluster.jobs()


def test_workspace_members_get_secrets_set_by_admin(cluster, set_secret, canary):
    value = canary()
    set_secret("bob", "DB_PASSWORD", value, "--workspace=lab")
    for options in ([], ["--workspace=lab"]):
        done = cluster.srun("-N1", "--secret=DB_PASSWORD", *options, "sh", "-c", SHOW.format("DB_PASSWORD"))
        assert done.out.strip() == hash_of(value), done.err
    refused = secretctl(cluster, "alice", "set", "DB_PASSWORD", "--workspace=lab", input="mine")
    assert refused.code != 0 and "only the admins of workspace lab may change its secrets" in refused.err
    listed = secretctl(cluster, "alice", "ls", "--workspace=lab")
    assert listed.out.split() == ["NAME", "DB_PASSWORD"], "a member sees names"
    listed = secretctl(cluster, "alice", "ls", "--workspace=lab", "--json")
    assert json.loads(listed.out)== {
        "workspace": "lab", "secrets": [{"name": "DB_PASSWORD"}], "role": "member"}
    assert "only the admins" in secretctl(cluster, "alice", "rm", "DB_PASSWORD", "--workspace=lab").err
    wrong = cluster.srun("--secret=DB_PASSWORD", "--workspace=other", "true")
    assert wrong.code != 0 and "there is no workspace other that alice is in" in wrong.err
    own = canary()
    set_secret("alice", "DB_PASSWORD", own)
    assert "user" in secretctl(cluster, "alice", "check", "DB_PASSWORD").out
    done = cluster.srun("-N1", "--secret=DB_PASSWORD", "sh", "-c", SHOW.format("DB_PASSWORD"))
    assert done.out.strip() == hash_of(own), done.err


def test_stored_key_is_given_as_file_and_variable(cluster, set_secret, canary):
    value = "-----BEGIN KEY-----\n" + canary() + "\n-----END KEY-----\n"
    set_secret("alice", "KEY", value, "--keep-newline")
    show = "sha256sum <$KEY_FILE; stat -c '%a %U' $KEY_FILE; printenv KEY | sha256sum"
    done = cluster.srun("-N1", "--secret=KEY,KEY:file", "sh", "-c", show)
    assert done.out.split() == [hashlib.sha256(value.encode()).hexdigest(), "-", "400", "alice",
                                hash_of(value), "-"], done.err


def test_job_is_warned_of_secret_that_expires_soon(cluster, set_secret, canary):
    set_secret("alice", "SOON", canary(), "--expires=60h")
    done = cluster.srun("-N1", "--secret=SOON", "true")
    assert done.code == 0
    assert "secrets: secret SOON expires in 2 days; set it again with: secretctl set SOON" in done.err

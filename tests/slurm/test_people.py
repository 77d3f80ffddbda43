"""Promise: what alice sets once, her jobs are given; what her workspace's admin sets, too; and nobody else's are."""

import hashlib

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
def keep(cluster):
    """Sets a secret as a person does, and removes it when the test is over."""
    kept = []

    def set_one(user, name, value, *options):
        done = secretctl(cluster, user, "set", name, *options, input=value)
        assert done.code == 0, done.err
        kept.append((user, name, [option for option in options if option.startswith("--workspace")]))

    yield set_one
    for user, name, place in kept:
        secretctl(cluster, user, "rm", name, *place)


def hash_of(value):
    return hashlib.sha256(value.encode() + b"\n").hexdigest()


SHOW = "printenv {} | sha256sum | cut -d' ' -f1"


def test_a_job_uses_the_token_that_its_user_set_once(cluster, keep, canary):
    value = canary()
    keep("alice", "HF_TOKEN", value)
    job = cluster.sbatch(f"#!/bin/sh\n#SBATCH --secret=HF_TOKEN\n{SHOW.format('HF_TOKEN')}\n")
    poll(lambda: not cluster.job_state(job), 30, "the job's end")
    assert (cluster.out / f"{job}.out").read_text().strip() == hash_of(value)
    for _ in range(2):  # and again
        done = cluster.srun("-N1", "--secret=HF_TOKEN", "sh", "-c", SHOW.format("HF_TOKEN"))
        assert done.out.strip() == hash_of(value), done.err
    listed = secretctl(cluster, "alice", "ls").out
    assert "HF_TOKEN" in listed and f"job {int(job) + 2}" in listed
    assert value not in listed


def test_another_user_has_nothing_of_it(cluster, keep, canary):
    keep("alice", "HF_TOKEN", canary())
    done = cluster.srun("--secret=HF_TOKEN", "true", user="bob")
    assert done.code != 0
    assert ("error: secret HF_TOKEN is not set for bob; set it with: secretctl set HF_TOKEN") in done.err
    assert "HF_TOKEN" not in secretctl(cluster, "bob", "ls").out


def test_a_forgotten_secret_is_said_at_submission_with_what_to_type(cluster):
    done = cluster.submit("#!/bin/sh\ntrue\n", "--secret=FORGOTTEN")
    assert done.code != 0
    assert "sbatch: error: secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN" in done.err
    assert not cluster.jobs()


def test_members_use_what_the_workspace_s_admin_set(cluster, keep, canary):
    value = canary()
    keep("bob", "DB_PASSWORD", value, "--workspace=lab")
    for options in ([], ["--workspace=lab"]):
        done = cluster.srun("-N1", "--secret=DB_PASSWORD", *options, "sh", "-c", SHOW.format("DB_PASSWORD"))
        assert done.out.strip() == hash_of(value), done.err
    refused = secretctl(cluster, "alice", "set", "DB_PASSWORD", "--workspace=lab", input="mine")
    assert refused.code != 0 and "admins alone" in refused.err
    wrong = cluster.srun("--secret=DB_PASSWORD", "--workspace=other", "true")
    assert wrong.code != 0 and "there is no workspace other that alice is in" in wrong.err
    own = canary()
    keep("alice", "DB_PASSWORD", own)
    assert "user" in secretctl(cluster, "alice", "check", "DB_PASSWORD").out
    done = cluster.srun("-N1", "--secret=DB_PASSWORD", "sh", "-c", SHOW.format("DB_PASSWORD"))
    assert done.out.strip() == hash_of(own), done.err


def test_a_key_is_given_as_a_file_and_as_a_variable(cluster, keep, canary):
    value = "-----BEGIN KEY-----\n" + canary() + "\n-----END KEY-----\n"
    keep("alice", "KEY", value, "--keep-newline")
    show = "sha256sum <$KEY_FILE; stat -c '%a %U' $KEY_FILE; printenv KEY | sha256sum"
    done = cluster.srun("-N1", "--secret=KEY,KEY:file", "sh", "-c", show)
    assert done.out.split() == [hashlib.sha256(value.encode()).hexdigest(), "-", "400", "alice",
                                hash_of(value), "-"], done.err


def test_a_job_is_told_that_its_secret_expires_soon(cluster, keep, canary):
    keep("alice", "SOON", canary(), "--expires=60h")
    done = cluster.srun("-N1", "--secret=SOON", "true")
    assert done.code == 0
    assert "secrets: secret SOON expires in 2 days; set it anew with: secretctl set SOON" in done.err

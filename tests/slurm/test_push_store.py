# SPDX-License-Identifier: Apache-2.0
"""secretctl push --store FILE --remove: a store of Nextflow's becomes a run and is gone, or nothing changes at all."""

import contextlib
import json
import os
import pwd
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import poll
from own_agent import own_agent
from test_secretctl import BAD_INPUT, FINE, REFUSED, UNREACHABLE, secretctl

FILE_LEFT = 4
VALUES = {"TOKEN": "canary-1 \"quoted\" \\ $HOME\n\n", "OTHER-1": "canary-2 \u00e4"}


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        yield agent


@pytest.fixture
def store(agent, tmp_path):
    """Makes a store file of alice's as Nextflow does."""
    tmp_path.chmod(0o755)
    for folder in list(tmp_path.parents)[:-1]:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    folder = tmp_path / "secrets"
    folder.mkdir()
    path = folder / "store.json"
    path.write_text(json.dumps([{"name": name, "value": value} for name, value in VALUES.items()]))
    path.chmod(0o600)
    for each in (folder, path):
        shutil.chown(each, "alice")
    yield path
    agent.http("DELETE", "/v1/runs/demo")


def pushed(agent):
    return [run["run"] for run in agent.http("GET", "/v1/runs").json["runs"]]


def changes_nothing(agent, store, code, *fragments, arguments=("--remove",), before=None):
    before = before if before is not None else store.read_bytes()
    done = secretctl(agent, "push", "demo", "--store", str(store), *arguments)
    done.is_error(code, *fragments)
    assert pushed(agent) == []
    assert store.read_bytes() == before


def test_store_becomes_the_run_and_is_overwritten_and_removed(agent, store):
    fd = os.open(store, os.O_RDONLY)
    size = os.fstat(fd).st_size
    done = secretctl(agent, "push", "demo", "--store", str(store), "--remove", "--ttl", "1h")
    assert (done.code, done.err) == (FINE, "")
    assert "run demo of alice: 2 secrets" in done.out
    secrets = agent.http("GET", "/v1/runs/demo").json["secrets"]
    assert [(secret["name"], secret["bytes"]) for secret in secrets] == [(name, len(VALUES[name].encode())) for name in sorted(VALUES)]
    assert not store.exists()
    assert os.pread(fd, 4096, 0) == bytes(size)
    os.close(fd)


def test_store_stays_without_remove(agent, store):
    before = store.read_bytes()
    assert secretctl(agent, "push", "demo", "--store", str(store), "--scope", "workspace").code == FINE
    assert agent.http("GET", "/v1/runs/demo").json["secrets"][0]["scope"] == "workspace"
    assert store.read_bytes() == before


def test_link_to_the_store_is_removed_with_it(agent, store):
    link = store.with_name("link")
    link.symlink_to("store.json")
    assert secretctl(agent, "push", "demo", "--store", str(link), "--remove").code == FINE
    assert not link.is_symlink() and not store.exists()


def test_new_store_leaves_a_run_that_is_there(agent, store):
    agent.http("PUT", "/v1/runs/demo", {"owner": "alice", "user": {"OTHER": "x"}})
    before = store.read_bytes()
    secretctl(agent, "push", "demo", "--new", "--store", str(store), "--remove").is_error(REFUSED, "run demo already exists")
    assert store.read_bytes() == before
    assert [secret["name"] for secret in agent.http("GET", "/v1/runs/demo").json["secrets"]] == ["OTHER"]
    agent.http("DELETE", "/v1/runs/demo")
    assert secretctl(agent, "push", "demo", "--new", "--store", str(store), "--remove").code == FINE


def while_pushing(agent, store, path, change):
    """Makes a change after the file was opened and checked, and before the agent has the run."""
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as thread:
            pushing = thread.submit(secretctl, agent, "push", "demo", "--store", str(path), "--remove")
            poll(lambda: is_open(store), 1, "the open of the store")
            change()
            os.kill(agent.pid, signal.SIGCONT)
            return pushing.result()
    finally:
        os.kill(agent.pid, signal.SIGCONT)


def is_open(path):
    """Whether a secretctl has the file open, and has connected."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text() == "secretctl\n":
                files = [os.readlink(fd) for fd in (process / "fd").iterdir()]
                if str(path) in files and any(file.startswith("socket:") for file in files):
                    return True
    return False


def test_store_that_cannot_be_removed_after_the_push_stays_as_it_is(agent, store):
    before = store.read_bytes()
    done = while_pushing(agent, store, store, lambda: shutil.chown(store.parent, "root"))
    assert done.code == FILE_LEFT and "run demo of alice: 2 secrets" in done.out
    assert done.err == f"secretctl: the run is pushed, but {store} is still there: Permission denied; remove it\n"
    assert store.read_bytes() == before and pushed(agent) == ["demo"]


@pytest.mark.parametrize("by_link", [False, True])
def test_file_that_replaced_the_store_during_the_push_stays(agent, store, by_link):
    path = store
    if by_link:
        path = store.with_name("link")
        path.symlink_to("store.json")
    old = store.with_name("old")

    def replace():
        store.rename(old)
        store.write_text("another")

    before = store.read_bytes()
    done = while_pushing(agent, store, path, replace)
    assert done.code == FILE_LEFT and f"{path} is still there: it was replaced during the push" in done.err
    assert store.read_text() == "another" and path.exists() and old.read_bytes() == before


def test_link_that_names_another_file_during_the_push_stays(agent, store):
    link = store.with_name("link")
    link.symlink_to("store.json")

    def replace():
        link.unlink()
        link.write_text("another")

    assert while_pushing(agent, store, link, replace).code == FINE
    assert link.read_text() == "another" and not store.exists()


@pytest.mark.parametrize("text, fragment", [
    ("", "is not valid JSON"), ("[]", "contains no secret"), ('{"A":"canary"}', "does not have the form"),
    ('[{"name":"A","value":"canary"}', "is not valid JSON"), ('[{"name":"A","value":1}]', "does not have the form"),
    ('[{"name":"A","value":"canary"},{"name":"A","value":"x"}]', "duplicate name 'A'"),
    ('[{"name":"LD_PRELOAD","value":"canary"}]', "LD_PRELOAD"), ('[{"name":"canary=1","value":"x"}]', "invalid secret name")])
def test_malformed_store_changes_nothing(agent, store, text, fragment):
    store.write_text(text)
    changes_nothing(agent, store, BAD_INPUT, fragment)
    assert "--skip" not in secretctl(agent, "push", "demo", "--store", str(store)).err


def test_store_that_cannot_be_removed_is_not_pushed(agent, store):
    end = "; nothing is pushed"
    store.chmod(0o400)
    changes_nothing(agent, store, BAD_INPUT, f"cannot remove {store} after the push: Permission denied{end}")
    store.chmod(0o600)
    second = store.with_name("second")
    os.link(store, second)
    changes_nothing(agent, store, BAD_INPUT, "it has a second name (a hard link)" + end)
    second.unlink()
    shutil.chown(store.parent, "root")
    changes_nothing(agent, store, BAD_INPUT, "its directory: Permission denied" + end)
    shutil.chown(store.parent, "alice")
    store.chmod(0o666)
    os.chown(store, pwd.getpwnam("bob").pw_uid, -1)
    changes_nothing(agent, store, BAD_INPUT, "it belongs to another user" + end)


def test_no_regular_file_is_read(agent, store):
    store.unlink()
    secretctl(agent, "push", "demo", "--store", str(store), "--remove").is_error(BAD_INPUT, f"cannot read {store}: No such file")
    os.mkfifo(store, 0o666)
    os.chmod(store, 0o666)
    secretctl(agent, "push", "demo", "--store", str(store)).is_error(BAD_INPUT, f"cannot read {store}: it is not a regular file")


def test_refused_or_failed_push_leaves_the_store(agent, store):
    changes_nothing(agent, store, REFUSED, "is longer than", arguments=("--remove", "--ttl", "400d"))
    before = store.read_bytes()
    secretctl(agent, "push", "demo", "--store", str(store), "--remove", socket="/nonexistent").is_error(UNREACHABLE)
    assert store.read_bytes() == before
    assert secretctl(agent, "push", "demo", "--store", str(store), "--from", str(store)).code == BAD_INPUT
    assert secretctl(agent, "push", "demo", "--remove", stdin="A=x\n").code == BAD_INPUT
    assert pushed(agent) == [] and store.read_bytes() == before

# SPDX-License-Identifier: Apache-2.0
"""Collects the evidence of a test: values that must be gone afterwards, and whether logs have to stay."""

import contextlib
import secrets
import shutil

import hunt
import pytest
from harness import poll


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        note_failure(item.session)


_failed = pytest.StashKey[bool]()


def note_failure(session):
    session.stash[_failed] = True


@contextlib.contextmanager
def noting_failure(session):
    """Records a failure at once. Pytest reports that of a fixture only after outer fixtures have removed the logs."""
    try:
        yield
    except BaseException:
        note_failure(session)
        raise


def has_failed(session):
    return session.stash.get(_failed, False)


@contextlib.contextmanager
def ending(site, session):
    """Ends a cluster, hosts or a machine after its tests, and removes its directory if none has failed."""
    try:
        yield site
    finally:
        site.down()
        if has_failed(session):
            print(f"\nthe logs are kept in {site.dir}")
        else:
            shutil.rmtree(site.dir)


@contextlib.contextmanager
def running(site, session):
    """Starts a cluster or hosts that many tests share, and ends it after them."""
    with ending(site, session):
        with noting_failure(session):
            site.up()
        yield site


@pytest.fixture
def canaries():
    """Lists the values of this test that the hunt searches for."""
    return []


@pytest.fixture
def canary(canaries):
    """Makes a value that occurs nowhere else."""

    def make(name="value"):
        value = f"{name}-{secrets.token_hex(16)}"
        canaries.append(value.encode())
        return value

    return make


def check_nothing_left(site, canaries):
    """Checks that the nodes are up, and that no value is in a file or in a daemon's memory."""
    for run in site.runs():
        site.complete(run)
    poll(lambda: not site.jobs(), 30, "the end of all jobs")
    poll(lambda: site.sinfo() == site.nodes, 15, f"idle nodes (now {site.sinfo()})")
    poll(lambda: site.status()["holds"] == 0, 10, "the wipe of all holds")
    assert site.status()["runs"] == 0
    assert site.status()["slabs"] == 0
    if not canaries:
        return
    found = hunt.in_files(site.folders(), canaries)
    for name, pid in site.daemons().items():
        found += hunt.in_memory(name, pid, canaries)
    assert not found, "a value was found in " + ", ".join(location for location, _ in found)

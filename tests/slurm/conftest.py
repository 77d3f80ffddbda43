"""What the tests on the real cluster share, and what must hold after every one of them."""

import contextlib
import secrets
import shutil

import hunt
import pytest
from harness import Cluster, poll


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.session.stash[_failed] = True


_failed = pytest.StashKey[bool]()


@contextlib.contextmanager
def _noting_failure(session):
    """Pytest reports what fails in a fixture only after the fixtures around it have ended: too late to keep logs."""
    try:
        yield
    except BaseException:
        session.stash[_failed] = True
        raise


def _end(cluster, session):
    cluster.down()
    if session.stash.get(_failed, False):
        print(f"\nthe cluster's logs are kept in {cluster.dir}/log")
    else:
        shutil.rmtree(cluster.dir)


@contextlib.contextmanager
def running_cluster(session, *options):
    """A cluster that many tests share."""
    cluster = Cluster(*options)
    try:
        with _noting_failure(session):
            cluster.up()
        yield cluster
    finally:
        _end(cluster, session)


@pytest.fixture(scope="session")
def cluster(request):
    with running_cluster(request.session, "--platform", "www-data") as cluster:
        yield cluster


@pytest.fixture
def new_cluster(request, canaries):
    """Makes a further cluster, with options of its own, for one test."""
    made = []

    def make(*options):
        made.append(Cluster(*options))
        made[-1].up()
        return made[-1]

    yield make
    for cluster in made:
        try:
            with _noting_failure(request.session):
                check_nothing_left(cluster, canaries)
        finally:
            _end(cluster, request.session)


@pytest.fixture
def canaries():
    """The values of this test that the hunt looks for."""
    return []


@pytest.fixture
def canary(canaries):
    """Makes a value that occurs nowhere else."""

    def make(name="value"):
        value = f"{name}-{secrets.token_hex(16)}"
        canaries.append(value.encode())
        return value

    return make


@pytest.fixture(autouse=True)
def nothing_left(request, canaries):
    """After every test: the nodes are up, and nothing of a value is left."""
    yield
    if "cluster" in request.fixturenames:
        with _noting_failure(request.session):
            check_nothing_left(request.getfixturevalue("cluster"), canaries)


def check_nothing_left(cluster, canaries):
    for run in cluster.runs():
        cluster.complete(run)
    poll(lambda: not cluster.jobs(), 30, "the end of all jobs")
    nodes = ["n1 idle none", "n2 idle none"]
    poll(lambda: cluster.sinfo() == nodes, 15, f"idle nodes (now {cluster.sinfo()})")
    poll(lambda: cluster.status()["holds"] == 0, 10, "the wipe of all holds")
    assert cluster.status()["runs"] == 0
    assert cluster.status()["slabs"] == 0
    if not canaries:
        return
    roots = [cluster.dir / name for name in ("state", "spool-n1", "spool-n2", "log", "run")]
    found = hunt.in_files(roots, canaries)
    for name in ("slurm-secretsd", "slurm-secrets-view", "slurmctld", "slurmd-n1", "slurmd-n2"):
        if cluster.daemon_runs(name):
            found += hunt.in_memory(name, cluster.daemon_pid(name), canaries)
    assert not found, "a value was found in " + ", ".join(place for place, _ in found)

# SPDX-License-Identifier: Apache-2.0
"""Shares the cluster fixtures of the tests on a real Slurm, and checks nodes and leaks after every test."""

import pytest

pytest.register_assert_rewrite("evidence")
pytest_plugins = ["evidence"]

from evidence import check_nothing_left, ending, noting_failure, running  # noqa: E402
from harness import Cluster  # noqa: E402


def running_cluster(session, *options):
    """Starts a cluster that many tests share."""
    return running(Cluster(*options), session)


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
        with ending(cluster, request.session), noting_failure(request.session):
            check_nothing_left(cluster, canaries)


@pytest.fixture(autouse=True)
def nothing_left(request, canaries):
    """Checks after every test that the nodes are up and no value is left."""
    yield
    if "cluster" in request.fixturenames:
        with noting_failure(request.session):
            check_nothing_left(request.getfixturevalue("cluster"), canaries)

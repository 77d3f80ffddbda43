# SPDX-License-Identifier: Apache-2.0
"""Shares the hosts of the tests on several hosts, and checks nodes and leaks after every test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))
pytest.register_assert_rewrite("evidence", "four_hosts", "hub_fixtures", "login_fixtures", "openbao_fixtures")
pytest_plugins = ["evidence"]

from evidence import check_nothing_left, noting_failure, running  # noqa: E402
from four_hosts import Hosts  # noqa: E402


@pytest.fixture(scope="session")
def hosts(request):
    with running(Hosts("--plugin-arguments", "wait=1 run_id_job_name=nf-workflow-"), request.session) as hosts:
        yield hosts


@pytest.fixture(autouse=True)
def nothing_left(request, canaries):
    """Checks after every test that the nodes are up and no agent has a value left; then stops the agents."""
    yield
    if "hosts" not in request.fixturenames:
        return
    hosts = request.getfixturevalue("hosts")
    with noting_failure(request.session):
        try:
            for host in hosts.with_agent():
                check_nothing_left(host, canaries)
        finally:
            wrong = hosts.begin_anew()
        assert not wrong, f"the test ended what has to run, or left what had to end: {wrong}"

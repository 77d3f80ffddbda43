# SPDX-License-Identifier: Apache-2.0
"""Shares the machines of the tests on a real systemd, and checks agent, node and leaks after every test."""

import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))
pytest.register_assert_rewrite("booting", "evidence", "machines")
pytest_plugins = ["evidence"]

from booting import booted_machine  # noqa: E402
from evidence import check_nothing_left, noting_failure  # noqa: E402
from harness import poll  # noqa: E402


@pytest.fixture(scope="session")
def bare_machine(request):
    """Boots a machine with the project installed, but not enabled."""
    with booted_machine(request.session) as machine:
        yield machine


@pytest.fixture(scope="session")
def machine(request):
    """Boots a machine, and enables the agent as an admin does."""
    with booted_machine(request.session) as machine:
        with noting_failure(request.session):
            machine.enable_agent()
        yield machine


@pytest.fixture(autouse=True)
def nothing_left(request, canaries):
    """Checks after every test that the agent answers, the node is up, and no value is left."""
    yield
    if "machine" in request.fixturenames:
        machine = request.getfixturevalue("machine")
        with noting_failure(request.session):
            check_nothing_left(machine, canaries)
            # A hub's id and a node's name stay.
            words = 0 if machine.status()["role"] == "local" else 1
            poll(lambda: machine.stored() <= words, 5, "a descriptor store without slabs")

# SPDX-License-Identifier: Apache-2.0
"""Shares the machines of the tests on a real systemd, and checks agent, node and leaks after every test."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))
pytest.register_assert_rewrite("evidence", "machines")
pytest_plugins = ["evidence"]

from evidence import check_nothing_left, has_failed, note_failure, noting_failure  # noqa: E402
from harness import poll  # noqa: E402
from machines import CannotBoot, Machine  # noqa: E402


def _boot(session):
    machine = Machine()
    try:
        machine.up()
    except CannotBoot as reason:
        _end(machine, session)
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true, and yet {reason}")
        # ctest lists the file as skipped because of these words, and `make check` prints the line at its end.
        pytest.skip(f"NOT TESTED on a real systemd: {reason}")
    except BaseException:
        note_failure(session)
        _end(machine, session)
        raise
    return machine


def _end(machine, session):
    machine.down()
    if has_failed(session):
        print(f"\nthe machine's logs are kept in {machine.dir}/log")
    else:
        shutil.rmtree(machine.dir)


@pytest.fixture(scope="session")
def bare_machine(request):
    """Boots a machine with the project installed, but not enabled."""
    machine = _boot(request.session)
    yield machine
    _end(machine, request.session)


@pytest.fixture(scope="session")
def machine(request):
    """Boots a machine, and enables the agent as an admin does."""
    machine = _boot(request.session)
    try:
        with noting_failure(request.session):
            machine.enable_agent()
        yield machine
    finally:
        _end(machine, request.session)


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

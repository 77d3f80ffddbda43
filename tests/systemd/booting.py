# SPDX-License-Identifier: Apache-2.0
"""Boots a machine for tests, or skips them with the reason; ends it after them."""

import contextlib
import os

import pytest

from evidence import ending, note_failure
from machines import CannotBoot, Machine


@contextlib.contextmanager
def booted_machine(session, what="a real systemd", **options):
    """Yields a machine. With CI=true one that cannot boot is a failure."""
    machine = Machine()
    with ending(machine, session):
        try:
            machine.up(**options)
        except CannotBoot as reason:
            if os.environ.get("CI") == "true":
                pytest.fail(f"CI=true, and yet {reason}")
            # ctest lists the file as skipped because of these words, and `make check` prints the line at its end.
            pytest.skip(f"NOT TESTED on {what}: {reason}")
        except BaseException:
            note_failure(session)
            raise
        yield machine

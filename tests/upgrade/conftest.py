# SPDX-License-Identifier: Apache-2.0
"""Shares what the tests with the last release need: its programs, and mixtures of them with those of this build."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in ("systemd", "hosts", "slurm"):
    sys.path.insert(1, str(HERE.parent / folder))
pytest.register_assert_rewrite("evidence", "four_hosts", "machines")
pytest_plugins = ["evidence"]


@pytest.fixture(scope="session")
def release():
    """Returns the folder with the programs of the last release."""
    untested = "NOT TESTED " "on the last release"  # in two parts, since pytest shows the source of what fails
    done = subprocess.run([HERE / "release"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        # ctest lists the file as skipped because of these words, and `make check` prints the line at its end.
        pytest.skip(f"{untested}: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())

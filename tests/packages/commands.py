# SPDX-License-Identifier: Apache-2.0
"""Runs the programs that build and read packages, and skips the tests that need one which is missing."""

import os
import shutil
import subprocess

import pytest


def need(*programs):
    """Skips the test if a program is missing. ctest and `make check` show these words."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"NOT TESTED on packages: there is no {program}; tests/setup --packages installs it")


def run(*command, cwd=None, check=True, **environment):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=240, cwd=cwd,
                          stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8", **environment})
    assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done

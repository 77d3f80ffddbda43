# SPDX-License-Identifier: Apache-2.0
"""Builds the packages once for the tests of a file, from the programs of the build directory."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TESTS / "packages"), str(TESTS / "slurm"), str(TESTS / "systemd")]
pytest.register_assert_rewrite("commands", "evidence", "machines")
pytest_plugins = ["evidence"]

from commands import need, run  # noqa: E402
from harness import BUILD, PROJECT  # noqa: E402


@pytest.fixture(scope="session")
def debs(tmp_path_factory):
    """Returns the folder of the Debian packages: $DEBS, if that names one with packages that were built elsewhere."""
    if "DEBS" in os.environ:
        return Path(os.environ["DEBS"])
    need("dh", "dpkg-buildpackage")
    folder = tmp_path_factory.mktemp("debs")
    run(PROJECT / "packaging" / "deb", folder, READY_BUILD=str(BUILD), DEB_WORK=str(folder / "work"),
        DEB_BUILD_OPTIONS="noautodbgsym")
    return folder


@pytest.fixture(scope="session")
def slurm(debs):
    """Returns the version of Slurm for which the plugin is built."""
    (plugin,) = debs.glob("slurm-secrets-plugin-*_*.deb")
    return plugin.name.split("_")[0].removeprefix("slurm-secrets-plugin-")

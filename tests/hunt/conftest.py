# SPDX-License-Identifier: Apache-2.0
"""Shares the clusters of the hunt, its values and its captures. HUNT=whole takes all scenarios on both clusters."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))
pytest.register_assert_rewrite("evidence", "scenarios", "stages", "sweep", "packets", "clusters")
pytest_plugins = ["evidence"]

import journal  # noqa: E402
from canary import Canaries  # noqa: E402
from clusters import KINDS  # noqa: E402
from evidence import has_failed, noting_failure  # noqa: E402
from harness import memory_kind  # noqa: E402
from packets import Capture  # noqa: E402
from stages import Stages  # noqa: E402
from sweep import Hunt  # noqa: E402

IS_WHOLE = os.environ.get("HUNT") == "whole"


def pytest_sessionstart():
    if "HUNT_FOLDERS" not in os.environ:
        pytest.exit("the hunt searches all that can be written: run it by tests/hunt/alone", 2)


def pytest_collection_modifyitems(items):
    """The table of docs/security.md is that of memfd_secret: without it root can read what an agent holds."""
    if memory_kind() != "memfd_secret":
        for item in items:
            item.add_marker(pytest.mark.skip(reason="this kernel has no memfd_secret"))


@pytest.fixture(scope="session")
def values():
    """Makes and knows the values that the hunt searches for."""
    return Canaries()


@pytest.fixture(scope="session")
def journald():
    process = journal.start()
    yield process
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def loopback(values):
    capture = Capture(values, "this host")
    yield capture
    capture.close()


@pytest.fixture(scope="session", params=KINDS if IS_WHOLE else ["usual"])
def cluster(request, journald):
    cluster = KINDS[request.param]()
    try:
        with noting_failure(request.session):
            cluster.up()
        yield cluster
    finally:
        cluster.down()
        if has_failed(request.session):
            keep_logs(cluster)
        shutil.rmtree(cluster.dir)


def keep_logs(cluster):
    """Copies the logs to where they outlive the hunt's own /tmp."""
    kept = Path(os.environ.get("BUILD_DIR", ".")).resolve() / "hunt-logs" / cluster.dir.name
    for name in ("log", "state", "out"):
        shutil.copytree(cluster.dir / name, kept / name, dirs_exist_ok=True,
                        ignore=lambda folder, names: [n for n in names if (Path(folder) / n).is_fifo()])
    print(f"\nthe cluster's logs are kept in {kept}")


@pytest.fixture(scope="session")
def stages(cluster):
    return Stages(cluster)


@pytest.fixture(scope="session")
def hunt(cluster, values, loopback):
    return Hunt(values, [loopback], cluster.agents, [cluster.dir / "run" / "jobs"])

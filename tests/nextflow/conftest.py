# SPDX-License-Identifier: Apache-2.0
"""Shares the cluster of the tests on real Nextflow, and checks after each test that no value is left in any file.
NEXTFLOW=whole runs every test in all versions, and not only those that depend on the version."""

import os
import sys
from pathlib import Path

import pytest

for folder in ("hunt", "slurm"):
    sys.path.insert(1, str(Path(__file__).resolve().parents[1] / folder))
pytest.register_assert_rewrite("evidence", "nextflow_site")
pytest_plugins = ["evidence"]

from canary import Canaries  # noqa: E402
from evidence import check_nothing_left, noting_failure, running  # noqa: E402
from files import search_folders  # noqa: E402
from harness import Cluster, poll  # noqa: E402
from nextflow_site import PLUGIN, VERSIONS, Pipeline  # noqa: E402

IS_WHOLE = os.environ.get("NEXTFLOW") == "whole"


def pytest_configure(config):
    config.addinivalue_line("markers", "newest: runs in the newest version only, unless NEXTFLOW=whole")


def pytest_generate_tests(metafunc):
    if "version" in metafunc.fixturenames:
        is_newest = metafunc.definition.get_closest_marker("newest") and not IS_WHOLE
        metafunc.parametrize("version", (VERSIONS[-1:] if is_newest else VERSIONS) or [None], indirect=True)


@pytest.fixture(scope="session")
def cluster(request):
    arguments = f"nextflow={PLUGIN} run_id_job_name=nf-workflow- run_id_env=TOWER_WORKFLOW_ID,PORTAL_RUN"
    with running(Cluster("--store", "--plugin-arguments", arguments), request.session) as cluster:
        yield cluster


@pytest.fixture
def marked():
    """Makes the values of a test, which the hunt finds as a part and in other encodings, too: Nextflow serializes objects."""
    return Canaries()


@pytest.fixture
def canary(canaries, marked):
    def make():
        value = marked.make().value
        canaries.append(value.encode())
        return value

    return make


@pytest.fixture(autouse=True)
def nothing_left(request, canaries, marked):
    yield
    if "cluster" not in request.fixturenames:
        return
    cluster = request.getfixturevalue("cluster")
    with noting_failure(request.session):
        # Those that tests call run-1 and so on end with the test; all others end with their head job.
        poll(lambda: all(run.startswith("run-") for run in cluster.runs()), 15, "the end of the runs with their heads")
        check_nothing_left(cluster, canaries)
        found = search_folders(marked, [*cluster.folders(), cluster.out, "/home/alice"])
        assert not found, "a value was found in " + ", ".join(map(str, found))


@pytest.fixture
def version(request):
    """Gives a test a version of Nextflow."""
    if not request.param or not PLUGIN.exists():
        pytest.skip(f"NOT TESTED on real Nextflow: {'no JDK' if request.param else 'its jars are missing'}; see tests/setup")
    return request.param


@pytest.fixture
def reads_secrets(version):
    """Skips a test in versions that do not know secrets.NAME in a script, in `params` and in `env`."""
    if version < "24.04":
        pytest.skip(f"Nextflow {version} does not read secrets there")


@pytest.fixture
def knows_arrays(version):
    """Skips a test in versions that do not know job arrays."""
    if version < "24.04":
        pytest.skip(f"Nextflow {version} knows no job arrays")


@pytest.fixture
def pipeline(cluster, version):
    return lambda name: Pipeline(cluster, version, name)

# SPDX-License-Identifier: Apache-2.0
"""Shares the cluster and the browser of the tests of the page, and checks after each test that no value is left."""

import shutil
import site
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))
pytest.register_assert_rewrite("evidence", "web_page")
pytest_plugins = ["evidence"]
# What only PyPI has (tests/setup).
for packages in Path("/var/cache/slurm-secrets-tests/web").glob("lib/python3*/site-packages"):
    site.addsitedir(str(packages))

import hunt  # noqa: E402
from evidence import check_nothing_left, noting_failure, running  # noqa: E402
from harness import Cluster  # noqa: E402
from web_page import CHROMIUM, Browser, WebProcess, names_of  # noqa: E402


@pytest.fixture(scope="session")
def cluster(request):
    if not CHROMIUM.exists():
        pytest.skip("NOT TESTED on this machine: the page, which needs chromium")
    pytest.importorskip("playwright", reason="NOT TESTED on this machine: the page, which needs playwright from PyPI")
    with running(Cluster("--store", "--platform", "www-data"), request.session) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def browser(cluster):
    """Starts alice's browser."""
    with Browser("alice") as browser:
        yield browser


@pytest.fixture
def web(cluster, canaries):
    """Starts alice's page; no value may be left in the memory of its process."""
    with WebProcess(cluster, "alice") as process:
        yield process
        if canaries and process.is_running():
            found = hunt.in_memory("secretctl web", process.pid, canaries)
            assert not found, f"a value was found in {found[0][0]}"


@pytest.fixture
def page(web, browser):
    """Opens the link in a tab of alice's browser. What the page's code reports as an error fails the test."""
    page = browser.new_tab()
    page.goto(web.url)
    page.wait_for_selector("h1")
    page.wait_for_url(f"{web.origin}/")
    yield page
    page.close()
    assert not page.reported, page.reported


@pytest.fixture(autouse=True)
def nothing_left(request, canaries):
    yield
    if "cluster" not in request.fixturenames:
        return
    cluster = request.getfixturevalue("cluster")
    with noting_failure(request.session):
        for user, *workspace in (("alice",), ("bob", "--workspace=lab"), ("bob",)):
            for name in names_of(cluster, user, *workspace):
                cluster.secretctl("rm", name, *workspace, user=user)
        check_nothing_left(cluster, canaries)


@pytest.fixture
def folder():
    """Makes a folder with files that alice may choose in her browser."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-secrets-web-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)

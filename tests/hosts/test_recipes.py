# SPDX-License-Identifier: Apache-2.0
"""Promise: the recipes of docs/recipes.md work as they are written there."""

import re
import shutil

import pytest
from harness import PROJECT, poll
from test_inside_job import cluster, pki  # noqa: F401  (fixtures: a hub and two nodes)

RECIPES = (PROJECT / "docs" / "recipes.md").read_text()


def recipe(title):
    """Returns the first script below a heading."""
    part = RECIPES.split(f"\n### {title}\n")[1].split("\n#")[0] if f"\n### {title}\n" in RECIPES else ""
    block = re.search(r"(?:^    .*\n|^\n)+", part[part.index("    #!/bin/bash"):], re.MULTILINE)
    return re.sub("^    ", "", block.group(), flags=re.MULTILINE)


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is missing: tests/setup installs it")
def test_redis_on_two_nodes_admits_only_the_job(cluster):  # noqa: F811
    login = cluster.on("login")
    script = recipe("Redis on two nodes").replace(
        'redis-cli -h "$REDIS_HOST" shutdown',
        'while [ "$(redis-cli -h "$REDIS_HOST" get workers)" != 2 ]; do sleep 0.2; done; echo "both at $REDIS_HOST"\n'
        'echo >redis-serves; while [ ! -e redis-end ]; do sleep 0.1; done\n'
        'redis-cli -h "$REDIS_HOST" shutdown')
    assert "redis-end" in script
    job = login.sbatch(script)
    login.await_file("redis-serves", 60)
    stranger = cluster.run("n2", ["redis-cli", "-h", "n1", "get", "workers"], user="bob", check=False)
    assert "NOAUTH" in stranger.out
    listed = cluster.run("n1", ["ps", "-eo", "args"], user="bob").out
    assert "redis-server" in listed and "requirepass" not in listed
    (login.out / "redis-end").touch()
    done = login.wait(job, 60)
    assert "both at n1" in done.out and done.code == 0, done.err
    poll(lambda: cluster.on("n1").status()["secret_bytes"] == 0, 20, "the wipe")

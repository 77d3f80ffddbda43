# SPDX-License-Identifier: Apache-2.0
"""Promise: the recipes of docs/recipes.md work as they are written there."""

import re
import shutil
from pathlib import Path

import pytest
from harness import PROJECT, poll
from test_inside_job import cluster, pki  # noqa: F401  (fixtures: a hub and two nodes)

RAY = Path("/var/cache/slurm-secrets-tests/ray/bin")
# Says on how many nodes Ray has run a task, and stays until the test ends it.
TRAIN = """
import os, time, ray
ray.init(log_to_driver=False)
while len(ray.nodes()) < 2: time.sleep(0.2)
@ray.remote(num_cpus=1)
def node():
    time.sleep(1)
    return ray.get_runtime_context().get_node_id()
print("nodes", len(set(ray.get([node.remote() for _ in range(2)]))), flush=True)
print(file=open("ray-serves", "w"))
while not os.path.exists("ray-end"): time.sleep(0.1)
"""
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
    listed = cluster.run("n1", ["ps", "-u", "alice", "-o", "args"], user="bob").out
    assert "redis-server" in listed and not re.search("[0-9a-f]{64}", listed)
    (login.out / "redis-end").touch()
    done = login.wait(job, 60)
    assert "both at n1" in done.out and done.code == 0, done.err
    poll(lambda: cluster.on("n1").status()["secret_bytes"] == 0, 20, "the wipe")


@pytest.mark.skipif(not (RAY / "ray").exists(), reason="Ray is missing: tests/setup installs it from PyPI")
def test_ray_on_two_nodes_admits_only_the_job(cluster):  # noqa: F811
    login = cluster.on("login")
    (login.out / "train.py").write_text(TRAIN)
    # One CPU a node, and little memory: both nodes are this machine.
    script = recipe("Ray on two nodes").replace("--block", "--num-cpus=1 --object-store-memory=80000000 --block")
    script = script.replace("export RAY_AUTH_MODE", f"export PATH={RAY}:$PATH RAY_USAGE_STATS_ENABLED=0\nexport RAY_AUTH_MODE")
    job = login.sbatch(script)
    login.await_file("ray-serves", 120)
    for token in ("RAY_AUTH_MODE=disabled", "RAY_AUTH_TOKEN=0123456789abcdef0123456789abcdef"):
        asks = ["env", "RAY_AUTH_MODE=token", token, "RAY_ADDRESS=n1:6379", RAY / "ray", "status"]
        stranger = cluster.run("n2", asks, user="bob", check=False)
        assert stranger.code != 0 and "Unauthenticated" in stranger.err + stranger.out, stranger.err
    (login.out / "ray-end").touch()
    done = login.wait(job, 60)
    assert "nodes 2" in done.out and done.code == 0, done.err
    poll(lambda: cluster.on("n1").status()["secret_bytes"] == 0, 20, "the wipe")

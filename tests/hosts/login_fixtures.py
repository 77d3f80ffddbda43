# SPDX-License-Identifier: Apache-2.0
"""Fixtures of a hub, a node and a login host, for the tests of what node and login host relay."""

import json
import os

import pytest
from harness import BUILD

HUB = "https://10.77.0.1:8443"
NOBODY = "https://10.77.0.1:8444"
COMPARE = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']


@pytest.fixture(scope="session")
def pki(hosts):
    folder = hosts.dir / "login-pki"
    hosts.run("hub", [BUILD / "secretctl", "pki", "init", folder])
    hosts.run("hub", [BUILD / "secretctl", "pki", "issue", folder, "hub", "--ip", "10.77.0.1", "--dns", "hub", "--server"])
    return folder


@pytest.fixture
def hub_config(hosts, pki, tmp_path_factory):
    """Makes the configuration of a hub with a store of its own."""
    folder = tmp_path_factory.mktemp("store")
    key = folder / "store.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)

    def config(login_hosts="[login]"):
        return (f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key, "
                f"login_hosts: {login_hosts} }}\n"
                f"store: {{ file: {folder}/store.db, key_file: {key} }}\n"
                "workspaces: [{ name: lab, admins: { users: [alice] }, members: { users: [bob] } }]\n")

    return config


def node_config(pki, *urls):
    return f"hub: {{ urls: {json.dumps(urls or [HUB])}, ca: {pki}/ca.crt }}\n"


@pytest.fixture
def cluster(hosts, pki, hub_config):
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config())
    for host in ("n1", "login"):
        hosts.start_agent(host, node_config(pki))
    return hosts


@pytest.fixture
def login(cluster):
    return cluster.on("login")


def secretctl(host, *arguments, user="alice", code=0, input=None):
    done = host.secretctl(*arguments, user=user, input=input)
    assert done.code == code, f"{arguments}: {done.code}: {done.out}{done.err}"
    return done.out + done.err


def names(host, user="alice"):
    return [secret["name"] for secret in json.loads(secretctl(host, "--json", "ls", user=user))["secrets"]]


def credential(host, method, target, body=b"", user="alice", hub="10.77.0.1"):
    return "Munge " + host.munge(method, target, body, user, hub)

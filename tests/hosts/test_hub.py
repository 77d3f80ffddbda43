"""A hub, and nodes that hold only what their own jobs need: on any node a job gets what was pushed to the hub."""

import json

import pytest
from harness import BUILD, poll

HUB = "https://10.77.0.1:8443"
PRINT = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']


@pytest.fixture
def pki(hosts):
    folder = hosts.dir / "pki"
    if not folder.exists():
        hosts.run("hub", [BUILD / "secretctl", "pki", "init", folder])
        hosts.run("hub", [BUILD / "secretctl", "pki", "issue", folder, "hub", "--ip", "10.77.0.1", "--dns", "hub", "--server"])
    return folder


def hub_config(pki):
    return f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key }}\n"


def node_config(pki, url=HUB):
    return f"hub: {{ urls: ['{url}'], ca: {pki}/ca.crt }}\n"


@pytest.fixture
def cluster(hosts, pki):
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config(pki))
    for node in ("n1", "n2"):
        hosts.start_agent(node, node_config(pki))
    return hosts


def holds(hosts, node):
    return hosts.on(node).status()["holds"]


def test_a_push_to_the_hub_serves_a_job_on_any_node(cluster, canary):
    value = canary()
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    for node in ("n1", "n2"):
        done = cluster.on("login").srun("-w", node, "--secrets-run=demo-1", *PRINT, input=value)
        assert (done.code, done.out) == (0, f"{node}\n"), done.err + cluster.agent_log("hub") + cluster.agent_log(node)
        poll(lambda: holds(cluster, node) == 0, 10, "the wipe of the hold")  # noqa: B023
    assert holds(cluster, "hub") == 0

# SPDX-License-Identifier: Apache-2.0
"""Who is a node for a hub: the agents' account by its number, by Slurm's name of the node, and at each address that slurmctld
knows for it. Whoever is refused gets a sentence that says what to do, and the hub's journal has it."""

import contextlib
import re

from harness import poll
from test_hub import (  # noqa: F401
    HUB,
    PRINT,
    STEPS,
    cluster,
    detail,
    grant_request,
    hub_config,
    job,
    node_config,
    pki,
    request_grant,
)

FURTHER = "10.77.0.12"  # of n1


def uid_of(hosts, user):
    return hosts.run("hub", ["id", "-u", user]).out.strip()


def agents_config(pki, agents):
    return hub_config(pki).replace("listen: {", f"listen: {{ agents: {agents},")


def test_agent_with_another_uid_is_refused_with_both_numbers_and_remedy(cluster, pki, canary):
    value = canary()
    cluster.stop_agent("hub")
    cluster.start_agent("hub", agents_config(pki, "bob"))
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    sentence = (f"root is not the account that the nodes' agents run as: it has uid 0, but agents run as uid "
                f"{uid_of(cluster, 'bob')} (bob on the hub); give the agents' account the same uid on all hosts, or set "
                "listen.agents on the hub")
    before = len(cluster.agent_log("hub"))
    for _ in range(3):
        refused = cluster.on("login").srun("-w", "n1", "--secrets-run=demo-1", "true")
        assert refused.code != 0 and sentence in refused.err, refused.err
    said = [line for line in cluster.agent_log("hub")[before:].splitlines() if sentence in line]
    assert len(said) == 1 and "an agent at 10.77.0.2 was refused" in said[0], said
    # By number, for a site whose accounts differ.
    cluster.stop_agent("hub")
    cluster.start_agent("hub", agents_config(pki, "'0'"))
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    done = cluster.on("login").srun("-w", "n1", "--secrets-run=demo-1", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


def test_missing_agents_account_on_hub_is_named(cluster, pki, job):
    cluster.stop_agent("hub")
    cluster.start_agent("hub", agents_config(pki, "nobody-there"))
    # For ten minutes a name service that finds nobody may be away.
    refused = request_grant(cluster, "n1", job, "n1")
    assert refused.status == 503, refused.text
    for words in ("cannot tell whether root is the account that the nodes' agents run as: ", "nobody-there",
                  "set listen.agents on the hub"):
        assert words in detail(refused) and words in cluster.agent_log("hub")


def test_hub_that_refuses_agents_takes_back_nothing(cluster, pki, canary):
    hub, node, login = cluster.on("hub"), cluster.on("n1"), cluster.on("login")
    value = canary()
    hub.push("demo-1", workspace={"HF_TOKEN": "val" + value})
    job = login.sbatch(STEPS + "try r1; next r-refused; try r2; next r-served; try r3", "-w", "n1", "--secrets-run=demo-1")
    assert login.await_file("r1") == "val\n0\n"
    held = node.status()["secret_bytes"]
    cluster.stop_agent("hub")
    cluster.start_agent("hub", agents_config(pki, "bob"))
    (login.out / "r-refused").touch()
    assert login.await_file("r2") == "val\n0\n"
    assert "root is not the account that the nodes' agents run as" in cluster.agent_log("n1")
    assert node.status()["secret_bytes"] == held > len(value)
    (login.out / "r-served").touch()
    login.await_end(job)


def test_node_whose_host_name_was_another_at_start_is_known_by_slurms_name(hosts, pki, canary):
    value = canary()
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config(pki))
    hosts.run("n1", ["hostname", "localhost"])
    try:
        hosts.start_agent("n1", node_config(pki))
        poll(lambda: hosts.on("n1").status()["hubs"], 5, "the node's agent")
    finally:
        hosts.run("n1", ["hostname", "n1"])
    hosts.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    done = hosts.on("login").srun("-w", "n1", "--secrets-run=demo-1", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


@contextlib.contextmanager
def second_address(hosts, known):
    """Gives n1 a further address within the block, which the hub resolves its name to if it is `known`."""
    names = hosts.dir / "etc-hosts"
    before = names.read_text()
    hosts.run("n1", ["ip", "address", "add", f"{FURTHER}/24", "dev", "eth0"])
    try:
        if known:
            names.write_text(before + f"{FURTHER} n1\n")
        yield
    finally:
        names.write_text(before)
        hosts.run("n1", ["ip", "address", "del", f"{FURTHER}/24", "dev", "eth0"])


def grant_from_second_address(hosts, job):
    """Requests a grant with a credential of munged's usual address, over a connection from the other one."""
    body = grant_request(job, "n1")
    made = hosts.on("n1").munge("POST", "/v1/grants", body.encode())
    command = ["curl", "-sS", "--interface", FURTHER, "--cacert", hosts.dir / "pki" / "ca.crt", "-X", "POST", "-w", "\n%{http_code}",
               "-H", f"Authorization: Munge {made}", "-H", "Content-Type: application/json", "--data-binary", "@-"]
    text, _, status = hosts.run("n1", [*command, f"{HUB}/v1/grants"], input=body).out.rpartition("\n")
    return int(status), text


def test_node_with_two_known_addresses_is_served_from_each(cluster, job):
    with second_address(cluster, known=True):
        cluster.stop_view("hub")
        cluster.start_view("hub")
        status, text = grant_from_second_address(cluster, job)
        assert status == 200, text
        assert request_grant(cluster, "n1", job, "n1").status == 200


def test_node_at_unknown_address_is_refused_with_remedy(cluster, job):
    with second_address(cluster, known=False):
        status, text = grant_from_second_address(cluster, job)
        assert status == 403 and f"node 'n1' is not at {FURTHER}, according to slurmctld; let its NodeAddr" in text, text
    assert f"is not at {FURTHER}" in cluster.agent_log("hub")


def test_credential_of_another_node_is_refused_with_remedy(cluster, job):
    body = grant_request(job, "n1")
    made = cluster.on("n2").munge("POST", "/v1/grants", body.encode())
    refused = cluster.run("n1", ["curl", "-sS", "--cacert", cluster.dir / "pki" / "ca.crt", "-X", "POST",
                                 "-H", f"Authorization: Munge {made}", "-H", "Content-Type: application/json",
                                 "--data-binary", "@-", f"{HUB}/v1/grants"], input=body).out
    assert re.search("created at 10.77.0.3 but sent from 10.77.0.2, .* start munged there with --origin=10.77.0.2", refused), refused

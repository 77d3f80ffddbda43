# SPDX-License-Identifier: Apache-2.0
"""Hub that requires host certificates: munge identifies the user of a request, and the certificate its host."""

import pytest
from harness import BUILD, poll

HUB = "https://10.77.0.1:8443"
PRINT = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']


@pytest.fixture
def pki(hosts):
    folder = hosts.dir / "pki-of-hosts"
    if not folder.exists():
        command = [BUILD / "secretctl", "pki"]
        hosts.run("hub", [*command, "init", folder])
        hosts.run("hub", [*command, "issue", folder, "hub", "--ip", "10.77.0.1", "--server"])
        for name, names in (("n1", ["--dns", "n1"]), ("domain", ["--dns", "n1.example.org"]), ("address", ["--ip", "10.77.0.2"]),
                            ("n2", ["--dns", "n2"]), ("longer", ["--dns", "n11"]), ("login", ["--dns", "login"])):
            hosts.run("hub", [*command, "issue", folder, name, *names, "--client"])
    return folder


def hub_config(pki, more="host_certificates: true"):
    return (f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key, client_ca: {pki}/ca.crt, "
            f"login_hosts: [login], {more} }}\n")


def node_config(pki, certificate):
    shown = f", certificate: {pki}/{certificate}.crt, key: {pki}/{certificate}.key" if certificate else ""
    return f"hub: {{ urls: ['{HUB}'], ca: {pki}/ca.crt{shown} }}\n"


@pytest.fixture
def cluster(hosts, pki):
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config(pki))
    return hosts


def launch(cluster, value):
    return cluster.on("login").srun("-w", "n1", "--secrets-run=demo", *PRINT, input=value)


@pytest.mark.parametrize("certificate", ["n1", "domain", "address"])
def test_hub_grants_node_with_matching_host_certificate(cluster, pki, canary, certificate):
    value = canary()
    cluster.on("hub").push("demo", workspace={"HF_TOKEN": value})
    cluster.start_agent("n1", node_config(pki, certificate))
    done = launch(cluster, value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


@pytest.mark.parametrize("certificate, why", [("", "none was presented"), ("n2", "names 'n2'; expected 'n1' or 10.77.0.2"),
                                              ("longer", "names 'n11'; expected 'n1' or 10.77.0.2")])
def test_hub_denies_node_without_matching_host_certificate(cluster, pki, canary, certificate, why):
    cluster.on("hub").push("demo", workspace={"HF_TOKEN": canary()})
    cluster.start_agent("n1", node_config(pki, certificate))
    done = launch(cluster, "")
    assert done.code != 0 and "the hub requires host certificates" in done.err and why in done.err, done.err
    assert why in cluster.agent_log("hub")


def test_hub_requires_host_certificate_for_hold_reports_and_submit_checks(cluster, pki, canary):
    hub = cluster.on("hub")
    hub.push("demo", workspace={"HF_TOKEN": canary()})
    for certificate, refused in (("n2", True), ("login", False)):
        cluster.start_agent("login", node_config(pki, certificate))
        done = cluster.on("login").submit("true", "--secret=NO_SUCH")
        assert (done.code == 0) == refused, done.err  # a refused check does not prevent a submission
        cluster.stop_agent("login")
    if jobs := hub.jobs():
        cluster.run("hub", ["scancel", *jobs])
        poll(lambda: not hub.jobs(), 30, "the end of the job")
    answer = cluster.run("n1", ["curl", "-sS", "--cacert", pki / "ca.crt", "--cert", pki / "n2.crt", "--key", pki / "n2.key",
                                "-X", "PUT", "-H", "Content-Type: application/json", "--data-binary", '{"holds": []}', "-H",
                                "Authorization: Munge " + cluster.on("n1").munge("PUT", "/v1/nodes/n1/holds", b'{"holds": []}'),
                                HUB + "/v1/nodes/n1/holds"])
    assert "the hub requires host certificates" in answer.out, answer.out


def test_node_presents_host_certificate_when_relaying_user_requests(cluster, pki, canary):
    cluster.start_agent("login", node_config(pki, "login"))
    cluster.on("hub").push("demo", workspace={"HF_TOKEN": canary()})
    done = cluster.on("login").secretctl("runs", user="alice")
    assert (done.code, "demo" in done.out) == (0, True), done.out + done.err


def test_hub_reload_turns_off_host_certificate_requirement(cluster, pki, canary):
    value = canary()
    cluster.on("hub").push("demo", workspace={"HF_TOKEN": value})
    cluster.start_agent("n1", node_config(pki, ""))
    assert launch(cluster, "").code != 0
    hub = cluster.on("hub")
    (hub.dir / "agentd.yaml").write_text(hub_config(pki, "host_certificates: false"))
    cluster.run("hub", ["kill", "-HUP", str(hub.daemon_pid("slurm-secretsd"))])
    poll(lambda: "reloaded " in cluster.agent_log("hub"), 10, "the reload")
    done = launch(cluster, value)
    assert (done.code, done.out) == (0, "n1\n"), done.err

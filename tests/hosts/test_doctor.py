# SPDX-License-Identifier: Apache-2.0
"""secretctl doctor and status on a hub and its nodes: they show what is wrong between them, and that it is mended."""

import concurrent.futures
import json
import os
import re
import signal

import pytest
from harness import BUILD, poll
from hub_server import Pki
from test_hub_faults import clock_off

HUB = "https://10.77.0.1:8443"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("pki-of-doctor") / "ca")
    pki.issue("hub", "--ip", "10.77.0.1", "--server")
    pki.issue("soon", "--ip", "10.77.0.1", "--server", "--days", "5")
    pki.issue("n1", "--dns", "n1", "--client", "--days", "5")
    pki.issue_with_openssl("expired", -1, "subjectAltName=IP:10.77.0.1")
    return pki


@pytest.fixture(scope="module")
def other_pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki-of-another") / "ca")


def start_hub(hosts, pki, more="", certificate="hub"):
    hosts.start_agent("hub", f"listen: {{ address: 10.77.0.1, certificate: {pki.folder}/{certificate}.crt, "
                             f"key: {pki.folder}/{certificate}.key{more} }}\n")


def start_node(hosts, pki, more="", host="n1"):
    hosts.start_agent(host, f"hub: {{ urls: ['{HUB}'], ca: {pki.ca}{more} }}\n")


def restart_node(hosts, pki, more="", host="n1"):
    hosts.stop_agent(host)
    start_node(hosts, pki, more, host)


@pytest.fixture
def cluster(hosts, pki):
    hosts.start_view("hub")
    start_hub(hosts, pki)
    start_node(hosts, pki)
    return hosts


def check_of(hosts, name, host="n1"):
    done = hosts.on(host).secretctl("doctor", "--json")
    return next(check for check in json.loads(done.out)["checks"] if check["name"] == name)


def shows(hosts, name, state, words="", remedy="", host="n1"):
    """Waits for a check's state: a result is used again for a second."""
    found = {}

    def is_shown():
        found.update(check_of(hosts, name, host))
        return found["state"] == state

    poll(is_shown, 15, f"{name} {state}: {found}")
    assert words in found["sentence"] and remedy in found.get("what_to_do", ""), found
    return found


def rows_of(hosts, host):
    out = hosts.on(host).secretctl("status").out
    return dict(re.split(r"  +", line.strip(), maxsplit=1) for line in out.splitlines() if "  " in line.strip())


def test_status_shows_roles_contacts_and_certificates(cluster):
    for name in ("hub", "hub's clock", "certificates", "munge"):
        shows(cluster, name, "ok")
    rows = rows_of(cluster, "n1")
    assert (rows["role"], rows["node"]) == ("node", "n1")
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(rf"answered {time}, this host's clock is -?[012] s ahead, certificate until {time}", rows[f"hub {HUB}"])
    rows = rows_of(cluster, "hub")
    assert rows["role"] == "hub" and rows["munge"] == "answers"
    assert re.fullmatch(rf"10.77.0.1:8443, 1 hosts with agents seen, the last {time}, certificate until {time}", rows["listens at"])
    assert "this agent is one, at 10.77.0.1:8443" in shows(cluster, "hub", "ok", host="hub")["sentence"]


def test_doctor_fails_on_hub_that_cannot_be_reached(cluster, pki):
    shows(cluster, "hub", "ok")
    cluster.stop_agent("hub")
    shows(cluster, "hub", "fail", f"{HUB}: Connection refused", "run secretctl doctor on the hub")
    assert cluster.on("n1").status()["hub_contacts"][0]["last_contact"]
    start_hub(cluster, pki)
    shows(cluster, "hub", "ok")
    with cluster.on("n1").cut_off():
        shows(cluster, "hub", "fail", HUB)
    shows(cluster, "hub", "ok")


def test_second_doctor_waits_for_answer_to_first(cluster, pki):
    hub = cluster.on("hub").daemon_pid("slurm-secretsd")
    os.kill(hub, signal.SIGSTOP)
    try:
        restart_node(cluster, pki)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _: check_of(cluster, "hub"), range(2)))
    finally:
        os.kill(hub, signal.SIGCONT)
    assert [each["state"] for each in found] == ["fail", "fail"], found
    shows(cluster, "hub", "ok")


def test_doctor_fails_on_wrong_ca(cluster, pki, other_pki):
    restart_node(cluster, other_pki)
    shows(cluster, "hub", "fail", "certificate rejected: ", "set hub.ca to the certificate of the CA")
    restart_node(cluster, pki)
    shows(cluster, "hub", "ok")


def test_doctor_fails_on_hub_that_does_not_know_host(cluster, pki):
    restart_node(cluster, pki, ", node: n9")
    shows(cluster, "hub", "fail", "10.77.0.2 is neither the address of node 'n9'", "set hub.node to this host's name")
    restart_node(cluster, pki)
    shows(cluster, "hub", "ok")
    start_node(cluster, pki, host="login")
    shows(cluster, "hub", "fail", "10.77.0.4 is neither the address of node 'login'", "listen.login_hosts", host="login")
    cluster.stop_agent("hub")
    start_hub(cluster, pki, ", login_hosts: [login]")
    shows(cluster, "hub", "ok", host="login")


def test_doctor_fails_on_hub_that_takes_another_account(cluster, pki):
    cluster.stop_agent("hub")
    start_hub(cluster, pki, ", agents: bob")
    shows(cluster, "hub", "fail", "is not the account that the nodes' agents run as", "listen.agents")
    cluster.stop_agent("hub")
    start_hub(cluster, pki, ", agents: '424242'")  # a number for which the hub has no account
    shows(cluster, "users and groups", "ok", host="hub")
    cluster.stop_agent("hub")
    start_hub(cluster, pki)
    shows(cluster, "hub", "ok")


def test_doctor_fails_without_munge_and_with_another_key(cluster):
    shows(cluster, "munge", "ok")
    cluster.on("n1").daemon_stop("munged")
    shows(cluster, "munge", "fail", "cannot create a MUNGE credential", "systemctl status munge")
    cluster.on("n1").daemon_start("munged")
    shows(cluster, "munge", "ok")
    with cluster.on("n1").another_munge_key():
        shows(cluster, "hub", "fail", "it was made with another munge key", "/etc/munge/munge.key")
    shows(cluster, "hub", "ok")
    cluster.on("hub").daemon_stop("munged")
    shows(cluster, "munge", "fail", "MUNGE", "systemctl status munge", host="hub")
    cluster.on("hub").daemon_start("munged")
    shows(cluster, "munge", "ok", host="hub")


def test_doctor_says_that_hub_needs_munge_where_slurm_does_without(cluster):
    conf = cluster.on("n1").out / "auth.conf"
    conf.write_text("AuthType=auth/slurm\n")
    cluster.on("n1").daemon_stop("munged")
    try:
        shows(cluster, "munge", "fail")
        done = cluster.on("n1").as_user("root", [BUILD / "secretctl", "doctor", "--json"], {"SLURM_CONF": conf})
    finally:
        cluster.on("n1").daemon_start("munged")
        conf.unlink()
    found = next(check for check in json.loads(done.out)["checks"] if check["name"] == "munge")
    assert "install munge, with one key on the hub and its clients" in found["what_to_do"], found
    assert "AuthType=auth/slurm" in found["what_to_do"]
    shows(cluster, "munge", "ok")


def test_doctor_compares_clock_with_hubs(cluster):
    with clock_off(cluster, "n1", "+2m"):
        found = shows(cluster, "hub's clock", "warn", f"ahead of that of {HUB}", "chrony")
        assert re.search(r"clock is (1 min 5\d s|2 min 0 s|2 min) ahead", found["sentence"]), found
    with clock_off(cluster, "n1", "-10m", ("munged",)):
        shows(cluster, "hub", "fail", "check the clocks of both hosts", "chrony")
    with clock_off(cluster, "n1", "+10m"):
        shows(cluster, "hub's clock", "fail", "munge credentials are refused", "chrony")
    shows(cluster, "hub's clock", "ok")


def test_doctor_shows_certificates_that_end(cluster, pki):
    shows(cluster, "certificates", "ok")
    for certificate, state, words in (("soon", "warn", " ends in 4 d"), ("expired", "fail", " expired ")):
        cluster.stop_agent("hub")
        start_hub(cluster, pki, certificate=certificate)
        shows(cluster, "certificates", state, "listen.certificate of this hub" + words, "issue a new one", host="hub")
        if certificate == "soon":
            shows(cluster, "certificates", "warn", f"that of {HUB}{words}")
        else:
            shows(cluster, "hub", "fail", "certificate has expired", "renew the hub's certificate")
    cluster.stop_agent("hub")
    start_hub(cluster, pki)
    shows(cluster, "certificates", "ok")
    restart_node(cluster, pki, f", certificate: {pki.folder}/n1.crt, key: {pki.folder}/n1.key")
    shows(cluster, "certificates", "warn", "hub.certificate of this host ends in 4 d")

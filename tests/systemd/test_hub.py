# SPDX-License-Identifier: Apache-2.0
"""Hub under the installed unit: systemd opens its port, and the service has no network of its own."""

import json
import os
import re
import shlex
import time

import pytest

from clients import clients_of
from documents import blocks
from harness import Answer, poll
from machines import AGENT, CONFIG

HUB_SOCKET = "slurm-secretsd-hub.socket"
PUSH = '{"owner": "alice", "workspace": {"TOKEN": "%s"}}'


def is_open(machine):
    """Whether a process listens on the port of hubs."""
    return ":8443 " in machine.enter("ss", "-Hltn").out


def over_tls(machine, method, path, body=None, more=()):
    """Sends a request as the platform tower."""
    command = ["curl", "-sS", "--max-time", "10", "-X", method, "--cacert", "/root/ca/ca.crt", "--cert", "/root/ca/tower.crt",
               "--key", "/root/ca/tower.key", "-w", "\n%{http_code}", *more]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    done = machine.enter(*command, f"https://hub.example.org:8443{path}", input=body)
    text, _, status = done.out.rpartition("\n")
    return Answer(int(status), {}, text)


def test_agent_without_hub_socket_listens_on_no_port(machine):
    assert machine.show("ActiveState", HUB_SOCKET) == "inactive" and machine.show("UnitFileState", HUB_SOCKET) == "disabled"
    machine.restart_agent()
    assert not is_open(machine)


@pytest.fixture(scope="module")
def hub(machine):
    """Sets a hub up as docs/admin.md says. The agent goes on holding its records."""
    machine.enter("bash", "-c", "echo 192.0.2.1 hub.example.org >>/etc/hosts")
    certificates, = blocks("admin.md", "Certificates")
    machine.enter("bash", "-e", input=certificates)
    steps, = blocks("admin.md", "A hub")
    before, enabling, after = steps.partition("systemctl enable ")
    machine.push("before", workspace={"TOKEN": "a value"})
    begin = time.time()
    machine.enter("bash", "-e", input=before)
    # Without the socket unit, the agent has no port and can open none.
    machine.systemctl("restart", AGENT, check=False)
    machine.await_journal(r"listen\.address: cannot listen on 0\.0\.0\.0 port 8443: this service has no network of its "
                          r"own; enable slurm-secretsd-hub\.socket", begin)
    machine.enter("bash", "-e", input=enabling + after)
    machine.await_agent()
    assert machine.runs() == ["before"]
    machine.complete("before")
    return machine


def test_hub_accepts_platform_push_on_systemd_port(hub, canary):
    assert hub.show("ActiveState", HUB_SOCKET) == "active" and is_open(hub)
    answer = over_tls(hub, "PUT", "/v1/runs/r", PUSH % canary())
    assert answer.status == 201 and answer.json["platform"] == "tower"
    done = hub.srun("--secrets-run=r", "bash", "-c", "echo ${#TOKEN}")
    assert (done.code, done.out) == (0, "38\n"), done.err
    assert over_tls(hub, "DELETE", "/v1/runs/r").status == 204
    assert hub.runs() == []


def test_documented_steps_for_platforms_and_users_work(hub):
    hub.enter("cp", "/root/ca/ca.crt", "/root/ca/tower.crt", "/root/ca/tower.key", "/out/")
    with_curl, in_python, by_munge = blocks("platform.md", "Over TLS")
    pushed = json.loads(hub.enter("bash", "-e", input=with_curl).out)
    assert (pushed["run"], pushed["platform"], pushed["generation"]) == ("demo-1", "tower", 1)
    assert json.loads(hub.enter("python3", "-", input=in_python).out)["generation"] == 2
    assert json.loads(hub.as_user("alice", ["bash", "-e"], input=by_munge).out)["name"] == "HF_TOKEN"
    assert hub.secretctl("rm", "HF_TOKEN", user="alice").code == 0
    hub.enter("rm", "/out/tower.key")


def test_sandboxed_hub_authenticates_user_by_munge(hub):
    credential = hub.as_user("alice", ["bash", "-c", "printf 'slurm-secrets 1\\nhub.example.org\\nGET\\n/v1/secrets\\n%s\\n' "
                                       "$(sha256sum </dev/null | cut -d' ' -f1) | munge"]).out.strip()
    done = hub.enter("curl", "-sS", "--cacert", "/root/ca/ca.crt", "-H", f"Authorization: Munge {credential}",
                     "https://hub.example.org:8443/v1/secrets")
    assert json.loads(done.out) == {"owner": "alice", "secrets": []}
    # The hub knows the client's address, although it has no network.
    hub.enter("curl", "-sS", "--cacert", "/root/ca/ca.crt", "https://hub.example.org:8443/v1/secrets")
    hub.await_journal(r"a client at 192\.0\.2\.1 was refused: the request is not authenticated")


def test_hub_service_has_no_network_of_its_own(hub):
    pid = hub.agent_pid
    assert os.stat(f"/proc/{pid}/ns/net").st_ino != os.stat(f"/proc/{hub.pid}/ns/net").st_ino
    assert hub.show("RestrictAddressFamilies") == "AF_UNIX" and hub.show("PrivateNetwork") == "yes"


def test_hub_restart_preserves_port_and_runs_and_drops_no_request(hub, canary):
    assert over_tls(hub, "PUT", "/v1/runs/kept", PUSH % canary()).status == 201
    script = " ".join(map(shlex.quote, ["curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}\n", "--cacert",
                                        "/root/ca/ca.crt", "--cert", "/root/ca/tower.crt", "--key", "/root/ca/tower.key",
                                        "https://hub.example.org:8443/v1/runs/kept"]))
    with clients_of(hub, retries=0) as clients:
        for _ in range(3):
            loop = f"for i in 1 2 3 4 5 6 7 8; do {script}; done & systemctl restart slurm-secretsd; wait"
            assert hub.enter("bash", "-c", loop).out.split() == ["200"] * 8
        hub.await_agent()
        poll(lambda: all(client.answered >= 100 for client in clients), 20, "answers")
    clients.lost_nothing()
    hub.kill_agent()
    assert over_tls(hub, "GET", "/v1/runs/kept").status == 200
    assert over_tls(hub, "DELETE", "/v1/runs/kept").status == 204
    # What tells a restart from a start that lost everything: also while nothing is held, and one for all processes.
    poll(lambda: (hub.status()["slabs"], hub.stored()) == (0, 1), 5, "the id alone in the descriptor store")
    hub.restart_agent()
    assert hub.stored() == 1
    hub.systemctl("stop", AGENT)
    assert hub.stored() == 0
    hub.systemctl("start", AGENT)
    hub.await_agent()


def serial(machine):
    shown = machine.enter("bash", "-c", "openssl s_client -connect hub.example.org:8443 -CAfile /root/ca/ca.crt </dev/null 2>/dev/null |"
                          " openssl x509 -noout -serial").out
    return re.search(r"serial=(\w+)", shown)[1]


def test_hub_reload_uses_renewed_certificate_and_rejects_broken_one(hub):
    old, pid = serial(hub), hub.agent_pid
    # The same key, since systemd passes a credential only at a start.
    hub.enter("bash", "-c", "cd /root/ca && openssl req -new -key hub.key -subj /CN=hub -addext subjectAltName=DNS:hub.example.org |"
              " openssl x509 -req -copy_extensions copyall -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out again.crt &&"
              " install -m 644 again.crt /etc/slurm-secrets/hub.crt")
    hub.systemctl("reload", AGENT)
    poll(lambda: serial(hub) != old, 5, "the new certificate")
    new = serial(hub)
    hub.enter("secretctl", "pki", "issue", "/root/ca", "renewed", "--dns", "hub.example.org", "--server")
    begin = time.time()
    hub.enter("bash", "-c", "echo nonsense >/etc/slurm-secrets/hub.crt")
    assert hub.systemctl("reload", AGENT, check=False).code != 0
    hub.await_journal(r"listen\.certificate: cannot use /etc/slurm-secrets/hub\.crt: it contains no certificate in PEM", begin)
    # Only the agent itself may read the key, and so reports this after `systemctl reload` has returned.
    hub.enter("install", "-m", "644", "/root/ca/renewed.crt", "/etc/slurm-secrets/hub.crt")
    hub.systemctl("reload", AGENT)
    hub.await_journal(r"cannot reload, the previous configuration stays in force: listen\.key: /run/credentials/"
                      r"slurm-secretsd\.service/tls\.key is not the key of /etc/slurm-secrets/hub\.crt", begin)
    assert "the last reload failed" in hub.show("StatusText")
    assert serial(hub) == new and hub.agent_pid == pid
    hub.enter("install", "-m", "600", "/root/ca/renewed.key", "/etc/slurm-secrets/hub.key")
    hub.restart_agent()
    assert serial(hub) not in (old, new)


def test_hub_key_may_be_encrypted_credential(hub):
    hub.enter("systemd-creds", "encrypt", "--name=tls.key", "/etc/slurm-secrets/hub.key", "/etc/slurm-secrets/tls.key.cred")
    hub.enter("shred", "-u", "/etc/slurm-secrets/hub.key")
    hub.write(f"/etc/systemd/system/{AGENT}.d/hub.conf",
              "[Service]\nLoadCredentialEncrypted=tls.key:/etc/slurm-secrets/tls.key.cred\n")
    hub.systemctl("daemon-reload")
    hub.restart_agent()
    assert over_tls(hub, "GET", "/v1/runs").status == 200


def test_hub_port_is_set_by_socket_unit(hub):
    hub.push("held", workspace={"TOKEN": "a value"})
    with hub.drop_in("[Socket]\nListenStream=\nListenStream=192.0.2.1:9443\n", unit=HUB_SOCKET):
        hub.systemctl("stop", HUB_SOCKET)
        hub.restart_agent()
        assert not is_open(hub) and "192.0.2.1:9443 " in hub.enter("ss", "-Hltn").out
        assert hub.runs() == ["held"]
    hub.systemctl("stop", HUB_SOCKET)
    hub.restart_agent()
    assert over_tls(hub, "GET", "/v1/runs/held").status == 200

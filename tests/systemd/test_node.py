# SPDX-License-Identifier: Apache-2.0
"""Node of a hub under the installed unit: it has a network with node.conf, and none without."""

import time

import pytest
from documents import blocks
from harness import poll
from machines import AGENT

HUB = "/run/hub"
# The hub is a second agent on the same machine; the nodes' account is the user of the unit.
HUB_CONFIG = f"""
node_socket: {HUB}/node.sock
job_socket: {HUB}/job.sock
control_socket: {HUB}/control.sock
files_directory: {HUB}/jobs
listen:
  address: 192.0.2.1
  certificate: /root/ca/hub.crt
  key: /root/ca/hub.key
  agents: slurm-secrets
log: {{ to: stderr }}
"""


@pytest.fixture(scope="module")
def hub(machine):
    """Starts a hub on the machine that is no service."""
    machine.enter("bash", "-c", "echo 192.0.2.1 hub.example.org >>/etc/hosts")
    certificates, = blocks("admin.md", "Certificates")
    machine.enter("bash", "-e", input=certificates)
    machine.enter("install", "-m", "644", "/root/ca/ca.crt", "/etc/slurm-secrets/")
    machine.enter("install", "-d", HUB)
    machine.write("etc/hub.yaml", HUB_CONFIG)
    machine.enter("systemd-run", "--unit=hub", "--collect", "slurm-secretsd", "--config", "/etc/hub.yaml")
    poll(lambda: machine.enter("bash", "-c", f"[ -S {HUB}/control.sock ]", check=False).code == 0, 10, "the hub")
    yield machine
    machine.systemctl("stop", "hub")


def test_node_without_network_denies_job_and_names_node_conf(hub):
    steps, *_ = blocks("admin.md", "Nodes of a hub")
    steps = steps.replace("/usr/local/", "/usr/")  # where it is installed on this machine
    linking, = [line for line in steps.splitlines() if line.startswith("ln -s ")]
    hub.enter("bash", "-e", input=steps.replace(linking, ""))
    hub.await_agent()
    done = hub.srun("--secrets-run=r", "true")
    assert done.code != 0
    assert "this service has no network; link node.conf into its unit's folder (docs/admin.md, Nodes of a hub)" in done.err, done.err
    hub.enter("bash", "-e", input="\n".join([linking, "systemctl daemon-reload", "systemctl restart slurm-secretsd"]))
    hub.await_agent()


def test_node_job_gets_run_pushed_to_hub(hub, canary):
    value = canary()
    push = '{"owner": "alice", "workspace": {"TOKEN": "%s"}}' % value
    hub.enter("curl", "-sS", "--fail-with-body", "--unix-socket", f"{HUB}/control.sock", "-X", "PUT", "-H",
              "Content-Type: application/json", "--data-binary", "@-", "http://localhost/v1/runs/r", input=push)
    done = hub.srun("--secrets-run=r", "bash", "-c", "echo ${#TOKEN}")
    assert (done.code, done.out) == (0, f"{len(value)}\n"), done.err
    hub.enter("curl", "-sS", "--unix-socket", f"{HUB}/control.sock", "-X", "DELETE", "http://localhost/v1/runs/r")


def test_node_restart_preserves_grants_without_hub(hub, canary):
    value = canary()
    push = '{"owner": "alice", "workspace": {"TOKEN": "%s"}}' % value
    hub.enter("curl", "-sS", "--fail-with-body", "--unix-socket", f"{HUB}/control.sock", "-X", "PUT", "-H",
              "Content-Type: application/json", "--data-binary", "@-", "http://localhost/v1/runs/s", input=push)
    job = hub.sbatch("srun bash -c 'echo ${#TOKEN}' >first; while [ ! -e on ]; do sleep 0.1; done; "
                     "srun bash -c 'echo ${#TOKEN}' >second", "--secrets-run=s")
    assert hub.await_file("first") == f"{len(value)}\n"
    hub.systemctl("kill", "-s", "STOP", "hub")
    # The restored grants are reported under Slurm's name of the node, whatever is configured.
    name = hub.status()["node"]
    hub.enter("sed", "-i", "s|^  ca: |  node: assumed\\n&|", "/etc/slurm-secrets/agentd.yaml")
    begin = time.time()
    hub.restart_agent()
    hub.enter("sed", "-i", "/^  node: assumed/d", "/etc/slurm-secrets/agentd.yaml")
    assert hub.status()["node"] == name != "assumed"
    hub.await_journal("restored 0 runs and 1 hold ", begin)
    (hub.out / "on").touch()
    assert hub.await_file("second", 20) == f"{len(value)}\n"
    hub.systemctl("kill", "-s", "CONT", "hub")
    hub.await_end(job)
    hub.enter("curl", "-sS", "--unix-socket", f"{HUB}/control.sock", "-X", "DELETE", "http://localhost/v1/runs/s")


def test_node_listens_on_no_port(hub):
    pid = hub.agent_pid
    listening = hub.enter("ss", "-Hltnp").out
    assert f"pid={pid}," not in listening and hub.show("PrivateNetwork", AGENT) == "no"

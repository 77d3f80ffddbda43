# SPDX-License-Identifier: Apache-2.0
"""Promise: while the name service of a hub is slow or away, no node loses what running jobs were granted, and only steps
that need a lookup are delayed."""

import time

import pytest
from four_hosts import AGENT
from harness import ALICE, poll
from login_fixtures import hub_config, node_config, pki, secretctl  # noqa: F401
from name_service import NameService

LAB = "workspaces: [{ name: lab, admins: { users: [bob] }, members: { groups: [ldapgroup] } }]\n"
STEPS = """
next() { while [ ! -e $1 ]; do sleep 0.05; done; }
try() { srun --secret=LICENSE bash -c 'echo "${LICENSE:0:3}"' >$1.part 2>$1.err; echo $? >>$1.part; mv $1.part $1; }
"""


class Hub:
    def __init__(self, hosts, config, folder):
        self.hosts = hosts
        self.host = hosts.on("hub")
        self.config = config.partition("workspaces:")[0] + LAB
        self.names = NameService(folder)

    def start(self):
        (self.host.dir / "agentd.yaml").write_text(self.config)
        self.host.daemon_start(AGENT, **self.names.environment)

    def restart(self):
        self.host.daemon_stop(AGENT)
        self.start()

    def lookups(self):
        return self.host.status()["name_service"]


@pytest.fixture
def hub(hosts, hub_config, pki, tmp_path):  # noqa: F811
    tmp_path.chmod(0o755)
    hub = Hub(hosts, hub_config(), tmp_path)
    hosts.run("hub", ["mount", "--bind", str(hub.names.nsswitch), "/etc/nsswitch.conf"])
    try:
        hosts.start_view("hub")
        hub.start()
        for node in ("n1", "n2"):
            hosts.start_agent(node, node_config(pki))
        yield hub
    finally:
        hosts.run("hub", ["umount", "/etc/nsswitch.conf"])


def test_outage_of_name_service_wipes_nothing_on_nodes(hub, canary):
    node, login = hub.hosts.on("n1"), hub.hosts.on("login")
    value = canary()
    secretctl(hub.host, "set", "LICENSE", "--workspace=lab", user="bob", input="val" + value)
    job = login.sbatch(STEPS + "\n".join(f"next go{i}; try k{i}" for i in range(5)), "-w", "n1", "--secret=LICENSE")

    def step(number):
        (login.out / f"go{number}").touch()
        return login.await_file(f"k{number}", 20)

    assert step(0) == "val\n0\n"
    held = node.status()["secret_bytes"]
    assert held > len(value)
    # Each report of the node makes the hub look at its answers again, and at the name service once they are a minute old.
    hub.names.set("unavail")
    poll(lambda: hub.lookups()["failed"] > 0, 120, "a lookup that fails")
    assert step(1) == "val\n0\n"
    hub.names.set("notfound")
    poll(lambda: hub.lookups()["missing"] > 0, 60, "a lookup that finds nobody")
    assert step(2) == "val\n0\n"
    # A hub that starts now knows nobody at all.
    hub.restart()
    poll(lambda: hub.lookups()["answered"] >= 3, 60, "the lookups for a report of the node")
    assert step(3) == "val\n0\n"
    done = login.srun("-w", "n1", "--overlap", "--secret=LICENSE", "true")
    assert done.code != 0 and f"cannot look up group 'ldapgroup' of user {ALICE}: " in done.err  # a new job
    assert node.status()["secret_bytes"] == held
    assert "revoked" not in hub.hosts.agent_log("hub") + hub.hosts.agent_log("n1")
    hub.names.set("answer")
    secretctl(hub.host, "rm", "LICENSE", "--workspace=lab", user="bob")
    poll(lambda: node.status()["secret_bytes"] == 0, 40, "the wipe on the node")
    assert (f"the grant of job {job} on node n1 was revoked: secret LICENSE is not set for alice; set it with: "
            "secretctl set LICENSE") in hub.hosts.agent_log("hub")
    (login.out / "go4").touch()
    login.await_end(job)


def test_slow_name_service_of_hub_delays_only_steps_that_need_it(hub, canary):
    login = hub.hosts.on("login")
    secretctl(hub.host, "set", "LICENSE", "--workspace=lab", user="bob", input=canary())
    secretctl(hub.host, "set", "BTOK", user="bob", input=canary())
    hub.names.set("slow 10")
    hub.restart()
    alice = login.sbatch("true", "-w", "n1", "--secret=LICENSE")
    poll(lambda: hub.lookups()["waiting"] > 0, 10, "alice's step at the hub")
    began = time.monotonic()
    done = login.srun("-w", "n2", "--secret=BTOK", "true", user="bob")
    assert done.code == 0 and time.monotonic() - began < 3, done.err
    assert login.wait(alice).code != 0
    assert "the name service has not answered yet; try again in a moment" in hub.hosts.agent_log("n1")
    poll(lambda: hub.lookups()["waiting"] == 0, 60, "the slow answers")
    assert login.run_batch("true", "-w", "n1", "--secret=LICENSE").code == 0

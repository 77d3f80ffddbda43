# SPDX-License-Identifier: Apache-2.0
"""Promise: a name service that is slow or away holds up only what needs it, and nothing is taken for a "no" that is
none: a running job has what it was granted, and a push is told to come again."""

import json
import os
import subprocess
import time

import pytest

from conftest import running_cluster
from harness import BUILD, Done, poll
from name_service import NameService
from own_agent import OwnAgent, terminate
from test_stored_secrets import hash_of, secretctl

CONFIG = """workspaces:
  - {{ name: lab, admins: {{ users: [bob] }}, members: {{ users: [{ghost}], groups: [ldapgroup] }} }}
"""
NOT_YET = "the name service has not answered yet; try again in a moment"


class Agent:
    """The agent of a cluster, which asks a name service of its own."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.names = NameService(cluster.dir)
        self.process = None

    def start(self, mode, ghost="bob"):
        self.names.set(mode)
        config = self.cluster.dir / "agentd.yaml"
        config.write_text(config.read_text().partition("workspaces:")[0] + CONFIG.format(ghost=ghost))
        with open(self.cluster.dir / "log" / "slurm-secretsd.out", "ab") as log:
            self.process = subprocess.Popen(
                [*self.names.prefix, BUILD / "slurm-secretsd", "--config", config], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.cluster.dir / "daemons", env={**os.environ, **self.names.environment})
        (self.cluster.dir / "daemons" / "slurm-secretsd").write_text(str(self.process.pid))
        poll(self._answers, 15, "the agent's start")

    def _answers(self):
        return subprocess.run(["curl", "-sf", "-o", "/dev/null", "--max-time", "2", "--unix-socket",
                               self.cluster.control_socket, "http://localhost/v1/status"], check=False).returncode == 0

    def stop(self):
        """Ends the agent; returns its exit code and the seconds that it took."""
        return terminate(self.process)

    def lookups(self):
        return self.cluster.status()["name_service"]


@pytest.fixture(scope="module")
def cluster(request):
    with running_cluster(request.session, "--store", "--platform", "www-data", "--without-agent") as cluster:
        cluster.agent = Agent(cluster)
        cluster.agent.start("answer")
        yield cluster


@pytest.fixture
def agent(cluster):
    yield cluster.agent
    cluster.agent.stop()
    cluster.agent.start("answer")


@pytest.fixture
def license_value(cluster, agent, canary):
    """Sets LICENSE of workspace lab."""
    value = canary()
    done = secretctl(cluster, "bob", "set", "LICENSE", "--workspace=lab", input=value)
    assert done.code == 0, done.err
    return value


def start(cluster, user, *command):
    return subprocess.Popen(cluster.command(user, command), cwd=cluster.out, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_of(process, timeout=30):
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)


def test_slow_name_service_delays_only_requests_that_need_it(cluster, agent, license_value):
    agent.stop()
    agent.start("slow 30", ghost="ghost")
    cluster.push("r9", owner="bob", user={"A": "x"})
    begin = time.monotonic()
    alice = start(cluster, "alice", "srun", "--secret=LICENSE", "true")
    time.sleep(0.5)  # her step is waiting now, and so is a thread of the agent
    begin_of_bob = time.monotonic()
    bob = cluster.srun("--secrets-run=r9", "printenv", "A", user="bob")
    assert (bob.code, bob.out) == (0, "x\n"), bob.err
    assert time.monotonic() - begin_of_bob < 3
    begin_of_status = time.monotonic()
    assert "name service" in secretctl(cluster, "bob", "status").out
    assert time.monotonic() - begin_of_status < 1.5
    done = end_of(alice)
    assert time.monotonic() - begin < 6.5
    assert done.code != 0 and NOT_YET in done.err, done.err
    # Those who ask while the lookup is in progress are told at once.
    begin = time.monotonic()
    done = cluster.srun("--secret=LICENSE", "true")
    assert done.code != 0 and NOT_YET in done.err and time.monotonic() - begin < 2.5, done.err
    poll(lambda: agent.lookups().get("trouble"), 10, "the trouble in the status")
    assert "does not answer; check the services that /etc/nsswitch.conf names" in cluster.agent_log()
    cluster.complete("r9")
    code, seconds = agent.stop()  # with threads that hang in the name service
    assert code == 0 and seconds < 3
    agent.start("answer")


def test_running_job_has_what_it_was_granted_in_outage_of_name_service(cluster, agent, license_value):
    script = "\n".join(
        ["step() { srun -n1 --secret=LICENSE sh -c 'printenv LICENSE | sha256sum | cut -d\" \" -f1'; }",
         *(f"until [ -e go{i} ]; do sleep 0.1; done; step >step{i} 2>&1; echo >>step{i}" for i in range(4))])
    for i in range(4):
        for name in (f"go{i}", f"step{i}"):
            (cluster.out / name).unlink(missing_ok=True)
    job = cluster.sbatch(script, "--secret=LICENSE")

    def step(number):
        (cluster.out / f"go{number}").touch()
        return cluster.await_file(f"step{number}", 20).strip()

    assert step(0) == hash_of(license_value)
    agent.names.set("unavail")
    # The good answer is used for a minute before the agent asks the name service again.
    poll(lambda: cluster.srun("--secret=LICENSE", "true").code == 0 and agent.lookups()["failed"] > 0, 100,
         "a lookup that fails")
    assert step(1) == hash_of(license_value)
    agent.names.set("notfound")
    poll(lambda: cluster.srun("--secret=LICENSE", "true").code == 0 and agent.lookups()["missing"] > 0, 100,
         "a lookup that finds nobody")
    assert step(2) == hash_of(license_value)
    listed = json.loads(secretctl(cluster, "alice", "workspaces", "--json").out)
    assert [workspace["workspace"] for workspace in listed["workspaces"]] == ["lab"]
    agent.names.set("flapping")
    for _ in range(5):
        assert cluster.srun("--secret=LICENSE", "true").code == 0
    agent.names.set("answer")
    poll(lambda: agent.lookups()["missing"] == 0, 40, "the name service's recovery")
    assert step(3) == hash_of(license_value)
    cluster.await_end(job)


@pytest.fixture
def own_names(tmp_path):
    tmp_path.chmod(0o755)
    return NameService(tmp_path)


class NamedAgent(OwnAgent):
    def __init__(self, names, *config):
        self.environment = names.environment
        super().__init__(*config, prefix=names.prefix)


def test_push_is_told_to_come_again_while_owner_cannot_be_looked_up(own_names):
    own_names.set("unavail")
    agent = NamedAgent(own_names)
    try:
        answer = agent.http("PUT", "/v1/runs/r1", {"owner": "ldapuser"})
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        assert answer.detail == ("cannot look up user 'ldapuser': the name service failed: Connection refused; try again "
                                 "in a moment")
        own_names.set("slow 6")
        time.sleep(1.1)  # a failed lookup is repeated after a second
        begin = time.monotonic()
        answer = agent.http("PUT", "/v1/runs/r1", {"owner": "ldapuser"})
        assert answer.status == 503 and time.monotonic() - begin < 4.5
        own_names.set("answer")
        poll(lambda: agent.http("PUT", "/v1/runs/r1", {"owner": "ldapuser"}).status in (200, 201), 15, "the push")
        assert agent.http("GET", "/v1/runs/r1").json["owner"] == "ldapuser"
        own_names.set("unavail")
        agent.push("r2", owner="ldapuser")  # from the cache
        assert agent.http("PUT", "/v1/runs/r3", {"owner": "nobody-known"}).status == 503
        own_names.set("answer")
        time.sleep(1.1)
        answer = agent.http("PUT", "/v1/runs/r3", {"owner": "nobody-known"})
        assert (answer.status, answer.detail) == (400, "\"owner\": there is no user 'nobody-known' on this machine")
        refused = [line for line in agent.log.read_text().splitlines() if "was refused the push" in line]
        assert len(refused) >= 4 and all("r1" in line or "r3" in line for line in refused)
    finally:
        agent.remove()


def test_slow_lookup_is_waited_for_and_leaves_no_denial(own_names):
    own_names.set("slow 1")
    agent = NamedAgent(own_names)
    try:
        begin = time.monotonic()
        agent.push("r1", owner="ldapuser")
        assert time.monotonic() - begin > 0.9
        assert "refused" not in agent.log.read_text()
        assert agent.status()["name_service"]["answered"] >= 1
    finally:
        agent.remove()


def test_status_and_doctor_tell_of_name_service_that_fails(own_names):
    own_names.set("unavail")
    agent = NamedAgent(own_names)
    try:
        agent.http("PUT", "/v1/runs/r1", {"owner": "ldapuser"})
        trouble = agent.status()["name_service"]["trouble"]
        assert trouble == ("cannot look up user 'ldapuser': the name service failed: Connection refused; check the services "
                           "that /etc/nsswitch.conf names")
        to_alice = agent.http("GET", "/v1/status", user="alice").json["name_service"]["trouble"]
        assert to_alice == "the name service does not answer for some users or groups"
        done = subprocess.run([BUILD / "secretctl", "--socket", agent.control_socket, "doctor", "--json"],
                              capture_output=True, text=True, check=False)
        check = next(found for found in json.loads(done.stdout)["checks"] if found["name"] == "name service")
        assert check["state"] == "fail" and check["sentence"] == trouble
        assert "slurm_secrets_name_service_fails 1" in agent.http("GET", "/metrics").text
        own_names.set("answer")
        poll(lambda: "trouble" not in agent.status()["name_service"], 30, "the end of the trouble")
        assert "users and groups can be looked up again" in agent.log.read_text()
    finally:
        agent.remove()

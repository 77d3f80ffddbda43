# SPDX-License-Identifier: Apache-2.0
"""Secrets inside a running job on a node of a hub: the values are the hub's within a second, and the cached ones while
no hub answers."""

import time

import pytest
from harness import ALICE, BUILD, poll

HUB = "https://10.77.0.1:8443"
CTL = f"{BUILD}/secretctl"
# Runs a command each time that the test creates a file, and answers in another one.
LOOP = """
n=0
while [ ! -e end ]; do
  [ -e ask.$n ] && { %s >part.$n 2>&1; echo " code $?" >>part.$n; mv part.$n answer.$n; n=$((n+1)); }
  sleep 0.02
done
"""


@pytest.fixture
def pki(hosts):
    folder = hosts.dir / "pki"
    if not folder.exists():
        hosts.run("hub", [BUILD / "secretctl", "pki", "init", folder])
        hosts.run("hub", [BUILD / "secretctl", "pki", "issue", folder, "hub", "--ip", "10.77.0.1", "--dns", "hub", "--server"])
    return folder


@pytest.fixture
def cluster(hosts, pki):
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config(pki))
    for node in ("n1", "n2"):
        hosts.start_view(node)
        hosts.start_agent(node, f"hub: {{ urls: ['{HUB}'], ca: {pki}/ca.crt }}\n")
    return hosts


def hub_config(pki):
    return f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key }}\nreaper: {{ interval: 1s }}\n"


class Asking:
    """A job on n1 that runs a command whenever it is told to."""

    def __init__(self, login, command, *options):
        self.login = login
        self.count = 0
        self.job = login.sbatch(LOOP % command, "-wn1", *options)
        poll(lambda: login.job_state(self.job) == "RUNNING", 15, "the job")

    def answer(self):
        (self.login.out / f"ask.{self.count}").touch()
        text = self.login.await_file(f"answer.{self.count}")
        self.count += 1
        return text.strip()

    def end(self):
        (self.login.out / "end").touch()
        self.login.await_end(self.job)
        for path in [*self.login.out.glob("ask.*"), *self.login.out.glob("answer.*"), self.login.out / "end"]:
            path.unlink()


@pytest.fixture
def asking(cluster):
    made = []

    def start(command, *options):
        made.append(Asking(cluster.on("login"), command, *options))
        return made[-1]

    yield start
    for job in made:
        job.end()


def test_get_on_node_reads_value_of_hub_within_a_second(cluster, asking, canary):
    hub = cluster.on("hub")
    first, second = canary(), canary()
    hub.push("rotating", user={"TOK": first})
    job = asking(f"{CTL} get TOK", "--secrets-run=rotating", "--secret=TOK:hold")
    assert job.answer() == f"{first} code 0"
    assert job.answer() == f"{first} code 0"
    hub.push("rotating", user={"TOK": second})
    began = time.monotonic()
    while job.answer() != f"{second} code 0":
        assert time.monotonic() - began < 1
    assert f"a process of job {job.job} of uid {ALICE} on node n1 was granted TOK (held) of run rotating" in \
        cluster.agent_log("hub")


def test_held_secret_on_node_is_in_no_environment(cluster, asking, canary):
    value = canary()
    cluster.on("hub").push("held", user={"TOK": value})
    job = asking("env", "--secrets-run=held", "--secret=TOK:hold")
    assert value not in job.answer()


def test_get_on_node_reads_cached_value_while_no_hub_answers(cluster, asking, canary, pki):
    value = canary()
    cluster.on("hub").push("away", user={"TOK": value})
    job = asking(f"{CTL} get TOK", "--secrets-run=away", "--secret=TOK:hold")
    assert job.answer() == f"{value} code 0"
    cluster.on("hub").daemon_kill("slurm-secretsd")
    time.sleep(0.6)
    assert job.answer() == f"{value} code 0"
    cluster.start_agent("hub", hub_config(pki))


def test_get_on_node_is_refused_once_run_is_completed(cluster, asking, canary):
    hub = cluster.on("hub")
    hub.push("short", user={"TOK": canary()})
    job = asking(f"{CTL} get TOK", "--secrets-run=short", "--secret=TOK:hold")
    assert job.answer().endswith(" code 0")
    hub.complete("short")
    time.sleep(0.6)
    answer = job.answer()
    assert "cannot read secrets of this job: run short was completed" in answer and answer.endswith(" code 1")


def test_get_on_node_is_refused_for_name_that_was_never_requested(cluster, asking, canary):
    cluster.on("hub").push("names", user={"TOK": canary(), "OTHER": canary()})
    job = asking(f"{CTL} get OTHER", "--secrets-run=names", "--secret=TOK:hold")
    answer = job.answer()
    assert "did not request the secret OTHER" in answer and answer.endswith(" code 1")


def test_hub_that_lost_its_memory_makes_no_other_random_secret_for_a_second_node(cluster, pki):
    login = cluster.on("login")
    job = login.sbatch("echo $KEY; echo >made; while [ ! -e go ]; do sleep 0.05; done; srun -wn2 -N1 -n1 printenv KEY; "
                       f"echo code $?; {CTL} get KEY", "-N2", "-n2", "--secret=KEY:random")
    login.await_file("made")
    hub = cluster.on("hub")
    hub.daemon_kill("slurm-secretsd")
    cluster.start_agent("hub", hub_config(pki))
    time.sleep(31)  # each node reports what it holds within that time
    (login.out / "go").touch()
    done = login.wait(job)
    for name in ("made", "go"):
        (login.out / name).unlink()
    first, *rest = done.out.split()
    assert "this hub has lost the values that it made for the job" in done.err
    assert f"requeue it: scontrol requeuehold {job}" in done.err
    assert rest == ["code", "1", first], (done.out, done.err)


def test_requeued_job_reads_the_random_secret_that_it_is_given(cluster):
    login = cluster.on("login")
    job = login.sbatch(f"echo $KEY $({CTL} get KEY) >key.${{SLURM_RESTART_COUNT:-0}}; [ -n \"$SLURM_RESTART_COUNT\" ] || "
                       "sleep 1000", "-wn1", "--requeue", "--secret=KEY:random")
    first = login.await_file("key.0").split()
    assert login.scontrol("requeue", job).code == 0
    second = login.await_file("key.1", 60).split()
    login.await_end(job)
    for name in ("key.0", "key.1"):
        (login.out / name).unlink()
    assert len(first) == len(second) == 2 and len(set(first)) == len(set(second)) == 1


def test_random_secret_is_same_on_all_nodes_of_a_hub_and_wiped_when_the_job_has_ended(cluster):
    login = cluster.on("login")
    job = login.sbatch("srun sh -c 'echo $KEY'; srun -wn2 -N1 -n1 sh -c 'echo $KEY'; " + f"{CTL} get KEY; echo; "
                       "echo >made; while [ ! -e end ]; do sleep 0.05; done", "-N2", "-n2", "--secret=KEY:random")
    login.await_file("made")
    assert cluster.on("hub").status()["secret_bytes"] > 0
    (login.out / "end").touch()
    done = login.wait(job)
    values = done.out.split()
    assert len(values) == 4 and len(set(values)) == 1 and len(values[0]) == 64, (values, done.err)
    poll(lambda: cluster.on("hub").status()["secret_bytes"] == 0, 30, "the wipe at the hub")
    assert f"job {job} ended: its hold with 1 grant was wiped" in cluster.agent_log("hub")

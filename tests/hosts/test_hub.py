# SPDX-License-Identifier: Apache-2.0
"""Hub and nodes: a job on any node gets what was pushed to the hub, and a node holds only what its own jobs need."""

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from harness import ALICE, BOB, BUILD, Answer, poll

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


def send_to_hub(hosts, host, method, path, body, headers=(), user="root"):
    """Sends a request to the hub as an agent on that host does, or as another user."""
    made = hosts.on(host).munge(method, path, body.encode(), user)
    command = ["curl", "-sS", "--cacert", hosts.dir / "pki" / "ca.crt", "-X", method, "-o", "-",
               "-w", "\n%{http_code}", "-H", f"Authorization: Munge {made}", "-H", "Content-Type: application/json"]
    for header in headers:
        command += ["-H", header]
    done = hosts.run(host, [*command, "--data-binary", "@-", HUB + path], input=body)
    text, _, status = done.out.rpartition("\n")
    return Answer(int(status), {}, text)


def grant_request(job, node, uid=ALICE, spec="run:demo", wait=0, patience=3000):
    return json.dumps({"job": int(job), "step": 0, "uid": uid, "node": node, "ask": spec, "wait_ms": wait,
                       "patience_ms": patience})


def request_grant(hosts, host, *arguments, headers=(), user="root", **named):
    body = grant_request(*arguments, **named)
    return send_to_hub(hosts, host, "POST", "/v1/grants", body, headers, user)


@pytest.fixture
def job(cluster, canary):
    """Starts a job of alice on n1 until the test ends, and pushes run demo, of which the job requests nothing."""
    cluster.on("hub").push("demo", user={"TOKEN": canary("TOKEN")})
    login = cluster.on("login")
    job = login.sbatch("sleep 1000", "-w", "n1")
    poll(lambda: login.job_state(job) == "RUNNING", 15, "the job")
    yield job
    cluster.run("hub", ["scancel", job])
    login.await_end(job)


def detail(answer):
    return answer.json["detail"]


def test_hub_push_serves_job_on_any_node(cluster, canary):
    value = canary()
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    for node in ("n1", "n2"):
        done = cluster.on("login").srun("-w", node, "--secrets-run=demo-1", *PRINT, input=value)
        assert (done.code, done.out) == (0, f"{node}\n"), done.err + cluster.agent_log("hub") + cluster.agent_log(node)
        poll(lambda: holds(cluster, node) == 0, 10, "the wipe of the hold")  # noqa: B023
    assert holds(cluster, "hub") == 0



def test_hub_grants_one_job_on_all_its_nodes(cluster, canary):
    value = canary()
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    done = cluster.on("login").srun("-N2", "--secrets-run=demo-1", "bash", "-c", f'[ "${{#HF_TOKEN}}" = {len(value)} ] && hostname')
    assert sorted(done.out.split()) == ["n1", "n2"], done.err


def test_node_holds_only_secrets_of_its_own_jobs(cluster, canary):
    value = canary()
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    login = cluster.on("login")
    job = login.sbatch("srun sleep 1000", "-w", "n1", "--secrets-run=demo-1")
    poll(lambda: holds(cluster, "n1") == 1, 15, "the hold")
    assert cluster.on("n1").status()["secret_bytes"] > len(value)
    assert (holds(cluster, "n2"), holds(cluster, "hub")) == (0, 0)
    (node,) = cluster.on("hub").run("demo-1")["nodes"]
    assert (node["node"], node["jobs"], node["lost"]) == ("n1", [int(job)], False)
    cluster.run("hub", ["scancel", job])
    poll(lambda: holds(cluster, "n1") == 0, 15, "the wipe")
    assert cluster.on("n1").status()["secret_bytes"] == 0


def test_run_ends_at_the_hub_with_its_head_job_on_a_node(cluster, canary):
    hub, login = cluster.on("hub"), cluster.on("login")
    hub.push("demo-1", workspace={"HF_TOKEN": canary()})
    head = login.sbatch("sleep 1000", "-w", "n1", "-J", "nf-workflow-demo-1")
    poll(lambda: holds(cluster, "n1") == 1, 15, "the hold")
    poll(lambda: hub.run("demo-1").get("until_job") == int(head), 5, "the binding")
    assert login.srun("-w", "n2", "--secrets-run=demo-1", "true").code == 0  # another job that ends
    cluster.run("hub", ["scancel", head])
    poll(lambda: hub.http("GET", "/v1/runs/demo-1").status == 404, 40, "the end of the run")
    orphan = login.srun("-w", "n2", "--secret=HF_TOKEN", "true", env={"TOWER_WORKFLOW_ID": "demo-1"})
    assert orphan.code != 0 and f"run demo-1 ended with job {head} at " in orphan.err


def test_job_on_node_waits_for_push_at_hub(cluster, canary):
    value = canary()
    login = cluster.on("login")
    done = login.srun("-w", "n2", "--secrets-run=late", "true")
    assert done.code != 0 and "run late was not pushed within 1 s" in done.err
    job = login.sbatch('[ "${#HF_TOKEN}" -gt 3 ] && echo fine', "-w", "n2", "--secrets-run=late", "--begin=now+1")
    poll(lambda: "late" in cluster.agent_log("hub") and login.job_state(job) == "RUNNING", 20, "the start")
    cluster.on("hub").push("late", workspace={"HF_TOKEN": value})
    assert login.wait(job).out == "fine\n"


STEPS = """
next() { while [ ! -e $1 ]; do sleep 0.05; done; }
try() { srun bash -c 'echo "${HF_TOKEN:0:3}"' >$1.part 2>$1.err; echo $? >>$1.part; mv $1.part $1; }
"""


def test_node_revalidates_cached_grant_for_each_later_step(cluster, canary):
    first, second = canary(), canary()
    hub, login = cluster.on("hub"), cluster.on("login")
    hub.push("steps", workspace={"HF_TOKEN": "one" + first})
    job = login.sbatch(STEPS + "try s1; next pushed; try s2; next unchanged; try s3", "-w", "n1", "--secrets-run=steps")
    assert login.await_file("s1") == "one\n0\n"
    hub.push("steps", workspace={"HF_TOKEN": "two" + second})
    (login.out / "pushed").touch()
    assert login.await_file("s2") == "two\n0\n"
    (login.out / "unchanged").touch()
    assert login.await_file("s3") == "two\n0\n"
    assert "still has HF_TOKEN of run steps" in cluster.agent_log("hub")
    login.await_end(job)


def test_node_serves_cached_grant_and_denies_new_job_while_hub_is_down(cluster, canary, pki):
    hub, login = cluster.on("hub"), cluster.on("login")
    hub.push("away", workspace={"HF_TOKEN": "val" + canary()})
    job = login.sbatch(STEPS + "try a1; next a-gone; try a2; next a-back; try a3", "-w", "n1", "--secrets-run=away")
    assert login.await_file("a1") == "val\n0\n"
    hub.daemon_kill("slurm-secretsd")
    (login.out / "a-gone").touch()
    assert login.await_file("a2") == "val\n0\n"
    assert "(cached grant; no hub answered: https://10.77.0.1:8443" in cluster.agent_log("n1")
    began = time.monotonic()
    done = login.srun("-w", "n1", "--secrets-run=away", "--overlap", "true")
    assert done.code != 0
    assert "no hub answered: https://10.77.0.1:8443: Connection refused" in done.err
    assert time.monotonic() - began < 9
    cluster.start_agent("hub", hub_config(pki))
    hub.push("away", workspace={"HF_TOKEN": "new" + canary()})
    (login.out / "a-back").touch()
    assert login.await_file("a3") == "new\n0\n"
    login.await_end(job)


def test_completed_run_is_wiped_on_hub_at_once_and_on_nodes_within_30_s(cluster, canary):
    hub, login = cluster.on("hub"), cluster.on("login")
    hub.push("short", workspace={"HF_TOKEN": "val" + canary()})
    job = login.sbatch(STEPS + "try c1; next c-completed; try c2; sleep 1000", "-w", "n1", "--secrets-run=short")
    assert login.await_file("c1") == "val\n0\n"
    other = login.sbatch("srun bash -c 'echo >c-other; sleep 1000'", "-w", "n2", "--secrets-run=short")
    login.await_file("c-other")
    hub.complete("short")
    assert hub.status()["secret_bytes"] == 0
    completed = hub.run("short")
    assert completed["ended"] and [node["node"] for node in completed["nodes"]] == ["n1", "n2"]
    (login.out / "c-completed").touch()
    assert login.await_file("c2").endswith("1\n")
    assert "run short was completed by " in login.await_file("c2.err")
    assert cluster.on("n1").status()["secret_bytes"] == 0
    poll(lambda: cluster.on("n2").status()["secret_bytes"] == 0, 31, "the wipe on n2")
    assert "of run short was wiped: the hub revoked it" in cluster.agent_log("n2")
    assert holds(cluster, "n2") == 1
    cluster.run("hub", ["scancel", job, other])
    poll(lambda: hub.http("GET", "/v1/runs/short").status == 404, 60, "the end of what is remembered")


def test_hub_started_without_what_it_held_revokes_nothing(cluster, canary, pki):
    hub, node, login = cluster.on("hub"), cluster.on("n1"), cluster.on("login")
    value = canary()
    hub.push("lost", workspace={"HF_TOKEN": "val" + value})
    job = login.sbatch(STEPS + "try l1; next l-started; try l2; next l-ended; try l3", "-w", "n1", "--secrets-run=lost")
    assert login.await_file("l1") == "val\n0\n"
    held = node.status()["secret_bytes"]
    assert held > len(value)
    cluster.stop_agent("hub")
    cluster.start_agent("hub", hub_config(pki))
    assert hub.http("GET", "/v1/runs/lost").status == 404
    poll(lambda: hub.status()["listener"]["hosts_seen"] > 0, 31, "a report of n1")
    assert node.status()["secret_bytes"] == held
    (login.out / "l-started").touch()
    assert login.await_file("l2") == "val\n0\n"
    assert node.status()["secret_bytes"] == held
    assert "cannot tell whether run lost has ended" in cluster.agent_log("hub")
    assert "of run lost was revoked" not in cluster.agent_log("hub")
    # An end that this hub itself has seen takes the grant back, also one of before.
    hub.push("lost", workspace={"HF_TOKEN": "new" + canary()})
    hub.complete("lost")
    poll(lambda: node.status()["secret_bytes"] == 0, 31, "the wipe on n1")
    assert f"the grant of job {job} on node n1 of run lost was revoked: run lost was completed by " in cluster.agent_log("hub")
    (login.out / "l-ended").touch()
    assert login.await_file("l3").endswith("1\n")
    login.await_end(job)


def test_hub_grants_job_only_to_node_that_runs_it(cluster, job):
    granted = request_grant(cluster, "n1", job, "n1")
    assert granted.status == 200 and granted.text.startswith("SLSDELIV")
    ended = cluster.on("login").sbatch("true", "-w", "n2")
    cluster.on("login").await_end(ended)
    for host, arguments, sentence in [
        ("n2", (job, "n2"), f"job {job} does not run on node 'n2', according to slurmctld"),
        ("n2", (job, "n1"), "node 'n1' is not at 10.77.0.3, according to slurmctld"),
        ("login", (job, "n1"), "node 'n1' is not at 10.77.0.4, according to slurmctld"),
        ("n1", (job, "n1", BOB), f"job {job} does not belong to uid {BOB}, according to slurmctld"),
        ("n1", (job, "no-such-node"), f"job {job} does not run on node 'no-such-node', according to slurmctld"),
        ("n2", (ended, "n2"), f"job {ended} is not running, according to slurmctld"),
    ]:
        refused = request_grant(cluster, host, *arguments)
        assert refused.status == 403 and sentence in detail(refused), (arguments, refused.text)
        assert sentence in cluster.agent_log("hub")
    refused = request_grant(cluster, "n1", 4000000, "n1")
    assert refused.status == 503 and "slurmctld does not know the job, which ended long ago, or" in detail(refused)
    refused = request_grant(cluster, "n1", job, "n1", user="alice")
    assert refused.status == 403 and "alice is not the account that the nodes' agents run as" in detail(refused)


def test_hub_grant_waits_for_slurmctld_only_until_request_deadline(cluster, job):
    assert request_grant(cluster, "n1", job, "n1").status == 200
    time.sleep(4)  # until the view's cached answer about the job has expired
    cluster.on("hub").daemon_stop("slurmctld")  # which saves the job: a killed one may have forgotten it
    began = time.monotonic()
    refused = request_grant(cluster, "n1", job, "n1", patience=1500)
    assert refused.status == 503 and time.monotonic() - began < 6
    assert f"the hub cannot check whether job {job} runs on node 'n1': " in detail(refused)
    cluster.start_slurmctld()
    poll(lambda: request_grant(cluster, "n1", job, "n1", patience=1000).status == 200, 30, "an answer again")


def calls_about_one_job(hosts):
    """Returns how often slurmctld was queried about a single job since its start."""
    for line in hosts.run("hub", ["sdiag"]).out.splitlines():
        if found := re.search(r"REQUEST_JOB_INFO_SINGLE .*count:(\d+)", line):
            return int(found[1])
    return 0


def test_hub_queries_slurmctld_once_for_concurrent_grants_of_one_job(cluster, job):
    before = calls_about_one_job(cluster)
    body = grant_request(job, "n1")
    made = [cluster.on("n1").munge("POST", "/v1/grants", body.encode()) for _ in range(30)]
    script = "".join(
        f"curl -sS --cacert {cluster.dir}/pki/ca.crt -o /dev/null -w '%{{http_code}}\\n' -H 'Authorization: Munge {each}' "
        f"-H 'Content-Type: application/json' -d '{body}' {HUB}/v1/grants &\n" for each in made)
    answers = cluster.run("n1", ["bash", "-c", script + "wait"]).out.split()
    assert answers == ["200"] * 30
    assert 1 <= calls_about_one_job(cluster) - before <= 2


def test_hub_grant_is_revalidated_by_etag(cluster, job):
    body = grant_request(job, "n1")
    made = cluster.on("n1").munge("POST", "/v1/grants", body.encode())
    head = cluster.run("n1", ["curl", "-sS", "--cacert", cluster.dir / "pki" / "ca.crt", "-D", "-", "-o", "/dev/null", "-H",
                              f"Authorization: Munge {made}", "-H", "Content-Type: application/json", "-d", body,
                              f"{HUB}/v1/grants"]).out
    (tag,) = [line.split(": ")[1].strip() for line in head.splitlines() if line.lower().startswith("etag:")]
    assert request_grant(cluster, "n1", job, "n1", headers=[f"If-None-Match: {tag}"]).status == 304
    assert request_grant(cluster, "n1", job, "n1", headers=['If-None-Match: "other"']).status == 200
    assert request_grant(cluster, "n1", job, "n1", spec="NONE?").status == 204


def test_hub_node_routes_are_absent_on_control_socket(cluster):
    for path in ("/v1/grants", "/v1/nodes/n1/holds"):
        assert cluster.on("hub").http("POST", path).status == 404


def test_node_skips_unreachable_hub(cluster, canary, pki):
    value = canary()
    cluster.on("hub").push("demo-1", workspace={"HF_TOKEN": value})
    cluster.stop_agent("n1")
    cluster.start_agent("n1", f"hub: {{ urls: ['https://10.77.0.1:9', 'https://10.77.0.9', '{HUB}'], ca: {pki}/ca.crt }}\n")
    done = cluster.on("login").srun("-w", "n1", "--secrets-run=demo-1", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


def test_node_rejects_hub_whose_certificate_names_another_host(cluster, pki):
    cluster.stop_agent("n1")
    cluster.start_agent("n1", f"hub: {{ urls: ['https://n2:8443'], ca: {pki}/ca.crt }}\n")
    cluster.stop_agent("n2")
    cluster.start_agent("n2", hub_config(pki).replace("10.77.0.1", "10.77.0.3"))
    done = cluster.on("login").srun("-w", "n1", "--secrets-run=demo-1", "true")
    assert done.code != 0 and "https://n2:8443: certificate rejected: hostname mismatch" in done.err


def test_hub_rejects_munge_credential_made_on_another_host(cluster, job):
    body = grant_request(job, "n1")
    made = cluster.on("n2").munge("POST", "/v1/grants", body.encode())
    done = cluster.run("n1", ["curl", "-sS", "--cacert", cluster.dir / "pki" / "ca.crt", "-H", f"Authorization: Munge {made}",
                              "-H", "Content-Type: application/json", "-d", body, f"{HUB}/v1/grants"])
    assert "the munge credential was created at 10.77.0.3 but sent from 10.77.0.2" in done.out


def steps_on(cluster, host):
    """Returns the pids of batch steps on a host. Other clusters' steps beside them end at any time."""
    pids = []
    for pid in cluster.run("n1", ["pgrep", "-f", "slurmstepd: \\[.*batch|slurmstepd$"], check=False).out.split():
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/ns/net").samefile(host.dir / "network"):
                pids.append(int(pid))
    return pids


def test_node_leaves_no_hold_for_step_killed_before_hub_answers(cluster, canary):
    hub, n1 = cluster.on("hub"), cluster.on("n1")
    hub.push("gone", workspace={"HF_TOKEN": canary()})
    os.kill(hub.daemon_pid("slurm-secretsd"), signal.SIGSTOP)
    try:
        job = cluster.on("login").sbatch("true", "-w", "n1", "--secrets-run=gone")
        poll(lambda: steps_on(cluster, n1), 15, "the step")
        time.sleep(0.5)
        for pid in steps_on(cluster, n1):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(hub.daemon_pid("slurm-secretsd"), signal.SIGCONT)
    poll(lambda: "run gone" in cluster.agent_log("hub"), 10, "the hub's answer")
    time.sleep(0.5)
    assert n1.status()["holds"] == 0 and n1.status()["secret_bytes"] == 0
    cluster.run("hub", ["scancel", job])
    cluster.on("login").await_end(job)

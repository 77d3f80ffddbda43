# SPDX-License-Identifier: Apache-2.0
"""Submit check on nodes and login hosts: the hub checks the spec of a submission."""

import json
import os
import re
import signal
import time
from subprocess import PIPE, Popen

import pytest
from harness import poll
from login_fixtures import HUB, cluster, credential, hub_config, login, pki, secretctl  # noqa: F401


def submit(host, *options, user="alice"):
    """Submits a job that waits in the queue; returns sbatch's output and how long it took."""
    begin = time.monotonic()
    done = host.submit("true", "--hold", *options, user=user)
    return done, time.monotonic() - begin


def queued(hosts):
    return len(hosts.on("hub").jobs())


def cancel_all(hosts):
    hosts.run("hub", ["scancel", *hosts.on("hub").jobs()])


@pytest.mark.parametrize("name", ["login", "n1"])
def test_submit_check_on_login_host_and_node_rejects_unset_secret(cluster, canary, name):
    host = cluster.on(name)
    secretctl(host, "set", "HF_TOKEN", input=canary())
    done, _ = submit(host, "--secret=FORGOTTEN")
    assert done.code == 1 and queued(cluster) == 0
    assert done.err == "sbatch: error: secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN\n" \
                       "sbatch: error: spank: required plugin spank_secrets.so: init_post_opt() failed with rc=-1\n" \
                       "sbatch: error: Plugin stack post-option processing failed\n"
    done, _ = submit(host, "--secret=HF_TOKEN", user="bob")
    assert "secret HF_TOKEN is not set for bob" in done.err and queued(cluster) == 0
    for options in (["--secret=HF_TOKEN"], ["--secret=FORGOTTEN?"], ["--secrets-run=later", "--secret=X"], []):
        done, _ = submit(host, *options)
        assert (done.code, done.err) == (0, ""), options
    assert queued(cluster) == 4
    cancel_all(cluster)


def refusals(cluster):
    return re.findall(r"an agent at 10\.77\.0\.4 was refused: .*", cluster.agent_log("hub"))


def test_submit_check_is_skipped_on_login_host_not_listed_at_hub(cluster, login, hub_config):
    cluster.stop_agent("hub")
    cluster.start_agent("hub", hub_config("[]"))
    for _ in range(3):
        done, _ = submit(login, "--secret=FORGOTTEN")
        assert (done.code, done.err) == (0, "")
    refusal = refusals(cluster)[-1]
    assert "listen.login_hosts" in refusal and "10.77.0.4 is neither the address of node 'login'" in refusal
    assert len(refusals(cluster)) == 1, "one a minute"
    assert cluster.agent_log("login").count("jobs are submitted unchecked: the hub checks submissions only") == 1
    cancel_all(cluster)


def test_hub_reload_changes_login_hosts(cluster, login, hub_config):
    config = cluster.on("hub").dir / "agentd.yaml"

    def reload_with(login_hosts):
        before = cluster.agent_log("hub").count("reloaded ")
        config.write_text(hub_config(login_hosts))
        os.kill(cluster.on("hub").daemon_pid("slurm-secretsd"), signal.SIGHUP)
        poll(lambda: cluster.agent_log("hub").count("reloaded ") > before, 5, "the reload")
        assert "at the next restart" not in cluster.agent_log("hub")

    reload_with("[no-such-host.invalid]")
    poll(lambda: "listen.login_hosts: cannot resolve host no-such-host.invalid: " in cluster.agent_log("hub"), 10,
         "the sentence")
    poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 0, 5, "a job that is not checked")
    reload_with("[10.77.0.4, hub]")
    poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 1, 5, "a job that is refused")
    cancel_all(cluster)


def send_to_hub(cluster, host, body, user="root", made_on=None):
    """Sends a check from a host to the hub without the host's agent; returns the answer."""
    text = json.dumps(body)
    head = credential(cluster.on(made_on or host), "POST", "/v1/checks", text.encode(), user)
    done = cluster.run(host, ["curl", "-sS", "--cacert", cluster.dir / "login-pki" / "ca.crt", "-X", "POST",
                              "-H", f"Authorization: {head}", "-H", "Content-Type: application/json",
                              "--data-binary", "@-", "-w", "\n%{http_code}", f"{HUB}/v1/checks"], input=text)
    text, _, status = done.out.rpartition("\n")
    return int(status), json.loads(text)


def test_hub_answers_submit_checks_only_to_agents_of_cluster_hosts(cluster):
    alice, bob = (int(cluster.run("hub", ["id", "-u", user]).out) for user in ("alice", "bob"))
    body = {"uid": alice, "ask": "FORGOTTEN", "node": "n1"}
    assert send_to_hub(cluster, "n1", body) == (200, {
        "ok": False, "sentence": "secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN"})
    assert send_to_hub(cluster, "n1", {**body, "uid": bob, "ask": "A?"}) == (200, {"ok": True})
    # A node sends its name, and Slurm says which address the name has.
    assert send_to_hub(cluster, "n2", body)[0] == 403
    assert send_to_hub(cluster, "n2", {**body, "node": "n9"})[0] == 403
    assert send_to_hub(cluster, "n2", {**body, "node": "n2"})[0] == 200
    status, problem = send_to_hub(cluster, "n1", body, made_on="n2")
    assert status == 403 and "created at 10.77.0.3 but sent from 10.77.0.2" in problem["detail"]
    status, problem = send_to_hub(cluster, "n1", body, user="alice")
    assert status == 403 and "alice is not the account that the nodes' agents run as" in problem["detail"]
    for wrong in ({}, {**body, "uid": -1}, {**body, "uid": "alice"}, {**body, "ask": "A" * 9000}, {**body, "ask": 1},
                  {**body, "node": "n" * 65}, {**body, "more": 1}, []):
        assert send_to_hub(cluster, "n1", wrong)[0] == 400, wrong


def test_hub_denies_grant_for_job_id_0(cluster, canary):
    """For no job, Slurm's answer is only where the node is, which is no reason for a grant."""
    secretctl(cluster.on("hub"), "set", "HF_TOKEN", input=canary())
    alice = int(cluster.run("hub", ["id", "-u", "alice"]).out)
    body = json.dumps({"job": 0, "step": 0, "uid": alice, "node": "n1", "ask": "HF_TOKEN", "wait_ms": 0,
                       "patience_ms": 500})
    head = credential(cluster.on("n1"), "POST", "/v1/grants", body.encode(), "root")
    done = cluster.run("n1", ["curl", "-sS", "--cacert", cluster.dir / "login-pki" / "ca.crt", "-X", "POST",
                              "-H", f"Authorization: {head}", "-H", "Content-Type: application/json",
                              "--data-binary", "@-", f"{HUB}/v1/grants"], input=body)
    assert json.loads(done.out)["status"] == 503, done.out


@pytest.mark.parametrize("how", ["ended", "frozen"])
def test_submission_proceeds_unchecked_when_hub_does_not_answer(cluster, login, how):
    assert submit(login, "--secret=FORGOTTEN")[0].code == 1
    if how == "ended":
        cluster.stop_agent("hub")
        done, seconds = submit(login, "--secret=FORGOTTEN")
    else:
        with cluster.on("hub").daemon_frozen("slurm-secretsd"):
            done, seconds = submit(login, "--secret=FORGOTTEN")
        poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 1, 5, "a job that is refused again")
    assert (done.code, done.err) == (0, "")
    assert seconds < 1.4
    cancel_all(cluster)


def test_concurrent_submissions_do_not_delay_each_other_without_hub(cluster, login):
    """Each submission waits its own second and not for another's."""
    with cluster.on("hub").daemon_frozen("slurm-secretsd"):
        begin = time.monotonic()
        waiting = [Popen(login.command("alice", ["sbatch", "--hold", "--secret=FORGOTTEN", "--wrap=true"]),
                         stdout=PIPE, stderr=PIPE, text=True) for _ in range(8)]
        codes = [process.wait(timeout=20) for process in waiting]
        assert time.monotonic() - begin < 4
    for process in waiting:
        process.communicate()
    assert codes == [0] * 8
    cancel_all(cluster)

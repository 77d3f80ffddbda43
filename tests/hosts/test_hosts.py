# SPDX-License-Identifier: Apache-2.0
"""Checks the hosts themselves: Slurm, munge, networks and folders are what other tests assume."""

import pytest
import view
from four_hosts import ADDRESSES
from harness import poll


def test_cluster_has_two_idle_nodes(hosts):
    assert hosts.on("hub").sinfo() == ["n1 idle none", "n2 idle none"]


def test_job_runs_on_requested_node(hosts):
    for node in ("n1", "n2"):
        done = hosts.run("login", ["srun", "-w", node, "hostname"], user="alice")
        assert done.out == f"{node}\n"


def test_job_runs_on_both_nodes_at_once(hosts):
    done = hosts.run("hub", ["srun", "-N2", "hostname"], user="bob")
    assert sorted(done.out.split()) == ["n1", "n2"]


@pytest.mark.parametrize("host", ADDRESSES)
def test_munge_credential_names_encoding_host(hosts, host):
    credential = hosts.run(host, ["munge", "-n"], user="alice").out
    opened = hosts.run("hub", ["unmunge"], input=credential).out
    assert f"ENCODE_HOST:     {host} ({ADDRESSES[host]})" in opened.splitlines()


def test_munge_rejects_credential_of_another_key(hosts):
    with hosts.on("login").another_munge_key():
        credential = hosts.run("login", ["munge", "-n"]).out
        refused = hosts.run("hub", ["unmunge"], input=credential, check=False)
        assert refused.code != 0 and "Invalid credential" in refused.err


def test_login_host_reaches_slurmctld_and_runs_no_slurm_daemon(hosts):
    login = hosts.on("login")
    assert login.daemons() == {}
    assert login.sinfo() == login.nodes
    hosts.run("login", ["bash", "-c", ": </dev/tcp/hub/28217"])


def test_run_directory_is_private_to_each_host(hosts):
    hosts.run("n1", ["touch", "/run/slurm-secrets/of-n1"])
    try:
        assert hosts.on("n1").local_path("/run/slurm-secrets/of-n1").exists()
        assert not hosts.on("n2").local_path("/run/slurm-secrets/of-n1").exists()
    finally:
        hosts.run("n1", ["rm", "/run/slurm-secrets/of-n1"])


def test_agents_without_hub_share_no_runs(hosts, canary):
    for node in ("n1", "n2"):
        hosts.start_agent(node)
    value = canary()
    hosts.on("n2").push("demo-1", workspace={"HF_TOKEN": value})
    # The job may not print the value, which the hunt after the test would find.
    compare = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']
    done = hosts.on("login").srun("-w", "n2", "--secrets-run=demo-1", *compare, input=value)
    assert (done.code, done.out) == (0, "n2\n"), done.err
    done = hosts.on("login").srun("-w", "n1", "--secrets-run=demo-1", "hostname")
    assert done.code != 0 and done.out == ""
    assert "run demo-1 was not pushed within 1 s" in done.err
    assert hosts.on("n1").runs() == []
    assert "demo-1" in hosts.agent_log("n1") and value not in hosts.agent_log("n2")


def test_view_on_node_reaches_slurmctld(hosts):
    hosts.start_view("n1")
    socket = hosts.on("n1").local_path("/run/slurm-secrets-view/view.sock")
    job = hosts.on("login").sbatch("sleep 300", "-w", "n2")
    poll(lambda: view.query_jobs(socket, job) == ([view.ACTIVE], ""), 10, "the start of the job")
    hosts.run("hub", ["scancel", job])
    poll(lambda: view.query_jobs(socket, job) == ([view.ENDED], ""), 10, "the end of the job")


def test_slurmctld_restores_running_job_after_kill(hosts):
    login = hosts.on("login")
    job = login.sbatch("sleep 300")
    poll(lambda: login.job_state(job) == "RUNNING", 15, "the start of the job")
    # slurmctld saves its state seconds later; if killed before, it forgets the job, or that the job runs.
    hosts.run("hub", ["scontrol", "update", f"jobid={job}", "comment=known-to-run"])
    state = hosts.dir / "state" / "job_state"
    poll(lambda: state.exists() and b"known-to-run" in state.read_bytes(), 20,
         "the job in slurmctld's state")
    hosts.kill_slurmctld()
    connect = ["bash", "-c", ": </dev/tcp/hub/28217"]
    assert "Connection refused" in hosts.run("login", connect, check=False).err
    hosts.start_slurmctld()
    assert login.job_state(job) == "RUNNING"
    hosts.run("login", ["scancel", job], user="alice")
    login.await_end(job)


def test_cut_off_host_loses_network_and_others_do_not(hosts):
    connect = ["timeout", "1", "bash", "-c", ": </dev/tcp/hub/28217"]
    with hosts.on("login").cut_off():
        assert hosts.run("login", connect, check=False).code != 0
        hosts.run("n1", connect)
    # The first packets may be lost while the bridge learns of the host again.
    poll(lambda: hosts.run("login", connect, check=False).code == 0, 15, "the network of login")

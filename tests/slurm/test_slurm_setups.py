# SPDX-License-Identifier: Apache-2.0
"""Promise: jobs get their secrets however Slurm is set up: without configuration on the nodes, with nodes that are added while it
runs, with several slurmds on a host, without munge, with its processes in cgroups of either version."""

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import view
from harness import BUILD, poll, slurm_version

VERSION = slurm_version()
RUN = ("--secrets-run=run-setup", "--secret=TOK,HELD:hold")
# Print the value of a variable and one that is read in the job.
SCRIPT = "printenv TOK; $ctl get HELD; echo; "
STEPS = "srun -n1 printenv TOK; srun -n1 $ctl get HELD"


def start(cluster, name, *command, without_conf=False):
    """Starts a daemon of the cluster in place of one that was killed, as tests/slurm/cluster does."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    if not without_conf:
        environment["SLURM_CONF"] = str(cluster.dir / "slurm.conf")
    with open(cluster.dir / "log" / f"{name}.out", "ab") as log:
        process = subprocess.Popen(command, cwd=cluster.dir / "daemons", env=environment, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, start_new_session=True)
    (cluster.dir / "daemons" / name).write_text(f"{process.pid}\n")
    return process


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def edit(path, pattern, replacement, count=1):
    text, number = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert number >= count, (path, pattern)
    path.write_text(text)


def await_idle(cluster):
    poll(lambda: all(line.split()[1] == "idle" for line in cluster.sinfo()), 30, f"idle nodes (now {cluster.sinfo()})")


def check_job(cluster, canary, *options, steps=STEPS):
    """Checks that a job gets both kinds of secret in its script and in a step."""
    values = {"TOK": canary("TOK"), "HELD": canary("HELD")}
    cluster.push("run-setup", user=values)
    ctl = f"ctl='{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock'\n"
    done = cluster.run_batch(ctl + SCRIPT + steps, *RUN, *options)
    assert done.out.split() == [values["TOK"], values["HELD"]] * (2 if steps else 1), done.err
    cluster.complete("run-setup")


# ---- configless -------------------------------------------------------------------------------------


# slurmd asks for the configuration with the munge of the host, and links to what it got in /run.
OWN_RUN = """mount -t tmpfs -o mode=755 run /run && mkdir /run/munge && ln -s {} /run/munge/munge.socket.2 && exec "$@" """


def test_configless_node_loads_plugin_of_included_file(new_cluster, canary):
    """slurmctld sends plugstack.conf and, in later versions, the files that it includes without a path."""
    cluster = new_cluster("--slurm-conf", "SlurmctldParameters=enable_configless")
    for conf in ("slurm.conf", "slurm-noplugin.conf"):
        edit(cluster.dir / conf, "^PlugStackConfig=.*\n", "")
    own = (cluster.dir / "plugstack.conf").read_text()
    sent = "secrets.conf" if VERSION >= (23, 2) else "plugstack.conf"
    (cluster.dir / "plugstack.conf").write_text("include secrets.conf\n")
    (cluster.dir / sent).write_text(own)
    for name in ("slurmctld", "slurmd-n1", "slurmd-n2"):
        cluster.daemon_kill(name)
    cluster.controller_start()
    port = re.search(r"^SlurmctldPort=(\d+)", (cluster.dir / "slurm.conf").read_text(), re.MULTILINE)[1]
    own_run = ["unshare", "--mount", "sh", "-c", OWN_RUN.format(cluster.dir / "run" / "munge.sock"), "sh"]
    for node in ("n1", "n2"):
        slurmd = ["slurmd", "-D", "-N", node, "--conf-server", f"127.0.0.1:{port}"]
        start(cluster, f"slurmd-{node}", *own_run, *slurmd, without_conf=True)
    await_idle(cluster)
    cache = cluster.dir / "spool-n1" / "conf-cache"
    assert (cache / sent).read_text() == own
    check_job(cluster, canary, "-wn1")


# ---- nodes that are added, several slurmds ----------------------------------------------------------


@pytest.mark.skipif(VERSION < (26, 5), reason="before Slurm 26.05 jobs reach no created node at another port of this host")
def test_node_that_was_created_gives_secrets_and_is_found_by_view(new_cluster, canary):
    cluster = new_cluster("--slurm-conf", "MaxNodeCount=10")
    port = free_port()
    host = os.uname().nodename.split(".")[0]
    done = cluster.scontrol("create", "NodeName=added", f"NodeHostname={host}", "NodeAddr=127.0.0.1", f"Port={port}", "CPUs=4",
                            "State=CLOUD")
    assert done.code == 0, done.err
    (cluster.dir / "spool-added").mkdir(mode=0o755)
    start(cluster, "slurmd-added", "slurmd", "-D", "-Z", "-N", "added", "--conf", f"NodeAddr=127.0.0.1 Port={port} CPUs=4")
    cluster.scontrol("update", "PartitionName=debug", "Nodes=n1,n2,added")
    cluster.nodes = sorted([*cluster.nodes, "added idle none"])
    try:
        await_idle(cluster)
        cluster.view_stop()
        cluster.view_start("n1", "added")
        check_job(cluster, canary, "-wadded", steps="")
    finally:
        poll(lambda: not cluster.jobs(), 10, "the end of all jobs")
        cluster.daemon_kill("slurmd-added")
        cluster.scontrol("delete", "NodeName=added")
        cluster.nodes.remove("added idle none")


def test_view_finds_jobs_of_several_slurmds_of_host(new_cluster, canary):
    cluster = new_cluster()
    cluster.view_stop()
    cluster.view_start("n1", "n2")
    for node in ("n1", "n2"):
        check_job(cluster, canary, f"-w{node}")


def test_view_tells_apart_slurmd_that_cannot_be_asked(new_cluster):
    """A process that the other slurmd does not know may be one of a job there."""
    cluster = new_cluster()
    cluster.view_stop()
    cluster.view_start("n1", "n2")
    assert view.job_of(cluster.view_socket, os.getpid()) == 0
    job = cluster.sbatch("echo $$; sleep 60", "-wn2")
    pid = int(cluster.await_file(f"{job}.out"))
    assert view.job_of(cluster.view_socket, pid) == int(job)
    cluster.daemon_kill("slurmd-n1")
    assert view.job_of(cluster.view_socket, pid) == int(job)
    assert "cannot query slurmd" in view.job_of(cluster.view_socket, os.getpid())
    cluster.node_start("n1")
    cluster.as_user("root", ["scancel", job])


# ---- auth/slurm -------------------------------------------------------------------------------------


@pytest.mark.skipif(VERSION < (23, 11), reason="auth/slurm begins with Slurm 23.11")
def test_cluster_without_munge_gives_secrets(new_cluster, canary):
    cluster = new_cluster()
    for name in ("slurm-secrets-view", "slurmd-n1", "slurmd-n2", "slurmctld", "munged"):
        cluster.daemon_kill(name)
    key = cluster.dir / "slurm.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    for conf in ("slurm.conf", "slurm-noplugin.conf"):
        edit(cluster.dir / conf, "^AuthType=.*", "AuthType=auth/slurm")
        edit(cluster.dir / conf, "^CredType=.*", "CredType=auth/slurm")
        edit(cluster.dir / conf, "^AuthInfo=.*", "AuthInfo=cred_expire=5")
    cluster.controller_start()
    for node in ("n1", "n2"):
        cluster.node_start(node)
    await_idle(cluster)
    cluster.view_start()
    check_job(cluster, canary, "-wn1")


# ---- cgroups ----------------------------------------------------------------------------------------


def remove_cgroups():
    def removed(top):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not top.exists()

    for top in Path("/sys/fs/cgroup").glob("*/slurm_n[12]"):
        poll(lambda: removed(top), 5, f"the removal of {top}")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_job_in_cgroups_gets_secrets(new_cluster, canary, version):
    """slurmd finds the job of a process by its cgroup, whatever that is called; also of one that left its session."""
    cluster = new_cluster()
    for name in ("slurmd-n1", "slurmd-n2", "slurmctld"):
        cluster.daemon_kill(name)
    (cluster.dir / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/{version}\nCgroupMountpoint=/sys/fs/cgroup\nIgnoreSystemd=yes\n")
    edit(cluster.dir / "slurm.conf", "^ProctrackType=.*", "ProctrackType=proctrack/cgroup")
    cluster.controller_start()
    cluster.node_start("n1")
    log = cluster.dir / "log" / "slurmd-n1.out"
    try:
        poll(lambda: not cluster.daemon_runs("slurmd-n1") or cluster.sinfo()[0] == "n1 idle none", 20, "slurmd's start")
        if not cluster.daemon_runs("slurmd-n1"):
            why = re.search("(?:fatal|error): (.*)", log.read_text().split("slurmd started on")[-1])
            edit(cluster.dir / "slurm.conf", "^ProctrackType=.*", "ProctrackType=proctrack/linuxproc")
            (cluster.dir / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
            pytest.skip(f"slurmd does not start with cgroups {version} on this machine: {why and why[1]}")
        check_job(cluster, canary, "-wn1")
        value = canary("HELD")
        cluster.push("run-cgroup", user={"HELD": value})
        get = f"setsid --fork {BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock get HELD; sleep 1"
        done = cluster.run_batch(f"grep -q slurm /proc/self/cgroup && {get}", "-wn1", "--secrets-run=run-cgroup", "--secret=HELD:hold")
        assert done.out == value, done.err
    finally:
        cluster.node_start("n2") if cluster.daemon_runs("slurmd-n1") else [cluster.node_start(node) for node in ("n1", "n2")]
        await_idle(cluster)
    cluster.daemon_kill("slurmd-n1")
    remove_cgroups()
    cluster.node_start("n1")

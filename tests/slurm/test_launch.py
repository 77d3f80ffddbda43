# SPDX-License-Identifier: Apache-2.0
"""Launch: a job's processes have its secrets however the job is started, and no process of Slurm has."""

import os
import pty
import select
import subprocess
import time

import hunt
import pytest
from harness import poll

RUN = "--secrets-run=run-launch"


@pytest.fixture
def token(cluster, canary):
    value = canary("TOK")
    cluster.push("run-launch", user={"TOK": value})
    return value


def test_batch_script_and_steps_get_secret(cluster, token):
    done = cluster.run_batch("printenv TOK; srun -n1 printenv TOK; srun -n1 bash -c 'printenv TOK'", RUN)
    assert done.out.split() == [token] * 3, done.err


def test_sbatch_directive_gives_renamed_secret(cluster, token):
    done = cluster.run_batch(f"#!/bin/bash\n#SBATCH {RUN}\n#SBATCH --secret=TOK=OTHER\nprintenv OTHER")
    assert done.out.split() == [token], done.err


def test_direct_srun_gets_secret(cluster, token):
    assert cluster.srun(RUN, "printenv", "TOK").out.split() == [token]


def test_step_of_many_tasks_requests_one_grant_per_node(cluster, token):
    grants_before = cluster.agent_log().count("was granted")
    done = cluster.srun("-N2", "-n8", RUN, "bash", "-c", "echo $SLURMD_NODENAME $TOK")
    lines = sorted(done.out.split("\n")[:-1])
    assert len(lines) == 8 and {line.split()[1] for line in lines} == {token}, done.err
    assert {line.split()[0] for line in lines} == {"n1", "n2"}
    assert cluster.agent_log().count("was granted") == grants_before + 2


def test_batch_step_over_two_nodes_gets_secret(cluster, token):
    done = cluster.run_batch("srun bash -c 'echo $SLURMD_NODENAME $TOK' | sort", "-N2", "-n4", "--ntasks-per-node=2", RUN)
    assert done.out.splitlines() == [f"n1 {token}"] * 2 + [f"n2 {token}"] * 2, done.err


def test_salloc_gives_secret_to_steps_and_not_to_its_shell(cluster, token):
    done = cluster.salloc("-n1", RUN, "bash", "-c", "echo shell=$TOK; srun printenv TOK")
    assert done.out.split() == ["shell=", token], done.err


def test_array_tasks_get_secret(cluster, token):
    job = cluster.sbatch("printenv TOK > array-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID", "--array=1-3", RUN)
    poll(lambda: not cluster.jobs(), 30, "the array's end")
    for task in (1, 2, 3):
        assert (cluster.out / f"array-{job}-{task}").read_text().strip() == token


def test_inner_sbatch_gets_secret_by_grant_and_not_by_environment(cluster, token):
    script = "sbatch --parsable --output=inner.out --wrap 'printenv TOK; echo done' >inner-id"
    outer = cluster.sbatch(script, RUN)
    cluster.wait(outer)
    cluster.await_end((cluster.out / "inner-id").read_text().strip())
    assert (cluster.out / "inner.out").read_text().split() == [token, "done"]
    # The hunt after every test searches slurmctld's state; this search happens while the job is still queued.
    held = "sbatch --parsable --hold --wrap true >held-id"
    cluster.wait(cluster.sbatch(held, RUN))
    environments = list(cluster.dir.glob("state/hash.*/job.*/environment"))
    content = b"".join(path.read_bytes() for path in environments)
    assert environments and token.encode() not in content
    assert b"SLURM_SECRETS=run:run-launch" in content
    cluster.as_user("alice", ["scancel", (cluster.out / "held-id").read_text().strip()])


def test_forged_secrets_set_list_removes_no_steering_variable(cluster, token):
    forged = {"SLURM_SECRETS_SET": "PYTHONPATH,MINE,,a b", "PYTHONPATH": "/kept", "MINE": "taken"}
    done = cluster.run_batch("echo $PYTHONPATH $MINE; printenv TOK", RUN, env=forged)
    assert done.out.split() == ["/kept", token], done.err


def test_task_drops_secrets_set_list_of_host_without_plugin(cluster, token):
    """A list from a host without the plugin would make an inner command remove variables."""
    foreign = {"SLURM_SECRETS_SET": "MINE", "MINE": "mine"}
    done = cluster.srun("env", env=foreign, plugin=False)
    assert "MINE=mine\n" in done.out and "SLURM_SECRETS_SET" not in done.out


def test_slurm_processes_hold_no_value_while_step_runs(cluster, token):
    job = cluster.sbatch("srun -n4 bash -c 'echo $TOK >running-$SLURM_PROCID; sleep 15'", "-N2", "-n4", RUN)
    assert {cluster.await_file(f"running-{task}").strip() for task in range(4)} == {token}
    steps = cluster.slurmstepd_pids()
    assert len(steps) == 3  # the batch step, and the other step on each of two nodes
    found = [location for pid in steps for location, _ in hunt.in_memory("a slurmstepd", pid, [token.encode()])]
    for name in ("slurmctld", "slurmd-n1", "slurmd-n2", "slurm-secretsd"):
        found += [location for location, _ in hunt.in_memory(name, cluster.daemon_pid(name), [token.encode()])]
    assert not found
    cluster.as_user("alice", ["scancel", job])


def test_interactive_pty_step_gets_secret(cluster, token):
    main, side = pty.openpty()
    command = cluster.command("alice", ["srun", "--pty", RUN, "bash", "--norc"])
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, cwd=cluster.out, start_new_session=True) as step:
        os.close(side)
        os.write(main, b"echo TOK=$TOK; exit\n")
        shown = b""
        end = time.monotonic() + 20
        while f"TOK={token}".encode() not in shown and time.monotonic() < end:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    shown += os.read(main, 4096)
                except OSError:  # the terminal's other side closed
                    break
        step.wait(timeout=20)
    os.close(main)
    assert f"TOK={token}".encode() in shown


def test_grandchildren_of_task_inherit_secret(cluster, token):
    fan_out = "for n in 1 2 3; do (setsid bash -c 'echo $TOK') & done; wait"
    done = cluster.srun("-N2", "-n2", RUN, "bash", "-c", fan_out)
    assert done.out.split() == [token] * 6, done.err


def test_task_environment_has_no_inherited_spank_options(cluster, token):
    done = cluster.run_batch("env; srun -n1 env", RUN, "--secret=TOK")
    assert done.out.count(f"TOK={token}") == 2
    assert "SPANK_OPTION" not in done.out
    done = cluster.salloc("-n1", RUN, "--secret=TOK", "srun", "env")
    assert done.out.count(f"TOK={token}") == 1
    assert "SPANK_OPTION" not in done.out


def test_job_without_spec_gets_nothing_and_contacts_no_agent(cluster, token):
    with cluster.agent_frozen():
        done = cluster.run_batch("env; srun -n1 env")
    assert "TOK" not in done.out and "SLURM_SECRETS" not in done.out
    assert not done.err

"""However a job is started, its processes have its secrets, and nothing else of Slurm's has."""

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


def test_a_batch_script_and_its_steps(cluster, token):
    done = cluster.run_batch("printenv TOK; srun -n1 printenv TOK; srun -n1 bash -c 'printenv TOK'", RUN)
    assert done.out.split() == [token] * 3, done.err


def test_a_directive_in_the_script(cluster, token):
    done = cluster.run_batch(f"#!/bin/bash\n#SBATCH {RUN}\n#SBATCH --secret=TOK=OTHER\nprintenv OTHER")
    assert done.out.split() == [token], done.err


def test_srun_alone(cluster, token):
    assert cluster.srun(RUN, "printenv", "TOK").out.split() == [token]


def test_a_step_of_many_tasks_on_two_nodes_asks_once_a_node(cluster, token):
    asked_before = cluster.agent_log().count("was granted")
    done = cluster.srun("-N2", "-n8", RUN, "bash", "-c", "echo $SLURMD_NODENAME $TOK")
    lines = sorted(done.out.split("\n")[:-1])
    assert len(lines) == 8 and {line.split()[1] for line in lines} == {token}, done.err
    assert {line.split()[0] for line in lines} == {"n1", "n2"}
    assert cluster.agent_log().count("was granted") == asked_before + 2


def test_a_step_of_a_batch_job_over_two_nodes(cluster, token):
    done = cluster.run_batch("srun bash -c 'echo $SLURMD_NODENAME $TOK' | sort", "-N2", "-n4", "--ntasks-per-node=2", RUN)
    assert done.out.splitlines() == [f"n1 {token}"] * 2 + [f"n2 {token}"] * 2, done.err


def test_salloc_serves_the_steps_and_not_its_own_shell(cluster, token):
    done = cluster.salloc("-n1", RUN, "bash", "-c", "echo shell=$TOK; srun printenv TOK")
    assert done.out.split() == ["shell=", token], done.err


def test_an_array(cluster, token):
    job = cluster.sbatch("printenv TOK > array-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID", "--array=1-3", RUN)
    poll(lambda: not cluster.jobs(), 30, "the array's end")
    for task in (1, 2, 3):
        assert (cluster.out / f"array-{job}-{task}").read_text().strip() == token


def test_an_inner_sbatch_has_them_by_injection_and_not_by_its_environment(cluster, token):
    script = "sbatch --parsable --output=inner.out --wrap 'printenv TOK; echo done' >inner-id"
    outer = cluster.sbatch(script, RUN)
    cluster.wait(outer)
    cluster.await_end((cluster.out / "inner-id").read_text().strip())
    assert (cluster.out / "inner.out").read_text().split() == [token, "done"]
    # The hunt that follows every test searches the controller's state; here while the job still waits.
    held = "sbatch --parsable --hold --wrap true >held-id"
    cluster.wait(cluster.sbatch(held, RUN))
    environments = list(cluster.dir.glob("state/hash.*/job.*/environment"))
    content = b"".join(path.read_bytes() for path in environments)
    assert environments and token.encode() not in content
    assert b"SLURM_SECRETS=run:run-launch" in content
    cluster.as_user("alice", ["scancel", (cluster.out / "held-id").read_text().strip()])


def test_a_forged_list_of_what_was_set_takes_nothing_away_that_no_secret_sets(cluster, token):
    forged = {"SLURM_SECRETS_SET": "PYTHONPATH,MINE,,a b", "PYTHONPATH": "/kept", "MINE": "taken"}
    done = cluster.run_batch("echo $PYTHONPATH $MINE; printenv TOK", RUN, env=forged)
    assert done.out.split() == ["/kept", token], done.err


def test_a_task_has_no_list_of_what_was_set_but_its_own(cluster, token):
    """One that came from a host without the plugin would have an inner command take variables away."""
    foreign = {"SLURM_SECRETS_SET": "MINE", "MINE": "mine"}
    done = cluster.srun("env", env=foreign, plugin=False)
    assert "MINE=mine\n" in done.out and "SLURM_SECRETS_SET" not in done.out


def test_while_a_step_runs_none_of_slurm_s_processes_holds_its_value(cluster, token):
    job = cluster.sbatch("srun -n4 bash -c 'echo $TOK >running-$SLURM_PROCID; sleep 15'", "-N2", "-n4", RUN)
    assert {cluster.await_file(f"running-{task}").strip() for task in range(4)} == {token}
    steps = cluster.slurmstepd_pids()
    assert len(steps) == 3  # the batch step, and the other on each of two nodes
    found = [place for pid in steps for place, _ in hunt.in_memory("a slurmstepd", pid, [token.encode()])]
    for name in ("slurmctld", "slurmd-n1", "slurmd-n2", "slurm-secretsd"):
        found += [place for place, _ in hunt.in_memory(name, cluster.daemon_pid(name), [token.encode()])]
    assert not found
    cluster.as_user("alice", ["scancel", job])


def test_an_interactive_step_on_a_terminal(cluster, token):
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


def test_grandchildren_of_a_task_inherit_them(cluster, token):
    fan_out = "for n in 1 2 3; do (setsid bash -c 'echo $TOK') & done; wait"
    done = cluster.srun("-N2", "-n2", RUN, "bash", "-c", fan_out)
    assert done.out.split() == [token] * 6, done.err


def test_the_inherited_options_of_an_outer_command_are_gone(cluster, token):
    done = cluster.run_batch("env; srun -n1 env", RUN, "--secret=TOK")
    assert done.out.count(f"TOK={token}") == 2
    assert "SPANK_OPTION" not in done.out
    done = cluster.salloc("-n1", RUN, "--secret=TOK", "srun", "env")
    assert done.out.count(f"TOK={token}") == 1
    assert "SPANK_OPTION" not in done.out


def test_a_job_that_asks_for_nothing_gets_nothing_and_asks_nobody(cluster, token):
    with cluster.agent_frozen():
        done = cluster.run_batch("env; srun -n1 env")
    assert "TOK" not in done.out and "SLURM_SECRETS" not in done.out
    assert not done.err

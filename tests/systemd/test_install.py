"""A newcomer's way: what is installed is enabled, a job gets its secret, and all of it can be taken away again."""

import time


def test_enable_now_is_all_that_it_takes(machine, canary):
    """From there to a job's secret and its end, as the admin sees it in the journal."""
    assert machine.show("ActiveState") == "active"
    assert machine.systemctl("is-enabled", "slurm-secretsd").out == "enabled\n"

    begin = time.time()
    value = canary()
    machine.push("first", workspace={"TOKEN": value})
    job = machine.sbatch("printenv TOKEN; echo asked", "--secrets-run=first")
    done = machine.wait(job)
    assert (done.code, done.out) == (0, f"{value}\nasked\n"), done.err
    refused = machine.srun("--secrets-run=first", "--secret=NOPE", "true")
    assert refused.code != 0 and "secret NOPE is not among the secrets of run first" in refused.err
    machine.complete("first")

    told = machine.journal(begin)
    for words in ("pushed", "first", "TOKEN", f"job {job}", "alice", "complete", "NOPE"):
        assert words in told, told
    assert value not in told

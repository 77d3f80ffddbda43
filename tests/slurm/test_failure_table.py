# SPDX-License-Identifier: Apache-2.0
"""Whatever the agent does, a job that requests secrets gets them or fails with a sentence: no node drains, nothing is requeued,
and a job without secrets does not notice."""

import contextlib
import time

import pytest
from harness import poll
from plugin_protocol import REFUSED, text_message
from slow_agent import SlowAgent

GARBAGE = b"\xff" * 40
TIMEOUT = 5  # seconds, the plugin's own


def absent(cluster):
    @contextlib.contextmanager
    def stopped():
        cluster.agent_stop()
        try:
            yield
        finally:
            cluster.agent_start()
    return stopped()


def between(**options):
    return lambda cluster: SlowAgent(cluster.dir / "run" / "node.sock", **options)


# What the agent does, whether the job then gets its secret, and what its output says.
ROWS = {
    "absent": (absent, False, "is slurm-secretsd running?"),
    "hung": (lambda cluster: cluster.agent_frozen(), False, "did not reply within 5 s (receiving timed out)"),
    "garbage": (between(reply=GARBAGE), False, "an invalid message: it does not belong to a slurm-secrets protocol"),
    "refusing": (between(reply=text_message(REFUSED, "no such secret")), False, "no such secret"),
    "slow by less than the timeout": (between(delay=TIMEOUT - 1), True, ""),
    "slow by more than the timeout": (between(delay=TIMEOUT + 1), False, "did not reply within 5 s (receiving timed out)"),
}


def is_without_notice(cluster):
    begin = time.monotonic()
    done = cluster.srun("-n1", "true")
    return done.code == 0 and not done.err and time.monotonic() - begin < TIMEOUT - 2


@pytest.mark.parametrize("row", ROWS)
def test_agents_fault_fails_job_with_sentence_and_harms_nothing_else(cluster, canary, row):
    make, gets, sentence = ROWS[row]
    value = canary("TOK")
    run = "run-" + row.replace(" ", "-")
    cluster.push(run, user={"TOK": value})
    ask = f"--secrets-run={run}"
    before = set(cluster.out.glob("*.out"))
    with make(cluster):
        jobs = [cluster.sbatch("printenv TOK", ask, "--requeue", "--output=%j.out", *more) for more in ((), ("--array=1-2",))]
        step = cluster.srun(ask, "-n1", "printenv", "TOK")
        assert is_without_notice(cluster)
        assert (step.code == 0, step.out == f"{value}\n") == (gets, gets), step.err
        assert sentence in step.err, step.err
        for job in jobs:
            cluster.await_end(job, 40)
        poll(lambda: cluster.sinfo() == cluster.nodes, 20, "idle nodes")
    for job in jobs:
        shown = cluster.scontrol("show", "job", job).out
        assert "Restarts=0" in shown and "JobState=PENDING" not in shown, shown
        assert ("COMPLETED" if gets else "FAILED") in shown, shown
    outputs = [path.read_text() for path in set(cluster.out.glob("*.out")) - before]
    assert sum(text == f"{value}\n" for text in outputs) == (3 if gets else 0), outputs

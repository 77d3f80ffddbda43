# SPDX-License-Identifier: Apache-2.0
"""Promise: a random secret is made for one job: the same in all its steps, on all its nodes and in all forms, another
one in every other job, and gone with the job."""

import re

from harness import BUILD, poll

HEX = re.compile(r"[0-9a-f]{64}")


def test_random_secret_is_same_in_all_steps_tasks_and_forms_of_a_job(cluster):
    ctl = f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock"
    done = cluster.run_batch(
        f"echo $KEY; cat $KEY_FILE; echo; srun -n2 printenv KEY; srun -n1 --secret=KEY=OTHER:random printenv OTHER; "
        f"{ctl} get KEY; echo; srun -n1 --secret=KEY:random:hold {ctl} exec -- printenv KEY",
        "-wn1", "-n2", "--secret=KEY:random,KEY:random:file")
    values = done.out.split()
    assert len(values) == 7 and len(set(values)) == 1 and HEX.fullmatch(values[0]), (values, done.err)


def test_random_secret_is_same_on_all_nodes_of_a_job(cluster):
    """Both nodes of the tests share one agent, as one host's do."""
    done = cluster.srun("-N2", "-n2", "--secret=KEY:random", "printenv", "KEY")
    assert len(done.out.split()) == 2 and len(set(done.out.split())) == 1, done.err


def test_random_secret_is_another_one_in_each_job_and_after_requeue(cluster):
    first, second = (cluster.srun("--secret=KEY:random", "printenv", "KEY").out for _ in range(2))
    assert first != second
    job = cluster.sbatch("echo $KEY >key.$SLURM_RESTART_COUNT; [ ${SLURM_RESTART_COUNT:-0} = 0 ] && sleep 1000",
                         "--requeue", "--secret=KEY:random")
    before = cluster.await_file("key.")
    assert cluster.scontrol("requeue", job).code == 0
    cluster.scontrol("update", f"JobId={job}", "StartTime=now")
    after = cluster.await_file("key.1", 60)
    assert HEX.fullmatch(before.strip()) and HEX.fullmatch(after.strip()) and before != after
    cluster.await_end(job)


def test_random_secret_is_wiped_with_its_job(cluster):
    job = cluster.sbatch("echo >started; sleep 1000", "--secret=KEY:random=1024")
    cluster.await_file("started")
    assert cluster.status()["secret_bytes"] >= 2048
    cluster.as_user("root", ["scancel", job])
    poll(lambda: cluster.status()["secret_bytes"] == 0, 20, "the wipe")
    assert cluster.status()["holds"] == 0


def test_random_secret_is_never_the_stored_one_of_that_name(cluster, canary):
    value = canary()
    cluster.push("run-random", user={"KEY": value})
    done = cluster.srun("--secrets-run=run-random", "--secret=KEY:random=16,KEY=STORED", "printenv", "KEY", "STORED")
    made, stored = done.out.split()
    assert stored == value and re.fullmatch(r"[0-9a-f]{32}", made)


def test_random_secret_of_job_is_not_passed_to_slurm_by_inner_command(cluster):
    done = cluster.run_batch("export COPY=$KEY; sbatch --parsable --hold --wrap 'printenv KEY COPY' --output=%A.out; echo $KEY",
                             "--secret=KEY:random")
    inner, outer = done.out.split()
    record = (cluster.dir / "state" / f"hash.{int(inner) % 10}" / f"job.{inner}" / "environment").read_bytes()
    assert outer.encode() not in record
    cluster.scontrol("release", inner)
    cluster.await_end(inner)
    values = (cluster.out / f"{inner}.out").read_text().split()
    assert len(set(values)) == 1 and values[0] != outer

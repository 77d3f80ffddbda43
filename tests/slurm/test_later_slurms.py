# SPDX-License-Identifier: Apache-2.0
"""Promise: what later versions of Slurm brought gives a job its secrets, or refuses them with a sentence; no value is
stored by it."""

import shutil

import pytest
from conftest import running_cluster
from harness import poll, slurm_version

VERSION = slurm_version()
RUN = ("--secrets-run=run-later",)


def since(year, month, what):
    return pytest.mark.skipif(VERSION < (year, month), reason=f"{what} begins with Slurm {year}.{month:02}")


@pytest.fixture(scope="module")
def cluster(request):
    with running_cluster(request.session, "--slurm-conf", "SlurmctldParameters=enable_stepmgr",
                         "--slurm-conf", "ScronParameters=enable", "--slurm-conf", "PrologFlags=Contain") as cluster:
        yield cluster


@pytest.fixture
def value(cluster, canary):
    value = canary("TOK")
    cluster.push("run-later", user={"TOK": value})
    return value


# ---- the step manager -------------------------------------------------------------------------------

stepmgr = since(24, 5, "the step manager")


@stepmgr
def test_job_with_step_manager_gets_secrets_in_script_and_steps(cluster, value):
    steps = ["srun -N1 -n1", "srun -N2 -n2", "srun -n1 --secret=TOK=OTHER", "srun -n1 --secrets=none"]
    script = "printenv TOK; " + "; ".join(f"{step} env | grep -c $TOK" for step in steps)
    done = cluster.run_batch(script, "--stepmgr", "-N2", *RUN, "--secret=TOK")
    assert done.out.split() == [value, "1", "2", "1", "0"], done.err


@stepmgr
def test_allocation_with_step_manager_gives_secrets_to_steps(cluster, value):
    done = cluster.salloc("--stepmgr", "-N2", *RUN, "--secret=TOK", "srun", "printenv", "TOK")
    assert done.out.split() == [value] * 2, done.err


# ---- srun --async -----------------------------------------------------------------------------------

asynchronous = since(26, 5, "srun --async")


@pytest.fixture
def started(cluster):
    """Runs a job's script, which may end in a pause, until its steps have written what the test waits for."""
    jobs = []

    def start(script, *options):
        jobs.append(cluster.sbatch(f"{script}; sleep 60", "--stepmgr", *options))
        return jobs[-1]

    yield start
    for job in jobs:
        cluster.as_user("root", ["scancel", job])
    (cluster.out / "async.out").unlink(missing_ok=True)


@asynchronous
@pytest.mark.parametrize("options, out", [("--secret=TOK", 1), ("", 1), ("--secrets=none", 0), ("--secret=TOK:file", 1)])
def test_asynchronous_step_gets_what_it_requests(cluster, value, started, options, out):
    started(f"srun --async -n1 {options} --output=async.out sh -c 'echo $TOK $(cat $TOK_FILE </dev/null) end'",
            *RUN, "--secret=TOK")
    assert cluster.await_file("async.out").split() == [value] * out + ["end"]


@asynchronous
def test_asynchronous_step_that_is_refused_says_so_in_its_output_only(cluster, value, started):
    """srun --async ends when the step is accepted, which is before its request is."""
    step = f"SLURM_CONF={cluster.dir}/slurm-noplugin.conf SLURM_SECRETS=run:run-later,NOPE srun --async -n1"
    job = started(f"{step} --output=async.out echo ran; echo ended with $?")
    text = cluster.await_file("async.out")
    assert "secret NOPE is not among the secrets of run run-later" in text and "ran\n" not in text
    assert cluster.await_file(f"{job}.out").endswith("ended with 0\n")


# ---- containers of --container ----------------------------------------------------------------------

# Stands in for runc: shows what Slurm gave the container.
RUNTIME = """#!/bin/bash
exec >>{out}/runtime.log 2>&1
env
cat "$2/config.json"
echo "$1 ended"
"""


@pytest.fixture
def container(cluster):
    """Makes a bundle, and a runtime that Slurm starts for it."""
    runtime = cluster.dir / "runtime"
    runtime.write_text(RUNTIME.format(out=cluster.out))
    runtime.chmod(0o755)
    conf = cluster.dir / "oci.conf"
    conf.write_text("".join(f'RunTime{verb}="{runtime} {verb} %b"\n' for verb in ("Query", "Run", "Kill", "Delete")))
    bundle = cluster.out / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    (bundle / "config.json").write_text('{"ociVersion": "1.0.0", "process": {"args": ["true"], "env": [], "cwd": "/"}, '
                                        '"root": {"path": "rootfs"}, "mounts": []}')
    yield bundle
    shutil.rmtree(bundle)
    conf.unlink()


def test_container_of_job_with_secrets_gets_no_value_in_config_or_environment(cluster, value, container):
    done = cluster.run_batch(f"srun -n1 --container={container} true; echo after $TOK", "-wn1", *RUN, "--secret=TOK")
    seen = (cluster.out / "runtime.log").read_text()
    assert "Run ended" in seen, done.err
    assert value not in seen and "SLURM_JOB_ID" in seen
    assert "the container of --container gets no secrets" in done.err and done.out == f"after {value}\n"


def test_container_is_refused_secrets_with_sentence(cluster, value, container):
    done = cluster.srun(f"--container={container}", *RUN, "--secret=TOK", "true")
    assert done.code != 0 and "cannot give secrets to a container of --container" in done.err
    assert "start the container inside the step" in done.err


# ---- scrontab ---------------------------------------------------------------------------------------

scrontab = pytest.mark.skipif(shutil.which("scrontab") is None, reason="this Slurm is packaged without scrontab")


@pytest.fixture
def crontab(cluster):
    def install(text):
        return cluster.as_user("alice", ["scrontab", "-"], input=text)

    yield install
    cluster.as_user("alice", ["scrontab", "-r"])


@scrontab
@pytest.mark.parametrize("option", ["--secret=TOK", "--secrets-run=run-later", "--secrets=none", "--workspace=lab"])
def test_crontab_with_option_is_refused_with_working_line(cluster, crontab, option):
    done = crontab(f"#SCRON {option}\n0 0 * * * true\n")
    assert done.code != 0 and f"{option.split('=')[0]} cannot be used in a crontab" in done.err, done.err
    assert "SLURM_SECRETS=NAME srun COMMAND" in done.err
    assert cluster.jobs() == []


@scrontab
def test_step_of_crontab_gets_secrets_as_message_says(cluster, value, crontab):
    line = f"SLURM_CONF={cluster.dir}/slurm.conf SLURM_SECRETS=run:run-later,TOK srun -n1 printenv TOK"
    done = crontab(f"#SCRON -o {cluster.out}/cron.out\n* * * * * {line}\n")
    assert done.code == 0, done.err
    poll(lambda: (cluster.out / "cron.out").exists(), 75, "the next minute")
    assert cluster.await_file("cron.out") == f"{value}\n"

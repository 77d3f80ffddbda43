# SPDX-License-Identifier: Apache-2.0
"""Commands that do not pass a request on are refused with the way that works, and never run silently without secrets."""

import shlex

import pytest
from harness import slurm_version

RUN = ["--secrets-run=run-refused", "--secret=TOK"]


@pytest.fixture
def value(cluster, canary):
    value = canary("TOK")
    cluster.push("run-refused", user={"TOK": value})
    return value


@pytest.fixture
def export_file(cluster):
    def write(*variables):
        path = cluster.out / "exported"
        path.write_text("\0".join(["PATH=/usr/bin:/bin", f"SLURM_CONF={cluster.dir}/slurm.conf", *variables]) + "\0")
        return path

    return write


@pytest.mark.parametrize("form", ["--export-file={}", "--export-file {}", "--export-f={}"])
def test_export_file_with_own_request_is_refused_with_working_line(cluster, value, export_file, form):
    done = cluster.submit("printenv TOK", *RUN, *form.format(export_file()).split())
    assert done.code != 0 and cluster.jobs() == []
    line = "add SLURM_SECRETS=run:run-refused,TOK to the file instead"
    line += ", and use --export=ALL" if slurm_version() >= (26, 5) else ""
    assert "secrets: cannot request secrets with --export-file" in done.err and line in done.err


def test_export_file_with_request_inside_gives_secrets(cluster, value, export_file):
    path = export_file("SLURM_SECRETS=run:run-refused,TOK")
    options = ["--export=ALL"] if slurm_version() >= (26, 5) else []  # which ignores the file without
    assert cluster.run_batch("printenv TOK; srun -n1 printenv TOK", f"--export-file={path}", *options).out.split() == [value] * 2


def test_export_file_of_script_fails_job_with_reason(cluster, value, export_file):
    done = cluster.run_batch(f"#!/bin/bash\n#SBATCH --export-file={export_file()}\necho ran", *RUN)
    assert (done.code, done.out) == (1, "")
    assert "the request for secrets was lost, as --export-file replaced the variable" in done.err


def test_inner_job_with_export_file_runs_without_secrets_and_message(cluster, value, export_file):
    done = cluster.run_batch(f"sbatch --hold --export-file={export_file()} --wrap true", *RUN)
    assert "the job gets no secrets of this job: --export-file replaces the variable" in done.err
    for job in cluster.jobs():
        cluster.as_user("root", ["scancel", job])


def test_export_file_without_request_is_accepted(cluster, export_file):
    done = cluster.run_batch("echo ran", f"--export-file={export_file()}")
    assert (done.code, done.out, done.err) == (0, "ran\n", "")


def test_export_file_among_arguments_of_script_is_accepted(cluster, value):
    script = cluster.out / "arguments.sh"
    script.write_text("#!/bin/bash\nprintenv TOK\n")
    done = cluster.as_user("alice", ["sbatch", "-W", "--output=arguments.out", *RUN, script, "--export-file=x"])
    assert done.code == 0 and (cluster.out / "arguments.out").read_text().strip() == value


@pytest.mark.parametrize("option", ["--secret=TOK", "--secrets-run=run-refused", "--secrets=none", "--workspace=w"])
def test_scrontab_option_is_refused_with_working_line(cluster, option):
    """scrontab calls the plugin's callbacks alone; Debian lacks it, so srun runs under its name."""
    command = shlex.join(["exec", "-a", "scrontab", "srun", option, "true"])
    done = cluster.as_user("alice", ["bash", "-c", command])
    assert done.code != 0
    assert f"{option.split('=')[0]} cannot be used in a crontab" in done.err
    assert "SLURM_SECRETS=NAME srun COMMAND" in done.err


CONTAINER = "cannot give secrets to a container of --container"


@pytest.mark.parametrize("launcher", ["srun", "sbatch"])
def test_container_with_own_request_is_refused(cluster, value, launcher):
    options = [*RUN, f"--container={cluster.out}"]
    done = cluster.srun(*options, "true") if launcher == "srun" else cluster.submit("true", *options)
    assert done.code != 0 and CONTAINER in done.err
    assert "start the container inside the step" in done.err
    assert cluster.jobs() == []


def test_container_from_host_without_plugin_fails_with_reason(cluster, value):
    done = cluster.srun(f"--container={cluster.out}", "true", env={"SLURM_SECRETS": "run:run-refused,TOK"}, plugin=False)
    assert done.code != 0 and CONTAINER in done.err


def test_container_step_of_job_runs_without_secrets_and_message(cluster, value):
    done = cluster.run_batch(f"srun -n1 --container={cluster.out} true", *RUN)
    assert "secrets: the container of --container gets no secrets" in done.err
    assert CONTAINER not in done.err


def test_container_without_secrets_is_accepted(cluster):
    done = cluster.srun(f"--container={cluster.out}", "true")
    assert "secrets" not in done.err


def test_allocation_without_shell_says_how_steps_get_secrets(cluster, value):
    done = cluster.salloc("--no-shell", *RUN)
    assert done.code == 0 and "srun --jobid=JOB --secret=NAME" in done.err
    job, = cluster.jobs()
    try:
        done = cluster.srun(f"--jobid={job}", *RUN, "printenv", "TOK")
        assert done.out.strip() == value, done.err
    finally:
        cluster.as_user("root", ["scancel", job])

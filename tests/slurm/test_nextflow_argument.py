# SPDX-License-Identifier: Apache-2.0
"""The plugin's arguments for Nextflow: the jar in NXF_JVM_ARGS, and the run that a job's name has."""

import pytest

from conftest import running_cluster

PRINT_OPTIONS = 'echo "${NXF_JVM_ARGS-unset}"'


@pytest.fixture(scope="module")
def site(request):
    with running_cluster(request.session, "--plugin-arguments", "run_id_job_name=nf-workflow-") as cluster:
        plugstack = cluster.dir / "plugstack.conf"
        jar = cluster.dir / "agent.jar"
        jar.touch()
        plugstack.write_text(f"{plugstack.read_text().strip()} nextflow={jar}\n")
        cluster.jar = jar
        yield cluster


@pytest.fixture
def run(site):
    site.push("run-1", user={"TOK": "value"})
    yield "run-1"
    site.complete("run-1")


def options_in(site, *arguments, **more):
    done = site.srun(*arguments, "sh", "-c", PRINT_OPTIONS, **more)
    assert done.code == 0, done.err
    return done.out.strip()


def test_step_that_gets_secrets_has_the_jar_behind_its_own_options(site, run):
    agent = f"-javaagent:{site.jar}"
    assert options_in(site, f"--secrets-run={run}") == agent
    assert options_in(site, f"--secrets-run={run}", env={"NXF_JVM_ARGS": "-Xmx1g -Xms1g"}) == f"-Xmx1g -Xms1g {agent}"


def test_step_inherits_the_jar_once(site, run):
    done = site.srun(f"--secrets-run={run}", "srun", "--overlap", "sh", "-c", PRINT_OPTIONS)
    assert done.out.strip() == f"-javaagent:{site.jar}"


def test_step_without_secrets_has_its_own_options_only(site, run):
    assert options_in(site) == "unset"
    assert options_in(site, env={"NXF_JVM_ARGS": "-Xmx1g"}) == "-Xmx1g"
    assert options_in(site, env={"TOWER_WORKFLOW_ID": "another"}) == "unset"


@pytest.mark.parametrize("path", ["own", "another"])
def test_inherited_jar_that_is_not_on_the_node_is_removed(site, path):
    agent = f"-javaagent:{site.jar}" if path == "own" else "-javaagent:/nonexistent/slurm-secrets-nextflow.jar"
    moved = site.jar.rename(site.jar.with_suffix(".away"))
    for inherited, left in ((agent, "unset"), (f"-Xmx1g {agent} -Xms1g", "-Xmx1g -Xms1g"), (f"-Xmx1g {agent}=A,B", "-Xmx1g"),
                            (f"{agent} -Xmx1g", "-Xmx1g"), (f"-Xmx1g {agent}s", f"-Xmx1g {agent}s"),
                            ("-javaagent:/nonexistent.jar", "-javaagent:/nonexistent.jar")):
        assert options_in(site, env={"NXF_JVM_ARGS": inherited}) == left
    moved.rename(site.jar)


def test_inherited_jar_that_may_be_there_stays(site):
    (site.dir / "loop").symlink_to("loop")  # as root sees a directory of another host that shuts root out
    for path in (f"{site.dir}/loop/slurm-secrets-nextflow.jar", "lib/slurm-secrets-nextflow.jar"):
        assert options_in(site, env={"NXF_JVM_ARGS": f"-javaagent:{path}"}) == f"-javaagent:{path}"


def test_step_that_requests_only_what_is_not_set_has_the_jar(site):
    assert options_in(site, "--secret=TOK?") == f"-javaagent:{site.jar}"
    assert options_in(site, "--secrets=none") == "unset"


def test_jar_is_told_the_sites_variables_of_a_run(site, run):
    plugstack = site.dir / "plugstack.conf"
    before = plugstack.read_text()
    plugstack.write_text(f"{before.strip()} run_id_env=PORTAL_RUN,OTHER\n")
    agent = f"-javaagent:{site.jar}=PORTAL_RUN,OTHER"
    assert options_in(site, f"--secrets-run={run}") == agent
    assert options_in(site, f"--secrets-run={run}", env={"NXF_JVM_ARGS": agent}) == agent
    plugstack.write_text(before)


def test_missing_jar_is_left_out(site, run):
    moved = site.jar.rename(site.jar.with_suffix(".away"))
    assert options_in(site, f"--secrets-run={run}") == "unset"
    moved.rename(site.jar)


def test_options_too_long_to_extend_stay(site, run):
    options = "-Dx=" + "x" * 40000
    assert options_in(site, f"--secrets-run={run}", env={"NXF_JVM_ARGS": options}) == options


def test_job_whose_name_has_a_run_gets_it(site, run):
    done = site.run_batch("env", "-J", f"nf-workflow-{run}")
    assert "TOK=value" in done.out.splitlines()
    for name in (run, f"workflow-{run}", "nf-workflow-", "nf-workflow-another", f"nf-workflow-{run} x"):
        done = site.run_batch("env", "-J", name)
        assert done.code == 0 and "SLURM_SECRETS_SET" not in done.out, name


def test_another_users_run_in_a_jobs_name_is_no_error(site, run):
    done = site.run_batch("env", "-J", f"nf-workflow-{run}", user="bob")
    assert done.code == 0 and "SLURM_SECRETS_SET" not in done.out


def test_run_in_a_jobs_name_is_not_inherited_by_the_jobs_that_it_submits(site, run):
    done = site.run_batch("sbatch -W --parsable -o inner.out --wrap 'env; echo end'", "-J", f"nf-workflow-{run}")
    assert done.code == 0, done.err
    assert "SLURM_SECRETS_SET" not in site.await_file("inner.out")


@pytest.mark.parametrize("command", ["printf '#!/bin/sh\\ntrue' | sbatch --secret=TOK", "salloc --secret=TOK true"], ids=["sbatch", "salloc"])
def test_heads_name_is_not_taken_for_that_of_a_job_that_it_submits(site, run, command):
    done = site.run_batch(command, "-J", f"nf-workflow-{run}")
    assert done.code != 0 and "secret TOK is not known: the job names no run" in done.err


@pytest.mark.parametrize("option", ["-J", "--job-name"])
def test_job_that_the_head_gives_its_own_name_gets_the_run(site, run, option):
    name = f"nf-workflow-{run}"
    submit = f"sbatch -W --parsable {option} {name} --secret=TOK -o inner.out"
    done = site.run_batch(f"printf '#!/bin/sh\nenv; echo end' | {submit}", "-J", name)
    assert done.code == 0, done.err
    assert "TOK=value" in site.await_file("inner.out").splitlines()


@pytest.mark.parametrize("option", ["-J {}", "-J{}", "--job-name={}", "--job-name {}"])
@pytest.mark.parametrize("command", ["srun", "salloc"])
def test_name_that_an_option_gives_to_srun_or_salloc_names_the_run(site, run, command, option):
    words = option.format(f"nf-workflow-{run}").split()
    done = site.as_user("alice", [command, "-n1", *words, "--secret=TOK", *(["srun"] if command == "salloc" else []), "printenv", "TOK"])
    assert (done.code, done.out) == (0, "value\n"), done.err

# SPDX-License-Identifier: Apache-2.0
"""Real Nextflow at sites of other kinds: Tower, no plugin on the submit host, no agent to ask, the jar as a plugin."""

import secrets
import zipfile
from pathlib import Path

import pytest
from harness import BUILD, poll
from nextflow_site import PLUGIN


@pytest.mark.newest
def test_run_of_a_tower_heads_name_reaches_tasks_on_slurm_and_in_the_head(cluster, pipeline, canary):
    run = "4tkGqVx3Zm8a1B"
    for executor in ("slurm", "local"):
        cluster.push(run, user={"TOKEN_A": canary(), "TOKEN_B": canary()})
        simple = pipeline("simple")
        simple.configure(f"process.executor = '{executor}'")
        done = simple.run("-J", f"nf-workflow-{run}", before=f"export TOWER_WORKFLOW_ID={run}\n")
        assert done.code == 0, done.out + done.err
        assert list(simple.seen()["fetch"][0]) == ["TOKEN_A"]
        poll(lambda: run not in cluster.runs(), 15, "the end of the run with its head")


@pytest.mark.newest
@pytest.mark.parametrize("executor", ["slurm", "local"])
def test_value_that_nextflow_writes_to_a_file_is_warned_of_by_name(cluster, pipeline, reads_secrets, executor):
    simple = pipeline("simple")
    # Nextflow's own files hold these values: they are no canaries.
    cluster.push("run-1", user={f"TOKEN_{name}": secrets.token_hex(8) for name in "ABCD"})
    simple.configure(f"""
env.COPIED = secrets.TOKEN_A
params.script = "true ${{secrets.TOKEN_B}}"
process.executor = '{executor}'
process.beforeScript = ": ${{secrets.TOKEN_C}}"
process.afterScript = {{ ": ${{secrets.TOKEN_D}}" }}
process.clusterOptions = "--comment=${{secrets.TOKEN_B}}"
process.containerOptions = "-v ${{secrets.TOKEN_A}}"
""")
    done = simple.run("--secrets-run=run-1", arguments=["--tasks=2"])
    assert done.code == 0, done.out + done.err
    for name, part in (("TOKEN_A", "environment"), ("TOKEN_B", "script"), ("TOKEN_C", "beforeScript"), ("TOKEN_D", "afterScript"),
                       ("TOKEN_B", "clusterOptions"), ("TOKEN_A", "containerOptions")):
        assert done.out.count(f"WARN: the value of the secret {name} is in the {part} of a task") == 1, (name, part)


@pytest.mark.newest
def test_run_in_a_variable_of_the_sites_platform_is_checked(cluster, pipeline, canary):
    simple = pipeline("simple")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    # The jar may be named twice, as by the site's module of Nextflow.
    done = simple.run(env={"PORTAL_RUN": "run-1"}, before=f"export NXF_JVM_ARGS=\"$NXF_JVM_ARGS -javaagent:{PLUGIN}\"\n")
    assert done.code == 0, done.out + done.err
    assert list(simple.seen()["fetch"][0]) == ["TOKEN_A"]


def count_checks(simple):
    """Has the pipeline's secretctl note its calls, and returns what counts them."""
    calls = simple.dir / "calls"
    simple.add_program("secretctl", f'#!/bin/sh\necho "$*" >>{calls}\nexec {BUILD}/secretctl "$@"\n')
    return lambda: len([line for line in calls.read_text().splitlines() if " check " in line])


@pytest.mark.newest
def test_agent_is_asked_once_for_each_set_of_names(cluster, pipeline, canary):
    simple = pipeline("simple")
    checks = count_checks(simple)
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = simple.run("--secrets-run=run-1", arguments=["--tasks=3"])
    assert done.code == 0, done.out + done.err
    assert len(simple.seen()["fetch"]) == 3 and checks() == 1


@pytest.mark.newest
def test_refusal_is_asked_for_once(cluster, pipeline):
    simple = pipeline("simple")
    checks = count_checks(simple)
    simple.configure("process.errorStrategy = 'finish'")
    cluster.push("run-1", user={"TOKEN_B": "x"})
    done = simple.run("--secrets-run=run-1", arguments=["--tasks=3"])
    assert done.code == 1 and checks() == 1


@pytest.mark.newest
@pytest.mark.parametrize("own, spec", [("--workspace=lab", "workspace:lab,TOKEN_A"), ("--secrets-run run-2", "run:run-2,TOKEN_A")])
def test_run_and_workspace_of_clusteroptions_are_checked(cluster, pipeline, own, spec):
    simple = pipeline("simple")
    simple.configure(f"process.clusterOptions = '{own}'")
    simple.add_program("secretctl", f"""#!/bin/sh\necho "$*" >{simple.dir}/calls\necho '{{"ok":false}}'\nexit 1\n""")
    done = simple.run_outside_of_a_job()
    assert done.code == 1 and "the agent refuses such a job" in done.out
    assert (simple.dir / "calls").read_text() == f"--json check {spec}\n"


@pytest.mark.newest
def test_request_that_clusteroptions_exclude_is_refused_with_a_sentence(cluster, pipeline, canary):
    simple = pipeline("simple")
    simple.configure("process.clusterOptions = '--secrets=none'")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = simple.run("--secrets-run=run-1")
    assert done.code == 1
    assert "cannot request secrets for a task: its clusterOptions have --secrets=none" in done.out
    assert simple.seen() == {}


@pytest.mark.newest
def test_secretctl_that_does_not_end_is_ended_and_waited_for_once(cluster, pipeline, canary):
    simple = pipeline("simple")
    simple.add_program("secretctl", f"#!/bin/sh\necho $$ >>{simple.dir}/calls\nexec sleep 600\n")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = simple.run("--secrets-run=run-1", arguments=["--tasks=2"])
    assert done.code == 0, done.out + done.err
    (pid,) = (simple.dir / "calls").read_text().split()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.newest
def test_agents_sentence_is_shown_as_it_is(cluster, pipeline):
    simple = pipeline("simple")
    answer = r'{"ok":false,"items":[{"reason":"\u0041 \"quoted\"\tword"}]}'
    simple.add_program("secretctl", f"#!/bin/sh\nprintf '%s\\n' '{answer}'\nexit 1\n")
    done = simple.run_outside_of_a_job()
    assert done.code == 1 and 'A "quoted"\tword' in done.out, done.out


@pytest.mark.newest
@pytest.mark.parametrize("strategy", ["retry", "ignore"])
def test_missing_secret_ends_the_pipeline_whatever_its_error_strategy(cluster, pipeline, strategy):
    simple = pipeline("simple")
    simple.configure(f"process.errorStrategy = '{strategy}'\nprocess.maxRetries = 3")
    cluster.push("run-1", user={"TOKEN_B": "x"})
    done = simple.run("--secrets-run=run-1")
    assert done.code == 1
    assert done.out.count("secret TOKEN_A is not among the secrets of run run-1") == 1
    assert simple.seen() == {}


@pytest.mark.newest
@pytest.mark.parametrize("secretctl", ["exit 2", "echo no hub answers; exit 1"], ids=["old", "failing"])
def test_check_that_cannot_be_made_is_no_refusal(cluster, pipeline, secretctl, canary):
    simple = pipeline("simple")
    simple.add_program("secretctl", f"#!/bin/sh\n{secretctl}\n")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = simple.run("--secrets-run=run-1")
    assert done.code == 0, done.out + done.err


@pytest.mark.newest
def test_submit_host_without_plugin_refuses_only_what_declares_secrets(cluster, pipeline):
    simple = pipeline("simple")
    simple.configure("process { withName: fetch { secret = [] } }")
    done = simple.run_outside_of_a_job(plugin=False)
    assert done.code == 0, done.out + done.err
    assert simple.seen()["fetch"] == [{}]
    done = pipeline("simple").run_outside_of_a_job(plugin=False)
    assert done.code == 1
    assert "sbatch on this host has no option --secret" in done.out


def test_jar_works_as_a_plugin_of_nextflow(cluster, pipeline, canary):
    simple = pipeline("simple")
    with zipfile.ZipFile(PLUGIN) as archive:
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
        version = manifest.split("Plugin-Version: ")[1].split()[0]
        archive.extractall(simple.dir / "plugins" / f"nf-slurm-secrets-{version}" / "classes")
    cluster.push("run-1", user={"TOKEN_A": canary(), "TOKEN_B": canary()})
    done = simple.run("--secrets-run=run-1", before="unset NXF_JVM_ARGS\n", env={
        "NXF_PLUGINS_DIR": str(simple.dir / "plugins"), "NXF_PLUGINS_DEFAULT": f"nf-slurm-secrets@{version}"})
    assert done.code == 0, done.out + done.err
    assert list(simple.seen()["fetch"][0]) == ["TOKEN_A"]

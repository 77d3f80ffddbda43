# SPDX-License-Identifier: Apache-2.0
"""Real Nextflow at sites of other kinds: Tower, no plugin on the submit host, no agent to ask, the jar as a plugin."""

import secrets
import zipfile

import pytest
from harness import poll
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
def test_value_in_environment_or_script_is_warned_of_by_name(cluster, pipeline, reads_secrets):
    simple = pipeline("simple")
    # Nextflow's own files hold these values: they are no canaries.
    cluster.push("run-1", user={"TOKEN_A": secrets.token_hex(8), "TOKEN_B": secrets.token_hex(8)})
    simple.configure('env.COPIED = secrets.TOKEN_A\nparams.script = "true ${secrets.TOKEN_B}"')
    done = simple.run("--secrets-run=run-1")
    assert done.code == 0, done.out + done.err
    assert "WARN: the value of the secret TOKEN_A is in the environment of a task" in done.out
    assert "WARN: the value of the secret TOKEN_B is in the script of a task" in done.out


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

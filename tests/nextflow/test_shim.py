# SPDX-License-Identifier: Apache-2.0
"""The shim of Nextflow: what a launch of Tower left in a store file becomes a run that ends with the head job, and the
file is gone; nothing else changes."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from harness import poll
from nextflow_site import PLUGIN

SHIM = Path(__file__).resolve().parents[2] / "nextflow" / "shims" / "nextflow"
RUN = "4tkGqVx3Zm8a1B"
EXPORT = f"export TOWER_WORKFLOW_ID={RUN}\n"


@pytest.fixture
def simple(pipeline):
    """Installs the shim, and the jar beside its folder, in front of the real Nextflow in the pipeline's PATH."""
    simple = pipeline("simple")
    shims = simple.dir / "lib" / "shims"
    shims.mkdir(parents=True)
    shutil.copy2(SHIM, shims / "nextflow")
    (simple.dir / "lib" / PLUGIN.name).symlink_to(PLUGIN)
    simple.shims = shims
    simple.store = simple.dir / "nxf_home" / "secrets" / "store.json"
    return simple


def leave_store(simple, values, path=None):
    """Returns lines of a launch script that write a store file, whose values the script reads from its standard input."""
    path = path or simple.store
    text = json.dumps([{"name": name, "value": value} for name, value in values.items()])
    kept = simple.dir / "launch"  # as the platform has it, which is no concern of the hunt
    kept.write_text(text)
    shutil.chown(kept, simple.user)
    return f"mkdir -p {path.parent}\nmv {kept} {path}\ntouch {path}\nchmod 600 {path}\n"


def launch(simple, before, *options, arguments=()):
    """Runs a head job as Tower does: its script exports the run's id."""
    return simple.run(*options, arguments=arguments, before=f"export PATH={simple.shims}:$PATH\n{before}")


def test_store_of_the_launch_becomes_a_run_that_ends_with_the_head(cluster, simple, canary):
    values = {"TOKEN_A": canary(), "TOKEN_B": canary()}
    head = simple.submit(before=f"export PATH={simple.shims}:$PATH\n{EXPORT}{leave_store(simple, values)}", arguments=["--script='sleep 5'"])
    simple.await_seen("fetch")
    assert not simple.store.exists()
    run = cluster.run(RUN)
    assert run["until_job"] == int(head) and [secret["name"] for secret in run["secrets"]] == ["TOKEN_A", "TOKEN_B"]
    done = cluster.wait(head, 60)
    assert done.code == 0, done.out + done.err
    assert list(simple.seen()["fetch"][0]) == ["TOKEN_A"]
    assert "nextflow: secrets:" not in done.err
    poll(lambda: cluster.http("GET", f"/v1/runs/{RUN}").status == 404, 15, "the end of the run")


def imitate_nextflow(simple):
    """Puts a nextflow behind the shim that says what it was given."""
    simple.add_program("nextflow", '#!/bin/sh\necho "ran $*; ${NXF_JVM_ARGS-no options}"\ncat\n')


@pytest.mark.newest
@pytest.mark.parametrize("case", ["own", "no platform", "other command", "empty"])
def test_file_that_is_not_of_the_run_stays(cluster, simple, case):
    imitate_nextflow(simple)
    before = "" if case == "no platform" else EXPORT
    before += leave_store(simple, {} if case == "empty" else {"TOKEN_A": "x"})
    if case == "own":
        before += f"touch -d yesterday {simple.store}\n"
    if case == "other command":
        before += "nextflow -version\n"
        done = cluster.wait(cluster.sbatch(f"export PATH={simple.shims}:$PATH\n{before}", env=simple.env))
    else:
        done = launch(simple, before)
    assert done.code == 0 and not done.err, done.err
    assert "no options" in done.out
    assert simple.store.exists() and RUN not in cluster.runs()


@pytest.mark.newest
@pytest.mark.parametrize("case", ["no agent", "no jar", "not a store"])
def test_failure_is_one_line_and_changes_nothing(cluster, simple, case):
    imitate_nextflow(simple)
    before = EXPORT + leave_store(simple, {"TOKEN_A": "x"})
    if case == "no agent":
        before += "export SLURM_SECRETS_SOCKET=/nonexistent\n"
    elif case == "no jar":
        (simple.dir / "lib" / PLUGIN.name).unlink()
    else:
        before += f"echo '{{\"name\"' >{simple.store}\n"
    done = launch(simple, before)
    assert done.code == 0 and done.err.startswith("nextflow: secrets: ") and done.err.count("\n") == 1, done.err
    assert "no options" in done.out
    assert simple.store.exists() and RUN not in cluster.runs()


@pytest.mark.newest
def test_file_whose_path_has_the_runs_id_is_of_the_run(cluster, simple):
    imitate_nextflow(simple)
    path = simple.dir / f"nf-{RUN}.secrets"
    before = EXPORT + leave_store(simple, {"TOKEN_A": "x"}, path) + f"touch -d yesterday {path}\nexport NXF_SECRETS_FILE={path}\n"
    done = launch(simple, before, arguments=["-resume"])
    assert done.code == 0 and not done.err, done.err
    assert f"-resume; -javaagent:{simple.dir}/lib/{PLUGIN.name}" in done.out
    assert not path.exists()


@pytest.mark.newest
def test_standard_input_is_left_to_nextflow(cluster, simple):
    imitate_nextflow(simple)
    done = cluster.as_user("alice", ["sh", "-c", f"cd {simple.dir}; {EXPORT} exec {simple.shims}/nextflow run main.nf"], simple.env,
                           input="the rest\nof it\n")
    assert done.out == "ran run main.nf; no options\nthe rest\nof it\n"


@pytest.mark.newest
def test_shim_runs_the_next_nextflow_and_no_other_shim(cluster, simple):
    imitate_nextflow(simple)
    second = simple.dir / "second"
    second.mkdir()
    shutil.copy2(SHIM, second / "nextflow")

    def run(path):
        return cluster.as_user("alice", ["nextflow", "-version"], {**simple.env, "PATH": path}, input="")

    usual = simple.env["PATH"]
    assert run(f"{simple.shims}:{second}:{usual}").out.startswith("ran -version")
    done = run(f"{simple.shims}:{second}:/usr/bin:/bin")
    assert done.code == 127 and "cannot run Nextflow: no nextflow behind" in done.err
    assert os.stat(SHIM).st_mode & stat.S_IXOTH

# SPDX-License-Identifier: Apache-2.0
"""The shim of Nextflow: what a launch of Tower left in a store file becomes a run that ends with the head job, and the
file is gone; nothing else changes."""

import json
import os
import shutil
import stat
import time
from pathlib import Path

import pytest
from harness import poll
from nextflow_site import PLUGIN

SHIM = Path(__file__).resolve().parents[2] / "nextflow" / "shims" / "nextflow"
RUN = "4tkGqVx3Zm8a1B"
EXPORT = f"export TOWER_WORKFLOW_ID={RUN}\n"
HEAD = ["-J", f"nf-workflow-{RUN}"]


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
    return f"mkdir -p {path.parent}\ncat {kept} >{path}\nrm {kept}\nchmod 600 {path}\n"


def launch(simple, before, *options, arguments=()):
    """Runs a head job as Tower does: its name has the run's id, and its script exports it."""
    return simple.run(*(options or HEAD), arguments=arguments, before=f"export PATH={simple.shims}:$PATH\n{before}")


def test_store_of_the_launch_becomes_a_run_that_ends_with_the_head(cluster, simple, canary):
    values = {"TOKEN_A": canary(), "TOKEN_B": canary()}
    head = simple.submit(*HEAD, before=f"export PATH={simple.shims}:$PATH\n{EXPORT}{leave_store(simple, values)}", arguments=["--script='sleep 5'"])
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
@pytest.mark.parametrize("case", ["own", "no platform", "other command", "empty", "task"])
def test_file_that_is_not_of_the_run_stays(cluster, simple, case):
    imitate_nextflow(simple)
    before = "" if case == "no platform" else EXPORT
    before += leave_store(simple, {} if case == "empty" else {"TOKEN_A": "x"})
    if case == "own":
        before += f"touch -d yesterday {simple.store}\n"
    if case == "other command":
        before += "nextflow -version; nextflow secrets get run; nextflow -log run -quiet info\n"
        done = cluster.wait(cluster.sbatch(f"export PATH={simple.shims}:$PATH\n{before}", *HEAD, env=simple.env))
    elif case == "task":  # of the pipeline, whose tasks have the variable, too
        done = launch(simple, before, "-J", "nf-fetch")
    else:
        done = launch(simple, before)
    assert done.code == 0 and not done.err, done.err
    assert "no options" in done.out
    assert simple.store.exists() and RUN not in cluster.runs()


@pytest.mark.newest
@pytest.mark.parametrize("named", [False, True])
def test_own_store_that_changes_in_the_job_stays(cluster, simple, named):
    """Its user adds an entry meanwhile. A file that NXF_SECRETS_FILE names is of the launch."""
    imitate_nextflow(simple)
    simple.store.parent.mkdir(parents=True)
    simple.store.write_text('[{"name":"OWN","value":"x"}]')
    for path in (simple.store.parent, simple.store):
        shutil.chown(path, simple.user)
    time.sleep(1.1)  # the job begins in another second
    both = '[{"name":"OWN","value":"x"},{"name":"MORE","value":"y"}]'
    before = EXPORT + f"sleep 1.1\necho '{both}' >{simple.store}\n"
    done = launch(simple, before + (f"export NXF_SECRETS_FILE={simple.store}\n" if named else ""))
    assert done.code == 0
    if named:
        assert not simple.store.exists() and not done.err
        return
    assert simple.store.read_text() == both + "\n" and RUN not in cluster.runs()
    assert "no options" in done.out
    assert done.err.startswith(f"nextflow: secrets: {simple.store} stays: ") and done.err.count("\n") == 1, done.err


@pytest.mark.newest
def test_run_of_the_platform_stays_as_it_is(cluster, simple):
    imitate_nextflow(simple)
    other = cluster.sbatch("true", "--hold")  # with whose end the run ends
    body = {"owner": "alice", "user": {"TOKEN_A": "pushed"}, "until_job": int(other)}
    assert cluster.http("PUT", f"/v1/runs/{RUN}", json.dumps(body)).status == 201
    done = launch(simple, EXPORT + leave_store(simple, {"TOKEN_B": "x"}))
    assert done.code == 0 and done.err.startswith("nextflow: secrets: ") and done.err.count("\n") == 1, done.err
    assert simple.store.exists() and f"run {RUN} already exists" in done.err
    run = cluster.run(RUN)
    assert run["until_job"] == int(other) and [secret["name"] for secret in run["secrets"]] == ["TOKEN_A"]
    cluster.complete(RUN)
    cluster.as_user("root", ["scancel", other])


@pytest.mark.newest
def test_head_that_starts_again_pushes_its_file_again(cluster, simple):
    imitate_nextflow(simple)
    cluster.push(RUN, user={"TOKEN_A": "of the first start"})
    done = launch(simple, EXPORT + "export SLURM_RESTART_COUNT=1\n" + leave_store(simple, {"TOKEN_B": "x"}))
    assert done.code == 0 and not done.err, done.err
    assert not simple.store.exists()


@pytest.mark.newest
def test_jar_is_added_once_by_whatever_name(cluster, simple):
    imitate_nextflow(simple)
    copy = simple.dir / "copy.jar"
    shutil.copy2(PLUGIN, copy)
    done = launch(simple, EXPORT + leave_store(simple, {"TOKEN_A": "x"}) + f"export NXF_JVM_ARGS='-Xmx1g -javaagent:{copy}'\n")
    assert done.code == 0 and f"; -Xmx1g -javaagent:{copy}\n" in done.out, done.out
    assert not simple.store.exists()


@pytest.mark.newest
def test_jar_is_added_if_the_file_could_not_be_removed_after_the_push(cluster, simple):
    imitate_nextflow(simple)
    simple.add_program("secretctl", "#!/bin/sh\necho 'secretctl: the run is pushed, but it is still there' >&2\nexit 4\n")
    done = launch(simple, EXPORT + leave_store(simple, {"TOKEN_A": "x"}))
    assert done.code == 0 and done.err == "nextflow: secrets: the run is pushed, but it is still there\n"
    assert f"; -javaagent:{simple.dir}/lib/{PLUGIN.name}" in done.out


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
    assert done.code == 127 and f"cannot run Nextflow: {second}/nextflow is the only nextflow in PATH" in done.err
    path = f"{usual}:{simple.shims}"
    done = cluster.as_user("alice", [str(simple.shims / "nextflow"), "-version"], {**simple.env, "PATH": path}, input="")
    assert done.out.startswith("ran -version"), done.err
    assert os.stat(SHIM).st_mode & stat.S_IXOTH


@pytest.mark.newest
def test_launcher_that_puts_the_shim_into_path_again_runs_it_once_more_only(cluster, simple):
    imitate_nextflow(simple)
    launcher = simple.dir / "launcher"
    launcher.mkdir()
    (launcher / "nextflow").write_text(f'#!/bin/sh\necho launcher\nPATH={simple.shims}:$PATH exec nextflow "$@"\n')
    (launcher / "nextflow").chmod(0o755)
    path = f"{simple.shims}:{launcher}:{simple.env['PATH']}"
    done = cluster.as_user("alice", ["nextflow", "-version"], {**simple.env, "PATH": path}, input="", timeout=10)
    assert done.out.startswith("launcher\nran -version;"), done.out

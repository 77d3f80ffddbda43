# SPDX-License-Identifier: Apache-2.0
"""Promise: the plugin, secretctl and slurm-secrets-view of the last release work with this agent, and those of this
version with the agent of the last release. What only this version knows is refused with a sentence that says to
upgrade; it drains no node."""

import json
import tempfile
from pathlib import Path

import pytest
from evidence import check_nothing_left, noting_failure, running
from harness import BUILD, Cluster, poll
from mixture import PROGRAMS, mixture

AGENT = "slurm-secretsd"
RUN = "--secrets-run=run-mixed"


def start(request, release, *old, options=()):
    """Starts a cluster of which the programs `old` are those of the last release."""
    with tempfile.TemporaryDirectory(prefix="mixed.", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        build = mixture(Path(folder) / "programs", release, *old)
        with running(Cluster("--store", "--platform", "www-data", *options, build=build), request.session) as cluster:
            yield cluster


@pytest.fixture(scope="module")
def old_agent(request, release):
    """The agent of the last release with the other programs of this version."""
    yield from start(request, release, AGENT,
                     options=("--plugin-arguments", "wait=10 run_id_job_name=nf-workflow-"))


@pytest.fixture(scope="module")
def new_agent(request, release):
    """This agent with the other programs of the last release."""
    yield from start(request, release, *(program for program in PROGRAMS if program != AGENT),
                     options=("--plugin-arguments", "wait=10"))


@pytest.fixture(params=["old_agent", "new_agent"])
def cluster(request, canaries):
    cluster = request.getfixturevalue(request.param)
    yield cluster
    with noting_failure(request.session):
        check_nothing_left(cluster, canaries)


@pytest.fixture
def older(request, old_agent, canaries):
    """The agent of the last release, for requests that only this version knows."""
    yield old_agent
    with noting_failure(request.session):
        check_nothing_left(old_agent, canaries)


@pytest.fixture
def token(older, canary):
    value = canary("TOK")
    older.push("run-mixed", user={"TOK": value})
    return value


def test_each_form_of_request_is_served(cluster, canary):
    """Environment, rename, file, optional, workspace and stored secrets; batch script, step, array and inner job."""
    a, b, c, stored, shared = (canary(name) for name in ("A", "B", "C", "STORED", "SHARED"))
    cluster.push("run-mixed", workspace={"A": "hidden", "C": c}, user={"A": a, "B": b})
    assert cluster.secretctl("set", "STORED", user="alice", input=stored).code == 0
    assert cluster.secretctl("set", "SHARED", "--workspace=lab", user="bob", input=shared).code == 0
    show = "echo $A $OTHER $(cat $C_FILE) $STORED $SHARED ${NOPE-none} ${B-none}"
    expected = [a, b, c, stored, shared, "none", "none"]
    done = cluster.run_batch(
        f"{show}; srun -n1 bash -c '{show}'; srun -n1 --secret=B printenv B; srun -n1 --secrets=none bash -c 'echo ${{A-none}}'",
        RUN, "--workspace=lab", "--secret=A,B=OTHER:env,C:file,STORED,SHARED,NOPE?")
    assert done.out.split() == [*expected, *expected, b, "none"], done.err
    done = cluster.srun("-N2", "-n4", RUN, "bash", "-c", "echo $A $B $C")
    assert done.out.splitlines() == [f"{a} {b} {c}"] * 4, done.err
    job = cluster.sbatch("printenv A >array-$SLURM_ARRAY_TASK_ID", "--array=1-2", RUN)
    cluster.await_end(job)
    assert [(cluster.out / f"array-{task}").read_text() for task in (1, 2)] == [f"{a}\n"] * 2
    cluster.wait(cluster.sbatch("sbatch --parsable --output=inner.out --wrap 'printenv A' >inner-id", RUN))
    cluster.await_end((cluster.out / "inner-id").read_text().strip())
    assert (cluster.out / "inner.out").read_text() == f"{a}\n"
    assert cluster.secretctl("rm", "STORED", user="alice").code == 0
    assert cluster.secretctl("rm", "SHARED", "--workspace=lab", user="bob").code == 0


def test_epilog_wipes_hold(cluster, canary):
    cluster.push("run-mixed", user={"TOK": canary("TOK")})
    job = cluster.sbatch("echo >begun; sleep 1000", RUN)
    cluster.await_file("begun")
    assert [hold["job"] for hold in cluster.run("run-mixed")["holds"]] == [int(job)]
    cluster.as_user("root", ["scancel", job])
    poll(lambda: cluster.status()["holds"] == 0, 15, "the wipe")
    assert f"job {job} ended: its hold with 1 grant was wiped" in cluster.agent_log()
    (cluster.out / "begun").unlink()


def test_missing_secret_is_refused_at_submission_and_at_start(cluster, canary):
    cluster.push("run-mixed", user={"TOK": canary("TOK")})
    words = "secret NOPE is not among the secrets of run run-mixed"
    done = cluster.submit("true", "--secret=NOPE", user="alice")
    assert done.code != 0 and "secret NOPE" in done.err, done.err
    done = cluster.srun("true", plugin=False, env={"SLURM_SECRETS": "run:run-mixed,NOPE"})
    assert done.code != 0 and words in done.err, done.err


def test_step_waits_for_run_that_is_pushed_later(cluster, canary):
    value = canary("TOK")
    job = cluster.sbatch("printenv TOK", "--secrets-run=run-late")
    poll(lambda: cluster.job_state(job) == "RUNNING", 15, "the start")
    cluster.push("run-late", user={"TOK": value})
    done = cluster.wait(job)
    assert done.out == f"{value}\n", done.err


def test_secretctl_serves_users_and_platforms(cluster, canary):
    """Each command of the last release, in whichever of the two versions."""
    value = canary()

    def ctl(*arguments, user="alice", input=None, code=0):
        done = cluster.secretctl(*arguments, user=user, input=input)
        assert done.code == code, (arguments, done)
        return done.out

    ctl("push", "run-ctl", input=f"TOK={value}\n")
    assert "run-ctl" in ctl("runs")
    assert json.loads(ctl("runs", "--json"))["runs"][0]["run"] == "run-ctl"
    ctl("set", "KEPT", input=value)
    ctl("import", "-", input=f"MORE={value}\n")
    assert "KEPT" in ctl("ls") and "MORE" in ctl("ls")
    ctl("rename", "KEPT", "RENAMED")
    ctl("check", "RENAMED")
    ctl("check", "KEPT", code=1)
    assert "lab" in ctl("workspaces")
    ctl("rm", "RENAMED")
    ctl("rm", "MORE")
    ctl("complete", "run-ctl")
    for user in ("alice", "root"):
        assert "memfd" in ctl("status", user=user)
    assert cluster.secretctl("doctor").code in (0, 1)


# ---- what the last release does not know -------------------------------------------------------------------


@pytest.mark.parametrize("form, words", [("hold", "':hold' is not available in this version"),
                                         ("random", "invalid form 'random'")])
def test_request_of_newer_form_is_refused_with_remedy(older, token, form, words):
    remedy = "slurm-secretsd is older than this request; upgrade it on this node, and on its hub"
    done = older.submit("true", RUN, f"--secret=TOK:{form}", user="alice")
    assert done.code != 0 and words in done.err and remedy in done.err, done.err
    done = older.srun("true", plugin=False, env={"SLURM_SECRETS": f"run:run-mixed,TOK:{form}"})
    assert done.code != 0 and words in done.err and remedy in done.err, done.err


@pytest.mark.parametrize("command", ["get TOK", "exec -- printenv TOK"])
def test_read_in_job_is_refused_with_remedy(older, token, command):
    done = older.run_batch(f"{older.build}/secretctl --job-socket {older.dir}/run/job.sock {command}", RUN)
    assert done.code == 3 and "is older than secretctl and does not know the request; upgrade it" in done.err, done
    assert not done.out


def test_push_of_run_that_ends_with_job_is_refused_and_changes_nothing(older, canary):
    done = older.secretctl("push", "run-until", "--until-job=7", user="alice", input=f"TOK={canary()}\n")
    assert done.code != 0 and "until_job" in done.err, done
    assert older.runs() == []


def test_head_job_gets_its_secrets_and_its_run_stays(older, canary):
    value = canary("TOK")
    older.push("mixed", user={"TOK": value})
    done = older.run_batch("printenv TOK", "--job-name=nf-workflow-mixed", "--secret=TOK")
    assert (done.code, done.out) == (0, f"{value}\n"), done.err
    logs = "".join((older.dir / "log" / f"slurmd-{node}.log").read_text() for node in ("n1", "n2"))
    assert "does not end with job" in logs and "slurm-secretsd on this node is older than the plugin" in logs
    assert older.runs() == ["mixed"]


def test_read_in_job_with_older_view_is_refused_with_remedy(request, new_agent, canary, canaries):
    """slurm-secrets-view of the last release cannot say whose job a process is."""
    new_agent.push("run-mixed", user={"TOK": canary("TOK")})
    done = new_agent.run_batch(f"{BUILD}/secretctl --job-socket {new_agent.dir}/run/job.sock get TOK", RUN, "-wn1")
    assert done.code == 3, done
    assert "slurm-secrets-view is older than slurm-secretsd and does not know the request; upgrade it" in done.err, done
    with noting_failure(request.session):
        check_nothing_left(new_agent, canaries)

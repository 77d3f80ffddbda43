# SPDX-License-Identifier: Apache-2.0
"""Secret spec of a job: every way to give it, and the error for a spec that cannot be granted."""

import pytest
from harness import Done

RUN = "--secrets-run=run-ask"


@pytest.fixture
def values(cluster, canary):
    values = {"A": canary("A"), "B": canary("B")}
    cluster.push("run-ask", user={"A": values["A"]}, workspace={"B": values["B"], "A": canary("shadowed")})
    return values


def env_of(done: Done) -> dict:
    return dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)


def test_job_with_run_only_gets_all_its_secrets(cluster, values):
    env = env_of(cluster.srun(RUN, "env"))
    assert (env["A"], env["B"]) == (values["A"], values["B"])
    assert sorted(env["SLURM_SECRETS_SET"].split(",")) == ["A", "B"]


def test_secret_options_narrow_run_and_add_up(cluster, values):
    env = env_of(cluster.srun(RUN, "--secret=A", "env"))
    assert env["A"] == values["A"] and "B" not in env
    env = env_of(cluster.srun(RUN, "--secret=A", "--secret=B=BEE", "env"))
    assert (env["A"], env["BEE"]) == (values["A"], values["B"]) and "B" not in env


def test_secret_options_of_script_and_command_line_add_up(cluster, values):
    script = f"#!/bin/bash\n#SBATCH {RUN}\n#SBATCH --secret=A\nenv"
    env = env_of(cluster.run_batch(script, "--secret=B"))
    assert (env["A"], env["B"]) == (values["A"], values["B"])


def test_inner_step_narrows_spec_within_run_of_job(cluster, values):
    env = env_of(cluster.run_batch("srun -n1 --secret=B env", RUN))
    assert env["B"] == values["B"] and "A" not in env


def test_inner_step_narrows_spec_within_salloc_options(cluster, values):
    """Under salloc, no task hook removes the outer options from the environment."""
    env = env_of(cluster.salloc("-n1", RUN, "--secret=A", "srun", "--secret=B", "env"))
    assert env["B"] == values["B"] and "A" not in env


@pytest.mark.parametrize("plugin", [True, False])
def test_job_uses_spec_exported_by_hand(cluster, values, plugin):
    """Works from a submit host without the plugin, too."""
    exported = {"SLURM_SECRETS": "run:run-ask,A=RENAMED"}
    assert env_of(cluster.srun("env", env=exported, plugin=plugin))["RENAMED"] == values["A"]
    done = cluster.run_batch("printenv RENAMED; srun -n1 printenv RENAMED", env=exported, plugin=plugin)
    assert done.out.split() == [values["A"]] * 2


def test_job_fails_with_reason_when_secret_is_missing(cluster, values):
    # A submit host without the plugin, which would refuse it.
    done = cluster.run_batch("echo ran", env={"SLURM_SECRETS": "run:run-ask,A,NOPE"}, plugin=False)
    assert done.out == ""
    assert "error: secrets: secret NOPE is not among the secrets of run run-ask" in done.err


def test_job_starts_without_missing_optional_secret(cluster, values):
    done = cluster.srun(RUN, "--secret=A,NOPE?", "env")
    assert env_of(done)["A"] == values["A"] and not done.err


def test_srun_rejects_secret_without_run(cluster):
    done = cluster.srun("--secret=A", "true")
    assert done.code == 1
    assert "error: secret A is not known: the job names no run (--secrets-run=RUN)" in done.err


def test_secrets_none_turns_off_all_injection(cluster, values):
    env = env_of(cluster.run_batch("srun -n1 --secrets=none env", RUN))
    assert "A" not in env and env["SLURM_SECRETS"] == "none"
    assert "A=" not in cluster.run_batch("env; srun -n1 env", RUN, "--secrets=none").out
    assert "A" not in env_of(cluster.srun(RUN, "--secrets=none", "env"))
    assert "A" not in env_of(cluster.srun("env", env={"SLURM_SECRETS": "none", "TOWER_WORKFLOW_ID": "run-ask"}))


def test_platform_run_id_variable_requests_that_run(cluster, values):
    env = env_of(cluster.srun("env", env={"TOWER_WORKFLOW_ID": "run-ask"}))
    assert (env["A"], env["B"]) == (values["A"], values["B"])
    env = env_of(cluster.srun("--secret=B", "env", env={"TOWER_WORKFLOW_ID": "run-ask"}))
    assert env["B"] == values["B"] and "A" not in env


@pytest.mark.parametrize("run", ["never-pushed", "", "no run id at all!"])
def test_platform_run_id_of_unknown_run_is_ignored_without_waiting(cluster, run):
    done = cluster.srun("true", env={"TOWER_WORKFLOW_ID": run}, timeout=5)
    assert (done.code, done.err) == (0, "")


def test_platform_run_id_of_another_users_run_gives_nothing_silently(cluster, values):
    done = cluster.srun("env", user="bob", env={"TOWER_WORKFLOW_ID": "run-ask"})
    assert done.code == 0 and "A" not in env_of(done)


REFUSED = [
    ("--secret=", "no secret is named", None),
    ("--secret=A,,B", "an item is missing before or after a comma", "A,,B"),
    ("--secret=1A", "must begin with a letter or '_'", "1A"),
    ("--secret=A=LD_PRELOAD", "the variable 'LD_PRELOAD' controls the dynamic loader", "A=LD_PRELOAD"),
    ("--secret=PATH", "controls which programs run", "PATH"),
    ("--secret=B,A=B:file,B:file", "the variable 'B_FILE' would be set from both 'A' and 'B'", "B,A=B:file,B:file"),
    ("--secret=A,A:hold", "duplicate secret 'A': requested with ':hold' and without", "A,A:hold"),
    ("--secret=A:random=8", "invalid number of random bytes '8'; expected 16 to 1024", "A:random=8"),
    ("--secret=A=X,B=X", "the variable 'X' would be set from both 'A' and 'B'", "A=X,B=X"),
    ("--secret=A:fil", "invalid form 'fil'; expected one of: ':env', ':file', ':hold', ':random'", "A:fil"),
    ("--secrets-run=a/b", "letters, digits, '.', '_' and '-' are allowed", "a/b"),
    ("--secrets=all", "the only accepted value is 'none'", "all"),
]


@pytest.mark.parametrize("option, sentence, shown", REFUSED)
@pytest.mark.parametrize("launcher", ["sbatch", "srun", "salloc"])
def test_submission_rejects_malformed_option_and_marks_position(cluster, launcher, option, sentence, shown):
    if launcher == "sbatch":
        done = cluster.submit("true", option)
    else:
        done = getattr(cluster, launcher)(option, "true")
    assert done.code != 0
    assert sentence in done.err
    if shown:
        lines = done.err.splitlines()
        at = next(i for i, line in enumerate(lines) if line.endswith(f"error:     {shown}"))
        assert set(lines[at + 1].rpartition("error: ")[2].strip()) == {"^"}
    assert cluster.jobs() == []


def test_submission_rejects_malformed_variable(cluster):
    done = cluster.submit("true", env={"SLURM_SECRETS": "A,B C"})
    assert done.code != 0 and "SLURM_SECRETS: the secret's name 'B C' contains ' '" in done.err
    assert cluster.jobs() == []


def test_task_fails_on_malformed_variable_from_host_without_plugin(cluster):
    malformed = {"SLURM_SECRETS": "A,B C"}
    for done in (cluster.srun("echo", "ran", env=malformed, plugin=False),
                 cluster.run_batch("echo ran", env=malformed, plugin=False)):
        assert (done.code, done.out) == (1, "")
        assert "secrets: SLURM_SECRETS at character 3: the secret's name 'B C' contains ' '" in done.err


def test_task_fails_with_reason_when_spec_is_too_long(cluster):
    done = cluster.srun("true", env={"SLURM_SECRETS": "A" * 9000}, plugin=False)
    assert done.code == 1 and "SLURM_SECRETS is too long: a secret spec has at most 8192 characters" in done.err


def test_denial_is_printed_once_per_node(cluster, values):
    done = cluster.srun("-N2", "-n6", "true", env={"SLURM_SECRETS": "run:run-ask,NOPE"}, plugin=False)
    assert done.code == 1 and done.err.count("secrets: secret NOPE") == 2

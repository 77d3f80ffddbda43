# SPDX-License-Identifier: Apache-2.0
"""Promise: what a job's script submits takes no value to Slurm's disk, whatever the variable is called, and requests
what its job requested, but for what the script changed or unset itself."""

import base64
import time

import hunt
import pytest
import view
from harness import BUILD, poll

STRIPPED = {
    "shell": "for v in ${!SLURM_@}; do [ $v = SLURM_CONF ] || unset $v; done; sbatch",
    "python": "python3 -c 'import os, sys\n"
              "for name in [n for n in os.environ if \"SLURM\" in n and n != \"SLURM_CONF\"]: del os.environ[name]\n"
              "os.execvp(\"sbatch\", [\"sbatch\"] + sys.argv[1:])'",
}


@pytest.fixture
def values(cluster, canary):
    values = {"TOK": canary("TOK"), "OTHER": canary("OTHER")}
    cluster.push("run-inner", user=values)
    return values


@pytest.fixture
def job(cluster):
    """Runs a batch job with the secrets TOK and OTHER."""

    def run(script, *options):
        done = cluster.run_batch(script, "--secrets-run=run-inner", *(options or ["--secret=TOK,OTHER"]))
        assert "error" not in done.err, done.err
        return done

    return run


def submitting(command, script, prefix=""):
    """Returns a script that submits another, held, and prints its id on a line `inner ID`."""
    return f"""cat >inner.$SLURM_JOB_ID.sh <<'END'
#!/bin/bash
{script}
END
script=$PWD/inner.$SLURM_JOB_ID.sh
{prefix}
echo inner $({command} --parsable --hold --output=%A.out --error=%A.err $script)
"""


def release_inner(cluster, done, canaries):
    """Checks that no value is on Slurm's disk while the inner job waits, and returns its output."""
    inner = done.out.split("inner ")[1].split()[0]
    record = cluster.dir / "state" / f"hash.{int(inner) % 10}" / f"job.{inner}"
    assert (record / "environment").stat().st_size > 0
    assert hunt.in_files([cluster.dir / "state"], canaries) == []
    assert cluster.scontrol("release", inner).code == 0
    return cluster.wait(inner)


@pytest.mark.parametrize("way", STRIPPED)
def test_inner_job_with_stripped_environment_leaks_nothing_and_gets_same_secrets(cluster, job, values, canaries, way):
    done = job(submitting(STRIPPED[way], "printenv TOK OTHER"))
    assert release_inner(cluster, done, canaries).out.split() == [values["TOK"], values["OTHER"]]


@pytest.mark.parametrize("options", [["--secret=TOK,OTHER"], ["--secret=TOK=RENAMED,TOK,OTHER?"], []])
def test_copy_of_secret_is_given_to_inner_job_and_not_stored(cluster, job, values, canaries, options):
    script = submitting("sbatch", "printenv HUGGING_FACE_HUB_TOKEN TOK OTHER", "export HUGGING_FACE_HUB_TOKEN=$TOK")
    done = job(script, *options)
    assert release_inner(cluster, done, canaries).out.split() == [values["TOK"], values["TOK"], values["OTHER"]]


@pytest.mark.parametrize("way", ["sbatch", "env -i PATH=$PATH SLURM_CONF=$SLURM_CONF HUB=\"$HUB\" sbatch"])
@pytest.mark.parametrize("item, reading", [("KEY:file", "$(cat $KEY_FILE)"), ("KEY", '$(printf %s "$KEY")')])
def test_secret_read_by_command_substitution_is_left_out_of_inner_job(cluster, canary, canaries, item, reading, way):
    cluster.push("run-inner-key", user={"KEY": canary("KEY") + "\n"})
    script = submitting(way, "echo HUB=$HUB", f'export HUB="{reading}"')
    done = cluster.run_batch(script, "--secrets-run=run-inner-key", "--secret=" + item)
    assert f"HUB (holds {'KEY_FILE' if 'file' in item else 'KEY'}): not passed on" in done.err
    assert release_inner(cluster, done, canaries).out.split() == ["HUB="]


def test_copy_in_stripped_environment_is_not_stored(cluster, job, values, canaries):
    done = job(submitting(STRIPPED["shell"], "printenv HUB TOK", "export HUB=$TOK"))
    assert release_inner(cluster, done, canaries).out.split() == [values["TOK"]] * 2


EMPTY = "env -i PATH=$PATH SLURM_CONF=$SLURM_CONF KEPT=$TOK sbatch"


@pytest.mark.parametrize("options", [["--secret=TOK,OTHER"], []])
def test_copy_in_empty_environment_is_not_stored_and_inner_job_gets_same_secrets(
        cluster, job, values, canaries, options):
    """Nothing of the job is left in the environment: the agent knows it by the process."""
    done = job(submitting(EMPTY, "printenv KEPT TOK OTHER"), "-wn1", *options)
    assert release_inner(cluster, done, canaries).out.split() == [values["TOK"], values["TOK"], values["OTHER"]]


def test_text_with_secret_in_empty_environment_is_left_out(cluster, job, values, canaries):
    done = job(submitting(EMPTY.replace("=$TOK", "=https://$TOK@example.org"), "env"), "-wn1")
    assert "KEPT (holds TOK): not passed on" in done.err
    assert "KEPT=" not in release_inner(cluster, done, canaries).out


CANNOT_TELL = "secrets: warning: cannot tell whether a variable holds a secret of this job, which Slurm would store: "


def test_empty_environment_of_job_on_node_without_view_is_passed_on_with_warning(cluster, job):
    """slurm-secrets-view of the tests knows the processes of n1 alone."""
    cluster.push("run-inner", user={"TOK": "not-a-canary"})
    done = job(submitting(EMPTY, "printenv KEPT"), "-wn2", "--secret=TOK")
    assert done.err.count(CANNOT_TELL) == 1
    inner = done.out.split("inner ")[1].split()[0]
    cluster.scontrol("release", inner)
    assert cluster.wait(inner).out.strip() == "not-a-canary"


@pytest.mark.parametrize("silent", ["slurm-secrets-view", "slurmctld"])
def test_empty_environment_is_warned_of_only_if_slurmd_cannot_be_asked(cluster, canary, canaries, silent):
    """slurmd knows whose process this is: a slurmctld that does not answer takes nothing away."""
    cluster.push("run-inner", user={"TOK": canary("TOK") if silent == "slurmctld" else "not-a-canary"})
    script = submitting(EMPTY, "true", "echo >asks; while [ ! -e frozen ]; do sleep 0.05; done")
    job = cluster.sbatch(script, "--secrets-run=run-inner", "--secret=TOK", "-wn1")
    cluster.await_file("asks")
    with cluster.daemon_frozen(silent):
        if silent == "slurmctld":
            assert view.query_jobs(cluster.view_socket, job)[0] == [view.UNKNOWN]
        (cluster.out / "frozen").touch()
        time.sleep(2)
    done = cluster.wait(job)
    for name in ("asks", "frozen"):
        (cluster.out / name).unlink()
    assert done.err.count(CANNOT_TELL) == (1 if silent == "slurm-secrets-view" else 0), done.err
    if silent == "slurmctld":
        assert hunt.in_files([cluster.dir / "state"], canaries) == []
    cluster.as_user("root", ["scancel", done.out.split("inner ")[1].split()[0]])


@pytest.mark.parametrize("prefix, message", [
    ("export URL=https://user:$TOK@example.org/", "URL (holds TOK): not passed on"),
    ("export TOK=\"Bearer $TOK\"", "TOK (holds TOK): not passed on"),
    ("export URL=https://user:$TOK@example.org/; unset TOK", "URL (holds TOK): not passed on"),
    ("export GIT_PAGER=$TOK", "GIT_PAGER (holds TOK): not passed on"),
])
def test_variable_that_contains_secret_is_left_out_of_inner_job_with_message(
        cluster, job, values, canaries, prefix, message):
    done = job(submitting("sbatch", "env", prefix))
    assert message in done.err
    inner = release_inner(cluster, done, canaries).out.splitlines()
    assert not [line for line in inner if line.startswith(("URL=", "GIT_PAGER="))]


def test_copy_is_left_out_when_inner_job_does_not_request_its_secret(cluster, job, values, canaries):
    done = job(submitting("sbatch --secret=OTHER", "env", "export HUB=$TOK"))
    assert "HUB (holds TOK): not passed on" in done.err
    assert "HUB=" not in release_inner(cluster, done, canaries).out


@pytest.mark.parametrize("command", ["sbatch --wrap \"echo $TOK\"", "sbatch --export=ALL,HUB=$TOK --wrap true",
                                     "sbatch --comment=$TOK --wrap true"])
def test_sbatch_with_secret_on_command_line_is_rejected(cluster, values, canaries, command):
    done = cluster.run_batch(command, "--secrets-run=run-inner")
    assert done.code == 1
    assert "cannot submit the job: the command line contains the value of TOK" in done.err
    assert hunt.in_files([cluster.dir / "state"], canaries) == []


def is_refused(cluster, done, sentence, canaries):
    assert done.code == 1, done.out
    assert f"cannot submit the job: {sentence}" in done.err, done.err
    assert hunt.in_files([cluster.dir / "state"], canaries) == []


def test_sbatch_with_secret_in_variable_that_is_an_option_is_rejected(cluster, values, canaries):
    done = cluster.run_batch("SBATCH_EXPORT=ALL,HUB=$TOK sbatch --wrap true", "--secrets-run=run-inner")
    is_refused(cluster, done, "the variable SBATCH_EXPORT contains the value of TOK, and Slurm stores it; "
               "the job gets the secret itself, as the variable TOK", canaries)


@pytest.mark.parametrize("command", ['sbatch --export=ALL,KEY="$(cat $TOK_FILE)" --wrap true',
                                     'sbatch --wrap "echo $(cat $TOK_FILE)"'])
def test_sbatch_with_content_of_secret_file_on_command_line_is_rejected(cluster, canary, canaries, command):
    cluster.push("run-line", user={"TOK": canary("TOK") + "\n"})
    done = cluster.run_batch(command, "--secrets-run=run-line", "--secret=TOK:file", "-wn2")
    is_refused(cluster, done, "the command line contains the value of TOK_FILE, and Slurm stores it; "
               "the job gets the secret itself, as the variable TOK_FILE", canaries)


@pytest.mark.parametrize("prefix, command, where", [
    ("", 'sbatch --export=ALL,HUB=$($ctl get TOK) --wrap true', "the command line"),
    ("", 'sbatch --comment="x $($ctl get TOK)" --wrap true', "the command line"),
    ("export SBATCH_EXPORT=ALL,HUB=$($ctl get TOK)\n", "sbatch --wrap true", "the variable SBATCH_EXPORT"),
])
def test_sbatch_with_held_secret_on_command_line_is_rejected(cluster, values, canaries, prefix, command, where):
    ctl = f"ctl='{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock'\n"
    done = cluster.run_batch(ctl + prefix + command, "--secrets-run=run-inner", "--secret=TOK:hold", "-wn1")
    is_refused(cluster, done, f"{where} contains the value of TOK, and Slurm stores it; "
               "the job reads it itself: secretctl get TOK", canaries)


def test_variable_with_held_secret_is_left_out_of_inner_job_with_message(cluster, values, canaries):
    ctl = f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock"
    done = cluster.run_batch(submitting("sbatch", "env", f"export MINE=$({ctl} get TOK) URL=https://$({ctl} get TOK)@x"),
                             "--secrets-run=run-inner", "--secret=TOK:hold", "-wn1")
    assert "MINE (holds TOK), URL (holds TOK): not passed on" in done.err
    inner = release_inner(cluster, done, canaries).out.splitlines()
    assert "SLURM_SECRETS=run:run-inner,TOK:hold" in inner
    assert not [line for line in inner if line.startswith(("MINE=", "URL="))]


@pytest.mark.parametrize("step", ["--secret=OTHER", "--secrets=none"])
@pytest.mark.parametrize("reading", ["exec --secret=TOK=MINE -- ./submit.sh", "get TOK"])
def test_value_that_only_the_batch_script_requested_is_left_out_of_what_a_step_submits(
        cluster, values, canaries, step, reading):
    ctl = f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock"
    read = f"{ctl} {reading}" if "exec" in reading else f"env MINE=$({ctl} get TOK) ./submit.sh"
    done = cluster.run_batch(submitting("srun -n1 " + step + " ./read.sh", "env", f"""
cat >submit.sh <<END
#!/bin/bash
exec sbatch --hold --parsable --output=%A.out --error=%A.err $script
END
cat >read.sh <<'END'
#!/bin/bash
{read}
END
chmod +x submit.sh read.sh""").replace("--parsable --hold --output=%A.out --error=%A.err $script)", ")"),
                             "--secrets-run=run-inner", "--secret=TOK:hold", "-wn1")
    assert "MINE (holds " in done.err and "not passed on" in done.err
    inner = release_inner(cluster, done, canaries).out.splitlines()
    assert not [line for line in inner if line.startswith("MINE=")]


@pytest.mark.parametrize("command, code, message", [
    ("$ctl exec -- sbatch --hold --wrap true", 0, "TOK (holds TOK): not passed on"),
    ("MINE=$($ctl get TOK) sbatch --hold --wrap true", 0, "MINE (holds TOK): not passed on"),
    ('sbatch --hold --wrap "echo $($ctl get TOK)"', 1, "the command line contains the value of TOK"),
])
def test_shell_that_is_attached_to_job_submits_no_value(cluster, values, canaries, command, code, message):
    job = cluster.sbatch("while [ ! -e go ]; do sleep 0.05; done", "--secrets-run=run-inner", "--secret=TOK:hold", "-wn1")
    poll(lambda: cluster.job_state(job) == "RUNNING", 15, "the job")
    ctl = f"ctl='{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock'\n"
    done = cluster.srun("--jobid", job, "--overlap", "-n1", "bash", "-c", ctl + command)
    assert (done.code, message in done.err) == (code, True), done.err
    assert hunt.in_files([cluster.dir / "state"], canaries) == []
    (cluster.out / "go").touch()
    cluster.wait(job)
    (cluster.out / "go").unlink()
    cluster.as_user("alice", ["scancel", "--state=PENDING", "--user=alice"])


def test_value_that_exec_set_anew_is_not_stored_and_inner_job_gets_it(cluster, values, canary, canaries):
    ctl = f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock"
    rotated = canary("TOK")
    job = cluster.sbatch("echo >ready; while [ ! -e go ]; do sleep 0.05; done\n" +
                         submitting(f"{ctl} exec -- sbatch", "env"),
                         "--secrets-run=run-inner", "--secret=TOK", "-wn1")
    cluster.await_file("ready")
    cluster.push("run-inner", user={"TOK": rotated, "OTHER": values["OTHER"]})
    (cluster.out / "go").touch()
    done = cluster.wait(job)
    for name in ("ready", "go"):
        (cluster.out / name).unlink()
    assert "secrets:" not in done.err, done.err
    assert f"TOK={rotated}" in release_inner(cluster, done, canaries).out.splitlines()


def test_inner_step_keeps_copy_and_text_with_secret(cluster):
    cluster.push("run-step", user={"TOK": "not-a-canary"})  # srun sends the text through slurmd
    done = cluster.run_batch("export HUB=$TOK URL=https://$TOK@example.org/; srun -n1 printenv HUB URL TOK",
                             "--secrets-run=run-step")
    assert done.out.split() == ["not-a-canary", "https://not-a-canary@example.org/", "not-a-canary"]


CHANGED = "TOK: changed in this job; the new value is used, not the secret"
UNSET = "TOK: unset in this job; not requested again"
EXPORTED = "TOK: set by --export; that value is used, not the secret"
SHOW = "sh -c 'echo TOK=${TOK-missing} OTHER=$OTHER'"


@pytest.mark.parametrize("options", [["--secret=TOK,OTHER"], []])
@pytest.mark.parametrize("command, tok, message", [
    (f"export TOK=mine; srun -n1 {SHOW}", "mine", CHANGED),
    (f"TOK=mine srun -n1 {SHOW}", "mine", CHANGED),
    (f"unset TOK; srun -n1 {SHOW}", "missing", UNSET),
    (f"srun -n1 --export=ALL,TOK=mine {SHOW}", "mine", EXPORTED),
    (f"srun -n1 --export=PATH,TOK=mine {SHOW}", "mine", EXPORTED),
])
def test_script_value_wins_in_step_with_message(job, values, options, command, tok, message):
    done = job(command, *options)
    assert done.out.strip() == f"TOK={tok} OTHER={values['OTHER']}"
    assert done.err.count(message) == 1 and done.err.count("secrets: ") == 1


def test_decoded_value_wins_in_step(cluster):
    cluster.push("run-encoded", user={"TOK": base64.b64encode(b"decoded value").decode()})
    done = cluster.run_batch("export TOK=$(echo $TOK | base64 -d); srun -n1 printenv TOK", "--secrets-run=run-encoded")
    assert done.out.strip() == "decoded value" and CHANGED in done.err


def test_run_of_platform_variable_is_inherited_with_edits(cluster, values):
    done = cluster.run_batch("export TOK=mine HUB=$OTHER; srun -n1 printenv TOK HUB OTHER",
                             "--export=ALL,TOWER_WORKFLOW_ID=run-inner")
    assert done.out.split() == ["mine", values["OTHER"], values["OTHER"]] and CHANGED in done.err


def test_script_value_wins_in_step_of_step(job, values):
    done = job("TOK=mine srun -n1 srun -n1 --overlap printenv TOK OTHER")
    assert done.out.split() == ["mine", values["OTHER"]]
    done = job("srun -n1 --export=ALL,TOK=mine srun -n1 --overlap printenv TOK OTHER")
    assert done.out.split() == ["mine", values["OTHER"]]


def test_request_that_script_unset_alone_is_not_restored(job, values):
    done = job("unset SLURM_SECRETS; srun -n1 sh -c 'echo ${TOK-missing}'")
    assert done.out.strip() == "missing" and "secrets: " not in done.err


def test_copy_of_secret_that_step_does_not_request_is_kept(cluster):
    cluster.push("run-step", user={"TOK": "not-a-canary", "OTHER": "no-canary-either"})  # the copy goes through slurmd
    done = cluster.run_batch("unset SLURM_SECRETS; unset TOK; export HUB=$OTHER; srun -n1 printenv HUB",
                             "--secrets-run=run-step")
    assert done.out == "no-canary-either\n" and "secrets: " not in done.err, done.err


def test_script_value_wins_in_inner_job_that_lost_slurm_variables(cluster, job, values, canaries):
    done = job(submitting(STRIPPED["shell"], "printenv TOK OTHER", "export TOK=mine"))
    assert release_inner(cluster, done, canaries).out.split() == ["mine", values["OTHER"]]


def test_explicit_option_wins_over_script_value(job, values):
    done = job("export TOK=mine; srun -n1 --secret=TOK printenv TOK")
    assert done.out.strip() == values["TOK"] and "secrets: " not in done.err


def test_keys_of_assumed_role_win_in_step(cluster, canary):
    injected = {name: canary(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    cluster.push("run-aws", user=injected)
    names = [*injected, "AWS_SESSION_TOKEN"]
    assumed = " ".join(f"{name}=assumed-{name}" for name in names)
    done = cluster.run_batch(f"export {assumed}; srun -n1 printenv {' '.join(names)}", "--secrets-run=run-aws")
    assert done.out.split() == [f"assumed-{name}" for name in names]
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: changed in this job" in done.err


def test_variables_of_outer_environment_with_equal_text_stay(cluster):
    """A value that the job's environment held before, or a short one, is no copy."""
    cluster.push("run-words", user={"NAME": "/home/alice", "COUNT": "1"})
    done = cluster.run_batch("export THREADS=1; srun -n1 printenv HOME THREADS NAME", "--secrets-run=run-words")
    assert done.out.split() == ["/home/alice", "1", "/home/alice"]
    done = cluster.run_batch(submitting("sbatch", "printenv HOME THREADS", "export THREADS=1"), "--secrets-run=run-words")
    inner = done.out.split("inner ")[1].split()[0]
    cluster.scontrol("release", inner)
    assert cluster.wait(inner).out.split() == ["/home/alice", "1"]


def test_marker_holds_no_value_and_names_no_slurm(job, values):
    done = job("env")
    marker = next(line for line in done.out.splitlines() if line.startswith("SECRETS_GIVEN="))
    assert "TOK=" in marker and "OTHER=" in marker
    assert values["TOK"] not in marker and "SLURM" not in marker


def test_job_without_secrets_has_no_marker(cluster):
    assert "SECRETS_GIVEN" not in cluster.srun("env").out

# SPDX-License-Identifier: Apache-2.0
"""Tasks of the local executor on real Nextflow: what they inherit from the head job, and where a declared secret comes from."""

import hashlib

import pytest
from nextflow_site import PLUGIN


def hashes(**values):
    return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in values.items()}


@pytest.fixture
def local(pipeline):
    local = pipeline("simple")
    local.configure("process.executor = 'local'")
    return local


def declare(local, *names):
    local.configure(f"process {{ withName: fetch {{ secret = {list(names)} }} }}")


@pytest.mark.parametrize("env", [{}, {"NXF_ENABLE_SECRETS": "false"}], ids=["usual", "without Nextflow's secrets"])
def test_undeclared_secrets_are_in_no_part_of_a_task(cluster, local, canary, env):
    declare(local)
    local.configure("process.beforeScript = 'env >$SEEN/before'")
    cluster.push("run-1", user={"TOKEN_A": canary(), "TOKEN_B": canary()})
    # NXF_DEBUG has Nextflow write the environment of a task to its log.
    done = local.run("--secrets-run=run-1", "--secret=TOKEN_A,TOKEN_B=TOKEN_C", env={"NXF_DEBUG": "1", **env})
    assert done.code == 0, done.out + done.err
    assert "SEEN=" in (local.seen_dir / "before").read_text()
    assert local.seen()["fetch"] == [{}]


@pytest.mark.newest
def test_declared_secret_stays_without_nextflows_secrets(cluster, local, canary):
    value = canary()
    cluster.push("run-1", user={"TOKEN_A": value, "TOKEN_B": canary()})
    done = local.run("--secrets-run=run-1", env={"NXF_ENABLE_SECRETS": "false"})
    assert done.code == 0, done.out + done.err
    assert local.seen()["fetch"] == [hashes(TOKEN_A=value)]


@pytest.mark.newest
@pytest.mark.parametrize("declared", [["TOKEN_A", "TOKEN_B"], ["TOKEN_B"], ["TOKEN_A"]], ids=["both", "second", "first"])
def test_variable_of_the_head_that_has_another_secrets_name_is_not_taken_for_it(cluster, local, canary, declared):
    values = {"TOKEN_A": canary(), "TOKEN_B": canary()}
    declare(local, *declared)
    cluster.push("run-1", user=values)
    done = local.run("--secrets-run=run-1", "--secret=TOKEN_A=TOKEN_B,TOKEN_B=TOKEN_C")
    assert done.code == 0, done.out + done.err
    assert local.seen()["fetch"] == [hashes(**{name: values[name] for name in declared})]


@pytest.mark.newest
def test_random_secret_in_a_file_of_the_head_is_found(cluster, local):
    local.add_program("secretctl", "#!/bin/sh\nexit 3\n")
    done = local.run("--secret=TOKEN_A:random:file", arguments=["""--script='[ ${#TOKEN_A} -eq 64 ]'"""])
    assert done.code == 0, done.out + done.err


@pytest.mark.newest
def test_variable_that_is_no_identifier_does_not_get_into_a_script(cluster, local):
    local.add_program("secretctl", "#!/bin/sh\nprintf value\n")
    done = local.run(before=f"export SLURM_SECRETS='TOKEN_A=X;touch {local.dir}/made;' NXF_JVM_ARGS=-javaagent:{PLUGIN}\n")
    assert done.code == 0, done.out + done.err
    assert not (local.dir / "made").exists()
    assert local.seen()["fetch"] == [hashes(TOKEN_A="value")]


@pytest.mark.newest
def test_undeclared_secrets_of_a_head_in_secretctl_exec_are_not_inherited(cluster, local, canary):
    value = canary()
    cluster.push("run-1", user={"TOKEN_A": value, "TOKEN_B": canary()})
    done = local.run("--secrets-run=run-1", "--secret=TOKEN_A:hold,TOKEN_B:hold",
                     before=f"secretctl exec -- bash -c '{local.command()}'\nexit\n")
    assert done.code == 0, done.out + done.err
    assert local.seen()["fetch"] == [hashes(TOKEN_A=value)]


# As while the agent restarts.
@pytest.mark.newest
@pytest.mark.parametrize("spec", ["TOKEN_A:hold", "TOKEN_A"])
def test_secret_that_cannot_be_read_now_is_not_called_missing(cluster, local, spec):
    local.add_program("secretctl", "#!/bin/sh\necho 'secretctl: no agent answers' >&2\nexit 3\n")
    done = local.run(before=f"export SLURM_SECRETS={spec} NXF_JVM_ARGS=-javaagent:{PLUGIN}\n")
    assert done.code == 1
    assert "no agent answers" in done.out
    assert "cannot give the secret TOKEN_A to a task of the local executor: cannot read it" in done.out


@pytest.mark.newest
def test_value_that_cannot_be_read_now_is_asked_for_again(cluster, local, reads_secrets):
    local.add_program("secretctl", f"#!/bin/sh\nif mkdir {local.dir}/asked 2>/dev/null; then exit 3; fi\nprintf later\n")
    local.configure("""params.script = "[ '${secrets.TOKEN_A} ${secrets.TOKEN_A}' = 'null later' ]" """)
    done = local.run(before=f"export NXF_JVM_ARGS=-javaagent:{PLUGIN}\n")
    assert done.code == 0, done.out + done.err

# SPDX-License-Identifier: Apache-2.0
"""Heterogeneous jobs: each component gets exactly the secrets that it requests itself."""

import pytest

A, B = "--secret=A", "--secret=B"
SHOW = "sh -c 'echo $0 ${A-none} ${B-none}'"
STEPS = "#!/bin/bash\n" + "".join(f"srun -n1 --het-group={group} {SHOW} {group}\n" for group in (0, 1))


@pytest.fixture
def values(cluster, canary):
    values = {"A": canary("A"), "B": canary("B")}
    cluster.push("run-het", user=values)
    cluster.push("run-other", user={"B": values["B"]})
    return values


def given(done, values):
    """Returns the secrets that each component printed, as letters."""
    names = {value: name for name, value in values.items()}
    lines = sorted(line.split() for line in done.out.splitlines())
    return {line[0]: "".join(names.get(value, "") for value in line[1:]) for line in lines}


def in_run(*options, run="run-het"):
    return [f"--secrets-run={run}", *options] if options else []


@pytest.mark.parametrize("first, second, expected", [
    ([A], [B], {"0": "A", "1": "B"}),
    ([], [B], {"0": "", "1": "B"}),
    ([A], [], {"0": "A", "1": ""}),
    ([A], ["--secret=A?"], {"0": "A", "1": "A"}),
    ([A], [A, B], {"0": "A", "1": "AB"}),
    ([A, B], [B], {"0": "AB", "1": "B"}),
])
@pytest.mark.parametrize("command", ["sbatch", "salloc", "srun"])
def test_component_gets_secrets_of_its_own_options(cluster, values, command, first, second, expected):
    first, second = in_run(*first), in_run(*second)
    if command == "srun":
        show = ["sh", "-c", "echo $0 ${A-none} ${B-none}"]
        done = cluster.srun("-n1", *first, *show, "0", ":", "-n1", *second, *show, "1")
    else:
        script = cluster.out / "het.sh"
        script.write_text(STEPS)
        script.chmod(0o755)
        if command == "sbatch":
            done = cluster.as_user("alice", ["sbatch", "-W", "--output=het.out", "-n1", *first, ":", "-n1", *second, script])
            done.out = (cluster.out / "het.out").read_text()
        else:
            done = cluster.salloc("-n1", *first, ":", "-n1", *second, script)
    assert done.code == 0, done.err
    assert given(done, values) == expected


def test_component_gets_secrets_of_its_own_run(cluster, values):
    script = cluster.out / "het.sh"
    script.write_text(STEPS)
    done = cluster.as_user("alice", ["sbatch", "-W", "--output=het.out", "-n1", "--secrets-run=run-het", ":", "-n1",
                                     "--secrets-run=run-other", script])
    done.out = (cluster.out / "het.out").read_text()
    assert given(done, values) == {"0": "AB", "1": "B"}, done.err


@pytest.mark.parametrize("first, second, expected", [
    ([], [B], {"0": "A", "1": "B"}),
    (["--secrets=none"], [B], {"0": "", "1": "B"}),
    ([B], [A], {"0": "B", "1": "A"}),
    ([], ["--secrets=none"], {"0": "A", "1": ""}),
])
def test_component_of_inner_step_gets_secrets_of_its_own_options(cluster, values, first, second, expected):
    step = f"srun -n1 {' '.join(first)} --het-group=0 {SHOW} 0 : -n1 {' '.join(second)} --het-group=1 {SHOW} 1"
    script = cluster.out / "het.sh"
    script.write_text(f"#!/bin/bash\n{step}\n")
    options = in_run(A)
    done = cluster.as_user("alice", ["sbatch", "-W", "--output=het.out", "-n1", *options, ":", "-n1", *options, script])
    done.out = (cluster.out / "het.out").read_text()
    assert given(done, values) == expected, done.err


def test_inner_step_on_both_components_gives_each_its_own_secrets(cluster, values):
    script = cluster.out / "het.sh"
    script.write_text("#!/bin/bash\nsrun -n1 --het-group=0,1 sh -c 'echo $SLURM_PROCID ${A-none} ${B-none}'\n")
    done = cluster.as_user("alice", ["sbatch", "-W", "--output=het.out", "-n1", *in_run(A), ":", "-n1", *in_run(B), script])
    done.out = (cluster.out / "het.out").read_text()
    assert given(done, values) == {"0": "A", "1": "B"}, done.err


@pytest.mark.parametrize("first, second", [("", B), (A, ""), (A, B)])
def test_sbatch_rejects_components_that_differ_in_script(cluster, values, first, second):
    """sbatch captures the environment before it parses the second component."""
    directives = [f"#SBATCH -n1 --secrets-run=run-het {first}" if first else "#SBATCH -n1", "#SBATCH hetjob",
                  f"#SBATCH -n1 --secrets-run=run-het {second}" if second else "#SBATCH -n1"]
    done = cluster.submit("#!/bin/bash\n" + "\n".join(directives) + "\ntrue\n")
    assert done.code != 0
    assert "secrets: cannot request secrets for component 1 of a heterogeneous job in the script" in done.err
    assert "srun --het-group=1 --secret=NAME" in done.err
    assert cluster.jobs() == []


def test_sbatch_accepts_components_that_agree_in_script(cluster, values):
    line = "#SBATCH -n1 --secrets-run=run-het --secret=A"
    script = STEPS.replace("#!/bin/bash\n", f"#!/bin/bash\n{line}\n#SBATCH hetjob\n{line}\n")
    done = cluster.run_batch(script)
    assert given(done, values) == {"0": "A", "1": "A"}

# SPDX-License-Identifier: Apache-2.0
"""Processes on real Nextflow: each task has the secrets that it declares, exactly, and no others."""

import hashlib

SPECIAL = '"quotes\' `id` $(id) $HOME \\n\\ {} é\n second line\t\n'

DOCKER = """#!/usr/bin/python3
import os, sys
# A container: it has the variables that -e names, and of others those that any image has.
arguments, names, at = sys.argv[1:], [], 0
if arguments[0] != "run":
    sys.exit(0)
for i, word in enumerate(arguments):
    if word == "-e":
        names.append(arguments[i + 1])
at = arguments.index("stub")
env = {name: os.environ[name] for name in ("PATH", "SEEN")}
for name in names:
    variable, is_set, value = name.partition("=")
    if is_set:
        env[variable] = value
    elif variable in os.environ:
        env[variable] = os.environ[variable]
os.execvpe(arguments[at + 1], arguments[at + 1:], env)
"""


def hashes(values, *names):
    return {name: hashlib.sha256(values[name].encode()).hexdigest() for name in names}


def test_tasks_have_their_own_secrets_only(cluster, pipeline, version, canary):
    values = {f"TOKEN_{name}": canary() for name in "ABC"}
    values["TOKEN_EXACT"] = canary() + SPECIAL + canary() + "\n\n"
    cases = pipeline("cases")
    cases.add_program("docker", DOCKER)
    if version >= "24.04":
        cases.configure("process { withName: many { array = 3 } }\nparams.scriptSecrets = true")
    else:
        cases.configure("params.scriptSecrets = false")
    listed = "['--comment=x', '--secret=TOKEN_B']" if version >= "24.04" else "'--secret=TOKEN_B'"  # earlier ones take no list
    cases.configure(f"process {{ withName: own_list {{ clusterOptions = {listed} }} }}")
    cluster.push("run-1", user=values)
    other = canary()
    cluster.push("run-2", user={"TOKEN_A": other})

    done = cases.run("--secrets-run=run-1", env={"LC_ALL": "C"})  # a locale in which Java cannot read all bytes

    assert done.code == 0, done.out + done.err
    seen = cases.seen()
    a, b, c = (hashes(values, f"TOKEN_{name}") for name in "ABC")
    exact = hashes(values, "TOKEN_EXACT")
    assert seen == {
        "one": [a], "two": [a | b], "undeclared": [{}], "exact": [exact], "retried": [a, a],
        "own_options": [a | {"TOKEN_OTHER": c["TOKEN_C"]}], "own_request": [b], "selected": [c],
        "own_comment": [{}], "own_quoted": [b], "own_closure": [b], "own_none": [{}], "own_list": [b],
        "own_run": [hashes({"TOKEN_A": other}, "TOKEN_A")],
        "many": [b] * 3, "local_one": [a], "local_exact": [exact], "local_undeclared": [{}], "contained": [b],
    }
    assert (cases.seen_dir / "comment").read_text().strip() == "mine"
    assert (cases.seen_dir / "config").read_text() == exact["TOKEN_EXACT"]
    if version >= "24.04":
        assert (cases.seen_dir / "script").read_text() == exact["TOKEN_EXACT"] + " null"

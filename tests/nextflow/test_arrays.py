# SPDX-License-Identifier: Apache-2.0
"""Job arrays on real Nextflow: what is wrong with their secrets ends the pipeline with a sentence, in whole and partial arrays."""

import pytest


@pytest.fixture
def array(pipeline, knows_arrays):
    array = pipeline("simple")
    # "finish" lets submitted tasks end: none must wait for one that never is.
    array.configure("process.array = 3\nprocess.errorStrategy = 'finish'")
    return array


# Nextflow submits the last array, which has fewer tasks, from another thread.
@pytest.mark.newest
@pytest.mark.parametrize("tasks", [2, 3, 1], ids=["partial", "whole", "single"])
def test_array_with_a_missing_secret_ends_the_pipeline_with_the_agents_sentence(cluster, array, tasks):
    cluster.push("run-1", user={"TOKEN_B": "x"})
    done = array.run("--secrets-run=run-1", arguments=[f"--tasks={tasks}"], timeout=45)
    assert done.code == 1
    assert "secret TOKEN_A is not among the secrets of run run-1" in done.out
    assert array.seen() == {}


@pytest.mark.newest
@pytest.mark.parametrize("tasks", [2, 1], ids=["partial", "single"])
def test_array_with_an_invalid_name_ends_the_pipeline_with_a_sentence(cluster, array, canary, tasks):
    array.configure("process { withName: fetch { secret = ['TOKEN A'] } }")
    cluster.push("run-1", user={"TOKEN_A": canary()})
    done = array.run("--secrets-run=run-1", arguments=[f"--tasks={tasks}"], timeout=45)
    assert done.code == 1
    assert "invalid name of a secret: 'TOKEN A'" in done.out
    assert array.seen() == {}

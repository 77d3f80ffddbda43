# SPDX-License-Identifier: Apache-2.0
"""Option --export: a job and its steps get their secrets with every setting."""

import pytest

EXPORTS = ["NONE", "NIL", "ALL", "ALL,X=1", "X"]


@pytest.mark.parametrize("export", EXPORTS)
def test_batch_job_gets_secrets_with_any_export_option(cluster, canary, export):
    value = canary()
    cluster.push("run-export", user={"TOK": value})
    done = cluster.run_batch("/usr/bin/printenv TOK; srun -n1 /usr/bin/printenv TOK", "--secrets-run=run-export", f"--export={export}")
    assert done.out == f"{value}\n{value}\n", done.err


@pytest.mark.parametrize("export", EXPORTS)
def test_step_gets_secrets_with_any_export_option(cluster, canary, export):
    value = canary()
    cluster.push("run-export", user={"TOK": value})
    done = cluster.srun("-n1", "--secrets-run=run-export", f"--export={export}", "/usr/bin/printenv", "TOK")
    assert done.out == f"{value}\n", done.err


@pytest.mark.parametrize("export", EXPORTS)
def test_inner_step_gets_job_secrets_with_any_export_option(cluster, canary, export):
    value = canary()
    cluster.push("run-export", user={"TOK": value})
    done = cluster.run_batch(f"srun -n1 --export={export} /usr/bin/printenv TOK", "--secrets-run=run-export")
    assert done.out == f"{value}\n", done.err

# SPDX-License-Identifier: Apache-2.0
"""Promise: /metrics reports what happened and what is held, in Prometheus' format, and the project's alert rules and
dashboard use existing metrics."""

import json
import re
import struct
import subprocess
from pathlib import Path

import pytest

from plugin_protocol import DONE, GRANTED, NOTHING, REFUSED, WIPE, grant_request, message, reply_to
from test_store import AgentWithStore, running

ETC = Path(__file__).resolve().parents[2] / "etc/prometheus"
RULES = ETC / "slurm-secrets.rules.yml"
DASHBOARD = ETC / "slurm-secrets.dashboard.json"


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with running(AgentWithStore(tmp_path_factory.mktemp("metrics"))) as agent:
        yield agent


def metrics(agent):
    answer = agent.http("GET", "/metrics", user="bob")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def value(text, name):
    """Returns the value of a metric, given by its name and labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"there is no {name}"
    return float(found[1])


def wipe(job):
    return message(WIPE, struct.pack("=I", job))


def test_metrics_pass_promtool_check(agent):
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics(agent), text=True, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_metrics_count_pushes_grants_changes_and_wipes(agent):
    before = metrics(agent)

    def change(name):
        return value(after, name) - value(before, name)

    agent.push("counted", user={"A": "value"})
    assert agent.http("PUT", "/v1/runs/counted", {"owner": "alice"}, user="bob").status == 403
    assert reply_to(agent, grant_request(b"run:counted,A", job=11))[0] == GRANTED
    assert reply_to(agent, grant_request(b"run:counted,B", job=12))[0] == REFUSED
    assert reply_to(agent, grant_request(b"run:never?", job=13))[0] == NOTHING
    assert agent.set("TOKEN", "value", ttl="3d").status == 201
    assert agent.set("1", "value").status == 400
    held = metrics(agent)
    assert value(held, "slurm_secrets_runs") == 1
    assert value(held, "slurm_secrets_holds") == 1
    assert value(held, "slurm_secrets_kept_secrets") == 1
    assert value(held, "slurm_secrets_expiring_secrets") == 1
    assert value(held, "slurm_secrets_store_open") == 1
    assert value(held, 'slurm_secrets_task_restarts_total{task="reaper"}') == 0
    assert 0 < value(held, "slurm_secrets_locked_bytes") <= value(held, "slurm_secrets_locked_limit_bytes")
    assert reply_to(agent, wipe(11))[0] == DONE
    assert agent.http("DELETE", "/v1/runs/counted").status == 204
    after = metrics(agent)
    assert change('slurm_secrets_pushes_total{outcome="done"}') == 1
    assert change('slurm_secrets_pushes_total{outcome="refused"}') == 1
    assert change('slurm_secrets_completions_total{outcome="done"}') == 1
    assert change('slurm_secrets_changes_total{outcome="done"}') == 1
    assert change('slurm_secrets_changes_total{outcome="refused"}') == 1
    for outcome in ("granted", "refused", "nothing"):
        assert change(f'slurm_secrets_asks_total{{outcome="{outcome}"}}') == 1
    assert change("slurm_secrets_ask_duration_seconds_count") == 3
    assert change("slurm_secrets_wipes_total") == 2
    assert value(after, "slurm_secrets_holds") == 0
    assert value(after, "slurm_secrets_oldest_hold_seconds") == 0


def names_in(text):
    return set(re.findall(r"\bslurm_secrets_[a-z_]+", text))


def known_to(agent):
    return names_in(re.sub(r"^#.*$", "", metrics(agent), flags=re.MULTILINE))


def test_alert_rules_use_existing_metrics(agent):
    done = subprocess.run(["promtool", "check", "rules", RULES], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    used = names_in(RULES.read_text())
    assert len(used) >= 6 and used <= known_to(agent)


def test_dashboard_uses_existing_metrics(agent):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    used = names_in("\n".join(queries))
    assert len(queries) >= 9 and used <= known_to(agent)

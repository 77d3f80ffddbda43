"""Promise: Prometheus is told what happened and what is held, in its own format, and the rules and the dashboard
that come with it ask for metrics that are there."""

import json
import re
import struct
import subprocess
from pathlib import Path

import pytest

from node_wire import DONE, GRANTED, NOTHING, REFUSED, WIPE, ask, message, reply_to
from test_store import KeepingAgent, running

ETC = Path(__file__).resolve().parents[2] / "etc/prometheus"
RULES = ETC / "slurm-secrets.rules.yml"
DASHBOARD = ETC / "slurm-secrets.dashboard.json"


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    with running(KeepingAgent(tmp_path_factory.mktemp("metrics"))) as agent:
        yield agent


def metrics(agent):
    answer = agent.http("GET", "/metrics", user="bob")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def value(text, name):
    """Of a metric, as it stands, labels included."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"there is no {name}"
    return float(found[1])


def wipe(job):
    return message(WIPE, struct.pack("=I", job))


def test_promtool_finds_nothing_to_say_about_the_metrics(agent):
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics(agent), text=True, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_happens_is_counted(agent):
    before = metrics(agent)

    def change(name):
        return value(after, name) - value(before, name)

    agent.push("counted", user={"A": "value"})
    assert agent.http("PUT", "/v1/runs/counted", {"owner": "alice"}, user="bob").status == 403
    assert reply_to(agent, ask(b"run:counted,A", job=11))[0] == GRANTED
    assert reply_to(agent, ask(b"run:counted,B", job=12))[0] == REFUSED
    assert reply_to(agent, ask(b"run:never?", job=13))[0] == NOTHING
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


def test_the_alert_rules_are_rules_about_metrics_that_are_there(agent):
    done = subprocess.run(["promtool", "check", "rules", RULES], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    used = names_in(RULES.read_text())
    assert len(used) >= 6 and used <= known_to(agent)


def test_the_dashboard_asks_for_metrics_that_are_there(agent):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    used = names_in("\n".join(queries))
    assert len(queries) >= 9 and used <= known_to(agent)

# SPDX-License-Identifier: Apache-2.0
"""Promise: each name that a machine reads is still there: keys of the configuration, paths and fields of the API, metrics."""

import json
import re
import subprocess

import pytest
from own_agent import AGENT, OwnAgent


@pytest.fixture(scope="module")
def agents(release):
    """Returns the agents' programs: that of the last release and this one."""
    return release / "slurm-secretsd", AGENT


@pytest.fixture(scope="module")
def answers(agents):
    """Returns the OpenAPI documents and the metrics of both."""
    found = []
    for program in agents:
        agent = type("Agent", (OwnAgent,), {"program": program})()
        try:
            found.append((json.loads(agent.http("GET", "/v1/openapi.json").text), agent.http("GET", "/metrics").text))
        finally:
            agent.remove()
    return found


def refusal(program, text, tmp_path):
    """Returns what `--check-config` says about a configuration."""
    config = tmp_path / "agentd.yaml"
    config.write_text(text)
    done = subprocess.run([program, "--config", config, "--check-config"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def keys(program, text, tmp_path):
    """Returns the keys that are accepted where `text` has an unknown one."""
    found = re.search(r"unknown key 'nosuch'; expected one of: (.*)", refusal(program, text, tmp_path))
    return set(found[1].replace(" and ", ", ").replace(" or ", ", ").split(", ")) if found else set()


def test_keys_of_configuration_are_still_accepted(agents, tmp_path):
    old, new = (keys(program, "nosuch: 1\n", tmp_path) for program in agents)
    assert len(old) > 5 and old <= new
    sections = 0
    for section in old:
        for text in (f"{section}: {{ nosuch: 1 }}\n", f"{section}: [{{ nosuch: 1 }}]\n"):
            old_keys, new_keys = (keys(program, text, tmp_path) for program in agents)
            assert old_keys <= new_keys, section
            sections += bool(old_keys)
    assert sections > 5


def test_configuration_with_newer_key_is_refused_with_its_name(agents, tmp_path):
    text = "limits: { bytes_per_owner: 1000000 }\n"
    assert "unknown key 'bytes_per_owner'; expected one of: " in refusal(agents[0], text, tmp_path)
    assert "the configuration is valid" in refusal(agents[1], text, tmp_path)


def test_paths_and_fields_of_api_are_still_there(answers):
    (old, _), (new, _) = answers
    assert len(old["paths"]) > 8
    for path, methods in old["paths"].items():
        assert set(methods) <= set(new["paths"][path]), path
    for name, schema in old["components"]["schemas"].items():
        then, now = schema.get("properties", {}), new["components"]["schemas"][name].get("properties", {})
        assert set(then) <= set(now), name


def test_metrics_are_still_there(answers):
    old, new = (set(re.findall(r"^# TYPE (\S+ \S+)$", metrics, re.MULTILINE)) for _, metrics in answers)
    assert len(old) > 10 and old <= new

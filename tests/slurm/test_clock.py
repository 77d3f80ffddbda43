# SPDX-License-Identifier: Apache-2.0
"""Promise: when the wall clock jumps, nothing expires early and nothing lives on; people see times of the wall clock."""

import time
from datetime import datetime, timezone

import pytest

from harness import poll
from own_agent import OwnAgent
from test_store import StoreMixin
from wall_clock import DAY, WallClock


class JumpingAgent(StoreMixin, OwnAgent):
    def __init__(self, folder):
        self.clock = WallClock(folder / "clock")
        self.environment = self.clock.environment
        super().__init__(self.prepare(folder))

    def run_ids(self):
        return [run["run"] for run in self.http("GET", "/v1/runs").json["runs"]]


@pytest.fixture
def agent(tmp_path):
    agent = JumpingAgent(tmp_path)
    yield agent
    agent.remove()


def seconds_of(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("days", [2, -2])
def test_expiry_follows_time_that_passes_when_wall_clock_jumps(agent, days):
    agent.push("long", ttl="24h", user={"TOKEN": "of the run"})
    agent.push("short", ttl="6s", user={"TOKEN": "x"})
    assert agent.set("KEPT", "stored", ttl="24h").status == 201
    assert agent.set("BRIEF", "x", ttl="6s").status == 201
    agent.clock.jump(days * DAY)
    time.sleep(1)
    assert set(agent.run_ids()) == {"long", "short"} and set(agent.names()) == {"KEPT", "BRIEF"}
    assert b"of the run" in agent.granted_image("run:long,TOKEN")
    assert b"stored" in agent.granted_image("KEPT", job=8)
    expires = seconds_of(agent.http("GET", "/v1/runs/long").json["expires"])
    assert abs(expires - (time.time() + days * DAY + DAY)) < 30, "a date that people see is of the wall clock"
    agent.push("later", ttl="24h", user={"TOKEN": "x"})
    poll(lambda: "short" not in agent.run_ids() and set(agent.names()) == {"KEPT"}, 15, "the expiries")
    agent.clock.jump(0)
    time.sleep(1)
    assert set(agent.run_ids()) == {"later", "long"}
    assert set(agent.names()) == {"KEPT"}


def test_stored_secret_expires_by_wall_clock_after_restart(agent):
    assert agent.set("KEPT", "stored", ttl="24h").status == 201
    agent.stop()
    agent.clock.jump(2 * DAY)
    agent.start()
    poll(lambda: agent.names() == {}, 5, "the expiry")

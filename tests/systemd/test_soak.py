# SPDX-License-Identifier: Apache-2.0
"""Soak: many runs that are pushed, used and ended, while the agent is restarted and killed, leave nothing."""

from soaking import Soak


def test_soak_of_40_runs_leaves_nothing(machine, canaries):
    """The short form of `make soak`."""
    soak = Soak(machine, runs=40)
    canaries.append(soak.canary.encode())
    soak.run()
    assert soak.left() == []
    assert soak.ends >= 2

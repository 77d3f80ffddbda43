"""Of many runs that were pushed, used and ended, while the agent was restarted and killed, nothing is left."""

from soaking import Soak


def test_forty_runs_leave_nothing(machine, canaries):
    """The short form of `make soak`."""
    soak = Soak(machine, runs=40)
    canaries.append(soak.canary.encode())
    soak.run()
    assert soak.left() == []
    assert soak.ends >= 2

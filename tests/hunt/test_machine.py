# SPDX-License-Identifier: Apache-2.0
"""Promise: the table of docs/security.md holds under a real systemd, with its journal and what it keeps over a restart."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "systemd"))

from evidence import noting_failure  # noqa: E402
from harness import poll  # noqa: E402
from machines import CannotBoot, Machine  # noqa: E402
from packets import Capture  # noqa: E402
from scenarios import IN_RUN, RUN  # noqa: E402
from stages import Stages  # noqa: E402
from sweep import Hunt  # noqa: E402
from table import COMPLETED, EPILOG_ENDED, JOB, REQUESTED_FILE, RUNNING, SECRET_MEMORY, TASKS_ENDED  # noqa: E402


@pytest.fixture(scope="module")
def machine(request):
    machine = Machine()
    try:
        with noting_failure(request.session):
            machine.up()
            machine.enable_agent()
        yield machine
    except CannotBoot as reason:
        assert os.environ.get("CI") != "true", f"CI=true, and yet {reason}"
        pytest.skip(f"NOT TESTED on a real systemd: {reason}")
    finally:
        machine.down()
        shutil.rmtree(machine.dir)


@pytest.fixture(scope="module")
def hunt(machine, values):
    capture = Capture(values, "the machine", f"/proc/{machine.pid}/ns/net")
    own = [machine.local_path(folder) for folder in ("/run", "/tmp", "/dev/shm")]
    upper = machine.dir / "layer" / "upper"
    yield Hunt(values, [capture], lambda: {machine.agent_pid: machine}, [own[0] / "slurm-secrets" / "jobs"], [*own, upper],
               [folder for folder in (upper / "var/log/journal", own[0] / "log/journal") if folder.exists()])
    assert capture.packets > 100
    capture.close()


@contextlib.contextmanager
def frozen(machine, unit):
    machine.systemctl("kill", "--kill-who=main", "--signal=STOP", unit)
    try:
        yield
    finally:
        machine.systemctl("kill", "--kill-who=main", "--signal=CONT", unit)


def test_value_on_machine_is_only_where_table_allows(machine, hunt, values):
    canary, stages = values.make(), Stages(machine)
    first, second = (stages.name() for _ in range(2))
    machine.push(RUN, user={"TOK": canary.value})
    job = machine.sbatch(f"./hold {first}; srun ./hold {second}", *IN_RUN, "--secret=TOK=COPY:file")
    assert stages.reached(first, canary) == job
    hunt.check(RUNNING, {canary: [job]})
    machine.restart_agent()
    machine.kill_agent()
    hunt.check(RUNNING, {canary: [job]})
    assert {(row, RUNNING) for row in (JOB, REQUESTED_FILE, SECRET_MEMORY)} <= hunt.seen
    stages.release(first)
    stages.reached(second, canary)
    hunt.check(RUNNING, {canary: [job]})
    with frozen(machine, "slurmd"):
        stages.release(second)
        stages.await_no_process(job)
        hunt.check(TASKS_ENDED, {canary: []})
    machine.await_end(job)
    hunt.check(EPILOG_ENDED, {canary: []})
    assert machine.journal(0).count("was granted TOK") >= 2
    machine.complete(RUN)
    poll(lambda: machine.stored() == 0, 5, "an empty descriptor store")
    hunt.check(COMPLETED, {canary: []})


def test_stopped_agent_leaves_no_value(machine, hunt, values):
    canary = values.make()
    machine.push(RUN, user={"TOK": canary.value})
    machine.systemctl("stop", "slurm-secretsd.service")
    hunt.check(COMPLETED, {canary: []})
    assert machine.runs() == []  # the socket starts it again, empty

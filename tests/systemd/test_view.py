# SPDX-License-Identifier: Apache-2.0
"""slurm-secrets-view under its real units: only the agent may query it, and it queries Slurm."""

import os
import signal
import stat
import time

import pytest

from harness import poll
from machines import CONFIG, VIEW, VIEW_SOCKET

SOCKET = "/run/slurm-secrets-view/view.sock"


@pytest.fixture(scope="module", autouse=True)
def impatient(machine):
    """Makes the agent search every second for jobs that ended without an epilog."""
    shipped = (machine.root / CONFIG).read_text()
    machine.write(CONFIG, shipped + "reaper: { interval: 1s }\n")
    machine.restart_agent()
    yield
    machine.write(CONFIG, shipped)
    machine.restart_agent()


def test_view_socket_is_private_to_agent(machine):
    assert machine.show("ActiveState", VIEW_SOCKET) == "active"
    file = machine.local_path(SOCKET).stat()
    assert stat.S_ISSOCK(file.st_mode) and stat.S_IMODE(file.st_mode) == 0o600
    assert file.st_uid == int(machine.enter("id", "-u", "slurm-secrets").out)


def test_reaper_wipes_hold_once_slurm_knows_node_is_lost(machine, canary):
    value = canary()
    machine.push("lost", workspace={"TOKEN": value})
    job = machine.sbatch("echo begun >begun.$SLURM_JOB_ID; exec sleep 600", "--secrets-run=lost", "--no-requeue")
    machine.await_file(f"begun.{job}")
    begin = time.time()
    machine.systemctl("stop", "slurmd.service")
    for pid in machine.processes("slurmd.service"):
        os.kill(pid, signal.SIGKILL)
    try:
        time.sleep(2.5)
        assert machine.status()["holds"] == 1, "wiped although Slurm does not know yet"
        machine.scontrol("update", "nodename=node", "state=down", "reason=lost")
        poll(lambda: machine.status()["holds"] == 0, 15, "the wipe of what the lost job held")
    finally:
        machine.systemctl("start", "slurmd.service")
        poll(lambda: machine.scontrol("update", "nodename=node", "state=resume").code == 0 or
             machine.sinfo() == machine.nodes, 10, "the return of the node")
    machine.await_journal(rf"\bjob {job}\b.*wiped", begin)
    assert machine.show("ActiveState", VIEW) == "active"


def test_view_service_has_own_user_and_no_capability(machine):
    machine.push("asked", workspace={"TOKEN": "value"})
    job = machine.sbatch("until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done", "--secrets-run=asked")
    try:
        poll(lambda: machine.processes(VIEW), 10, "a question of the agent's")
        pid = machine.local_pid(machine.show("MainPID", VIEW))
        status = machine.process_status(pid)
        assert status["Uid"] == [machine.enter("id", "-u", "slurm-secrets-view").out.strip()] * 4
        for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
            assert int(status[kind][0], 16) == 0, kind
    finally:
        (machine.out / f"end.{job}").touch()
        machine.await_end(job)


def test_jobs_get_secrets_without_view(machine, canary):
    value = canary()
    machine.push("alone", workspace={"TOKEN": value})
    machine.systemctl("stop", VIEW_SOCKET, VIEW)
    try:
        done = machine.srun("--secrets-run=alone", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, value + "\n"), done.err
    finally:
        machine.systemctl("start", VIEW_SOCKET)

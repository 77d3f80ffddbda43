"""slurm-secrets-view as its units make it: the agent alone may ask it, and it asks Slurm."""

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
    """An agent that looks for jobs without an epilog every second."""
    shipped = (machine.root / CONFIG).read_text()
    machine.write(CONFIG, shipped + "reaper: { interval: 1s }\n")
    machine.restart_agent()
    yield
    machine.write(CONFIG, shipped)
    machine.restart_agent()


def test_its_socket_is_the_agents(machine):
    assert machine.show("ActiveState", VIEW_SOCKET) == "active"
    file = machine.here(SOCKET).stat()
    assert stat.S_ISSOCK(file.st_mode) and stat.S_IMODE(file.st_mode) == 0o600
    assert file.st_uid == int(machine.enter("id", "-u", "slurm-secrets").out)


def test_a_hold_whose_node_was_lost_is_wiped_once_slurm_knows(machine, canary):
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


def test_it_has_a_user_of_its_own_and_no_capability(machine):
    machine.push("asked", workspace={"TOKEN": "value"})
    job = machine.sbatch("until [ -e end.$SLURM_JOB_ID ]; do sleep 0.1; done", "--secrets-run=asked")
    try:
        poll(lambda: machine.processes(VIEW), 10, "a question of the agent's")
        pid = machine.pid_here(machine.show("MainPID", VIEW))
        status = machine.process_status(pid)
        assert status["Uid"] == [machine.enter("id", "-u", "slurm-secrets-view").out.strip()] * 4
        for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
            assert int(status[kind][0], 16) == 0, kind
    finally:
        (machine.out / f"end.{job}").touch()
        machine.await_end(job)


def test_without_it_jobs_get_their_secrets_all_the_same(machine, canary):
    value = canary()
    machine.push("alone", workspace={"TOKEN": value})
    machine.systemctl("stop", VIEW_SOCKET, VIEW)
    try:
        done = machine.srun("--secrets-run=alone", "printenv", "TOKEN")
        assert (done.code, done.out) == (0, value + "\n"), done.err
    finally:
        machine.systemctl("start", VIEW_SOCKET)

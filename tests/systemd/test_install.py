# SPDX-License-Identifier: Apache-2.0
"""Installation: once enabled, jobs get their secrets; the service has few rights; all of it can be removed."""

import json
import os
import re
import stat
import time
from pathlib import Path

import pytest

from harness import memory_kind, poll
from machines import AGENT, SOCKETS, VIEW, VIEW_SOCKET

CAP_IPC_LOCK = 1 << 14


def test_installation_works_after_enable_now(machine, canary):
    """Follows a job from its secret to its end, as the admin sees it in the journal."""
    assert machine.show("ActiveState") == "active"
    assert machine.systemctl("is-enabled", AGENT).out == "enabled\n"

    begin = time.time()
    value = canary()
    refused = machine.sbatch("true", "--hold", "--secrets-run=first", "--secret=NOPE")  # the run may still be pushed
    machine.push("first", workspace={"TOKEN": value})
    job = machine.sbatch("printenv TOKEN; echo asked", "--secrets-run=first")
    done = machine.wait(job)
    assert (done.code, done.out) == (0, f"{value}\nasked\n"), done.err
    machine.scontrol("release", refused)
    refused = machine.wait(refused)
    assert refused.code != 0 and "secret NOPE is not among the secrets of run first" in refused.err
    machine.complete("first")

    output = machine.journal(begin)
    for words in ("pushed", "first", "TOKEN", f"job {job}", "alice", "complete", "NOPE"):
        assert words in output, output
    assert value not in output


def test_doctor_finds_installation_sound(machine):
    checks = json.loads(machine.enter("secretctl", "doctor", "--json").out)
    states = {check["name"]: check["state"] for check in checks["checks"]}
    assert checks["ok"] and "fail" not in states.values(), checks
    for name in ("plugstack.conf", "plugin's line", "plugin", "plugin's Slurm", "node socket", "job socket",
                 "control socket", "agent answers", "agent's version", "memory lock limit"):
        assert states[name] == "ok", checks
    assert states["agent's memory"] == ("ok" if memory_kind() == "memfd_secret" else "warn"), checks
    output = machine.as_user("alice", ["secretctl", "doctor"])
    assert "no check failed" in output.out and "FAIL" not in output.out, output.out


def test_systemctl_status_shows_number_of_runs(machine, canary):
    machine.push("told", workspace={"TOKEN": canary()})
    poll(lambda: "1 run" in machine.show("StatusText"), 5, "a status text that counts the run")
    shown = machine.systemctl("status", AGENT).out
    assert "Active: active (running)" in shown
    assert re.search(r"Status: \".*1 run.*\"", shown), shown
    machine.complete("told")
    poll(lambda: re.search(r"\b(no|0) runs", machine.show("StatusText")), 5, "a status text without the run")


def test_socket_units_set_expected_owners_and_modes(machine):
    modes = {"node": 0o600, "job": 0o666, "control": 0o666}
    for name, mode in modes.items():
        unit = f"slurm-secretsd-{name}.socket"
        assert machine.show("ActiveState", unit) == "active"
        assert machine.systemctl("is-enabled", unit).out == "enabled\n"
        file = machine.local_path(f"/run/slurm-secrets/{name}.sock").stat()
        assert stat.S_ISSOCK(file.st_mode) and stat.S_IMODE(file.st_mode) == mode, name
        assert file.st_uid == 0, name
    folder = machine.local_path("/run/slurm-secrets").stat()
    assert stat.S_IMODE(folder.st_mode) == 0o755 and folder.st_uid == 0
    connect_script = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect('/run/slurm-secrets/node.sock')"
    refused = machine.as_user("alice", ["python3", "-c", connect_script])
    assert "PermissionError" in refused.err
    # The agent's own user, as which no job runs, may not connect as slurmstepd does either.
    assert "PermissionError" in machine.as_user("slurm-secrets", ["python3", "-c", connect_script]).err


def test_agent_process_has_minimal_privileges(machine):
    account = machine.enter("getent", "passwd", "slurm-secrets").out.split(":")
    status = machine.process_status(machine.agent_pid)
    assert status["Uid"] == [account[2]] * 4 and account[2] != "0"
    assert status["Gid"] == [account[3]] * 4
    assert set(status["Groups"]) <= {account[3]}
    assert account[6].strip().endswith("nologin")
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
        assert int(status[kind][0], 16) & ~CAP_IPC_LOCK == 0, kind
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    assert int(status["VmLck"][0]) > 0
    limits = Path(f"/proc/{machine.agent_pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_agent_process_sees_no_network_and_no_home(machine):
    pid = machine.agent_pid
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink(f"/proc/{machine.pid}/ns/net")
    assert list(Path(f"/proc/{pid}/root/home").iterdir()) == []
    mounts = Path(f"/proc/{pid}/mountinfo").read_text()
    assert re.search(r" / ro[, ]", mounts), mounts


def test_systemd_security_exposure_is_at_most_0_5(machine):
    output = machine.enter("systemd-analyze", "security", "--no-pager", AGENT).out
    exposure = re.search(r"Overall exposure level for slurm-secretsd\.service: ([0-9.]+)", output)
    assert float(exposure[1]) <= 0.5, output
    unit = machine.show("FragmentPath")
    machine.enter("systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=5", unit)


@pytest.mark.parametrize("unit", [AGENT, *SOCKETS, VIEW, VIEW_SOCKET, "slurm-secrets-key.socket", "slurm-secrets-pause.service"])
def test_systemd_verify_reports_nothing_for_units(machine, unit):
    output = machine.enter("systemd-analyze", "verify", machine.show("FragmentPath", unit), check=False)
    about_us = [line for line in (output.out + output.err).splitlines() if "slurm-secret" in line]
    assert about_us == []


# ---- removal -------------------------------------------------------------------------------------


def units_known(machine):
    output = machine.systemctl("list-units", "--all", "--plain", "--no-legend", "slurm-secret*").out
    return [line.split()[0] for line in output.splitlines()]


def test_uninstall_leaves_nothing(bare_machine):
    machine = bare_machine
    before = set((machine.root / "etc/systemd/system").rglob("*"))
    machine.enable_agent()
    machine.push("forgotten", workspace={"TOKEN": "value"})

    machine.systemctl("disable", "--now", AGENT, *SOCKETS, VIEW, VIEW_SOCKET)
    assert machine.processes() == machine.processes(VIEW) == []
    assert machine.stored() == 0
    assert set((machine.root / "etc/systemd/system").rglob("*")) == before
    jobs = machine.local_path("/run/slurm-secrets/jobs")  # which would have the files of running jobs
    assert list(machine.local_path("/run/slurm-secrets").iterdir()) == [jobs] and not list(jobs.iterdir())
    assert list(machine.local_path("/run/slurm-secrets-view").iterdir()) == []

    (machine.root / "etc/slurm/plugstack.conf").write_text("")
    for file in machine.installed():
        (machine.root / file).unlink()
    machine.systemctl("daemon-reload")
    assert units_known(machine) == []
    done = machine.srun("echo", "as before")
    assert (done.code, done.out) == (0, "as before\n"), done.err

    # The users stay, as is usual with systemd-sysusers, since they once owned files; nothing runs as them.
    written = [path.relative_to(machine.dir / "layer/upper") for path in (machine.dir / "layer/upper").rglob("*")
               if "slurm-secret" in path.name and path.is_file()]
    assert written == []
    uids = [machine.enter("id", "-u", user).out.strip() for user in ("slurm-secrets", "slurm-secrets-view")]
    for process in Path(machine.cgroup).glob("payload/**/cgroup.procs"):
        for pid in process.read_text().split():
            assert machine.process_status(pid)["Uid"][0] not in uids

# SPDX-License-Identifier: Apache-2.0
"""Packages on a real systemd: five commands to the first job, upgrades that end nothing, several Slurms, removal.

On Debian 13: build the packages in a tree of it that has systemd, and name both, as $DEBS and $MACHINE_TREE."""

import os
import re
import shutil
import time

import pytest

from booting import booted_machine
from commands import run
from harness import poll
from machines import AGENT, CONFIG, SOCKETS, VIEW_SOCKET

APT = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--option", "Dpkg::Options::=--force-confold"]
LINE = "required /usr/lib/slurm-secrets/spank_secrets.so"


@pytest.fixture(scope="module")
def machine(request, debs):
    """Boots a machine that has Slurm, and not the project."""
    with booted_machine(request.session, "packages", bare=True) as machine:
        (machine.root / "root/debs").mkdir()
        for deb in debs.glob("*.deb"):
            shutil.copy2(deb, machine.root / "root/debs")
        yield machine


def apt(machine, *arguments, check=True):
    return machine.enter(*APT, *arguments, check=check, timeout=90)


def install(machine, *debs, check=True):
    return apt(machine, "install", *(f"/root/debs/{deb}" for deb in debs), check=check)


def names(machine, pattern="slurm-secrets*.deb"):
    return sorted(file.name for file in (machine.root / "root/debs").glob(pattern))


@pytest.fixture(scope="module")
def installed(machine):
    """Does what a newcomer does (docs/packages.md): the package has enabled and started the agent. Returns how long the five
    commands took, and what the last two wrote."""
    begin = time.monotonic()
    install(machine, *names(machine))
    machine.enter("sh", "-c", f"echo '{LINE}' >>/etc/slurm/plugstack.conf")
    machine.systemctl("restart", "slurmd")
    doctor = machine.enter("secretctl", "doctor", check=False)
    job = machine.srun("--secret=TOKEN:random", "printenv", "TOKEN")
    return time.monotonic() - begin, doctor, job


def test_five_commands_lead_from_packages_to_first_job(machine, installed):
    seconds, doctor, job = installed
    assert job.code == 0 and len(job.out) > 20, job.err
    assert doctor.code == 0 and "FAIL" not in doctor.out, doctor.out
    assert seconds < 60
    print(f"from packages to the first job: {seconds:.1f} s")
    for unit in (AGENT, *SOCKETS, VIEW_SOCKET):
        assert machine.systemctl("is-enabled", unit).out == "enabled\n"
    assert machine.systemctl("is-enabled", "slurm-secretsd-hub.socket", check=False).out == "disabled\n"

    machine.secretctl("set", "TOKEN", user="alice", input="first value")
    job = machine.srun("--secret=TOKEN", "printenv", "TOKEN")
    assert (job.code, job.out) == (0, "first value\n"), job.err
    poll(lambda: machine.status()["holds"] == 0, 10, "the wipe by the job's epilog")


# ---- upgrades ---------------------------------------------------------------------------------------


def repack(machine, name, *changes):
    """Makes another package of one in /root/debs, with each pair of (old, new) replaced in its control file."""
    folder = machine.root / "root/repack"
    run("dpkg-deb", "--raw-extract", machine.root / "root/debs" / name, folder)
    control = folder / "DEBIAN/control"
    text = control.read_text()
    for old, new in changes:
        assert re.search(old, text, re.MULTILINE), old
        text = re.sub(old, new, text, flags=re.MULTILINE)
    control.write_text(text)
    run("dpkg-deb", "-Znone", "--root-owner-group", "--build", folder, machine.root / "root/debs" / f"next-{name}")
    shutil.rmtree(folder)
    return f"next-{name}"


def program_of(machine):
    return os.stat(f"/proc/{machine.agent_pid}/exe").st_ino


def test_upgrade_leaves_agent_running_and_loses_nothing(machine, installed, slurm):
    machine.push("kept", workspace={"TOKEN": "of the run"})
    job = machine.sbatch("until [ -e go ]; do sleep 0.1; done; srun --overlap printenv TOKEN", "--secrets-run=kept", "--secret=TOKEN")
    poll(lambda: machine.status()["holds"] == 1, 15, "the job's hold")
    mine = (machine.root / CONFIG).read_text() + "log:\n  level: debug\n"
    (machine.root / CONFIG).write_text(mine)
    pid, old, sockets = machine.agent_pid, program_of(machine), machine.show("InvocationID", SOCKETS[0])

    newer = (r"^Version: (.*)", r"Version: \1+next")
    said = install(machine, repack(machine, names(machine, "slurm-secrets_*")[0], newer),
                   repack(machine, names(machine, f"slurm-secrets-plugin-{slurm}_*")[0], newer,
                          (r"^(Provides: .*)\)", r"\1+next)")))
    assert "systemctl restart slurm-secretsd" in said.out
    assert machine.agent_pid == pid and program_of(machine) == old
    assert machine.show("InvocationID", SOCKETS[0]) == sockets
    assert (machine.status()["runs"], machine.status()["holds"]) == (1, 1)
    assert (machine.root / CONFIG).read_text() == mine

    machine.restart_agent()
    assert program_of(machine) != old
    assert (machine.status()["runs"], machine.status()["holds"]) == (1, 1)
    (machine.out / "go").touch()
    done = machine.wait(job)
    assert (done.code, done.out) == (0, "of the run\n"), done.err
    machine.complete("kept")


def test_upgrade_leaves_stopped_and_disabled_agent_alone(machine, installed):
    machine.systemctl("disable", "--now", AGENT, *SOCKETS)
    again = names(machine, "next-slurm-secrets_*")[0]
    apt(machine, "install", "--reinstall", f"/root/debs/{again}")
    assert machine.show("ActiveState") == "inactive"
    assert machine.systemctl("is-enabled", AGENT, check=False).out == "disabled\n"
    machine.systemctl("enable", "--now", AGENT)
    machine.await_agent()


# ---- several versions of Slurm ----------------------------------------------------------------------


def test_plugin_of_another_slurm_is_refused_and_takes_the_place_of_this_one(machine, installed, slurm):
    original = names(machine, f"slurm-secrets-plugin-{slurm}_*")[0]
    renamed = (rf"^Package: .*{re.escape(slurm)}", "Package: slurm-secrets-plugin-99.05")
    refused = install(machine, repack(machine, original, renamed, (r"slurm-wlm-basic-plugins \(>= [^)]*", "slurm-wlm-basic-plugins (>= 99.05~")),
                      check=False)
    assert refused.code != 0 and "slurm-wlm-basic-plugins (>= 99.05~)" in refused.out, refused.out
    plugin = machine.root / "usr/lib/slurm-secrets/spank_secrets.so"
    assert plugin.exists()

    install(machine, repack(machine, original, renamed))
    known = machine.enter("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", "slurm-secrets-plugin*").out
    assert "slurm-secrets-plugin-99.05 installed" in known and f"slurm-secrets-plugin-{slurm} installed" not in known
    done = machine.srun("--secret=TOKEN", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, "first value\n"), done.err


# ---- removal ----------------------------------------------------------------------------------------


def test_removal_ends_everything_and_purge_leaves_nothing(machine, installed):
    (machine.root / "etc/slurm/plugstack.conf").write_text("")
    packages = machine.enter("dpkg-query", "--show", "--showformat=${Package}\n", "slurm-secrets*").out.split()
    apt(machine, "remove", *packages)
    assert machine.processes() == [] and machine.stored() == 0
    loaded = machine.systemctl("list-units", "--all", "--plain", "--no-legend", "slurm-secret*").out
    assert not re.search(r" loaded +active", loaded), loaded
    assert (machine.root / CONFIG).exists() and (machine.root / "var/lib/slurm-secrets/store.db").exists()
    done = machine.srun("echo", "as before")
    assert (done.code, done.out) == (0, "as before\n"), done.err

    apt(machine, "purge", "slurm-secrets")
    upper = machine.dir / "layer/upper"
    left = [path for folder in ("etc", "usr", "var/lib", "var/log")
            for path in (file.relative_to(upper) for file in (upper / folder).rglob("*") if file.is_file())
            if "slurm-secret" in str(path) and not re.match("var/lib/(dpkg|systemd)/", str(path))]
    assert left == []

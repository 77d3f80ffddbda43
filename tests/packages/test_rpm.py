# SPDX-License-Identifier: Apache-2.0
"""RPM packages, as far as this machine's rpm goes: what is in each, what they require, and what rpmlint finds."""

import pytest

from commands import need, run
from harness import BUILD, PROJECT

CONTENT = {
    "slurm-secrets": ["/usr/sbin/slurm-secretsd", "/usr/bin/secretctl", "/etc/slurm-secrets/agentd.yaml",
                      "/usr/lib/systemd/system/slurm-secretsd.service", "/usr/lib/sysusers.d/slurm-secrets.conf",
                      "/usr/lib/slurm-secrets/shims/nextflow", "/usr/share/man/man8/slurm-secretsd.8.gz"],
    "slurm-secrets-plugin-{slurm}": ["/usr/lib/slurm-secrets/spank_secrets.so", "/usr/sbin/slurm-secrets-view"],
    "slurm-secrets-nextflow": ["/usr/lib/slurm-secrets/slurm-secrets-nextflow.jar"],
}


@pytest.fixture(scope="module")
def rpms(tmp_path_factory):
    need("rpmbuild", "rpm")
    folder = tmp_path_factory.mktemp("rpms")
    run(PROJECT / "packaging" / "rpm" / "build", folder, READY_BUILD=str(BUILD), RPM_WORK=str(folder / "work"))
    return folder


@pytest.fixture(scope="module")
def slurm(rpms):
    (plugin,) = rpms.glob("slurm-secrets-plugin-*.rpm")
    return plugin.name.removeprefix("slurm-secrets-plugin-").split("-")[0]


def query(rpms, package, *options):
    (file,) = rpms.glob(f"{package}-[0-9].*.rpm")
    return run("rpm", "--query", "--package", *options, file).stdout.splitlines()


@pytest.mark.parametrize("package", CONTENT)
def test_rpm_has_its_files(rpms, slurm, package):
    if package.endswith("nextflow"):
        need("javac")
    files = query(rpms, package.format(slurm=slurm), "--list")
    assert [file for file in CONTENT[package] if file not in files] == []


def test_only_plugin_requires_slurm(rpms, slurm):
    plugin = f"slurm-secrets-plugin-{slurm}"
    assert [line for line in query(rpms, plugin, "--requires") if line.startswith("libslurm.so.")]
    assert [line for line in query(rpms, plugin, "--provides") if line.startswith("slurm-secrets-plugin = ")]
    assert query(rpms, plugin, "--conflicts") == ["slurm-secrets-plugin"]
    assert not [line for line in query(rpms, "slurm-secrets", "--requires") if "libslurm" in line]


def test_plugin_and_agent_are_not_libraries_for_others(rpms, slurm):
    for package in ("slurm-secrets", f"slurm-secrets-plugin-{slurm}"):
        assert not [line for line in query(rpms, package, "--provides") if ".so" in line]


def test_upgrade_neither_stops_nor_restarts(rpms):
    scripts = "\n".join(query(rpms, "slurm-secrets", "--scripts"))
    commands = [line for line in scripts.splitlines() if "systemctl" in line]
    assert commands and not [line for line in commands if "restart" in line or "stop" in line]
    assert [line for line in commands if "disable --now" in line and line.startswith("[ $1 -ne 0 ]")]


def test_configuration_is_kept_by_rpm(rpms):
    flags = query(rpms, "slurm-secrets", "--queryformat", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]")
    assert "/etc/slurm-secrets/agentd.yaml cn" in flags  # %config(noreplace)


def test_rpmlint_finds_nothing(rpms):
    need("rpmlint")
    found = run("rpmlint", "--config", PROJECT / "packaging/rpm/rpmlint.toml", PROJECT / "packaging/rpm/slurm-secrets.spec",
                *rpms.glob("*.rpm"), check=False)
    assert "0 errors, 0 warnings" in found.stdout, found.stdout + found.stderr

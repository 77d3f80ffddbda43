# SPDX-License-Identifier: Apache-2.0
"""Debian packages: what is in each, what each depends on, and what lintian finds."""

import re

import pytest

from commands import need, run
from harness import BUILD, PROJECT

CONTENT = {
    "slurm-secrets": ["usr/sbin/slurm-secretsd", "usr/bin/secretctl", "etc/slurm-secrets/agentd.yaml",
                      "etc/slurm-secrets/plugstack.conf.example", "usr/lib/sysusers.d/slurm-secrets.conf",
                      "usr/lib/slurm-secrets/wipe-if-stopped", "usr/lib/slurm-secrets/shims/nextflow",
                      "usr/share/man/man1/secretctl.1.gz", "usr/share/man/man8/slurm-secretsd.8.gz",
                      "usr/share/bash-completion/completions/secretctl", "usr/share/doc/slurm-secrets/docs/admin.md"],
    "slurm-secrets-plugin-{slurm}": ["usr/lib/slurm-secrets/spank_secrets.so", "usr/sbin/slurm-secrets-view",
                                     "usr/share/man/man7/spank_secrets.7.gz"],
    "slurm-secrets-nextflow": ["usr/lib/slurm-secrets/slurm-secrets-nextflow.jar"],
}


def file_of(debs, name):
    (file,) = debs.glob(f"{name}_*.deb")
    return file


def field(file, name):
    return run("dpkg-deb", "--field", file, name).stdout.strip()


def files_in(file):
    lines = run("dpkg-deb", "--contents", file).stdout.splitlines()
    return [re.split(r"\s+", line)[5].removeprefix("./") for line in lines if not line.startswith("d")]


@pytest.mark.parametrize("package", CONTENT)
def test_package_has_its_files(debs, slurm, package):
    if package.endswith("nextflow"):
        need("javac")
    files = files_in(file_of(debs, package.format(slurm=slurm)))
    assert [file for file in CONTENT[package] if file not in files] == []


def test_no_two_packages_have_a_file_in_common(debs):
    every = [file for deb in debs.glob("*.deb") for file in files_in(deb)]
    assert len(every) == len(set(every))


def test_units_lie_where_the_release_looks(debs):
    units = [file for file in files_in(file_of(debs, "slurm-secrets")) if file.endswith((".service", ".socket"))]
    folder = run("pkg-config", "--variable=systemdsystemunitdir", "systemd", check=False).stdout.strip() or "/usr/lib/systemd/system"
    assert len(units) == 10 and all(f"/{unit}".startswith(folder) for unit in units), units


def test_only_plugin_depends_on_slurm_and_on_one_minor_version(debs, slurm):
    plugin = file_of(debs, f"slurm-secrets-plugin-{slurm}")
    depends = field(plugin, "Depends")
    major, minor = slurm.split(".")
    assert f"slurm-wlm-basic-plugins (>= {slurm}~)" in depends
    assert f"slurm-wlm-basic-plugins (<< {major}.{int(minor) + 1:02}~)" in depends
    assert re.search(r"libslurm\d+", depends)
    assert "slurm-secrets-plugin (" in field(plugin, "Provides") and field(plugin, "Conflicts") == "slurm-secrets-plugin"
    agent = field(file_of(debs, "slurm-secrets"), "Depends")
    assert "slurm" not in agent and "libmunge" in agent


def test_configuration_is_kept_by_dpkg(debs):
    listed = run("dpkg-deb", "--info", file_of(debs, "slurm-secrets"), "conffiles").stdout.split()
    assert listed == ["/etc/slurm-secrets/agentd.yaml", "/etc/slurm-secrets/plugstack.conf.example"]


def test_profile_without_jdk_leaves_nextflow_out(debs, tmp_path):
    run(PROJECT / "packaging" / "deb", tmp_path, READY_BUILD=str(BUILD), DEB_WORK=str(tmp_path / "work"),
        DEB_BUILD_OPTIONS="noautodbgsym", DEB_BUILD_PROFILES="pkg.slurm-secrets.nonextflow")
    assert {file.name.split("_")[0] for file in tmp_path.glob("*.deb")} == {
        file.name.split("_")[0] for file in debs.glob("*.deb")} - {"slurm-secrets-nextflow"}


def test_lintian_finds_nothing(debs):
    need("lintian")
    (changes,) = debs.glob("*.changes")
    found = run("lintian", "--fail-on", "error,warning", "--allow-root", "--no-tag-display-limit", changes, check=False)
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr

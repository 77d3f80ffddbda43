# SPDX-License-Identifier: Apache-2.0
"""Built and installed files: symbols and libraries of the plugin, hardening, and the paths of the installation."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from harness import BUILD, PROJECT

PLUGIN = BUILD / "spank_secrets.so"
VIEW = "slurm-secrets-view"
PROGRAMS = ["slurm-secretsd", "secretctl"]
BUILT = [PLUGIN.name, *PROGRAMS, VIEW]
JAR = "slurm-secrets-nextflow.jar"
HAS_JDK = shutil.which("javac") is not None

HOOKS = {"init", "init_post_opt", "task_init_privileged", "task_init", "exit", "job_epilog"}


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60,
                          env=os.environ | {"LC_ALL": "C"}).stdout


def needed_by(file):
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-d", file)))


# ---- the plugin, which processes of Slurm load ------------------------------------------------------


def test_plugin_exports_only_spank_symbols():
    """Above all, not slurm_spank_job_prolog, for which slurmd would fork a helper before every job."""
    exported = {line.split()[-1] for line in output_of("nm", "-D", "--defined-only", PLUGIN).splitlines()}
    assert exported == {f"slurm_spank_{hook}" for hook in HOOKS} | {
        "plugin_name", "plugin_type", "plugin_version", "spank_plugin_version"}


def test_plugin_links_only_libc():
    assert {re.sub(r"[.-].*", "", library) for library in needed_by(PLUGIN)} <= {"libc", "ld"}


def test_plugin_needs_only_libc_and_spank_symbols():
    undefined = [line.split()[-1] for line in output_of("nm", "-D", "--undefined-only", PLUGIN).splitlines()]
    ours = [name for name in undefined if "@GLIBC_" not in name and "@@GLIBC_" not in name]
    weak = {"__gmon_start__", "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable"}
    spank = re.compile(r"(slurm_)?spank_\w+|slurm_(error|info|verbose|debug|spank_log)")
    assert [name for name in ours if not spank.fullmatch(name) and name not in weak] == []


@pytest.mark.parametrize("file", BUILT)
def test_binaries_are_hardened(file):
    dynamic = output_of("readelf", "-dW", BUILD / file)
    segments = output_of("readelf", "-lW", BUILD / file)
    symbols = output_of("nm", "-D", BUILD / file)
    assert "BIND_NOW" in dynamic and "GNU_RELRO" in segments
    assert re.search(r"GNU_STACK.* RW ", segments), "an executable stack"
    assert not re.search(r"\((RPATH|RUNPATH)\)", dynamic)
    assert "Type:                              DYN" in output_of("readelf", "-h", BUILD / file)
    assert "__stack_chk_fail" in symbols


@pytest.mark.parametrize("file", PROGRAMS)
def test_only_view_links_slurm(file):
    assert not [library for library in needed_by(BUILD / file) if "slurm" in library]
    assert [library for library in needed_by(BUILD / VIEW) if "slurm" in library]


# ---- make install -----------------------------------------------------------------------------------


def make_install(build, destination):
    """Runs `make install` as an admin would, but with the files of BUILD and without building them again."""
    return output_of("make", "-C", PROJECT, "--old-file=build", "install", f"BUILD={build}", f"DESTDIR={destination}",
                     "prefix=/usr")


@pytest.fixture(scope="module")
def build_for_usr(tmp_path_factory):
    """A build directory of its own with the prefix /usr, so that the real one keeps its prefix."""
    folder = tmp_path_factory.mktemp("build")
    output_of("cmake", "-S", PROJECT, "-B", folder, "-G", "Ninja", "-DCMAKE_INSTALL_PREFIX=/usr")
    for file in [*BUILT, JAR] if HAS_JDK else BUILT:
        shutil.copy2(BUILD / file, folder / file)
    for page in (BUILD / "docs/man").glob("*.[1-8]"):
        shutil.copy2(page, folder / "docs/man" / page.name)
    return folder


@pytest.fixture(scope="module")
def installed(build_for_usr, tmp_path_factory):
    """Installs everything for /usr into a root directory, and returns the directory."""
    destination = tmp_path_factory.mktemp("root")
    make_install(build_for_usr, destination)
    return destination


EXPECTED = {
    "usr/sbin/slurm-secretsd": 0o755,
    "usr/sbin/slurm-secrets-view": 0o755,
    "usr/bin/secretctl": 0o755,
    "usr/lib/slurm-secrets/spank_secrets.so": None,
    "etc/slurm-secrets/agentd.yaml": 0o644,
    "usr/share/doc/slurm-secrets/README.md": 0o644,
    "usr/share/doc/slurm-secrets/LICENSE": 0o644,
    "usr/share/doc/slurm-secrets/CHANGELOG.md": 0o644,
    "usr/share/doc/slurm-secrets/CONTRIBUTING.md": 0o644,
    "usr/share/doc/slurm-secrets/SECURITY.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/admin.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/architecture.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/audit.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/nextflow.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/packages.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/platform.md": 0o644,
    "usr/share/doc/slurm-secrets/docs/security.md": 0o644,
    "etc/slurm-secrets/plugstack.conf.example": 0o644,
    "usr/lib/systemd/system/slurm-secretsd.service": 0o644,
    "usr/lib/systemd/system/slurm-secrets-key.socket": 0o644,
    "usr/lib/systemd/system/slurm-secrets-key@.service": 0o644,
    "usr/lib/systemd/system/slurm-secrets-pause.service": 0o644,
    "usr/lib/systemd/system/slurm-secrets-view.service": 0o644,
    "usr/lib/systemd/system/slurm-secrets-view.socket": 0o644,
    "usr/lib/systemd/catalog/slurm-secrets.catalog": 0o644,
    "usr/lib/systemd/system/slurm-secretsd-node.socket": 0o644,
    "usr/lib/systemd/system/slurm-secretsd-job.socket": 0o644,
    "usr/lib/systemd/system/slurm-secretsd-control.socket": 0o644,
    "usr/lib/systemd/system/slurm-secretsd-hub.socket": 0o644,
    "usr/lib/slurm-secrets/wipe-if-stopped": 0o755,
    "usr/lib/slurm-secrets/give-store-key": 0o755,
    "usr/lib/slurm-secrets/pause-if-failing": 0o755,
    "usr/lib/slurm-secrets/node.conf": 0o644,
    "usr/lib/slurm-secrets/shims/nextflow": 0o755,
    "usr/share/doc/slurm-secrets/prometheus/slurm-secrets.rules.yml": 0o644,
    "usr/share/doc/slurm-secrets/prometheus/slurm-secrets.dashboard.json": 0o644,
    "usr/lib/sysusers.d/slurm-secrets.conf": 0o644,
    "usr/share/man/man1/secretctl.1": 0o644,
    "usr/share/man/man5/slurm-secrets.yaml.5": 0o644,
    "usr/share/man/man7/spank_secrets.7": 0o644,
    "usr/share/man/man8/slurm-secretsd.8": 0o644,
    "usr/share/man/man8/slurm-secrets-view.8": 0o644,
    "usr/share/bash-completion/completions/secretctl": 0o644,
    "usr/share/zsh/site-functions/_secretctl": 0o644,
    "usr/share/slurm-secrets/ondemand/README.md": 0o644,
    "usr/share/slurm-secrets/ondemand/manifest.yml": 0o644,
    "usr/share/slurm-secrets/ondemand/passenger_wsgi.py": 0o644,
    "usr/share/slurm-secrets/ondemand/bin/python": 0o755,
}
if HAS_JDK:
    EXPECTED[f"usr/lib/slurm-secrets/{JAR}"] = 0o644


def test_install_writes_every_file_with_its_mode(installed):
    for path, mode in EXPECTED.items():
        status = (installed / path).stat()
        assert stat.S_ISREG(status.st_mode)
        assert mode is None or stat.S_IMODE(status.st_mode) == mode, path


def test_install_adds_nothing_but_documentation(installed):
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if not path.is_dir()}
    assert {path for path in files - set(EXPECTED) if not path.startswith("usr/share/doc/slurm-secrets/")} == set()


def test_installed_programs_print_version(installed):
    for program in ("usr/sbin/slurm-secretsd", "usr/sbin/slurm-secrets-view", "usr/bin/secretctl"):
        assert re.search(r" \d+\.\d+\.\d+\n", output_of(installed / program, "--version"))


def test_installed_configuration_is_valid_and_shows_every_key(installed, tmp_path):
    config = installed / "etc/slurm-secrets/agentd.yaml"
    agent = installed / "usr/sbin/slurm-secretsd"
    assert "the configuration is valid" in output_of(agent, "--config", config, "--check-config")
    # Without its comment marks, the file shows the defaults and must be valid, too.
    lines = [re.sub(r"^#(\w+:|  )", r"\1", line) for line in config.read_text().splitlines()]
    # Except the keys of a hub and a node, which need certificates, and of OpenBao, which excludes store.file.
    alone = re.sub(r"^(listen|hub):\n(  .*\n)+|^  openbao:\n(    .*\n)+", "", "\n".join(lines), flags=re.MULTILINE)
    (tmp_path / "all.yaml").write_text(alone)
    assert "the configuration is valid" in output_of(agent, "--config", tmp_path / "all.yaml", "--check-config")
    keys = set(re.findall(r"^\s*(?:- )?(\w+):", "\n".join(lines), re.MULTILINE))
    assert {"node_socket", "control_socket", "require_secretmem", "value_bytes", "run_bytes", "runs_per_owner",
            "runs_per_platform", "total_bytes", "default_ttl", "max_ttl", "view_socket", "interval", "platforms", "users", "groups", "level",
            "to", "file", "job_socket", "force_memfd", "listen", "address", "certificate", "key", "client_ca", "agents"} <= keys


def test_installed_units_and_plugstack_line_name_installed_files(installed):
    unit = (installed / "usr/lib/systemd/system/slurm-secretsd.service").read_text()
    assert "ExecStart=/usr/sbin/slurm-secretsd\n" in unit and "/etc/slurm-secrets/agentd.yaml" in output_of(
        BUILD / "slurm-secretsd", "--help")
    view = (installed / "usr/lib/systemd/system/slurm-secrets-view.service").read_text()
    assert "ExecStart=/usr/sbin/slurm-secrets-view --lifetime 300\n" in view
    example = (installed / "etc/slurm-secrets/plugstack.conf.example").read_text()
    lines = [line for line in example.splitlines() if line and not line.startswith("#")]
    assert lines == ["required /usr/lib/slurm-secrets/spank_secrets.so"]


def test_journal_catalog_is_well_formed(installed, tmp_path):
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copytree(installed / "usr/lib/systemd/catalog", tmp_path / "usr/lib/systemd/catalog")
    output_of("journalctl", "--root", tmp_path, "--update-catalog")
    text = output_of("journalctl", "--root", tmp_path, "--list-catalog")
    assert text.count("slurm-secrets: ") == text.count("\n") >= 20


def test_install_does_not_overwrite_modified_configuration(build_for_usr, installed):
    config = installed / "etc/slurm-secrets/agentd.yaml"
    shipped = config.read_text()
    config.write_text("# mine\n")
    make_install(build_for_usr, installed)
    assert config.read_text() == "# mine\n"
    assert (installed / "etc/slurm-secrets/agentd.yaml.new").read_text() == shipped


def test_install_prints_next_steps(build_for_usr, tmp_path):
    shown = make_install(build_for_usr, tmp_path)
    for step in ("systemd-sysusers", "systemctl enable --now slurm-secretsd", "required /usr/lib/slurm-secrets/spank_secrets.so",
                 "secretctl doctor"):
        assert step in shown


# ---- make uninstall ---------------------------------------------------------------------------------


def make_uninstall(build, destination):
    return subprocess.run(["make", "-C", PROJECT, "uninstall", f"BUILD={build}", f"DESTDIR={destination}", "prefix=/usr"],
                          capture_output=True, text=True, timeout=60, check=False)


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_uninstall_removes_what_install_wrote(build_for_usr, tmp_path):
    for _ in range(2):
        make_install(build_for_usr, tmp_path)
    (tmp_path / "usr/bin/other").touch()
    done = make_uninstall(build_for_usr, tmp_path)
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path) == {"usr/bin/other"}
    assert [path for path in tmp_path.rglob("*slurm-secrets*")] == []


def test_uninstall_keeps_what_admin_and_agent_wrote(build_for_usr, tmp_path):
    make_install(build_for_usr, tmp_path)
    own = {"etc/slurm-secrets/store.key.cred", "etc/slurm-secrets/agentd.yaml", "var/lib/slurm-secrets/store.db",
           "usr/lib/slurm-secrets/site.conf"}
    for path in own:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("# mine\n")
    done = make_uninstall(build_for_usr, tmp_path)
    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path) == own
    assert "agentd.yaml was changed, and stays" in done.stdout and "var/lib/slurm-secrets" in done.stdout


def test_uninstall_refuses_while_slurm_needs_the_plugin(build_for_usr, tmp_path):
    make_install(build_for_usr, tmp_path)
    before = files_below(tmp_path)
    plugstack = tmp_path / "etc/slurm/plugstack.conf"
    plugstack.parent.mkdir(parents=True)
    plugstack.write_text("required /usr/lib/slurm-secrets/spank_secrets.so timeout=5\n")
    done = make_uninstall(build_for_usr, tmp_path)
    assert done.returncode != 0 and "plugstack.conf still names /usr/lib/slurm-secrets/spank_secrets.so" in done.stderr
    assert before <= files_below(tmp_path)
    plugstack.write_text("# required /usr/lib/slurm-secrets/spank_secrets.so\n")
    assert make_uninstall(build_for_usr, tmp_path).returncode == 0


def test_uninstall_without_list_of_installed_files_removes_nothing(tmp_path):
    done = make_uninstall(tmp_path / "build", tmp_path)
    assert done.returncode != 0 and "install_manifest.txt is missing; run: make install" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""secretctl doctor: finds each problem that an installation can have, and says what to do."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import BUILD, poll
from own_agent import own_agent

SECRETCTL = BUILD / "secretctl"
FINE, REFUSED = 0, 1


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        yield agent


class Site:
    """Writes a slurm.conf, a plugstack.conf and the plugin into a folder that only root may change."""

    def __init__(self, folder, agent):
        self.agent = agent
        self.slurm_conf = folder / "slurm.conf"
        self.plugstack = folder / "plugstack.conf"
        self.plugin = folder / "spank_secrets.so"
        self.slurm_conf.write_text("ClusterName=c\n")
        shutil.copy(BUILD / "spank_secrets.so", self.plugin)
        self.plugin.chmod(0o755)
        self.plugstack.write_text(f"required {self.plugin} node_socket={agent.node_socket}\n")

    def doctor(self, *options, user="root", socket=None):
        account = pwd.getpwnam(user)
        environment = {"PATH": os.environ["PATH"] + ":/usr/sbin", "SLURM_CONF": str(self.slurm_conf),
                       "SLURM_SECRETS_SOCKET": str(socket or self.agent.control_socket)}
        return subprocess.run([SECRETCTL, "doctor", *options], env=environment, cwd="/", text=True, timeout=60,
                              capture_output=True, user=account.pw_uid, group=account.pw_gid, extra_groups=[])

    def checks(self, *options, **how):
        done = self.doctor("--json", *options, **how)
        answer = json.loads(done.stdout)
        assert (done.returncode == FINE) == answer["ok"], done.stdout
        return {check["name"]: check for check in answer["checks"]}


@pytest.fixture
def site(agent):
    # Not pytest's own folder, which only root can read: users run the doctor, too.
    folder = Path(tempfile.mkdtemp(prefix="doctor.", dir="/tmp"))
    folder.chmod(0o755)
    yield Site(folder, agent)
    shutil.rmtree(folder)


PLUGIN_CHECKS = ["plugstack.conf", "plugin's line", "plugin's arguments", "plugin", "plugin's Slurm"]
AGENT_CHECKS = ["node socket", "job socket", "control socket", "agent answers", "agent's version", "memory lock limit"]


def test_doctor_reports_no_failure_on_sound_installation(site):
    checks = site.checks()
    for name in [*PLUGIN_CHECKS, *AGENT_CHECKS]:
        assert checks[name]["state"] == "ok", checks[name]
    done = site.doctor()
    assert done.returncode == FINE and done.stdout.endswith("\nno check failed\n") and done.stderr == ""
    assert re.search(r"^plugin +ok ", done.stdout, re.MULTILINE)
    assert re.search(r"built for Slurm \d\d\.\d\d, which this host has", done.stdout)


def test_doctor_gives_remedy_for_each_problem(site):
    for check in site.checks().values():
        assert bool(check.get("what_to_do")) == (check["state"] in ("warn", "fail")), check


def test_doctor_run_by_user_reports_no_failure(site):
    """A check that a user has no permission for is skipped and says why."""
    checks = site.checks(user="alice")
    assert checks["agent answers"]["state"] == "ok"
    for check in checks.values():
        assert check["state"] != "fail", check
        assert check["state"] != "skipped" or check["sentence"], check


@pytest.mark.parametrize("line, state, words", [
    ("", "fail", "no line of"),
    ("#required {plugin}", "fail", "line 1 of {plugstack} is commented out"),
    ("optional {plugin}", "warn", "says 'optional'"),
    ("required spank_secrets.so", "fail", "without its path, and it is not in PluginDir: every job and slurmd fail"),
    ("optional spank_secrets.so", "fail", "without its path, and it is not in PluginDir: it is not loaded"),
    ("# required /old/spank_secrets.so\nrequired {plugin}", "ok", "line 2 of {plugstack}"),
])
def test_doctor_checks_plugstack_line_of_plugin(site, line, state, words):
    names = {"plugin": site.plugin, "plugstack": site.plugstack}
    site.plugstack.write_text(line.format(**names) + f" node_socket={site.agent.node_socket}\n" if line else "\n")
    check = site.checks()["plugin's line"]
    assert check["state"] == state and words.format(**names) in check["sentence"], check


def test_doctor_finds_plugin_without_path_in_plugindir(site):
    site.plugstack.write_text(f"required spank_secrets.so node_socket={site.agent.node_socket}\n")
    site.slurm_conf.write_text(f"ClusterName=c\nPluginDir=/no/such/folder:{site.plugin.parent}\n")
    checks = site.checks()
    assert checks["plugin's line"]["state"] == "warn" and "without its path" in checks["plugin's line"]["sentence"]
    assert checks["plugin"]["state"] == checks["plugin's Slurm"]["state"] == "ok"


@pytest.mark.parametrize("argument, why", [
    ("wait=ten", "the argument 'wait=ten' must be a whole number of seconds"),
    ("on_eror=fail", "the argument 'on_eror=fail' is unknown; expected one of: node_socket"),
    ("job_socket=run/job.sock", "must be an absolute path"),
])
def test_doctor_fails_on_wrong_argument_of_plugin(site, argument, why):
    good = site.plugstack.read_text()
    site.plugstack.write_text(good.strip() + f" {argument}\n")
    check = site.checks("--submit-host")["plugin's arguments"]
    assert check["state"] == "fail" and why in check["sentence"] and "line 1 of " in check["sentence"], check
    site.plugstack.write_text(good)
    assert site.checks("--submit-host")["plugin's arguments"]["state"] == "ok"


def test_doctor_checks_jar_for_nextflow(site):
    jar = site.plugin.with_name("nextflow.jar")
    site.plugstack.write_text(site.plugstack.read_text().strip() + f" nextflow={jar}\n")
    check = site.checks("--submit-host")["plugin's arguments"]
    assert check["state"] == "warn" and f"{jar} does not exist" in check["sentence"], check
    jar.touch()
    assert site.checks("--submit-host")["plugin's arguments"]["state"] == "ok"
    os.chown(jar, pwd.getpwnam("alice").pw_uid, -1)
    check = site.checks("--submit-host")["plugin's arguments"]
    assert check["state"] == "fail" and f"{jar} belongs to uid" in check["sentence"] and "loads" in check["sentence"], check


def test_doctor_finds_plugin_line_in_included_file(site):
    folder = site.plugstack.parent / "plugstack.conf.d"
    folder.mkdir()
    (folder / "secrets.conf").write_text(site.plugstack.read_text())
    site.plugstack.write_text("include plugstack.conf.d/*.conf\n")
    assert site.checks()["plugin's line"]["sentence"] == f"line 1 of {folder}/secrets.conf"


def test_doctor_follows_plugstackconfig_of_slurm_conf(site):
    other = site.plugstack.rename(site.plugstack.with_name("other.conf"))
    check = site.checks()["plugstack.conf"]
    assert check["state"] == "fail" and "No such file" in check["sentence"]
    site.slurm_conf.write_text(f"ClusterName=c\nPlugStackConfig={other}\n")
    assert site.checks()["plugstack.conf"]["sentence"] == str(other)


def test_doctor_fails_on_missing_plugin(site):
    site.plugin.unlink()
    check = site.checks()["plugin"]
    assert check["state"] == "fail" and f"{site.plugin} does not exist" in check["sentence"]


def test_doctor_fails_on_plugin_writable_by_others(site):
    site.plugin.chmod(0o775)
    check = site.checks()["plugin"]
    assert check["state"] == "fail" and "is writable by others than root" in check["sentence"]
    site.plugin.chmod(0o755)
    os.chown(site.plugin, pwd.getpwnam("alice").pw_uid, 0)
    check = site.checks()["plugin"]
    assert check["state"] == "fail" and "belongs to uid" in check["sentence"] and "chown root:" in check["what_to_do"]
    os.chown(site.plugin, 0, 0)
    site.plugin.parent.chmod(0o777)
    assert site.checks()["plugin"]["state"] == "fail"


def test_doctor_fails_on_plugin_built_for_another_slurm(site):
    running = subprocess.run(["/usr/sbin/slurmd", "-V"], capture_output=True, text=True, check=True).stdout
    major, minor, micro = map(int, re.search(r"(\d+)\.(\d+)\.(\d+)", running).groups())
    number = (major << 16 | minor << 8 | micro).to_bytes(4, "little")
    data = site.plugin.read_bytes()
    assert number in data
    site.plugin.write_bytes(data.replace(number, (99 << 16 | minor << 8).to_bytes(4, "little")))
    check = site.checks()["plugin's Slurm"]
    assert check["state"] == "fail" and "it is built for Slurm 99." in check["sentence"], check
    site.plugin.write_bytes(b"\x7fELF")
    assert "is not a Slurm plugin" in site.checks()["plugin's Slurm"]["sentence"]


def test_doctor_fails_on_socket_with_wrong_mode(site):
    for name, mode in (("node", 0o666), ("job", 0o600), ("control", 0o660)):
        path = getattr(site.agent, f"{name}_socket")
        before = path.stat().st_mode & 0o7777
        path.chmod(mode)
        try:
            check = site.checks()[f"{name} socket"]
        finally:
            path.chmod(before)
        assert check["state"] == "fail" and f"has mode 0{mode:o}, not 0{before:o}" in check["sentence"], check


def test_doctor_fails_without_agent(site):
    site.plugstack.write_text(f"required {site.plugin}\n")
    checks = site.checks(socket="/no/such/control.sock")
    for name in ("node socket", "job socket", "control socket", "agent answers"):
        assert checks[name]["state"] == "fail", checks[name]
    assert "No such file or directory" in checks["agent answers"]["sentence"]
    for name in ("agent's version", "agent's memory", "memory lock limit", "store and its key"):
        assert checks[name]["state"] == "skipped", checks[name]


def test_doctor_on_submit_host_needs_no_agent(site):
    checks = site.checks("--submit-host", socket="/no/such/control.sock")
    assert list(checks) == [*PLUGIN_CHECKS, "clock"]
    assert site.doctor("--submit-host", socket="/no/such/control.sock").returncode == FINE


def edited(agent, text):
    """Replaces the text in the agent's configuration file by a rename, as editors do."""
    new = agent.config.with_suffix(".new")
    new.write_text(text)
    new.rename(agent.config)


def test_doctor_compares_configuration_on_disk_with_agents_own(site):
    with own_agent() as agent:
        site.agent = agent
        good = agent.config.read_text()
        assert site.checks()["configuration"]["state"] == "ok"

        edited(agent, good + "limits: { nonsense: 1 }\n")
        check = site.checks()["configuration"]
        assert check["state"] == "fail" and f"{agent.config}:6:11: unknown key 'nonsense'" in check["sentence"], check
        assert "systemctl reload" in check["what_to_do"]
        told = site.checks(user="alice")["configuration"]
        assert told["state"] == "fail" and "nonsense" not in told["sentence"]
        assert site.agent.status()["config"]["state"] == "broken"

        edited(agent, good + "limits: { value_bytes: 500 }\n")
        assert site.checks()["configuration"]["state"] == "warn"
        assert "has changed since the agent read it" in site.checks()["configuration"]["sentence"]
        os.kill(agent.pid, signal.SIGHUP)
        poll(lambda: site.checks()["configuration"]["state"] == "ok", 10, "the reload")

        edited(agent, good + "memory: { force_memfd: true }\n")
        os.kill(agent.pid, signal.SIGHUP)
        poll(lambda: agent.status()["config"]["state"] == "restart", 10, "the reload")
        check = site.checks()["configuration"]
        assert check["state"] == "warn" and "next restart: memory" in check["sentence"], check
        agent.config.unlink()
        check = site.checks()["configuration"]
        assert check["state"] == "fail" and "No such file" in check["sentence"], check


def test_doctor_fails_on_users_and_groups_that_do_not_exist(site):
    with own_agent("workspaces: [{ name: lab, admins: { users: [alice, nobdy] }, members: { groups: [alice, no-labs] } }]",
                   "platforms: [{ name: tower, user: towr, users: [bob] }]") as agent:
        site.agent = agent
        check = site.checks()["users and groups"]
        assert check["state"] == "fail", check
        assert "this host has no user nobdy, towr; no group no-labs, which " in check["sentence"], check
        assert site.checks(user="alice")["users and groups"]["state"] == "skipped"
        assert "users" not in agent.http("GET", "/v1/status", user="alice").json["config"]
    with own_agent("workspaces: [{ name: lab, admins: { users: [alice] }, members: { groups: [alice] } }]") as agent:
        site.agent = agent
        assert site.checks()["users and groups"]["state"] == "ok"


def test_status_shows_role_and_configuration_file(agent):
    done = subprocess.run([SECRETCTL, "--socket", agent.control_socket, "status"], capture_output=True, text=True, check=True)
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines() if "  " in line)
    assert rows["role"] == "local" and rows["config"] == f"{agent.config}, current", done.stdout


def test_doctor_warns_of_memfd_fallback(site):
    with own_agent("memory: { force_memfd: true }") as agent:
        site.agent = agent
        check = site.checks()["agent's memory"]
    assert check["state"] == "warn" and check["sentence"].startswith("memfd: ")

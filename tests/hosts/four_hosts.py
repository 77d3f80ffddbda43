# SPDX-License-Identifier: Apache-2.0
"""Starts hosts with one Slurm (tests/hosts/hosts), on which tests start agents, launch jobs and cut networks."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from harness import BUILD, PROJECT, Site, poll

SCRIPT = PROJECT / "tests" / "hosts" / "hosts"
ADDRESSES = {"hub": "10.77.0.1", "n1": "10.77.0.2", "n2": "10.77.0.3", "login": "10.77.0.4"}
AGENT = "slurm-secretsd"
VIEW = "slurm-secrets-view"
# The daemons that `up` starts and that have to run after every test.
ALWAYS = [*((host, "munged") for host in ADDRESSES), ("hub", "slurmctld"), ("n1", "slurmd"), ("n2", "slurmd")]


def payload(method, target, body=b"", host="hub"):
    """Returns the payload of a credential, which names the request that it is for (common/auth/hub_request.h)."""
    return f"slurm-secrets 1\n{host}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}\n"


class Host(Site):
    """One of the hosts, with the agent that a test may have started on it."""

    nodes = ["n1 idle none", "n2 idle none"]
    control_socket = Path("/run/slurm-secrets/control.sock")

    def __init__(self, hosts, name):
        self.hosts = hosts
        self.name = name
        self.dir = hosts.dir / name
        self.out = hosts.dir / "out"
        self.build = BUILD  # the folder with the programs of this host

    def local_path(self, path):
        return Path(f"/proc/{self.daemon_pid('host')}/root") / str(path).lstrip("/")

    def command(self, user, command, env=None, plugin=True):
        assert plugin, "every host has the plugin"
        variables = {"HOME": "/root" if user == "root" else f"/home/{user}", **(env or {})}
        pairs = [f"{name}={value}" for name, value in variables.items()]
        become = ["runuser", "-u", user, "--"] if user != "root" else []
        return ["env", f"HOSTS_DIR={self.hosts.dir}", SCRIPT, "in", self.name, *become,
                "env", f"--chdir={self.out}", *pairs, *map(str, command)]

    def munge(self, method, target, body=b"", user="root", hub="10.77.0.1"):
        """Makes a credential of a user on this host for one request."""
        return self.hosts.run(self.name, ["munge", "-s", payload(method, target, body, hub)], user=user).out.strip()

    def secretctl(self, *arguments, user="root", input=None):
        return self.as_user(user, [self.build / "secretctl", *arguments], input=input)

    def runs(self):
        """Returns the agent's own runs. A node has none and relays the request; the hub's runs are read at the hub."""
        return super().runs() if "hubs" not in self.status() else []

    def daemon_pid(self, name):
        return int((self.dir / "daemons" / name).read_text())

    def daemon_runs(self, name):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.daemon_pid(name)}/ns/net").samefile(self.dir / "network")
        return False

    def daemon_start(self, name, **variables):
        """Starts a daemon with `variables` in its environment."""
        self.hosts.script("start", self.name, name, *(f"{key}={value}" for key, value in variables.items()))

    def daemon_stop(self, name):
        self.hosts.script("stop", self.name, name)

    def daemons(self):
        names = (AGENT, VIEW, "slurmctld", "slurmd")
        return {f"{name} on {self.name}": self.daemon_pid(name) for name in names if self.daemon_runs(name)}

    def folders(self):
        """Returns the folders to which daemons write: each host has its own /run, and the rest is shared."""
        written = [self.local_path("/run"), self.hosts.dir / "state"]
        return written + [self.hosts.dir / name / kind for name in ADDRESSES for kind in ("log", "spool")]

    @contextlib.contextmanager
    def another_munge_key(self):
        """Gives this host's munged another key within the block, so that its credentials are valid on no other host."""
        key = self.hosts.dir / "munge" / "munge.key"
        own = key.read_bytes()
        self.daemon_stop("munged")
        try:
            key.write_bytes(bytes(len(own)))
            self.daemon_start("munged")
        finally:
            key.write_bytes(own)
        try:
            yield
        finally:
            self.daemon_stop("munged")
            self.daemon_start("munged")

    @contextlib.contextmanager
    def cut_off(self):
        """Cuts this host's network off within the block. Without the hub, no packet passes between the others."""
        self.hosts.run(self.name, ["ip", "link", "set", "eth0", "down"])
        try:
            yield
        finally:
            self.hosts.run(self.name, ["ip", "link", "set", "eth0", "up"])


class Hosts:
    def __init__(self, *options):
        self.dir = Path(tempfile.mkdtemp(prefix="slurm-secrets.", dir="/tmp"))
        self.dir.chmod(0o755)
        self.options = options
        self._hosts = {name: Host(self, name) for name in ADDRESSES}

    def up(self):
        self.script("up", *self.options)

    def down(self):
        self.script("down")

    def on(self, host):
        return self._hosts[host]

    def all(self):
        return self._hosts.values()

    def with_agent(self):
        return [host for host in self.all() if host.daemon_runs(AGENT)]

    def run(self, host, command, user="root", **options):
        """Runs a command on a host and returns its output. The command has to succeed, unless `check` is False."""
        check = options.pop("check", True)
        done = self.on(host).as_user(user, command, **options)
        assert not check or done.code == 0, f"{command} on {host}: {done.code}: {done.out}{done.err}"
        return done

    def start_agent(self, host, config=""):
        """`config` is the text of its agentd.yaml."""
        (self.on(host).dir / "agentd.yaml").write_text(config)
        self.on(host).daemon_start(AGENT)

    def stop_agent(self, host):
        self.on(host).daemon_stop(AGENT)

    def agent_log(self, host):
        return (self.on(host).dir / "log" / AGENT).read_text()

    def start_view(self, host):
        self.on(host).daemon_start(VIEW)

    def stop_view(self, host):
        self.on(host).daemon_stop(VIEW)

    def kill_slurmctld(self):
        self.on("hub").daemon_kill("slurmctld")

    def start_slurmctld(self):
        self.on("hub").daemon_start("slurmctld")

    def begin_anew(self):
        """Ends all jobs, agents and views, and restarts what else a test ended. Returns what a test left or ended."""
        for host in self.all():
            for name in (AGENT, VIEW):
                host.daemon_stop(name)
        missing = [(host, name) for host, name in ALWAYS if not self.on(host).daemon_runs(name)]
        for host, name in missing:
            self.on(host).daemon_start(name)
        hub = self.on("hub")
        with contextlib.suppress(AssertionError):
            poll(lambda: not hub.jobs(), 5, "jobs that are ending")  # srun returns before its job has ended
        if jobs := hub.jobs():
            self.run("hub", ["scancel", *jobs])
        poll(lambda: not hub.jobs() and hub.sinfo() == hub.nodes, 30, "idle nodes")
        return missing + [("hub", f"job {job}") for job in jobs]

    def script(self, verb, *arguments):
        build = self.on(arguments[0]).build if verb == "start" else BUILD
        done = subprocess.run([SCRIPT, verb, *arguments], capture_output=True, check=False, text=True, timeout=120,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, "BUILD_DIR": str(build), "HOSTS_DIR": str(self.dir)})
        assert done.returncode == 0, f"hosts {verb}: {done.stdout}{done.stderr}"

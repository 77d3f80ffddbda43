# SPDX-License-Identifier: Apache-2.0
"""Boots a machine with a real systemd, Slurm and the agent (tests/systemd/machine), and drives it for tests."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import BUILD, PROJECT, Done, Site, poll

SCRIPT = PROJECT / "tests" / "systemd" / "machine"
AGENT = "slurm-secretsd.service"
PROGRAM = "usr/sbin/slurm-secretsd"  # below the machine's root, as CONFIG is
CONFIG = "etc/slurm-secrets/agentd.yaml"
SOCKETS = [f"slurm-secretsd-{name}.socket" for name in ("node", "job", "control")]
VIEW = "slurm-secrets-view.service"
VIEW_SOCKET = "slurm-secrets-view.socket"
KEY_UNITS = "slurm-secrets-key@*.service"  # one instance for each start of the agent


class CannotBoot(Exception):
    """Says why this host can boot no machine."""


def replace_program(machine, content):
    """Replaces the program by a rename, as a package does. A running process goes on with the old one."""
    new = machine.root / f"{PROGRAM}.new"
    new.write_bytes(content)
    new.chmod(0o755)
    new.rename(machine.root / PROGRAM)


@contextlib.contextmanager
def broken_program(machine):
    """Makes every start of the agent fail within the block; systemd goes on trying."""
    good = (machine.root / PROGRAM).read_bytes()
    replace_program(machine, b"\x7fELF and nothing more")
    try:
        yield
    finally:
        replace_program(machine, good)


class Machine(Site):
    nodes = ["node idle none"]
    control_socket = Path("/run/slurm-secrets/control.sock")

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="slurm-secrets.", dir="/tmp"))
        self.root = self.dir / "root"
        self.out = self.root / "out"

    def up(self, *, bare=False):
        done = self._script("up", *(["bare"] if bare else []))
        if done.code == 77:
            raise CannotBoot(done.err.strip().removeprefix("machine: "))
        assert done.code == 0, done.err
        self.pid = int(self._script("pid").out)
        self.cgroup = Path(self._script("cgroup").out.strip())

    def down(self):
        done = self._script("down")
        assert done.code == 0, done.err

    def install(self):
        """Installs the build over the installed files, as an upgrade does."""
        done = self._script("install")
        assert done.code == 0, (self.dir / "log" / "install").read_text()[-2000:]

    def installed(self):
        """Returns the paths below the root of all installed files."""
        manifest = BUILD / "tests" / "systemd" / "for-usr" / "install_manifest.txt"
        return [file.lstrip("/") for file in manifest.read_text().splitlines()]

    # ---- commands in the machine ----

    def enter(self, *command, check=True, input=None, timeout=60):
        """Runs a command as root."""
        done = self.as_user("root", command, input=input, timeout=timeout)
        assert not check or done.code == 0, f"{command}: {done.code}: {done.out}{done.err}"
        return done

    def systemctl(self, *arguments, check=True):
        return self.enter("systemctl", *arguments, check=check)

    def show(self, what, unit=AGENT):
        """Returns a property of a unit."""
        return self.systemctl("show", "--value", "--property", what, unit).out.strip()

    def write(self, path, text):
        """Writes a file where systemd or an admin would have it; not for paths below /run or /tmp."""
        file = self.root / str(path).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @contextlib.contextmanager
    def drop_in(self, text, unit=AGENT):
        """Gives a unit further lines within the block. The caller restarts the unit if needed."""
        folder = self.root / "etc/systemd/system" / f"{unit}.d"
        self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.systemctl("daemon-reload")
        try:
            yield
        finally:
            (folder / "test.conf").unlink()
            self.systemctl("daemon-reload")

    # ---- the journal ----

    def journal(self, since=0, unit=AGENT):
        """Returns the messages of a unit and of systemd about it after time.time() `since`, a line each."""
        return self._journal("--output=cat", "--unit", unit, f"--since=@{since:.6f}")

    def entries(self, *matches, since=0):
        """Returns all fields of the entries that match, as in "SLURM_JOB_ID=12"."""
        text = self._journal("--output=json", "--all", f"--since=@{since:.6f}", *matches)
        return [json.loads(line) for line in text.splitlines()]

    def await_journal(self, pattern, since=0, unit=AGENT, seconds=10):
        """Waits for a regular expression in the journal; returns the first match."""
        return poll(lambda: re.search(pattern, self.journal(since, unit), re.MULTILINE), seconds, f"{pattern!r} in the journal")

    def _journal(self, *arguments):
        self.enter("journalctl", "--sync")
        return self.enter("journalctl", "--quiet", "--no-pager", *arguments).out

    # ---- the agent ----

    def enable_agent(self):
        """Does what README tells an admin to do after the installation."""
        self.enter("systemd-sysusers")
        self.systemctl("daemon-reload")
        self.systemctl("enable", "--now", AGENT)
        self.await_agent()

    @contextlib.contextmanager
    def configured(self, line):
        """Restarts the agent with a further line of configuration within the block; it goes on holding its records."""
        shipped = (self.root / CONFIG).read_text()
        self.write(CONFIG, shipped + line)
        try:
            self.restart_agent()
            yield
        finally:
            self.write(CONFIG, shipped)
            self.restart_agent()

    def await_agent(self):
        poll(self.answers, 10, "an answer of the agent")

    def answers(self):
        try:
            return self.http("GET", "/v1/status").status == 200
        except OSError:
            return False

    @property
    def agent_pid(self):
        """Returns the local pid of the agent's main process; 0 if there is none."""
        return self.local_pid(self.show("MainPID"))

    @property
    def node_socket(self):
        """Returns the local path of the node socket."""
        return self.local_path("/run/slurm-secrets/node.sock")

    def processes(self, unit=AGENT):
        """Returns the local pids of all processes of a service."""
        try:
            return [int(pid) for pid in (self.cgroup / "payload/system.slice" / unit / "cgroup.procs").read_text().split()]
        except OSError:  # the service ended, and its cgroup with it
            return []

    def process_status(self, pid):
        """Returns the lines of /proc/PID/status by name, each split into words."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}

    def local_pid(self, machine_pid):
        """Returns the local pid of the process with that pid in the machine; 0 if there is none."""
        for process in self.cgroup.glob("payload/**/cgroup.procs"):
            for pid in process.read_text().split():
                with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                    if re.search(rf"^NSpid:.*\t{machine_pid}$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
                        return int(pid)
        return 0

    def kill_agent(self, number=signal.SIGKILL):
        """Ends the agent's main process, and waits until another one answers."""
        pid = self.agent_pid
        os.kill(pid, number)
        poll(lambda: not Path(f"/proc/{pid}/exe").exists(), 10, "the agent's end")
        self.await_agent()

    def restart_agent(self):
        self.systemctl("restart", AGENT)
        self.await_agent()

    def stored(self):
        """Returns how many descriptors systemd stores for the agent."""
        return int(self.show("NFileDescriptorStore"))

    def runs(self):
        """Returns the runs that the agent holds: none for a node, whose agent relays the request to its hub."""
        return super().runs() if "hubs" not in self.status() else []

    def secretctl(self, *arguments, user="root", input=None):
        return self.as_user(user, ["secretctl", *arguments], input=input)

    # ---- below ----

    def local_path(self, path):
        return Path(f"/proc/{self.pid}/root") / str(path).lstrip("/")

    def command(self, user, command, env=None, plugin=True):
        assert plugin, "a machine has no submit host without the plugin"
        variables = {"HOME": "/root" if user == "root" else f"/home/{user}", **(env or {})}
        pairs = [f"{name}={value}" for name, value in variables.items()]
        become = ["runuser", "-u", user, "--"] if user != "root" else []
        return [SCRIPT, "enter", self.dir, *become, "env", "--chdir=/out", *pairs, *map(str, command)]

    def as_user(self, user, command, env=None, input=None, plugin=True, timeout=30):
        # A command in the machine outlives the process that entered the machine: it has to be ended from within.
        within = ["timeout", "--kill-after=2", str(timeout), *command]
        return super().as_user(user, within, env, input, plugin, timeout + 10)

    def daemons(self):
        pids = {"systemd": self.pid, "slurm-secretsd": self.agent_pid}
        for unit in ("slurmctld", "slurmd", "systemd-journald"):
            pids[unit] = self.local_pid(self.show("MainPID", f"{unit}.service"))
        return pids

    def folders(self):
        """Returns the folders that the machine wrote, except the output of its jobs."""
        written = [path for path in (self.dir / "layer/upper").iterdir() if path.name != self.out.name]
        return [*written, self.local_path("/run"), self.local_path("/tmp")]

    def _script(self, verb, *arguments):
        done = subprocess.run([SCRIPT, verb, self.dir, *arguments], capture_output=True, check=False, text=True,
                              timeout=120, stdin=subprocess.DEVNULL, env={**os.environ, "BUILD_DIR": str(BUILD)})
        return Done(done.returncode, done.stdout, done.stderr)

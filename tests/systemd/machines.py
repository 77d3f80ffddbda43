"""A machine with a real systemd, Slurm and the agent (tests/systemd/machine), and what tests do with it."""

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
SOCKETS = [f"slurm-secretsd-{door}.socket" for door in ("node", "job", "control")]
VIEW = "slurm-secrets-view.service"
VIEW_SOCKET = "slurm-secrets-view.socket"


class CannotBoot(Exception):
    """No machine can be booted here; says why."""


def replace_program(machine, content):
    """As a package does it: by a rename. A program that runs goes on with the old one."""
    new = machine.root / f"{PROGRAM}.new"
    new.write_bytes(content)
    new.chmod(0o755)
    new.rename(machine.root / PROGRAM)


@contextlib.contextmanager
def broken_program(machine):
    """Within it the agent can't be started; what systemd does about that goes on."""
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

    def up(self):
        done = self._script("up")
        if done.code == 77:
            raise CannotBoot(done.err.strip().removeprefix("machine: "))
        assert done.code == 0, done.err
        self.pid = int(self._script("pid").out)
        self.cgroup = Path(self._script("cgroup").out.strip())

    def down(self):
        done = self._script("down")
        assert done.code == 0, done.err

    def install(self):
        """What is built, over what is installed: as an upgrade would."""
        done = self._script("install")
        assert done.code == 0, (self.dir / "log" / "install").read_text()[-2000:]

    def installed(self):
        """The files that the installation put there, by their paths below the root."""
        manifest = BUILD / "tests" / "systemd" / "for-usr" / "install_manifest.txt"
        return [file.lstrip("/") for file in manifest.read_text().splitlines()]

    # ---- commands in it ----

    def enter(self, *command, check=True, input=None, timeout=60):
        """Runs a command as root."""
        done = self.as_user("root", command, input=input, timeout=timeout)
        assert not check or done.code == 0, f"{command}: {done.code}: {done.out}{done.err}"
        return done

    def systemctl(self, *arguments, check=True):
        return self.enter("systemctl", *arguments, check=check)

    def show(self, what, unit=AGENT):
        """A property of a unit."""
        return self.systemctl("show", "--value", "--property", what, unit).out.strip()

    def write(self, path, text):
        """A file, where systemd or an admin would have it; what is below /run or /tmp can't be written so."""
        file = self.root / str(path).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @contextlib.contextmanager
    def drop_in(self, text, unit=AGENT):
        """Within it the unit has these further lines. Whoever uses it restarts the unit where that is needed."""
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
        """The messages of a unit and those of systemd about it, a line each; those after time.time() `since`."""
        return self._journal("--output=cat", "--unit", unit, f"--since=@{since:.6f}")

    def entries(self, *matches, since=0):
        """All fields of the entries that match, as in "SLURM_JOB_ID=12"."""
        text = self._journal("--output=json", "--all", f"--since=@{since:.6f}", *matches)
        return [json.loads(line) for line in text.splitlines()]

    def await_journal(self, pattern, since=0, unit=AGENT, seconds=10):
        """The first match of a regular expression in the journal."""
        return poll(lambda: re.search(pattern, self.journal(since, unit), re.MULTILINE), seconds, f"{pattern!r} in the journal")

    def _journal(self, *arguments):
        self.enter("journalctl", "--sync")
        return self.enter("journalctl", "--quiet", "--no-pager", *arguments).out

    # ---- the agent ----

    def enable_agent(self):
        """What README tells an admin to do after the installation."""
        self.enter("systemd-sysusers")
        self.systemctl("daemon-reload")
        self.systemctl("enable", "--now", AGENT)
        self.await_agent()

    @contextlib.contextmanager
    def configured(self, line):
        """An agent started with a further line of configuration. What it holds stays, before and after."""
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
        """The pid of the agent's main process on this side; 0 while there is none."""
        return self.pid_here(self.show("MainPID"))

    @property
    def node_socket(self):
        """Its path for this process."""
        return self.here("/run/slurm-secrets/node.sock")

    def processes(self, unit=AGENT):
        """The pids on this side of whatever a service runs now."""
        try:
            return [int(pid) for pid in (self.cgroup / "payload/system.slice" / unit / "cgroup.procs").read_text().split()]
        except OSError:  # the service ended, and its cgroup with it
            return []

    def process_status(self, pid):
        """The lines of /proc/PID/status by their names, each as its words."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}

    def pid_here(self, pid_there):
        """The pid on this side of a process that has that pid in the machine; 0 where there is none."""
        for process in self.cgroup.glob("payload/**/cgroup.procs"):
            for pid in process.read_text().split():
                with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                    if re.search(rf"^NSpid:.*\t{pid_there}$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
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
        """How many descriptors systemd keeps for the agent."""
        return int(self.show("NFileDescriptorStore"))

    def runs(self):
        """Those that its agent holds: that of a node passes the question on to its hub."""
        return super().runs() if "hubs" not in self.status() else []

    def secretctl(self, *arguments, user="root", input=None):
        return self.as_user(user, ["secretctl", *arguments], input=input)

    # ---- below ----

    def here(self, path):
        return Path(f"/proc/{self.pid}/root") / str(path).lstrip("/")

    def command(self, user, command, env=None, plugin=True):
        assert plugin, "a machine has no submit host without the plugin"
        variables = {"HOME": "/root" if user == "root" else f"/home/{user}", **(env or {})}
        pairs = [f"{name}={value}" for name, value in variables.items()]
        become = ["runuser", "-u", user, "--"] if user != "root" else []
        return [SCRIPT, "enter", self.dir, *become, "env", "--chdir=/out", *pairs, *map(str, command)]

    def as_user(self, user, command, env=None, input=None, plugin=True, timeout=30):
        # What runs in there would outlive the death of what entered: it has to be ended from within.
        within = ["timeout", "--kill-after=2", str(timeout), *command]
        return super().as_user(user, within, env, input, plugin, timeout + 10)

    def daemons(self):
        pids = {"systemd": self.pid, "slurm-secretsd": self.agent_pid}
        for unit in ("slurmctld", "slurmd", "systemd-journald"):
            pids[unit] = self.pid_here(self.show("MainPID", f"{unit}.service"))
        return pids

    def folders(self):
        """All that the machine wrote, but for what its jobs did."""
        written = [path for path in (self.dir / "layer/upper").iterdir() if path.name != self.out.name]
        return [*written, self.here("/run"), self.here("/tmp")]

    def _script(self, verb, *arguments):
        done = subprocess.run([SCRIPT, verb, self.dir, *arguments], capture_output=True, check=False, text=True,
                              timeout=120, stdin=subprocess.DEVNULL, env={**os.environ, "BUILD_DIR": str(BUILD)})
        return Done(done.returncode, done.stdout, done.stderr)

# SPDX-License-Identifier: Apache-2.0
"""Starts a throwaway Slurm cluster with the agent, on which tests push runs, launch jobs and read state."""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD_DIR", PROJECT / "build")).resolve()
CLUSTER = PROJECT / "tests" / "slurm" / "cluster"
# The uids of the users whom tests/setup adds: of whatever number, as on every site.
ALICE, BOB = (pwd.getpwnam(name).pw_uid for name in ("alice", "bob"))


def slurm_version():
    """Returns the year and month of the Slurm that is here, such as (24, 11)."""
    text = subprocess.run(["slurmd", "-V"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", text).groups()))


def memory_kind():
    """Returns what kind of memory an agent has on this kernel, as its status names it (make check MEMORY=memfd)."""
    descriptor = ctypes.CDLL(None).syscall(447, 0)  # memfd_secret on every processor
    if descriptor < 0:
        return "memfd"
    os.close(descriptor)
    return "memfd_secret"


def poll(condition, seconds, what):
    """Waits until `condition()` is true, and returns its value."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.03)
    return result


@dataclass
class Done:
    """The exit code and output of a command or job that ended."""

    code: int
    out: str
    err: str


class Answer:
    """An HTTP response of the agent."""

    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Site:
    """Drives an agent and a Slurm for tests. Derived classes say on which cluster, host or machine these run."""

    out: Path  # world-writable working directory of commands and jobs, with the output of jobs
    nodes: list  # what sinfo() returns when all nodes are idle
    control_socket: Path  # of the agent, as a path on the site

    def local_path(self, path):
        """Returns the path at which this process reaches a path of the site."""
        return path

    def command(self, user, command, env=None, plugin=True):
        """Returns the arguments that run a command on the site as a user."""
        raise NotImplementedError

    def daemons(self):
        """Returns name and pid of every daemon whose readable memory must never hold a value."""
        raise NotImplementedError

    def folders(self):
        """Returns the folders to which daemons write."""
        raise NotImplementedError

    # ---- the agent ----

    def http(self, method, path, body=None, user="root", headers=None):
        head = dict(headers or {})
        if body is not None:
            head.setdefault("Content-Type", "application/json")
        if user != "root":
            return self._curl(method, path, body, user, head)
        connection = UnixConnection(self.local_path(self.control_socket))
        connection.request(method, path, body, head)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    def push(self, run, owner="alice", workspace=None, user=None, ttl=None):
        """Pushes a run as a platform does: values of type bytes as base64, others as JSON strings."""

        def encoded(values):
            return {
                name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
                for name, value in (values or {}).items()
            }

        body = {"owner": owner, "workspace": encoded(workspace), "user": encoded(user)}
        if ttl:
            body["ttl"] = ttl
        answer = self.http("PUT", f"/v1/runs/{run}", json.dumps(body))
        assert answer.status in (200, 201), answer.text
        return answer

    def complete(self, run):
        answer = self.http("DELETE", f"/v1/runs/{run}")
        assert answer.status == 204, answer.text

    def run(self, run):
        return self.http("GET", f"/v1/runs/{run}").json

    def runs(self):
        return [run["run"] for run in self.http("GET", "/v1/runs").json["runs"]]

    def status(self):
        return self.http("GET", "/v1/status").json

    # ---- jobs ----

    def srun(self, *arguments, user="alice", env=None, input=None, plugin=True, timeout=30):
        return self.as_user(user, ["srun", *arguments], env, input, plugin, timeout)

    def salloc(self, *arguments, user="alice", env=None, input=None, plugin=True):
        return self.as_user(user, ["salloc", *arguments], env, input, plugin)

    def sbatch(self, script, *arguments, user="alice", env=None, plugin=True):
        """Submits a job and returns its id. Its output goes to out/JOB.out and out/JOB.err."""
        done = self.submit(script, *arguments, user=user, env=env, plugin=plugin)
        assert done.code == 0, done.err
        return done.out.split(";")[0].strip()

    def submit(self, script, *arguments, user="alice", env=None, plugin=True):
        text = script if script.startswith("#!") else "#!/bin/bash\n" + script
        options = ["--parsable", "--output=%A.out", "--error=%A.err"]
        return self.as_user(user, ["sbatch", *options, *arguments], env, text, plugin)

    def await_end(self, job, timeout=30):
        poll(lambda: not self.job_state(job), timeout, f"the end of job {job}")

    def wait(self, job, timeout=30):
        """Waits until the job has left the queue, and returns its exit code and output."""
        self.await_end(job, timeout)
        return Done(self.exit_code(job), *((self.out / f"{job}.{kind}").read_text() for kind in ("out", "err")))

    def run_batch(self, script, *arguments, **options):
        return self.wait(self.sbatch(script, *arguments, **options))

    def job_state(self, job):
        """Returns PENDING, RUNNING, COMPLETING …; empty once the job has left the queue."""
        done = self.as_user("root", ["squeue", "-h", "-j", str(job), "-o", "%T"])
        states = set(done.out.split()) - {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"}
        return " ".join(sorted(states))

    def exit_code(self, job):
        """Returns the exit code of an ended job that Slurm still remembers; of an array the greatest."""
        record = self.scontrol("show", "job", job).out
        return max(int(code) for code in re.findall(r"^ +.*ExitCode=(\d+):", record, re.MULTILINE))

    def jobs(self):
        return self.as_user("root", ["squeue", "-h", "-o", "%A"]).out.split()

    def scontrol(self, *arguments, user="root"):
        return self.as_user(user, ["scontrol", *arguments])

    def sinfo(self):
        """Returns a line for each node: name, state, and the reason that an admin or Slurm gave for a state that needs one.
        Slurm 24.11 remembers the reason of a node that was resumed."""
        lines = [line.split(" ", 2) for line in self.as_user("root", ["sinfo", "-h", "-N", "-o", "%N %t %E"]).out.splitlines()]
        return [f"{node} {state} {reason if state[:4] in ('down', 'drai', 'drng', 'fail') else 'none'}"
                for node, state, reason in lines]

    def await_file(self, name, seconds=15):
        """Waits until a job has written a whole line to out/NAME, and returns the content."""
        path = self.out / name
        poll(lambda: path.exists() and path.read_text().endswith("\n"), seconds, name)
        return path.read_text()

    # ---- daemons, whose names differ between kinds of sites ----

    def daemon_kill(self, name):
        """Kills a daemon with SIGKILL, as a crash would end it."""
        os.kill(self.daemon_pid(name), signal.SIGKILL)
        poll(lambda: not self.daemon_runs(name), 5, f"the end of {name}")

    @contextlib.contextmanager
    def daemon_frozen(self, name):
        """Stops a daemon with SIGSTOP within the block, while the kernel goes on accepting connections for it."""
        os.kill(self.daemon_pid(name), signal.SIGSTOP)
        try:
            yield
        finally:
            if self.daemon_runs(name):
                os.kill(self.daemon_pid(name), signal.SIGCONT)

    # ---- below ----

    def as_user(self, user, command, env=None, input=None, plugin=True, timeout=30):
        done = subprocess.run(
            self.command(user, command, env, plugin), cwd=self.out, timeout=timeout, check=False,
            capture_output=True, input=input.encode() if isinstance(input, str) else input,
            **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def _curl(self, method, path, body, user, headers):
        command = ["curl", "-sS", "-X", method, "--unix-socket", self.control_socket,
                   "-w", "\n%{http_code}"]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            command += ["--data-binary", "@-"]
        done = self.as_user(user, [*command, f"http://localhost{path}"], input=body)
        assert done.code == 0, done.err
        text, _, status = done.out.rpartition("\n")
        return Answer(int(status), {}, text)


class Cluster(Site):
    """A site of daemons that the tests start themselves (tests/slurm/cluster)."""

    nodes = ["n1 idle none", "n2 idle none"]

    def __init__(self, *options, build=BUILD):
        self.dir = Path(tempfile.mkdtemp(prefix="slurm-secrets.", dir="/tmp"))
        self.out = self.dir / "out"
        self.control_socket = self.dir / "run" / "control.sock"
        self.options = options
        self.build = build  # the folder with agent, slurm-secrets-view, plugin and secretctl

    def up(self):
        self._script("up", *self.options)

    def down(self):
        self._script("down")

    def daemons(self):
        names = ("slurm-secretsd", "slurm-secrets-view", "slurmctld", "slurmd-n1", "slurmd-n2")
        return {name: self.daemon_pid(name) for name in names if self.daemon_runs(name)}

    def folders(self):
        return [self.dir / name for name in ("state", "spool-n1", "spool-n2", "log", "run")]

    # ---- the agent ----

    @property
    def agent_pid(self):
        return self.daemon_pid("slurm-secretsd")

    def daemon_pid(self, name):
        return int((self.dir / "daemons" / name).read_text())

    def daemon_runs(self, name):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.daemon_pid(name)}/cwd").resolve() == self.dir / "daemons"
        return False

    def slurmstepd_pids(self, job=""):
        """Returns the pids of running slurmstepds, of one job or of all. Each has the working directory of its slurmd."""
        pids = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (process / "exe").resolve().name.startswith("slurmstepd") and \
                        (process / "cwd").resolve() == self.dir / "daemons" and \
                        (process / "cmdline").read_text().startswith(f"slurmstepd: [{job}"):
                    pids.append(int(process.name))
        return pids

    def agent_start(self):
        self._script("agent-start")

    def agent_stop(self):
        self._script("agent-stop")

    def agent_kill(self):
        os.kill(self.agent_pid, signal.SIGKILL)
        poll(lambda: not Path(f"/proc/{self.agent_pid}/exe").exists(), 5, "the agent's end")

    def agent_restart(self):
        self.agent_stop()
        self.agent_start()

    def agent_frozen(self):
        return self.daemon_frozen("slurm-secretsd")

    @property
    def view_socket(self):
        return self.dir / "run" / "view.sock"

    def view_start(self, *nodes):
        """Starts slurm-secrets-view, which queries the slurmds of these nodes, or that of n1."""
        self._script("view-start", *nodes)

    def view_stop(self):
        self._script("view-stop")

    def controller_start(self):
        self._script("controller-start")

    def node_start(self, node):
        self._script("node-start", node)

    def agent_log(self):
        return (self.dir / "log" / "slurm-secretsd.out").read_text()

    def secretctl(self, *arguments, user="root", input=None):
        command = [self.build / "secretctl", "--socket", self.control_socket, *arguments]
        return self.as_user(user, command, input=input)

    # ---- below ----

    def command(self, user, command, env=None, plugin=True):
        conf = "slurm.conf" if plugin else "slurm-noplugin.conf"
        variables = {"PATH": os.environ["PATH"], "HOME": f"/home/{user}", "LANG": "C.UTF-8",
                     "SLURM_CONF": self.dir / conf, **(env or {})}
        pairs = [f"{name}={value}" for name, value in variables.items()]
        become = ["runuser", "-u", user, "--"] if user != "root" else []
        return [*become, "env", "-i", *pairs, *map(str, command)]

    def _script(self, verb, *arguments):
        done = subprocess.run([CLUSTER, verb, self.dir, *arguments], capture_output=True, check=False,
                              text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env={**os.environ, "BUILD_DIR": str(self.build)})
        assert done.returncode == 0, f"cluster {verb}: {done.stdout}{done.stderr}"

# SPDX-License-Identifier: Apache-2.0
"""Soak test: pushes many runs, uses them in real jobs, and completes them or lets them expire, while the agent is
restarted and killed; then reports what is left.

Runs come in rounds of ten, one of each kind. Each round of the first half ends the agent once, alternately by
`systemctl restart` and by SIGKILL, in a changing part of the round. The second half has one process of the agent, so
that no restart hides a leak. That process is measured after a few rounds, when every kind of run has occurred and
glibc's heap has grown accordingly, and at the end."""

import hashlib
import mmap
import re
import secrets
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import hunt
from faulty_agent import resources_of
from harness import poll
from machines import VIEW

ROUND = 10
_KIB = 1024


@dataclass
class Kind:
    """Describes one run of a round."""

    secrets: int = 1
    bytes: int = 64  # of each value
    batch: bool = False  # used by a job of sbatch instead of a step of srun
    again_before: bool = False  # pushed twice before it is used
    again_after: bool = False  # pushed again between its use and its end
    expires: bool = False  # left to expire, and not completed


KINDS = [
    Kind(),
    Kind(secrets=10),
    Kind(bytes=60_000),
    Kind(again_before=True),
    Kind(secrets=10, again_after=True),
    Kind(bytes=60_000, expires=True),
    Kind(secrets=10, expires=True),
    Kind(batch=True),
    Kind(secrets=10, batch=True, expires=True),
    Kind(bytes=60_000, again_before=True, again_after=True),
]
assert len(KINDS) == ROUND


@dataclass
class Measured:
    """Resources of the agent and of PID 1 while nothing is held."""

    rss: int  # of the agent, in KiB, as the two below
    anonymous: int  # of that: its heap and stack
    locked: int
    files: list  # the agent's open ones by what they are, connections excepted
    regions: list  # its locked ones
    files_of_init: int

    @staticmethod
    def of(machine):
        pid = machine.agent_pid
        status = machine.process_status(pid)
        resources = resources_of(pid)
        return Measured(int(status["VmRSS"][0]), int(status["RssAnon"][0]), int(status["VmLck"][0]),
                        resources["files"], resources["regions"], len(list(Path(f"/proc/{machine.pid}/fd").iterdir())))

    def __str__(self):
        return (f"RSS {self.rss} KiB (anonymous {self.anonymous}), locked {self.locked} KiB, {len(self.files)} files, "
                f"{len(self.regions)} locked regions; PID 1: {self.files_of_init} files")


# Upper bounds at the end, in KiB: glibc retains varying parts of its heap. Over the 200 runs between the measurements
# of a soak of 500, the bound on anonymous memory finds 5 KiB that each run leaves.
_MOST = {
    "rss": lambda before: before * 5 // 4 + 2 * _KIB,
    "locked": lambda before: before * 5 // 4 + 2 * _KIB,
    "anonymous": lambda before: before + _KIB,
}


@dataclass
class Soak:
    machine: object
    runs: int
    report: object = lambda sentence: None  # is called with the progress
    canary: str = field(default_factory=lambda: "soak-" + secrets.token_hex(16))
    ends: int = 0
    steps: int = 0
    batch_jobs: int = 0
    seconds_of_steps: float = 0
    wrong: list = field(default_factory=list)  # jobs that did not get what they should, as sentences

    def __post_init__(self):
        assert self.runs >= 4 * ROUND and self.runs % (2 * ROUND) == 0, f"{2 * ROUND} runs or a multiple, from 40 on"
        self.values = {}  # the values of each run by name, as pushed last
        self.files_before = self._files()
        self.mounts_before = self._mounts()

    def run(self):
        self.fresh = Measured.of(self.machine)
        self.report(f"fresh: {self.fresh}")
        rounds = self.runs // ROUND
        for number in range(rounds // 2):
            self._round(number, end=(self.machine.kill_agent, self.machine.restart_agent)[number % 2],
                        moment=number // 2 % 3)
        self.report(f"{self.ends} restarts and kills")
        pid = self.machine.agent_pid
        for number in range(rounds // 2, rounds):
            self._round(number)
            if number - rounds // 2 + 1 == max(1, rounds // 10):
                self.warm = self._settled()
                self.report(f"after {max(1, rounds // 10) * ROUND} runs of one life: {self.warm}")
        self.at_end = self._settled()
        self.report(f"after {rounds // 2 * ROUND} runs of it: {self.at_end}")
        assert self.machine.agent_pid == pid, "the last life of the agent was none"

    # ---- what is left ----

    def left(self):
        """Returns what is left but should not be, and what was missing, as sentences; empty if all is clean."""
        left = list(self.wrong)
        status = self.machine.status()
        for what in ("runs", "holds", "slabs", "kept_slabs", "slab_bytes", "secret_bytes"):
            if status[what] != 0:
                left.append(f"the agent's status has {what}: {status[what]}")
        if (stored := self.machine.stored()) != 0:
            left.append(f"systemd keeps {stored} descriptors")
        for name, most in _MOST.items():
            before, after = getattr(self.warm, name), getattr(self.at_end, name)
            if after > most(before):
                left.append(f"memory of the agent ({name}) grew from {before} to {after} KiB")
        for name in ("files", "regions"):
            before, after = getattr(self.warm, name), getattr(self.at_end, name)
            if after != before:
                left.append(f"{name} of the agent were {before} and are {after}")
        if any(access != "---p" and size > mmap.PAGESIZE for access, size in self.at_end.regions):  # a page: the store's key
            left.append(f"locked regions: {self.at_end.regions}")
        if self.at_end.files_of_init > self.fresh.files_of_init:
            left.append(f"PID 1 had {self.fresh.files_of_init} open files and has {self.at_end.files_of_init}")
        left += [f"a new file {path}" for path in sorted(self._files() - self.files_before)]
        left += [f"a new mount {path}" for path in sorted(self._mounts() - self.mounts_before)]
        left += [f"a value in {location}" for location, _ in hunt.in_files(self.machine.folders(), [self.canary.encode()])]
        for name, pid in self.machine.daemons().items():
            left += [f"a value in {location}" for location, _ in hunt.in_memory(name, pid, [self.canary.encode()])]
        return left

    def _files(self):
        """Returns the files of the project, and all files in folders to which it or its jobs may write."""
        folders = ["/run/slurm-secrets", "/run/slurm-secrets-view", "/tmp", "/dev/shm", "/run/user"]
        files = {path for folder in folders for path in self.machine.local_path(folder).rglob("*")}
        written = self.machine.dir / "layer/upper"
        files |= {path for path in written.rglob("*") if "slurm-secret" in str(path.relative_to(written))}
        # Folders of systemd in /tmp get a new name at every start of a service.
        return {re.sub(r"(systemd-private-\w+-[\w.-]+)-\w{6}", r"\1", str(path)) for path in files}

    def _mounts(self):
        lines = Path(f"/proc/{self.machine.pid}/mountinfo").read_text().splitlines()
        return {line.split()[4] for line in lines}

    def _settled(self):
        """Measures the agent when idle: no job, and no connection from or to slurm-secrets-view."""
        machine = self.machine
        poll(lambda: not machine.jobs(), 30, "the end of all jobs")
        poll(lambda: machine.status()["runs"] == machine.status()["holds"] == 0, 15, "the end of all runs and holds")
        poll(lambda: machine.stored() == 0, 5, "an empty descriptor store")
        machine.systemctl("stop", VIEW)  # it may run or not; its socket starts it again
        return Measured.of(machine)

    # ---- a round ----

    def _round(self, number, end=None, moment=0):
        runs = {f"soak-{number * ROUND + index}": kind for index, kind in enumerate(KINDS)}

        def end_at(now):
            if end is not None and now == moment:
                end()
                self.ends += 1

        for run, kind in runs.items():
            for _ in range(2 if kind.again_before else 1):
                self._push(run, kind)
        end_at(0)
        begin = time.monotonic()
        steps = self._start_steps(number, {run: kind for run, kind in runs.items() if not kind.batch})
        jobs = {run: self._submit(run) for run, kind in runs.items() if kind.batch}
        end_at(1)
        self._await_steps(steps, number, begin)
        for run, job in jobs.items():
            self._check(run, self.machine.await_file(f"{job}.out"))
        end_at(2)
        for run, kind in runs.items():
            if kind.again_after:
                self._push(run, kind)
            if kind.expires:
                self._push(run, kind, ttl="1s")
            else:
                self.machine.complete(run)

    def _push(self, run, kind, ttl=None):
        values = {}
        for index in range(kind.secrets):
            value = f"{self.canary} {run} {index} {secrets.token_hex(8)} "
            values[f"S{index}"] = value.ljust(kind.bytes, "x")
        self.machine.push(run, workspace=values, ttl=ttl)
        self.values[run] = values

    def _prints(self, run):
        return f"printenv {' '.join(self.values[run])} | sha256sum"

    def _start_steps(self, number, runs):
        """Starts one allocation with a step for each run."""
        steps = [f"srun --quiet --input=none --secrets-run={run} sh -c '{self._prints(run)}'" for run in runs]
        script = f"{{ {'; '.join(steps)}; }} >steps.{number} 2>&1"
        command = self.machine.command("alice", ["timeout", "60", "salloc", "--quiet", "sh", "-c", script])
        return list(runs), subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _await_steps(self, steps, number, begin):
        runs, allocation = steps
        try:
            allocation.wait(90)
        finally:
            allocation.kill()
            allocation.wait()
        self.seconds_of_steps += time.monotonic() - begin
        self.steps += len(runs)
        printed = (self.machine.out / f"steps.{number}").read_text()
        lines = printed.splitlines()
        if len(lines) != len(runs):
            self.wrong.append(f"the steps of round {number} printed: {printed}")
        for run, line in zip(runs, lines):
            self._check(run, line)

    def _submit(self, run):
        self.batch_jobs += 1
        return self.machine.sbatch(self._prints(run), f"--secrets-run={run}")

    def _check(self, run, line):
        """Checks that a job of the run printed the hash of the run's values."""
        lines = "".join(value + "\n" for value in self.values[run].values())
        if line.split()[:1] != [hashlib.sha256(lines.encode()).hexdigest()]:
            self.wrong.append(f"a job of {run} did not get its values: {line!r}")

# SPDX-License-Identifier: Apache-2.0
"""Stops jobs at named stages, so that the hunt sees each moment as long as a sweep takes."""

import contextlib
import hashlib
import itertools
import os
import subprocess
import time

from harness import poll
from processes import Processes

# Says what TOK holds, by a hash, and waits. It starts no process meanwhile.
HOLD = """#!/bin/bash
hash=$(printf %s "${TOK-}" | sha256sum)
echo "${hash%% *}" >"$1.tmp" && mv "$1.tmp" "$1.reached"
until [ -e "$1.go" ]; do read -rt 0.1 _ <>idle; done
exit 0
"""


class Stages:
    """The stages of one site. A job's script has `./hold NAME`."""

    def __init__(self, site):
        self._site = site
        self._numbers = itertools.count()
        hold = site.out / "hold"
        hold.write_text(HOLD)
        hold.chmod(0o755)
        os.mkfifo(site.out / "idle")
        (site.out / "idle").chmod(0o666)

    def name(self):
        return f"stage-{next(self._numbers)}"

    def reached(self, name, canary, seconds=30):
        """Waits for a job at a stage, checks that it has the value in TOK (none if None), and returns its id."""
        file = self._site.out / f"{name}.reached"
        poll(file.exists, seconds, f"a job at {name}")
        expected = hashlib.sha256(canary.data if canary else b"").hexdigest()
        assert file.read_text().strip() == expected, f"the job at {name} has another value, or none"
        processes = Processes()
        return next(processes.job_of(process) for process in processes
                    if process.program == "hold" and process.command_line.endswith(f"\0{name}\0".encode()))

    def release(self, *names):
        for name in names:
            (self._site.out / f"{name}.go").touch()

    def repeat(self, name):
        """Makes a stage whose job starts again one that is not reached yet."""
        (self._site.out / f"{name}.reached").unlink()

    def await_no_process(self, *jobs):
        """Waits until no slurmstepd of the jobs is left, nor what it started."""

        def left():
            processes = Processes()
            return [process for process in processes if process.step.partition(".")[0] in jobs
                    or processes.job_of(process) in jobs]

        poll(lambda: not left(), 15, f"the end of all processes of {jobs}")
        time.sleep(0.05)  # the kernel frees their memory


@contextlib.contextmanager
def in_background(site, user, command):
    """Runs a command of a user within the block, and waits for its end behind the block."""
    process = subprocess.Popen(site.command(user, command), cwd=site.out, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors.decode()
    finally:
        process.kill()
        process.wait()

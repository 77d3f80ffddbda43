# SPDX-License-Identifier: Apache-2.0
"""Promise: an upgrade from the last release under a stream of jobs, and the way back, fails no job and loses nothing:
the slabs of the one version are read by the other, as is the store with its key."""

import json
import shutil
import threading

import pytest
from booting import booted_machine
from evidence import check_nothing_left, noting_failure
from harness import poll
from machines import AGENT

RUN = "--secrets-run=run-kept"


def files_below(root):
    return [path.relative_to(root) for path in root.rglob("*") if not path.is_dir()]


def unpack(machine, package, earlier):
    """Replaces files as a package manager does: each by a rename, then those are removed that only `earlier` has."""
    for file in files_below(package):
        place = machine.root / file
        if str(file).startswith("etc/") and place.exists():
            continue  # a configuration file is the admin's
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(place.name + ".new")
        shutil.copy2(package / file, new, follow_symlinks=False)
        new.rename(place)
    for file in set(files_below(earlier)) - set(files_below(package)):
        if not str(file).startswith("etc/"):
            (machine.root / file).unlink(missing_ok=True)


def upgrade(machine, package, earlier):
    """Does what the package's scripts do (docs/admin.md, Upgrade)."""
    unpack(machine, package, earlier)
    machine.systemctl("daemon-reload")
    # Its first start fails after a way back: slurm-secrets-key.socket is closed, and restarted by that.
    machine.systemctl("restart", AGENT, check=False)
    machine.systemctl("try-restart", "slurm-secrets-view.service")
    machine.await_agent()


@pytest.fixture(scope="module")
def packages(release, tmp_path_factory):
    """Returns the installed files of the last release and of this build."""
    return release / "root", tmp_path_factory.mktemp("this-build")


@pytest.fixture(scope="module")
def machine(request, packages):
    """Boots a machine on which the last release is enabled."""
    old, new = packages
    with booted_machine(request.session) as machine:
        with noting_failure(request.session):
            for file in map(str, machine.installed()):
                place = new / file.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(machine.root / file.lstrip("/"), place, follow_symlinks=False)
            unpack(machine, old, new)
            for file in files_below(old / "etc"):
                shutil.copy2(old / "etc" / file, machine.root / "etc" / file)
            machine.enable_agent()
            assert version_of(machine) == version_of_package(old)
        yield machine


def version_of(machine):
    with open(f"/proc/{machine.agent_pid}/exe", "rb") as program:
        return hash(program.read())


def version_of_package(package):
    return hash((package / "usr/sbin/slurm-secretsd").read_bytes())


class Stream:
    """Submits jobs until it ends, steps by srun and batch jobs by sbatch; each checks its secret."""

    SCRIPT = """
        while [ ! -e stop ]; do
          srun -n1 --secrets-run=run-kept --secret=TOK,KEPT,TOK=COPY:file bash -c '
            [ "$TOK" = "$(cat $COPY_FILE)" ] && [ -n "$KEPT" ] && echo fine' >>stream.out 2>>stream.err ||
            echo failed >>stream.out
          sbatch --parsable -o stream.%j --secrets-run=run-kept --secret=TOK \\
            --wrap 'printenv TOK >/dev/null && srun -n1 printenv TOK >/dev/null && echo fine || echo failed' \\
            >>stream.jobs 2>>stream.err
        done"""

    def __init__(self, machine):
        self.machine = machine
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        self.machine.as_user("alice", ["bash", "-c", self.SCRIPT], timeout=120)

    def done(self):
        """Returns how many steps have ended."""
        path = self.machine.out / "stream.out"
        return path.read_text().count("\n") if path.exists() else 0

    def await_more(self, count=4):
        target = self.done() + count
        poll(lambda: self.done() >= target, 30, "further steps of the stream")

    def end(self):
        out = self.machine.out
        (out / "stop").touch()
        self.thread.join()
        jobs = (out / "stream.jobs").read_text().split()
        poll(lambda: not set(jobs) & set(self.machine.jobs()), 60, "the end of the stream's jobs")
        errors = (out / "stream.err").read_text()
        assert set((out / "stream.out").read_text().split()) == {"fine"}, errors
        assert [(out / f"stream.{job}").read_text() for job in jobs] == ["fine\n"] * len(jobs), errors
        return self.done(), len(jobs)


def push_until(machine, job):
    """Pushes a run that ends with the job, of which the last release knows nothing."""
    body = {"owner": "alice", "user": {"A": "a"}, "until_job": int(job)}
    assert machine.http("PUT", "/v1/runs/run-until", json.dumps(body)).status == 201


def test_upgrade_and_way_back_under_stream_of_jobs(request, machine, packages, canary, canaries):
    old, new = packages
    token, kept = canary("TOK"), canary("KEPT")
    machine.push("run-kept", user={"TOK": "an older value"})
    machine.push("run-kept", user={"TOK": token}, ttl="1d")
    assert machine.secretctl("set", "KEPT", user="alice", input=kept).code == 0
    job = machine.sbatch("echo >begun; until [ -e end ]; do sleep 0.1; done; printenv TOK; srun -n1 printenv TOK", RUN)
    machine.await_file("begun")

    def holdings():
        run = machine.run("run-kept")
        return {name: run[name] for name in ("owner", "generation", "created", "expires", "secrets")}, \
            int(job) in [hold["job"] for hold in run["holds"]]

    before = holdings()
    assert before[0]["generation"] == 2 and before[1]
    stream = Stream(machine)
    try:
        for package, earlier in ((new, old), (old, new), (new, old)):
            stream.await_more()
            if package == old:
                push_until(machine, job)
            pid = machine.agent_pid
            upgrade(machine, package, earlier)
            assert machine.agent_pid != pid and version_of(machine) == version_of_package(package)
            assert holdings() == before
            assert "KEPT" in machine.secretctl("ls", user="alice").out
        assert machine.run("run-until")["until_job"] == int(job)  # as before the way back
        stream.await_more()
    finally:
        counts = stream.end()
    print(f"\n{counts[0]} steps and {counts[1]} batch jobs")
    journal = machine.journal()
    for words in ("wiped an invalid slab", "incomplete or damaged record", "cannot open the store"):
        assert words not in journal, journal
    (machine.out / "end").touch()
    done = machine.wait(job)
    assert (done.code, done.out) == (0, f"{token}\n{token}\n"), done.err
    poll(lambda: "run-until" not in machine.runs(), 40, "the end of the run with its job")
    assert machine.secretctl("rm", "KEPT", user="alice").code == 0
    doctor = machine.enter("secretctl", "doctor", check=False)
    assert doctor.code == 0, doctor.out
    with noting_failure(request.session):
        check_nothing_left(machine, canaries)

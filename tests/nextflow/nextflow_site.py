# SPDX-License-Identifier: Apache-2.0
"""Runs pipelines in a real Nextflow of several versions, whose head job is on the tests' real Slurm cluster."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import BUILD, poll

HERE = Path(__file__).resolve().parent
JARS = Path("/var/cache/slurm-secrets-tests/nextflow")  # of tests/setup
PLUGIN = BUILD / "slurm-secrets-nextflow.jar"
VERSIONS = sorted(path.name for path in JARS.glob("*") if path.suffix != ".new")

# Nextflow asks and waits less often than for jobs of hours.
CONFIG = """
executor {
    pollInterval = '200 ms'
    queueStatInterval = '1 s'
    exitReadTimeout = '20 s'
    dumpInterval = '1 h'
}
"""


class Pipeline:
    """A pipeline in a folder of its own, with a home and a work directory for Nextflow."""

    def __init__(self, cluster, version, name, user="alice"):
        self.cluster = cluster
        self.version = version
        self.user = user
        self.dir = Path(tempfile.mkdtemp(prefix=f"nf-{name}-", dir=cluster.out))
        self.seen_dir = self.dir / "seen"
        shutil.copytree(HERE / "pipelines" / name, self.dir, dirs_exist_ok=True)
        with open(self.dir / "nextflow.config", "a", encoding="utf-8") as file:
            file.write(CONFIG)
        for folder in ("seen", "nxf_home", "programs", "bin"):
            (self.dir / folder).mkdir()
        shutil.copy2(HERE / "seen", self.dir / "bin")  # Nextflow puts the folder into the PATH of tasks
        shutil.copy2(HERE / "launcher", self.dir / "programs" / "nextflow")
        subprocess.run(["chown", "-R", user, self.dir], check=True)

    def add_program(self, name, text):
        path = self.dir / "programs" / name
        path.write_text(text)
        path.chmod(0o755)

    def configure(self, text):
        with open(self.dir / "nextflow.config", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    @property
    def env(self):
        return {
            "PATH": f"{self.dir}/programs:{BUILD}:{os.environ['PATH']}",
            "HOME": str(self.dir),
            "SLURM_SECRETS_SOCKET": str(self.cluster.control_socket),
            "NEXTFLOW_JARS": str(JARS / self.version),
            "SLURM_SECRETS_JOB_SOCKET": str(self.cluster.dir / "run" / "job.sock"),
            "NXF_HOME": str(self.dir / "nxf_home"),
            "NXF_OFFLINE": "true",
            "NXF_ANSI_LOG": "false",
            "NXF_PLUGINS_DEFAULT": "false",
            "NXF_DISABLE_CHECK_LATEST": "true",
            "SEEN": str(self.seen_dir),
        }

    def run_outside_of_a_job(self, plugin=True):
        """Runs Nextflow as on a login host, where the user gives it the jar."""
        return self.cluster.as_user(self.user, ["bash", "-c", self.command()], self.env_outside_of_a_job, plugin=plugin, timeout=90)

    @property
    def env_outside_of_a_job(self):
        return {**self.env, "NXF_JVM_ARGS": f"-javaagent:{PLUGIN}"}

    def command(self, *arguments):
        return " ".join([f"cd {self.dir} && exec nextflow run main.nf --seen={self.seen_dir}", *arguments])

    def submit(self, *options, arguments=(), env=None, before=""):
        """Submits the head job, and returns its id."""
        return self.cluster.sbatch(before + self.command(*arguments), *options, user=self.user,
                                   env={**self.env, **(env or {})})

    def run(self, *options, timeout=90, **more):
        return self.cluster.wait(self.submit(*options, **more), timeout)

    def log(self):
        return (self.dir / ".nextflow.log").read_text(errors="replace")

    def seen(self):
        """Returns by process what each of its tasks had: the secrets' hashes by name."""
        found = {}
        for path in sorted(self.seen_dir.glob("*.[0-9]*[0-9]")):
            with contextlib.suppress(ValueError):
                entry = json.loads(path.read_text())
                found.setdefault(entry["label"], []).append(entry["secrets"])
        return found

    def head_pid(self):
        """Returns the pid of the Nextflow that runs the pipeline now."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (process / "cwd").resolve() == self.dir and (process / "comm").read_text() == "java\n":
                    return int(process.name)
        raise AssertionError("no Nextflow runs in " + str(self.dir))

    def await_seen(self, label, count=1, seconds=60):
        poll(lambda: len(self.seen().get(label, [])) >= count, seconds, f"{count} tasks of {label}")

# SPDX-License-Identifier: Apache-2.0
"""Makes folders with programs of two versions, and starts hosts from them."""

import contextlib
import shutil

from evidence import noting_failure, running
from four_hosts import Hosts
from harness import BUILD

PROGRAMS = ("slurm-secretsd", "slurm-secrets-view", "spank_secrets.so", "secretctl")


def mixture(folder, release, *old):
    """Copies the programs named in `old` from the last release, and the others from this build; returns the folder."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for program in PROGRAMS:
        shutil.copy2((release if program in old else BUILD) / program, folder / program)
    return folder


@contextlib.contextmanager
def mixed_hosts(request, release, older):
    """Starts hosts, of which those in `older` have the programs of the last release; each has its plugin by one path."""
    with running(Hosts(), request.session) as hosts:
        with noting_failure(request.session):
            old, new = mixture(hosts.dir / "old", release, *PROGRAMS), mixture(hosts.dir / "new", release)
            (hosts.dir / "etc-slurm" / "plugstack.conf").write_text("include /run/plugin/plugstack.conf\n")
            for host in hosts.all():
                host.build = old if host.name in older else new
                plugin = host.local_path("/run/plugin/spank_secrets.so")
                plugin.parent.mkdir()
                shutil.copy(host.build / plugin.name, plugin)
                newer = "" if host.name in older else " run_id_job_name=nf-workflow-"
                plugin.with_name("plugstack.conf").write_text(f"required /run/plugin/{plugin.name} wait=1{newer}\n")
        yield hosts

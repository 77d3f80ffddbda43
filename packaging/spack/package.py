# SPDX-License-Identifier: Apache-2.0
"""A recipe for Spack: the plugin, slurm-secrets-view and secretctl for the Slurm of a site that builds Slurm with Spack, and the
agent. Put this file into packages/slurm-secrets/ of a repository (spack repo create), and the tarball of `make dist` beside
the directory from which you call Spack.

An installation is not complete: link the units and sysusers.d of its prefix as docs/packages.md says."""

import os

from spack.package import *


class SlurmSecrets(CMakePackage):
    """Secrets manager for Slurm clusters: jobs get the tokens, keys and passwords that they name."""

    url = f"file://{os.getcwd()}/slurm-secrets-0.3.0.tar.gz"
    manual_download = True

    license("Apache-2.0")

    # SHA256SUMS of the release has the checksum; without it: spack install --no-checksum slurm-secrets
    version("0.3.0")

    variant("nextflow", default=False, description="Build the plugin for Nextflow")

    generator("ninja")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("java@11:", type="build", when="+nextflow")

    depends_on("boost@1.81: +json")
    depends_on("cli11@2.1:", type="build")
    depends_on("munge")
    depends_on("openssl@3:")
    depends_on("prometheus-cpp")
    depends_on("slurm@22-05:")
    depends_on("spdlog@1.10:")
    depends_on("sqlite@3")
    # The host's own: an agent must have the libsystemd of the systemd that runs it (spack external find systemd).
    depends_on("systemd")
    depends_on("yaml-cpp@0.7:")
    depends_on("zlib-api")

    # GCC 11 is the first whose coroutines work.
    conflicts("%gcc@:10")

    def cmake_args(self):
        slurm = self.spec["slurm"].prefix
        return [
            self.define("BUILD_TESTING", False),
            self.define("SLURM_INCLUDE_DIR", slurm.include),
            self.define("SLURM_LIBRARY", find_libraries("libslurm", slurm, recursive=True)[0]),
            self.define("MUNGE_INCLUDE_DIR", self.spec["munge"].prefix.include),
            # The agent reads /etc/slurm-secrets/agentd.yaml, which is not Spack's to write.
            self.define("CONFIG_INSTALL_DIR", self.prefix.etc.join("slurm-secrets")),
            self.define("CMAKE_DISABLE_FIND_PACKAGE_Java", self.spec.satisfies("~nextflow")),
        ]

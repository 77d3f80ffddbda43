# SPDX-License-Identifier: Apache-2.0
"""Maps the agent's locked memory as root can: through a copy of its descriptors (docs/security.md)."""

import contextlib
import ctypes
import mmap
import os
from pathlib import Path

# A smaller region is the store's key, one page.
_LEAST_SLAB = 1024 * 1024
_PIDFD_GETFD = 438  # of the system call, on every architecture
_libc = ctypes.CDLL(None, use_errno=True)


class Slabs(list):
    """Mappings of slabs, which show the current content even after the process has ended."""

    def have(self, value):
        return any(slab.find(value) >= 0 for slab in self)


@contextlib.contextmanager
def open_slabs(pid):
    """Maps all slabs of a process within the block."""
    process = os.pidfd_open(pid)
    maps, others = Slabs(), []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(entry).startswith(("/secretmem", "/memfd:slurm-secrets")):
                mapped = _map(process, int(entry.name))
                (maps if len(mapped) >= _LEAST_SLAB else others).append(mapped)
        yield maps
    finally:
        os.close(process)
        for mapped in maps + others:
            mapped.close()


def _map(process, number):
    fd = _libc.syscall(_PIDFD_GETFD, process, number, 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"pidfd_getfd of {number}")
    try:
        return mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_SHARED, mmap.PROT_READ)
    finally:
        os.close(fd)

# SPDX-License-Identifier: Apache-2.0
"""Starts an agent whose system calls fail at a test's command, through a library that is loaded before libc."""

import contextlib
import mmap
import os
import struct
from pathlib import Path

from harness import BUILD, poll
from own_agent import OwnAgent

# The rows of the library's table (tests/faults/faults.c), in its order.
CALLS = ("mmap", "mlock", "memfd_secret", "memfd_create", "ftruncate", "madvise", "socket", "sendmsg",
         "recvmsg", "accept4", "epoll_ctl", "getsockopt", "malloc", "setrlimit", "disk")
KILLED = -1  # stands for an errno in the row "disk" only
STOPPED = -2  # likewise
ROW = struct.Struct("=4i")
ALWAYS = -1
GUARDS = 64 * 1024  # more that nobody may touch is an allocator's: what it may still grow by


class Faults:
    """Edits the library's table of faults; a change takes effect in the running agent at once."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(ROW.size * len(CALLS)))
        with open(path, "r+b") as file:
            self.table = mmap.mmap(file.fileno(), 0)

    def set(self, call, error, skip=0, count=1):
        ROW.pack_into(self.table, ROW.size * CALLS.index(call), error, skip, count, 0)

    def clear(self):
        self.table[:] = bytes(len(self.table))

    def struck(self, call):
        """Returns how often the call has failed since set()."""
        return ROW.unpack_from(self.table, ROW.size * CALLS.index(call))[3]


class FaultyAgent(OwnAgent):
    """`at_start`: calls that fail from the start on, as (call, errno)."""

    more_environment = {}

    def __init__(self, *config, at_start=(), **options):
        self.at_start = at_start
        super().__init__(*config, **options)

    def start(self):
        self.faults = Faults(self.folder / "faults")
        for call, error in self.at_start:
            self.faults.set(call, error, count=ALWAYS)
        self.environment = {**self.more_environment, "LD_PRELOAD": str(BUILD / "libfaults.so"),
                            "SECRETS_FAULTS": str(self.faults.path)}
        super().start()

    def await_quiet(self):
        poll(lambda: not connections_of(self.pid), 10, "the end of all connections")

    @contextlib.contextmanager
    def failing(self, call, error, count=1):
        """Makes the call fail within the block; fails the test if the agent never made the call."""
        self.await_quiet()  # the end of a connection makes system calls in the agent, too
        self.faults.set(call, error, count=count)
        try:
            yield
            assert self.faults.struck(call), f"nothing called {call}()"
        finally:
            self.faults.clear()

    def holdings(self):
        """Returns what a failed request must not change: the reported state, open files and locked memory."""
        return {**resources_of(self.pid), "state": self.state()}


def links_of(pid):
    for number in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(number)


def connections_of(pid):
    """Counts the sockets of a process that do not listen."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    listening = {f"socket:[{fields[6]}]" for fields in lines if int(fields[3], 16) & 0x10000}
    return sum(link.startswith("socket:") and link not in listening for link in links_of(pid))


def resources_of(pid):
    """Returns a process's open files by link target, except sockets, and its locked regions by access and size."""
    regions = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, access, *_ = line.split()
        begin, end = (int(address, 16) for address in span.split("-"))
        is_guard = access == "---p" and end - begin < GUARDS
        if "secretmem" in line or "memfd:slurm-secrets" in line or is_guard:
            regions.append((access, end - begin))
    return {"files": sorted(link for link in links_of(pid) if not link.startswith("socket:")),
            "regions": sorted(regions)}

# SPDX-License-Identifier: Apache-2.0
"""Searches every process: its memory, environment, command line, and the files without a name that it has open."""

import array
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import smaps
from canary import CHUNK
from files import search_file
from finds import COMMAND_LINE, ENVIRONMENT, MEMORY, NAMELESS_FILE, finds_of

PAGE = os.sysconf("SC_PAGE_SIZE")
STRETCH = 1 << 30  # of memory, about whose pages the kernel is asked at once
HELD = 3 << 62  # the bits of a page in /proc/PID/pagemap: in memory, or swapped


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    uid: int
    program: str
    command_line: bytes

    def __str__(self):
        words = self.command_line.replace(b"\0", b" ").decode(errors="replace").strip()
        return f"{self.pid} {self.program} [{words[:60]}] of uid {self.uid}"

    @property
    def step(self):
        """Returns "JOB.STEP" of a slurmstepd, and "" of any other process."""
        title = re.match(rb"slurmstepd: \[([^\]]+)\]", self.command_line)
        return title[1].decode() if title else ""


def _read(pid):
    folder = Path("/proc") / str(pid)
    status = (folder / "status").read_text()
    return Process(pid, int(re.search(r"^PPid:\t(\d+)", status, re.MULTILINE)[1]),
                   int(re.search(r"^Uid:\t\d+\t(\d+)", status, re.MULTILINE)[1]),
                   re.search(r"^Name:\t(.*)", status)[1], (folder / "cmdline").read_bytes())


class Processes:
    """All processes at one moment, but for the hunt's own."""

    def __init__(self):
        self._by_pid = {}
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                if pid != os.getpid():
                    self._by_pid[pid] = _read(pid)
            except OSError:  # it ended meanwhile
                pass

    def __iter__(self):
        return iter(self._by_pid.values())

    def step_of(self, process):
        """Returns the "JOB.STEP" that slurmstepd started a process for, and "" of any other process."""
        if process.step:
            return ""
        while process and not process.step:
            process = self._by_pid.get(process.parent)
        return process.step if process else ""

    def job_of(self, process):
        return self.step_of(process).partition(".")[0]


class Searched:
    """Remembers what one sweep has searched already, since processes share files."""

    def __init__(self):
        self._seen = set()

    def is_new(self, status):
        key = (status.st_dev, status.st_ino)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new


def search_process(canaries, process, searched):
    """Returns the finds in a process. One that ends meanwhile has none."""
    folder = Path("/proc") / str(process.pid)
    found = finds_of(COMMAND_LINE, f"the command line of {process}", canaries.search(process.command_line), process)
    try:
        environment = (folder / "environ").read_bytes()
        found += finds_of(ENVIRONMENT, f"the environment of {process}", canaries.search(environment), process)
        found += _search_memory(canaries, process)
        found += _search_nameless_files(canaries, process, folder, searched)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


# ---- files that have no name, or none any more ------------------------------------------------------


def _search_nameless_files(canaries, process, folder, searched):
    found = []
    for entry in os.listdir(folder / "fd"):
        path = folder / "fd" / entry
        try:
            target, status = os.readlink(path), os.stat(path)
        except OSError:
            continue
        if target.endswith(" (deleted)") and stat.S_ISREG(status.st_mode) and searched.is_new(status):
            found += search_file(canaries, path, NAMELESS_FILE, f"{target} of {process}", process)
    return found


# ---- memory -----------------------------------------------------------------------------------------


def mappings_to_search(pid):
    """Yields line, begin and end of the mappings that can hold what no named file has, in their order."""
    for line, fields in smaps.mappings(pid):
        span, permissions, _, _, inode, *name = line.split(maxsplit=5)
        is_private_file = inode != "0" and permissions[3] == "p" and name and not name[0].endswith(" (deleted)")
        if is_private_file and fields["Anonymous"] == "0 kB" and fields["Swap"] == "0 kB":
            continue  # as the file is
        is_shared = permissions[3] == "s"
        is_empty = not is_shared and fields["Rss"] == fields["Swap"] == "0 kB"  # a reservation may have terabytes
        if is_empty or name and name[0].startswith(("[vvar", "[vsyscall")):
            continue
        begin, end = (int(part, 16) for part in span.split("-"))
        yield line, begin, end, is_shared


def _held_pages(pagemap, begin, end):
    """Yields the parts of a mapping that are in memory or swapped: stacks and arenas are mostly untouched."""
    for at in range(begin, end, STRETCH):
        yield from _held_pages_of_stretch(pagemap, at, min(at + STRETCH, end))


def _held_pages_of_stretch(pagemap, begin, end):
    pages = array.array("Q", os.pread(pagemap, (end - begin) // PAGE * 8, begin // PAGE * 8))
    first = None
    for index, entry in enumerate(pages):
        if entry & HELD:
            first = index if first is None else first
        elif first is not None:
            yield begin + first * PAGE, begin + index * PAGE
            first = None
    if first is not None:
        yield begin + first * PAGE, begin + len(pages) * PAGE


def _parts(pid, pagemap):
    """Yields the parts of memory to search, with the line of their mapping; those that touch follow each other."""
    for line, begin, end, is_shared in mappings_to_search(pid):
        for first, last in [(begin, end)] if is_shared else _held_pages(pagemap, begin, end):
            for at in range(first, last, CHUNK):
                yield line, at, min(at + CHUNK, last)


def _results_in(canaries, pieces):
    """Searches pieces of memory that touch each other; yields each result with the line of its mapping."""
    results = iter(sorted(canaries.search_chunks(data for _, _, data in pieces), key=lambda result: result[0]))
    result, offset = next(results, None), 0
    for line, begin, data in pieces:
        while result is not None and result[0] < offset + len(data):
            at, *what = result
            yield line, (begin + at - offset, *what)
            result = next(results, None)
        offset += len(data)


def _search_memory(canaries, process):
    by_mapping, pieces = {}, []

    def search_pieces():
        for line, result in _results_in(canaries, pieces):
            by_mapping.setdefault(line, []).append(result)
        pieces.clear()

    memory = os.open(f"/proc/{process.pid}/mem", os.O_RDONLY)
    pagemap = os.open(f"/proc/{process.pid}/pagemap", os.O_RDONLY)
    try:
        for line, begin, end in _parts(process.pid, pagemap):
            if pieces and pieces[-1][1] + len(pieces[-1][2]) != begin:
                search_pieces()
            try:
                pieces.append((line, begin, os.pread(memory, end - begin, begin)))
            except OSError:  # memory of memfd_secret, or of a device
                continue
        search_pieces()
    finally:
        os.close(memory)
        os.close(pagemap)
    return [find for line, results in by_mapping.items()
            for find in finds_of(MEMORY, f"the memory of {process}, {line},", results, process)]


def unreadable_secret_memory(pid):
    """Returns the mappings of memfd_secret in a process, after a check that root can read none."""
    mappings = [(line, begin) for line, begin, _, _ in mappings_to_search(pid) if "/secretmem" in line]
    for line, begin in mappings:
        memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        try:
            os.pread(memory, PAGE, begin)
        except OSError:
            continue
        finally:
            os.close(memory)
        raise AssertionError(f"root can read {line} of {pid}")
    return [line for line, _ in mappings]

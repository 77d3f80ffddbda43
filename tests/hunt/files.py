# SPDX-License-Identifier: Apache-2.0
"""Searches all files of the folders that can be written, their names, links and extended attributes."""

import os
import re
import stat
from pathlib import Path

from canary import CHUNK
from finds import FILE, finds_of


def chunks_of(path):
    """Reads a file in pieces. It may shrink or be removed meanwhile."""
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


# A line of Slurm's log with DebugFlags=NetworkRaw: sixteen bytes of a message.
HEX_DUMP = re.compile(rb"\[\d+/\d+\] 0x([0-9a-f ]+)")


def dumped(chunks):
    """Yields the bytes that the hexadecimal dumps in a log show."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).rsplit(b"\n", 1)
        yield b"".join(bytes.fromhex(line.decode()) for text in lines for line in HEX_DUMP.findall(text))


def search_file(canaries, path, kind=FILE, where=None, process=None):
    """Returns the finds in a file, and in the dumps of one that is a log."""
    try:
        found = finds_of(kind, where or path, canaries.search_chunks(chunks_of(path)), process)
        if str(path).endswith((".log", ".out")):
            dumps = canaries.search_chunks(dumped(chunks_of(path)))
            found += finds_of(kind, f"a dump in {where or path}", dumps, process)
        return found
    except OSError:  # a log or state file that has just been replaced
        return []


def _entries(folder):
    """Lists a folder and those in it, but not what is mounted there: each mount is a folder of its own."""
    device = os.stat(folder).st_dev
    folders = [folder]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:  # removed meanwhile
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield entry, status
            if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                folders.append(entry.path)


def _labels(entry, status):
    """Yields the bytes that belong to a file beside its content."""
    yield os.fsencode(entry.name)
    try:
        if stat.S_ISLNK(status.st_mode):
            yield os.fsencode(os.readlink(entry.path))
        else:
            for name in os.listxattr(entry.path, follow_symlinks=False):
                yield os.fsencode(name)
                yield os.getxattr(entry.path, name, follow_symlinks=False)
    except OSError:  # removed meanwhile, or the file system has none
        pass


def search_folders(canaries, folders):
    """Returns the finds in all files below the folders."""
    found = []
    for folder in folders:
        for entry, status in _entries(Path(folder)):
            for label in _labels(entry, status):
                found += finds_of(FILE, f"the name, link or attribute of {entry.path}", canaries.search(label))
            if stat.S_ISREG(status.st_mode) and status.st_size:
                found += search_file(canaries, entry.path)
    return found

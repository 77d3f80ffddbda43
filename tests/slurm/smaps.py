# SPDX-License-Identifier: Apache-2.0
"""Reads from the kernel which memory of a process is locked and which could be swapped."""

import re
from pathlib import Path


def locked_kilobytes(pid):
    return int(re.search(r"VmLck:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


def mappings(pid):
    """Returns the first line and the fields of each mapping in /proc/PID/smaps."""
    found = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append((line, {}))
        else:
            name, _, content = line.partition(":")
            found[-1][1][name] = content.strip()
    return found


def is_locked(fields):
    return " lo" in " " + fields["VmFlags"]


def within_reach_of_swap(pid):
    """Returns the mappings that a value could be written to and that could be swapped or are."""
    return [line for line, fields in mappings(pid)
            if "w" in line.split()[1] and not line.endswith(("[vvar]", "[vsyscall]"))
            and not (is_locked(fields) and fields["Swap"] == "0 kB")]

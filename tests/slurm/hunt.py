# SPDX-License-Identifier: Apache-2.0
"""The hunt: searches files and the memory of processes for values that must not be there."""

from pathlib import Path

from harness import memory_kind

CHUNK = 1 << 20
SHADOW = 1 << 32  # a larger mapping is a sanitizer's: terabytes that tell which bytes of the program may be touched


def in_files(roots, values):
    """Searches all files below `roots`; returns (location, index of the value) of each find."""
    found = []
    for root in roots:
        for path in sorted(Path(root).rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # a log or state file that Slurm has just replaced
                continue
            for index, value in enumerate(values):
                at = content.find(value)
                if at >= 0:
                    found.append((f"{path} at byte {at}", index))
    return found


def in_memory(name, pid, values, regions=False):
    """Searches a process as root through /proc/PID/mem; returns finds as in_files() does. Without `regions` it passes
    over those of values themselves, which root can read on a kernel without memfd_secret."""
    found = []
    passed_over = "/memfd:slurm-secrets" if memory_kind() == "memfd" and not regions else "\0"
    longest = max((len(value) for value in values), default=0)
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        mappings = file.read().splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for mapping in mappings:
            span, permissions, *_, last = mapping.split(maxsplit=5)
            if "r" not in permissions or last.startswith(("[vvar", "[vsyscall", passed_over)):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            if end - begin > SHADOW:
                continue
            tail = b""
            while begin < end:
                try:
                    memory.seek(begin)
                    chunk = memory.read(min(CHUNK, end - begin))
                except OSError:  # memfd_secret memory, which not even root can read
                    break
                if not chunk:
                    break
                for index, value in enumerate(values):
                    if value in tail + chunk:
                        found.append((f"the memory of {name}, {mapping}", index))
                tail = chunk[-longest:]
                begin += len(chunk)
    return found

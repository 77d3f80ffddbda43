# SPDX-License-Identifier: Apache-2.0
"""Checks the hunt itself: it finds a value that is planted in each kind of place, in each encoding."""

import base64
import contextlib
import json
import mmap
import os
import socket
import subprocess
import sys
import urllib.parse
from multiprocessing import shared_memory
from pathlib import Path

import pytest
from canary import CHUNK, Canaries
from finds import COMMAND_LINE, ENVIRONMENT, FILE, JOURNAL, KINDS, MEMORY, NAMELESS_FILE, PACKET
from harness import poll
from packets import Capture
from sweep import Hunt, folders

PAGE = mmap.PAGESIZE
# Reads a value from standard input, acts, says so, and waits until the test has looked.
PROGRAM = "import ctypes, mmap, os, sys\nvalue = sys.stdin.buffer.readline()[:-1]\n{}\nprint(flush=True)\nsys.stdin.read()\n"


@pytest.fixture
def values():
    """Makes values that no other test knows: some are planted where they stay."""
    return Canaries()


@pytest.fixture
def canary(values):
    return values.make()


@pytest.fixture
def sweep(values, journald):
    """Returns the finds of a value in a sweep over everything."""
    capture = Capture(values, "this host")
    hunt = Hunt(values, [capture], dict, [])

    def find(canary):
        return [find for find in hunt.sweep()[0] if find.canary is canary]

    yield find
    capture.close()


@contextlib.contextmanager
def program(text, value, *arguments, **options):
    with subprocess.Popen([sys.executable, "-c", PROGRAM.format(text), *arguments], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, **options) as process:
        process.stdin.write(value + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


# ---- encodings --------------------------------------------------------------------------------------

ENCODINGS = {
    "as it is": lambda data: data,
    "base64": base64.b64encode,
    "base64 behind one byte": lambda data: base64.b64encode(b":" + data),
    "base64 behind two bytes": lambda data: base64.urlsafe_b64encode(b"::" + data),
    "base64 in lines": lambda data: base64.encodebytes(b"Authorization: " + data),
    "hexadecimal": lambda data: data.hex().encode(),
    "hexadecimal in upper case": lambda data: data.hex().upper().encode(),
    "JSON": lambda data: json.dumps(data.decode()).encode(),
    "JSON in JSON": lambda data: json.dumps(json.dumps(data.decode())).encode(),
    "\\u escapes": lambda data: "".join(f"\\u{ord(letter):04x}" for letter in data.decode()).encode(),
    "URL": lambda data: urllib.parse.quote_plus(data).encode(),
    "every byte of a URL": lambda data: "".join(f"%{byte:02X}" for byte in data).encode(),
    "UTF-16": lambda data: data.decode().encode("utf-16-le"),
    "the first half": lambda data: data[:len(data) // 2 - 2],
    "the second half": lambda data: data[len(data) // 2 + 2:],
}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("before", [0, 1, 63])
def test_search_recognizes_value_in_encoding(values, canary, name, before):
    values.make()
    data = b"#" * before + ENCODINGS[name](canary.data) + b"#" * 99
    assert {found for _, found, _ in values.search(data)} == {canary}


@pytest.mark.parametrize("name", ENCODINGS)
def test_search_recognizes_value_cut_at_every_byte(values, canary, name):
    data = b"#" * 9 + ENCODINGS[name](canary.data) + b"#" * 9
    for cut in range(len(data)):
        finds = values.search_chunks([data[:cut], data[cut:]])
        assert finds == values.search_chunks([data]) and {found for _, found, _ in finds} == {canary}


def test_search_finds_nothing_in_other_bytes(values):
    values.make()
    assert values.search(os.urandom(CHUNK) + bytes(CHUNK) + "".join(map(str, range(100000))).encode()) == []


# ---- files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", folders())
def test_value_in_file_is_found(sweep, canary, folder):
    path = Path(folder) / "planted"
    path.write_bytes(b"#" * (CHUNK - 20) + canary.data)
    try:
        assert [find.kind for find in sweep(canary)] == [FILE]
    finally:
        path.unlink()
    assert sweep(canary) == []


def _file_of_a_name(folder, value):
    (folder / value.replace("/", "-")).touch()


def _link(folder, value):
    (folder / "link").symlink_to(value)


def _attribute(folder, value):
    (folder / "file").touch()
    os.setxattr(folder / "file", "trusted.planted", value.encode())


def _dump(folder, value):
    data = b"#" * 9 + value.encode() + b"#" * 9
    (folder / "slurmd.log").write_text("".join(
        f'[2026] NET_RAW: packed body [{at:04}/{len(data):04}] 0x{data[at:at + 16].hex(" ")} "....."\n'
        for at in range(0, len(data), 16)))


@pytest.mark.parametrize("plant", [_file_of_a_name, _link, _attribute, _dump])
def test_value_beside_content_of_file_is_found(sweep, canary, tmp_path, plant):
    plant(tmp_path, canary.value)
    assert {find.kind for find in sweep(canary)} == {FILE}


def test_value_in_file_of_database_is_found(sweep, canary, tmp_path):
    import sqlite3
    with contextlib.closing(sqlite3.connect(tmp_path / "database")) as database:
        database.execute("CREATE TABLE planted (value TEXT)")
        database.execute("INSERT INTO planted VALUES (?)", [canary.value])
        database.commit()
    assert {find.kind for find in sweep(canary)} == {FILE}


def test_value_in_journal_is_found(sweep, canary):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.sendto(f"MESSAGE=planted\nPLANTED={canary.value}\n".encode(), "/run/systemd/journal/socket")
    poll(lambda: JOURNAL in {find.kind for find in sweep(canary)}, 10, "the entry in the journal")


# ---- processes --------------------------------------------------------------------------------------

IN_MEMORY = {
    "heap": "keep = [value[:1] + value[1:] for _ in range(3)]",
    "anonymous memory": "keep = mmap.mmap(-1, 9 << 20); keep[5 << 20:(5 << 20) + len(value)] = value",
    "two pages": f"keep = mmap.mmap(-1, 4 * {PAGE}); keep[{PAGE} - 20:{PAGE} - 20 + len(value)] = value",
    "the end of one page and the beginning of another":
        f"keep = mmap.mmap(-1, 9 * {PAGE}); half = len(value) // 2; "
        f"keep[{PAGE} - half:{PAGE}] = value[:half]; keep[8 * {PAGE}:8 * {PAGE} + len(value) - half] = value[half:]",
    "memory that the process itself cannot read":
        f"keep = mmap.mmap(-1, {PAGE}); keep[:len(value)] = value; libc = ctypes.CDLL(None); "
        f"libc.mprotect(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(keep))), {PAGE}, 0)",
    "a changed page of a program's file":
        f"file = open(sys.executable, 'rb'); keep = mmap.mmap(file.fileno(), {PAGE}, access=mmap.ACCESS_COPY); "
        "keep[:len(value)] = value",
    "base64": "import base64; keep = base64.b64encode(b'x' + value); del value",
}


@pytest.mark.parametrize("name", IN_MEMORY)
@pytest.mark.parametrize("user", ["root", "alice"])
def test_value_in_memory_of_process_is_found(sweep, canary, name, user):
    forget = "\nvalue = sys.stdin = None; sys.stdin = open(0)" if name != "heap" else ""
    with program(IN_MEMORY[name] + forget, canary.data, user=user) as process:
        found = sweep(canary)
        assert {(find.kind, find.process.pid) for find in found} == {(MEMORY, process.pid)}


def test_value_in_environment_of_process_is_found(sweep, canary):
    with program("", b"", env={"PLANTED": canary.value}) as process:
        assert {(ENVIRONMENT, process.pid), (MEMORY, process.pid)} == \
            {(find.kind, find.process.pid) for find in sweep(canary)}


def test_value_in_command_line_of_process_is_found(sweep, canary):
    with program("", b"", canary.value) as process:
        assert (COMMAND_LINE, process.pid) in {(find.kind, find.process.pid) for find in sweep(canary)}


NAMELESS = {
    "memfd": "keep = os.memfd_create('planted'); os.write(keep, value)",
    "removed file": "keep = os.open('/tmp/planted', os.O_RDWR | os.O_CREAT); os.write(keep, value); os.unlink('/tmp/planted')",
    "file that never had a name": "keep = os.open('/tmp', os.O_RDWR | os.O_TMPFILE); os.write(keep, value)",
}


@pytest.mark.parametrize("name", NAMELESS)
def test_value_in_file_without_name_is_found(sweep, canary, name):
    with program(NAMELESS[name], canary.data):
        assert NAMELESS_FILE in {find.kind for find in sweep(canary)}


def test_value_in_shared_memory_is_found(sweep, canary):
    memory = shared_memory.SharedMemory(create=True, size=PAGE)
    try:
        memory.buf[:len(canary.data)] = canary.data
        assert FILE in {find.kind for find in sweep(canary)}
    finally:
        memory.close()
        memory.unlink()


def test_value_in_secret_memory_is_not_readable(sweep, canary):
    """Shows what the table says of memfd_secret, and that an unreadable mapping ends no sweep."""
    text = (f"libc = ctypes.CDLL(None); secret = libc.syscall(447, 0); os.ftruncate(secret, {PAGE}); "
            f"keep = mmap.mmap(secret, {PAGE}); keep[:len(value)] = value\n"
            "for at in range(len(value)): ctypes.memset(id(value) + bytes.__basicsize__ - 1 + at, 0, 1)")
    with program(text, canary.data) as process:
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "/secretmem" in maps
        assert {find.where for find in sweep(canary) if "secretmem" in find.where} == set()


# ---- packets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "192.0.2.1"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_value_sent_over_tcp_is_found(sweep, canary, address, pieces):
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server, \
            socket.create_connection((address, server.getsockname()[1])) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        middle = len(canary.data) * (pieces - 1) // 4
        for piece in filter(None, (canary.data[:middle], canary.data[middle:])):
            client.sendall(piece)
        assert {find.kind for find in sweep(canary)} == {PACKET}
    assert sweep(canary) == []


def test_value_sent_over_udp_is_found(sweep, canary):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(canary.data, ("127.0.0.1", 9))
    assert {find.kind for find in sweep(canary)} == {PACKET}


def test_every_kind_of_place_has_a_test():
    text = Path(__file__).read_text(encoding="utf-8")
    names = {name: kind for name, kind in globals().items() if kind in KINDS and isinstance(kind, str)}
    assert set(names.values()) == set(KINDS)
    assert all(text.count(name) > 1 for name in names)

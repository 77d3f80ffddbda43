# SPDX-License-Identifier: Apache-2.0
"""Queries slurm-secrets-view as the agent does (common/ipc/slurm_query_protocol.h)."""

import contextlib
import socket
import struct

from own_agent import acting_as

ACTIVE, ENDED, UNKNOWN, FORGOTTEN = 1, 2, 3, 4


def message(kind, body, magic=b"SLV1", version=2):
    return struct.pack("=4sHHI", magic, version, kind, 12 + len(body)) + body


def jobs_message(*jobs):
    return message(1, struct.pack(f"=I{len(jobs)}I", len(jobs), *map(int, jobs)))


def text(words):
    return struct.pack("=I", len(words.encode())) + words.encode()


def exchange(path, packet, user="root"):
    """Sends a packet; returns the kind of the reply and all after its header."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as connection:
        connection.settimeout(15)
        with acting_as(user):
            connection.connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # a client without permission gets its reply before it sends
            connection.send(packet)
        reply = connection.recv(65536)
    magic, version, kind, length = struct.unpack_from("=4sHHI", reply)
    assert (magic, version, length) == (b"SLV1", 1 if kind == 102 and version == 1 else 2, len(reply))
    return kind, reply[12:]


def send(path, packet, user="root"):
    """Returns the states in the order of the jobs, and the sentence. A refusal has no states."""
    kind, body = exchange(path, packet, user)
    if kind == 102:
        return [], body[4:].decode()
    assert kind == 101
    count, = struct.unpack_from("=I", body)
    states = list(struct.unpack_from(f"={count}I", body, 4))
    return states, body[4 + 4 * count + 4:].decode()


def query_jobs(path, *jobs, user="root"):
    return send(path, jobs_message(*jobs), user)


def job_of(path, pid, user="root"):
    """Returns the job of a process, 0 without one, or the sentence of a refusal."""
    kind, body = exchange(path, message(4, struct.pack("=I", pid)), user)
    return body[4:].decode() if kind == 102 else struct.unpack("=I", body)[0]


def users_of(path, account, user="root"):
    """Returns the users of an account, None for an unknown account, or the sentence of a refusal."""
    users, more = [], 1
    while more:
        kind, body = exchange(path, message(2, text(account) + text(users[-1] if users else "")), user)
        if kind == 102:
            return body[4:].decode()
        assert kind == 103
        known, more, count = struct.unpack_from("=III", body)
        at = 12
        for _ in range(count):
            length, = struct.unpack_from("=I", body, at)
            users.append(body[at + 4:at + 4 + length].decode())
            at += 4 + length
        assert at == len(body)
    return users if known else None

"""Asks slurm-secrets-view as the agent does (common/view_wire.h)."""

import contextlib
import socket
import struct

from own_agent import acting_as

ACTIVE, ENDED, UNKNOWN = 1, 2, 3


def message(kind, body, magic=b"SLV1", version=1):
    return struct.pack("=4sHHI", magic, version, kind, 12 + len(body)) + body


def question(*jobs):
    return message(1, struct.pack(f"=I{len(jobs)}I", len(jobs), *map(int, jobs)))


def send(path, packet, user="root"):
    """The reply: the states in their order, and the sentence. A refusal has no states."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as connection:
        connection.settimeout(15)
        with acting_as(user):
            connection.connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # who may not ask is told so before the question
            connection.send(packet)
        reply = connection.recv(65536)
    magic, version, kind, length = struct.unpack_from("=4sHHI", reply)
    assert (magic, version, length) == (b"SLV1", 1, len(reply))
    if kind == 102:
        return [], reply[16:].decode()
    assert kind == 101
    count, = struct.unpack_from("=I", reply, 12)
    states = list(struct.unpack_from(f"={count}I", reply, 16))
    return states, reply[16 + 4 * count + 4:].decode()


def ask(path, *jobs, user="root"):
    return send(path, question(*jobs), user)

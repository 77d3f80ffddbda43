# SPDX-License-Identifier: Apache-2.0
"""Speaks the plugin protocol at the node socket and the job socket."""

import array
import contextlib
import os
import socket
import struct

from harness import ALICE
from own_agent import acting_as

GRANT, WIPE, PING, CHECK, GET = 1, 2, 3, 4, 6
GRANTED, NOTHING, WAITING, REFUSED, DONE, BUSY = 101, 102, 103, 104, 105, 106
HEADER = struct.Struct("=4sHHI")
MAX_SPEC = 8 * 1024
MAX_MESSAGE = MAX_SPEC + 256


def message(kind, body=b"", magic=b"SLS1", version=1, length=None):
    whole = HEADER.size + len(body)
    return HEADER.pack(magic, version, kind, whole if length is None else length) + body


def grant_request(text=b"run:kept,A", job=7, step=0, uid=ALICE, wait=0, length=None, patience=None):
    """Returns a GRANT of version 2 if it has a patience, in ms, and else of version 1."""
    numbers = [job, step, uid, wait] + ([] if patience is None else [patience])
    numbers.append(len(text) if length is None else length)
    body = struct.pack(f"={len(numbers)}I", *numbers) + text
    return message(GRANT, body, version=1 if patience is None else 2)


def bind_request(run, job=7, uid=ALICE):
    return message(7, struct.pack("=3I", job, uid, len(run)) + run.encode())


def text_message(kind, text):
    data = text.encode()
    return message(kind, struct.pack("=I", len(data)) + data)


class NodeConnection:
    def __init__(self, agent, user="root", timeout=10, path=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        with acting_as(user):
            self.socket.connect(str(path or agent.node_socket))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.send(data)

    def reply(self):
        """Returns the type of the reply, its text and the number of its descriptors; None if the agent closed."""
        data, ancillary, flags, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64))
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), f"cut: {flags:#x}"
        if not data:
            return None
        magic, version, kind, length = HEADER.unpack_from(data)
        assert (magic, version, length) == (b"SLS1", 1, len(data)), data
        descriptors = array.array("i")
        for _, _, content in ancillary:
            descriptors.frombytes(content)
        for descriptor in descriptors:
            os.close(descriptor)
        offset = HEADER.size + (4 if kind in (GRANTED, WAITING) else 0)
        text = data[offset + 4:].decode("ascii") if kind != WAITING else ""
        assert text.isprintable(), text
        return kind, text, len(descriptors)


def reply_to(agent, data, user="root", path=None):
    with NodeConnection(agent, user, path=path) as connection:
        with contextlib.suppress(BrokenPipeError):  # the agent may have refused the client already
            connection.send(data)
        return connection.reply()

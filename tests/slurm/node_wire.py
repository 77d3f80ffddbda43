"""The local wire, as the plugin speaks it on the node door and on the job door."""

import array
import contextlib
import os
import socket
import struct

from own_agent import acting_as

ASK, WIPE, PING, CHECK = 1, 2, 3, 4
GRANTED, NOTHING, WAITING, REFUSED, DONE, BUSY = 101, 102, 103, 104, 105, 106
HEADER = struct.Struct("=4sHHI")
MAX_ASK = 8 * 1024
MAX_MESSAGE = MAX_ASK + 256
ALICE = 1001


def message(kind, body=b"", magic=b"SLS1", version=1, length=None):
    whole = HEADER.size + len(body)
    return HEADER.pack(magic, version, kind, whole if length is None else length) + body


def ask(text=b"run:kept,A", job=7, step=0, uid=ALICE, wait=0, length=None):
    body = struct.pack("=5I", job, step, uid, wait, len(text) if length is None else length) + text
    return message(ASK, body)


def text_message(kind, text):
    data = text.encode()
    return message(kind, struct.pack("=I", len(data)) + data)


class NodeConnection:
    def __init__(self, agent, user="root", timeout=10, door=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        with acting_as(user):
            self.socket.connect(str(door or agent.node_socket))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.send(data)

    def reply(self):
        """The type of the reply, its text and its descriptors; None where the agent closed."""
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


def reply_to(agent, data, user="root", door=None):
    with NodeConnection(agent, user, door=door) as connection:
        with contextlib.suppress(BrokenPipeError):  # it may have been refused already
            connection.send(data)
        return connection.reply()

# SPDX-License-Identifier: Apache-2.0
"""Records every packet that a network namespace sends or receives, and searches what connections carried."""

import ctypes
import ipaddress
import socket
import struct
import threading

from finds import PACKET, finds_of

ALL_PROTOCOLS = 3
BUFFER = 256 << 20
SO_RCVBUFFORCE, SOL_PACKET, PACKET_STATISTICS = 33, 263, 6
CLONE_NEWNET = 0x40000000
HEADER = 14  # of Ethernet, which loopback's packets have, too
IPV4, IPV6, TCP, UDP = 0x0800, 0x86DD, 6, 17


def _payload(packet):
    """Returns the connection that a packet belongs to, and the bytes that it carries."""
    protocol = int.from_bytes(packet[12:14], "big")
    if protocol == IPV4:
        length = (packet[HEADER] & 15) * 4
        addresses, transport = packet[HEADER + 12:HEADER + 20], packet[HEADER + 9]
    elif protocol == IPV6:
        length, addresses, transport = 40, packet[HEADER + 8:HEADER + 40], packet[HEADER + 6]
    else:
        return (protocol,), packet
    segment = packet[HEADER + length:]
    if transport == TCP and len(segment) >= 20:
        return (TCP, addresses, segment[:4]), segment[(segment[12] >> 4) * 4:]
    return (transport, addresses, segment[:4] if transport == UDP else b""), segment


def _ends_of(connection):
    """Returns the addresses and ports of a connection as text."""
    if len(connection) == 1 or len(connection[2]) != 4:
        return f"protocol {connection[0]}"
    addresses, ports = connection[1], struct.unpack("!HH", connection[2])
    middle = len(addresses) // 2
    ends = zip((addresses[:middle], addresses[middle:]), ports, strict=True)
    return " to ".join(f"{ipaddress.ip_address(address)} port {port}" for address, port in ends)


class Capture:
    """Captures the packets of one network namespace from now on."""

    def __init__(self, canaries, name, namespace=None):
        self._canaries = canaries
        self._name = name
        self._ends = {}  # the last bytes of each connection: a value may be cut by the end of a packet
        self.packets = 0
        # A socket belongs for good to the namespace of the thread that made it.
        thread = threading.Thread(target=self._open, args=(namespace,))
        thread.start()
        thread.join()

    def _open(self, namespace):
        if namespace is not None:
            with open(namespace, "rb") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.setblocking(False)

    def search(self):
        """Returns the finds in what was captured since the last call, after a check that no packet was lost."""
        found = []
        while True:
            try:
                packet, address = self._socket.recvfrom(1 << 18)
            except BlockingIOError:
                break
            self.packets += 1
            connection, data = _payload(packet)
            data = self._ends.get(connection, b"") + data
            results = self._canaries.search(data)
            found += finds_of(PACKET, f"packets at {address[0]} of {self._name}, {_ends_of(connection)}", results)
            known = max((at + 1 for at, canary, _ in results if canary), default=0)
            self._ends[connection] = data[known:][-self._canaries.overlap:]
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        lost = struct.unpack("II", statistics)[1]
        assert lost == 0, f"{lost} packets of {self._name} were not captured"
        return found

    def close(self):
        self._socket.close()

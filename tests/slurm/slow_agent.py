# SPDX-License-Identifier: Apache-2.0
"""Stands between slurmstepd and the agent, at the agent's node socket: passes messages on after a delay, or answers wrongly."""

import contextlib
import os
import socket
import threading
import time


class SlowAgent:
    """`delay`: of each reply to a GRANT, in seconds; `reply`: what is sent in place of the agent's own."""

    def __init__(self, path, delay=0, reply=None):
        self.path, self.real = path, path.with_suffix(".real")
        self.delay, self.reply = delay, reply

    def __enter__(self):
        self.path.rename(self.real)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.path.chmod(0o600)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()
        self.real.rename(self.path)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            request = client.recv(65536)
            is_grant = int.from_bytes(request[6:8], "little") == 1
            if is_grant:
                time.sleep(self.delay)
            if is_grant and self.reply is not None:
                client.send(self.reply)
                return
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as agent:
                agent.connect(str(self.real))
                agent.send(request)
                while True:
                    data, descriptors, _, _ = socket.recv_fds(agent, 65536, 4)
                    if not data:
                        return
                    socket.send_fds(client, [data], descriptors)
                    for descriptor in descriptors:
                        os.close(descriptor)

# SPDX-License-Identifier: Apache-2.0
"""Runs clients that send requests in a tight loop and count those without an answer."""

import contextlib
import http.client
import threading

from harness import poll
from plugin_protocol import DONE, PING, message, reply_to


class Client(threading.Thread):
    """Calls `request` again and again, each time on a new connection. `request` raises if it gets no answer."""

    def __init__(self, name, request, retries):
        super().__init__(name=name)
        self.request = request
        self.retries = retries
        self.answered = 0
        self.lost = []
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            self._once()

    def _once(self):
        for tries_left in range(self.retries, -1, -1):
            try:
                self.request()
                self.answered += 1
                return
            except (OSError, http.client.HTTPException, AssertionError) as failure:
                if tries_left == 0:
                    self.lost.append(f"{self.name}, request {self.answered + len(self.lost)}: {failure!r}")


class Clients(list):
    def await_answers(self):
        """Waits until each client has one more answer, so that every retry has been answered."""
        before = [client.answered for client in self]
        poll(lambda: all(client.answered > count for client, count in zip(self, before)), 20, "an answer to each client")

    def lost_nothing(self):
        lost = [lost for client in self for lost in client.lost]
        assert not lost, f"{len(lost)} of {sum(client.answered for client in self)}: " + "; ".join(lost[:10])
        for client in self:
            assert client.answered >= 30, f"{client.name} was hardly a tight loop: {client.answered}"


def _ping(machine):
    reply = reply_to(machine, message(PING))
    assert reply is not None, "the connection was closed without an answer"
    assert reply[0] == DONE, reply


def _status(machine):
    answer = machine.http("GET", "/v1/status")
    assert answer.status == 200, answer


def _push_and_complete(machine):
    machine.push("client", workspace={"TOKEN": "value"})
    machine.complete("client")


@contextlib.contextmanager
def clients_of(machine, retries):
    """Runs two clients on each socket within the block."""
    requests = {"ping": _ping, "second ping": _ping, "status": _status, "push": _push_and_complete}
    clients = Clients(Client(name, lambda request=request: request(machine), retries) for name, request in requests.items())
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()

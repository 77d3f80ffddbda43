# SPDX-License-Identifier: Apache-2.0
"""Starts an agent alone, without Slurm, and opens plain connections to its control socket."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from harness import BUILD, Answer, poll
from http_document import DOCUMENT, must_fit

AGENT = BUILD / "slurm-secretsd"


def terminate(process):
    """Stops a process as an admin would; returns its exit code and the seconds that it took."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(10), time.monotonic() - begin
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def acting_as(user):
    """Makes each connect() within the block this user's: the kernel records the effective user at that moment."""
    account = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


class HttpAnswer(Answer):
    @property
    def detail(self):
        """Returns the sentence of a refusal, and checks that the refusal is complete problem JSON."""
        assert self.headers["content-type"] == "application/problem+json", self.text
        problem = self.json
        assert set(problem) == {"type", "title", "status", "detail"}, self.text
        assert problem["status"] == self.status, self.text
        assert problem["type"] == "about:blank" and problem["title"] and problem["detail"]
        return problem["detail"]


class HttpConnection:
    """A connection to a control socket, on which any bytes can be sent."""

    def __init__(self, path, user="root", timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        with acting_as(user):
            self.socket.connect(str(path))
        self.reader = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def answer(self):
        """Returns the next answer; None if the agent has closed the connection instead."""
        first = self.reader.readline()
        if not first:
            return None
        version, status, _ = first.split(b" ", 2)
        assert version == b"HTTP/1.1", first
        headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        body = self.reader.read(int(headers.get("content-length", 0)))
        return HttpAnswer(int(status), headers, body.decode())

    def is_closed(self):
        """Whether the agent has closed the connection with nothing left to read."""
        try:
            return self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.reader.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(method, path, body=None, headers=None):
    """Returns the bytes of a request. `headers` are added to the usual fields; a value of None removes a field."""
    if body is None:
        data = b""
        fields = {"Host": "localhost"}
    else:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Host": "localhost", "Content-Type": "application/json",
                  "Content-Length": str(len(data))}
    fields |= headers or {}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class OwnAgent:
    """Runs an agent with a configuration of its own: its three sockets, the value of the key `log`, and the lines of
    YAML in `config`."""

    program = AGENT
    prefix = ()
    environment = {}  # added to the test's own

    def __init__(self, *config, works_in="/", log="{ level: debug, to: stderr }", prefix=()):
        self.works_in = works_in
        self.prefix = prefix or self.prefix  # of the command that starts it
        self.folder = Path(tempfile.mkdtemp(prefix="agent.", dir="/tmp"))
        self.folder.chmod(0o755)
        self.control_socket = self.folder / "control.sock"
        self.node_socket = self.folder / "node.sock"
        self.job_socket = self.folder / "job.sock"
        self.log = self.folder / "log"
        self.config = self.folder / "agentd.yaml"
        self.config.write_text(f"node_socket: {self.node_socket}\n"
                               f"job_socket: {self.job_socket}\n"
                               f"control_socket: {self.control_socket}\n"
                               f"log: {log}\n" + "\n".join(config) + "\n")
        self.process = None
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.prefix, self.program, "--config", self.config],
                                            cwd=self.works_in, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment})
        poll(self._answers_or_ended, 10, "the agent's start")
        assert self.process.poll() is None, self.log.read_text()

    def _answers_or_ended(self):
        return self.process.poll() is not None or self.answers()

    def answers(self):
        """Whether the agent answers. False, too, if it turns the client away because it has too many, and while it
        replaces the socket that a killed agent left."""
        try:
            answer = self.http("GET", "/v1/status")
        except (ConnectionError, FileNotFoundError):
            return False
        return answer is not None and answer.status == 200

    @property
    def pid(self):
        return self.process.pid

    def connect(self, user="root"):
        return HttpConnection(self.control_socket, user)

    def http(self, method, path, body=None, user="root", headers=None):
        """Sends one request; a `body` that is not bytes is encoded as JSON."""
        with self.connect(user) as connection:
            connection.send(request(method, path, body, headers))
            return connection.answer()

    def push(self, run, owner="alice", **body):
        answer = self.http("PUT", f"/v1/runs/{run}", {"owner": owner, **body})
        assert answer.status in (200, 201), answer.text
        return answer.json

    def status(self):
        """Returns the agent's status, after a check that the OpenAPI document describes all of it."""
        status = self.http("GET", "/v1/status").json
        must_fit(status, DOCUMENT["components"]["schemas"]["Status"])
        return status

    def state(self):
        """Returns what the agent reports about the records that it holds."""
        status = self.status()
        del status["uptime_seconds"], status["name_service"]
        status.pop("last_errors", None)
        status.pop("audit", None)
        return self.http("GET", "/v1/runs").json, status

    def is_alive(self):
        return self.process.poll() is None and self.answers()

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def stop(self):
        """Stops the agent as an admin would; returns its exit code and the seconds that it took."""
        return terminate(self.process)

    def remove(self):
        code = self.process.poll()
        if code is None:
            code, _ = self.stop()
        log = self.log.read_text()
        shutil.rmtree(self.folder)
        assert code == 0, f"the agent ended with {code}:\n{log[-3000:]}"


@contextlib.contextmanager
def own_agent(*config, **options):
    agent = OwnAgent(*config, **options)
    try:
        yield agent
    finally:
        agent.remove()

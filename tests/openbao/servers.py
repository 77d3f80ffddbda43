# SPDX-License-Identifier: Apache-2.0
"""Runs a cluster of OpenBao, and the agent's client of OpenBao."""

import http.client
import http.server
import json
import queue
import shutil
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from harness import BUILD, PROJECT, poll

SCRIPT = PROJECT / "tests" / "openbao" / "openbao"


@dataclass
class Answer:
    status: int
    text: str

    @property
    def data(self):
        return json.loads(self.text)["data"]


class Servers:
    """Three servers, on addresses of their own."""

    numbers = (1, 2, 3)

    def __init__(self, network):
        self.dir = Path(tempfile.mkdtemp(prefix="slurm-secrets."))
        self.addresses = [f"{network}.{n}" for n in self.numbers]

    def script(self, command, *arguments, check=True, **options):
        done = subprocess.run([SCRIPT, command, self.dir, *map(str, arguments)], capture_output=True, text=True, timeout=90,
                              check=False, **options)
        assert done.returncode == 0 or not check, f"{command} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self):
        self.script("up", *self.addresses)
        self._trust = ssl.create_default_context(cafile=self.dir / "ca.crt")
        self._root = (self.dir / "root-token").read_text()

    def down(self):
        self.script("down")

    def leader(self):
        """The number of the active server, which can make a change; None where none is. OpenBao 2.7.2 may go on to say that
        it is active after it was frozen and another was elected."""
        return next((n for n in self.numbers if self.request(n, "GET", "sys/health").status == 200 and self._changes(n)), None)

    def _changes(self, number):
        return self.request(number, "POST", "secret/data/leader", {"data": {}}, {"X-Vault-No-Request-Forwarding": "1"}).status == 200

    def request(self, number, method, path, body=None, fields=None):
        """Sends a request as root of OpenBao; status 0 if that server does not answer."""
        connection = http.client.HTTPSConnection(self.addresses[number - 1], 8200, timeout=1, context=self._trust)
        try:
            connection.request(method, f"/v1/{path}", body and json.dumps(body), {"X-Vault-Token": self._root} | (fields or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        except OSError:
            return Answer(0, "")
        finally:
            connection.close()

    def wait_for_another(self, leader):
        poll(lambda: self.leader() not in (None, leader), 20, "another leader")

    def start_all(self):
        """Starts all servers that were lost, and waits until one leads and the others follow it."""
        for number in self.numbers:
            self.script("thaw", number)
            self.script("start", number)
        poll(self.leader, 20, "a leader")

    def bao(self, *arguments, **options):
        """Runs `bao` as root of OpenBao; returns its output."""
        return self.script("bao", *arguments, **options).strip()

    def url(self, number):
        return f"https://{self.addresses[number - 1]}:8200"

    def configuration(self, **keys):
        return {"urls": [self.url(n) for n in self.numbers], "ca": str(self.dir / "ca.crt"),
                "role_id_file": str(self.dir / "role-id"), "secret_id_file": str(self.dir / "secret-id")} | keys

    def remove(self):
        shutil.rmtree(self.dir)


class ScriptedServer:
    """Answers as a server of OpenBao with one document; a test sets its health and the version that it knows."""

    def __init__(self, servers, health, version, leader=None, renews=False):
        self.renews = renews  # a token: that is a change
        self.leader = leader or {}  # what it reports of the leader
        self.health = health  # the status of each look at it; the last one for all that follow
        self.version = version
        scripted = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/v1/sys/health":
                    self._answer(scripted.health.pop(0) if len(scripted.health) > 1 else scripted.health[0], {})
                elif self.path == "/v1/sys/leader":
                    self._answer(200, scripted.leader)
                else:
                    document = json.dumps({"is": scripted.version})
                    self._answer(200, {"data": {"data": {"document": document}, "metadata": {"version": scripted.version}}})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/auth/approle/login":
                    self._answer(200, {"auth": {"client_token": "token", "lease_duration": 0, "renewable": False}})
                elif self.path.startswith("/v1/auth/token/"):
                    self._answer(200 if scripted.renews else 500, {})
                elif body["options"]["cas"] != scripted.version:
                    self._answer(400, {"errors": ["check-and-set parameter did not match the current version"]})
                else:
                    scripted.version += 1
                    self._answer(200, {"data": {"version": scripted.version}})

            def _answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((servers.addresses[0], 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(servers.dir / "pki" / "server.crt", servers.dir / "pki" / "server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = "https://{}:{}".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self):
        self._server.shutdown()
        self._server.server_close()


class ClientError(Exception):
    """An error that the client returned."""


class Client:
    """The agent's client, in a process of its own. Its calls may be made by many threads."""

    def __init__(self, configuration):
        self._process = subprocess.Popen([BUILD / "kv_driver", json.dumps(configuration)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._answers = {}
        self._last = 0
        self._lock = threading.Lock()
        self.journal = []
        self._readers = [threading.Thread(target=self._read_answers), threading.Thread(target=self._read_journal)]
        for reader in self._readers:
            reader.start()

    def _read_answers(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            self._answers[answer.pop("id")].put(answer)
        for waiting in self._answers.values():
            waiting.put({"error": "the client has ended"})

    def _read_journal(self):
        for line in self._process.stderr:
            self.journal.append(line.rstrip())

    def request(self, what, path="", **keys):
        """Sends a request and returns the answer; raises ClientError for an error."""
        answer = self.begin(what, path, **keys)()
        return answer

    def begin(self, what, path="", **keys):
        """Sends a request; returns a function that waits for the answer."""
        with self._lock:
            self._last += 1
            number = self._last
            self._answers[number] = queue.Queue()
            self._process.stdin.write(json.dumps({"id": number, "do": what, "path": path, **keys}) + "\n")
            self._process.stdin.flush()

        def answer():
            answer = self._answers[number].get(timeout=60)
            if "error" in answer:
                raise ClientError(answer["error"])
            return answer

        return answer

    def read(self, path, **keys):
        """Returns the version and the data."""
        answer = self.request("read", path, **keys)
        return answer["version"], answer["data"]

    def write(self, path, data, version, **keys):
        """Returns the new version, or None if the document was not at `version`."""
        answer = self.request("write", path, data=data, version=version, **keys)
        return answer["version"] if answer["written"] else None

    def destroy(self, path, version, **keys):
        self.request("destroy", path, version=version, **keys)

    def purge(self, path, **keys):
        self.request("purge", path, **keys)

    def list(self, path, **keys):
        return sorted(self.request("list", path, **keys)["names"])

    def outage(self):
        return self.request("trouble")["trouble"]

    @property
    def pid(self):
        return self._process.pid

    def end(self):
        """Ends the client as the agent does: pending requests get an error, and the client exits."""
        if self._process.stdin.closed:
            return
        try:
            self._process.stdin.close()
            code = self._process.wait(10)
        finally:
            self._process.kill()
            for reader in self._readers:
                reader.join()
        assert code == 0, self.journal

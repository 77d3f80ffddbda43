"""A cluster of OpenBao, and the agent's client of it."""

import http.client
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
        """The number of the active server; None where none is."""
        return next((n for n in self.numbers if self.ask(n, "GET", "sys/health").status == 200), None)

    def ask(self, number, method, path, body=None):
        """As root of OpenBao; status 0 where that server does not answer."""
        connection = http.client.HTTPSConnection(self.addresses[number - 1], 8200, timeout=1, context=self._trust)
        try:
            connection.request(method, f"/v1/{path}", body and json.dumps(body), {"X-Vault-Token": self._root})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        except OSError:
            return Answer(0, "")
        finally:
            connection.close()

    def wait_for_another(self, leader):
        poll(lambda: self.leader() not in (None, leader), 20, "another leader")

    def start_all(self):
        """Those that were lost; until one leads, and the others follow it."""
        for number in self.numbers:
            self.script("thaw", number)
            self.script("start", number)
        poll(self.leader, 20, "a leader")

    def bao(self, *arguments, **options):
        """As root of OpenBao."""
        return self.script("bao", *arguments, **options).strip()

    def url(self, number):
        return f"https://{self.addresses[number - 1]}:8200"

    def configuration(self, **keys):
        return {"urls": [self.url(n) for n in self.numbers], "ca": str(self.dir / "ca.crt"),
                "role_id_file": str(self.dir / "role-id"), "secret_id_file": str(self.dir / "secret-id")} | keys

    def remove(self):
        shutil.rmtree(self.dir)


class Wrong(Exception):
    """What the client says is wrong."""


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

    def ask(self, what, path="", **keys):
        """The answer; Wrong where that is an Error."""
        answer = self.begin(what, path, **keys)()
        return answer

    def begin(self, what, path="", **keys):
        """Asks; what waits for the answer."""
        with self._lock:
            self._last += 1
            number = self._last
            self._answers[number] = queue.Queue()
            self._process.stdin.write(json.dumps({"id": number, "do": what, "path": path, **keys}) + "\n")
            self._process.stdin.flush()

        def answer():
            answer = self._answers[number].get(timeout=60)
            if "error" in answer:
                raise Wrong(answer["error"])
            return answer

        return answer

    def read(self, path, **keys):
        """The version, and the data."""
        answer = self.ask("read", path, **keys)
        return answer["version"], answer["data"]

    def write(self, path, data, version, **keys):
        """The new version; None where it was not `version`."""
        answer = self.ask("write", path, data=data, version=version, **keys)
        return answer["version"] if answer["written"] else None

    def destroy(self, path, version, **keys):
        self.ask("destroy", path, version=version, **keys)

    def purge(self, path, **keys):
        self.ask("purge", path, **keys)

    def list(self, path, **keys):
        return sorted(self.ask("list", path, **keys)["names"])

    def trouble(self):
        return self.ask("trouble")["trouble"]

    @property
    def pid(self):
        return self._process.pid

    def end(self):
        """Ends it as the agent does: what waits is told, and it exits."""
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

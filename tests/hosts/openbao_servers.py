# SPDX-License-Identifier: Apache-2.0
"""Runs three servers of OpenBao (tests/openbao/openbao) on the network of one of the hosts."""

import contextlib
import json
import tempfile
from pathlib import Path

from harness import BUILD, PROJECT, poll

SCRIPT = PROJECT / "tests" / "openbao" / "openbao"
HOST = "login"
ADDRESSES = ["10.77.0.11", "10.77.0.12", "10.77.0.13"]
NUMBERS = (1, 2, 3)


class OpenBao:
    def __init__(self, hosts):
        self.hosts = hosts
        self.dir = Path(tempfile.mkdtemp(prefix="openbao.", dir=hosts.dir))

    def up(self):
        for address in ADDRESSES:
            self.hosts.run(HOST, ["ip", "address", "replace", f"{address}/24", "dev", "eth0"])
        self.script("up", *ADDRESSES)

    def down(self):
        self.script("down", check=False)

    def script(self, command, *arguments, check=True):
        done = self.hosts.run(HOST, ["env", f"BUILD_DIR={BUILD}", SCRIPT, command, self.dir, *arguments], check=False, timeout=90)
        assert done.code == 0 or not check, f"{command} {arguments}: {done.out}{done.err}"
        return done.out if done.code == 0 else ""

    def config(self, **other):
        """Returns the key `store` of an agent's configuration."""
        keys = {"urls": [f"https://{address}:8200" for address in ADDRESSES], "ca": str(self.dir / "ca.crt"),
                "role_id_file": str(self.dir / "role-id"), "secret_id_file": str(self.dir / "secret-id"), **other}
        return f"store: {{ openbao: {json.dumps({key: value for key, value in keys.items() if value})} }}\n"

    def leader(self):
        """Returns the number of the active server, or an empty text."""
        return self.script("leader", check=False).strip()

    def kill(self, number):
        self.script("kill", number)

    @contextlib.contextmanager
    def frozen(self, number):
        self.script("freeze", number)
        try:
            yield
        finally:
            self.script("thaw", number)

    @contextlib.contextmanager
    def killed(self, number):
        """Kills a server; restart_all() starts it again."""
        self.kill(number)
        yield

    def restart_all(self):
        for number in NUMBERS:
            self.script("start", number)
        poll(self.leader, 30, "a leader of OpenBao")

    def has(self, number, path):
        """Whether a server, active or not, returns a document."""
        token = (self.dir / "root-token").read_text()
        url = f"https://{ADDRESSES[number - 1]}:8200/v1/secret/data/slurm-secrets/{path}"
        done = self.hosts.run(HOST, ["curl", "-sf", "-m", "2", "--cacert", self.dir / "ca.crt", "-H", f"X-Vault-Token: {token}", url],
                              check=False)
        return done.code == 0

    def stored_versions(self, path):
        """Returns all versions of a document that OpenBao still returns."""
        folder = ["-format=json", "-mount=secret"]
        metadata = self.script("bao", "kv", "metadata", "get", *folder, f"slurm-secrets/{path}", check=False)
        documents = []
        for version in json.loads(metadata)["data"]["versions"] if metadata else ():
            got = self.script("bao", "kv", "get", *folder, f"-version={version}", f"slurm-secrets/{path}", check=False)
            data = got and json.loads(got)["data"]["data"]
            if data:
                documents.append(json.loads(data["document"]))
        return documents

"""Three servers of OpenBao with raft and TLS, on the network of one of the hosts."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

from harness import BUILD, poll

BAO = Path("/var/cache/slurm-secrets-tests/venv/bin/bao")
HOST = "login"
ADDRESSES = ["10.77.0.11", "10.77.0.12", "10.77.0.13"]
URLS = [f"https://{address}:8200" for address in ADDRESSES]
# What docs/admin.md says that a hub's policy allows.
POLICY = """
path "secret/data/slurm-secrets/*" { capabilities = ["create", "read", "update"] }
path "secret/destroy/slurm-secrets/*" { capabilities = ["update"] }
path "secret/metadata/slurm-secrets/*" { capabilities = ["list", "read", "delete"] }
path "secret/config" { capabilities = ["read"] }
"""


class OpenBao:
    def __init__(self, hosts):
        self.hosts = hosts
        self.dir = hosts.dir / "openbao"
        self.processes = {}
        self.key = self.root = None

    def up(self):
        self.dir.mkdir()
        for address in ADDRESSES:
            self.hosts.run(HOST, ["ip", "address", "add", f"{address}/24", "dev", "eth0"], check=False)
        pki = [BUILD / "secretctl", "pki"]
        subprocess.run([*pki, "init", self.dir / "pki"], check=True, capture_output=True)
        for number, address in enumerate(ADDRESSES):
            subprocess.run([*pki, "issue", self.dir / "pki", f"bao{number}", "--ip", address, "--server"], check=True,
                           capture_output=True)
            self._configure(number)
            self.start(number, unseal=False)
        made = json.loads(self.bao("operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json"))
        self.key, self.root = made["unseal_keys_b64"][0], made["root_token"]
        for number in range(3):
            self._unseal(number)
        poll(lambda: self.leader() is not None, 30, "a leader of OpenBao")
        poll(lambda: self.may("secrets", "enable", "-path=secret", "kv-v2"), 30, "a mount")
        poll(lambda: self.may("write", "secret/config", "max_versions=1"), 30, "the mount")
        self.bao("policy", "write", "slurm-secrets", "-", input=POLICY)
        self.bao("auth", "enable", "approle")
        self.bao("write", "auth/approle/role/hub", "token_policies=slurm-secrets", "token_period=10m")
        self._keep("role-id", self.bao("read", "-field=role_id", "auth/approle/role/hub/role-id"))
        self._keep("secret-id", self.bao("write", "-f", "-field=secret_id", "auth/approle/role/hub/secret-id"))
        poll(lambda: self.standbys() == 2, 30, "two standbys")

    def down(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes.clear()

    def config(self, **other):
        """The store of an agent."""
        keys = {"urls": URLS, "ca": str(self.dir / "pki/ca.crt"), "role_id_file": str(self.dir / "role-id"),
                "secret_id_file": str(self.dir / "secret-id"), **other}
        return f"store: {{ openbao: {json.dumps(keys)} }}\n"

    def bao(self, *arguments, number=0, input=None, token=None):
        done = self._run(arguments, number, input, token)
        assert done.returncode == 0, f"bao {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def may(self, *arguments, number=0):
        return self._run(arguments, number).returncode == 0

    def leader(self):
        """The number of the active server, if there is one."""
        return next((number for number in self.processes if self._health(number) == 200), None)

    def standbys(self):
        return [self._health(number) for number in self.processes].count(429)

    def kill(self, number):
        self.processes[number].kill()
        self.processes.pop(number).wait()

    @contextlib.contextmanager
    def frozen(self, number):
        self.processes[number].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[number].send_signal(signal.SIGCONT)

    def start(self, number, unseal=True):
        enter = ["nsenter", f"--net={self.hosts.dir / HOST / 'network'}", "--"]
        log = open(self.dir / f"{number}.log", "a")
        self.processes[number] = subprocess.Popen([*enter, BAO, "server", f"-config={self.dir}/{number}.hcl"], stdout=log,
                                                  stderr=log, stdin=subprocess.DEVNULL)
        poll(lambda: self._health(number) != 0, 20, f"server {number} of OpenBao")
        if unseal:
            self._unseal(number)
            poll(lambda: self._health(number) in (200, 429), 30, f"server {number} of OpenBao, unsealed")

    def restart_all(self):
        for number in range(3):
            if number not in self.processes:
                self.start(number)
        poll(lambda: self.leader() is not None and self.standbys() == 2, 60, "all servers of OpenBao")

    def kept_versions(self, path):
        """Of a document: its versions by their numbers, with what OpenBao gives of them."""
        versions = {}
        done = self._run(["kv", "metadata", "get", "-format=json", "-mount=secret", f"slurm-secrets/{path}"], self.leader())
        if done.returncode != 0:
            return versions
        for version in json.loads(done.stdout)["data"]["versions"]:
            got = self._run(["kv", "get", "-format=json", "-mount=secret", f"-version={version}", f"slurm-secrets/{path}"],
                            self.leader())
            data = json.loads(got.stdout)["data"]["data"] if got.stdout.startswith("{") else None
            versions[int(version)] = data and json.loads(data["document"])
        return versions

    # ---- below ----

    def _run(self, arguments, number=0, input=None, token=None):
        env = {**os.environ, "BAO_ADDR": URLS[number or 0], "BAO_CACERT": str(self.dir / "pki/ca.crt"),
               "BAO_TOKEN": token or self.root or "", "HOME": str(self.dir)}
        enter = ["nsenter", f"--net={self.hosts.dir / HOST / 'network'}", "--"]
        return subprocess.run([*enter, BAO, *arguments], env=env, input=input, capture_output=True, text=True, timeout=60,
                              check=False)

    def _health(self, number):
        enter = ["nsenter", f"--net={self.hosts.dir / HOST / 'network'}", "--"]
        done = subprocess.run([*enter, "curl", "-sS", "--max-time", "2", "--cacert", self.dir / "pki/ca.crt", "-o", "/dev/null",
                               "-w", "%{http_code}", URLS[number] + "/v1/sys/health"], capture_output=True, text=True, check=False)
        return int(done.stdout or 0)

    def _keep(self, name, text):
        path = self.dir / name
        path.touch(0o600)
        path.write_text(text + "\n")

    def _unseal(self, number):
        poll(lambda: self.may("operator", "unseal", self.key, number=number), 20, f"server {number} to be unsealed")

    def _configure(self, number):
        address = ADDRESSES[number]
        joins = "".join(f"""
          retry_join {{
            leader_api_addr = "{url}"
            leader_ca_cert_file = "{self.dir}/pki/ca.crt"
          }}""" for url in URLS if url != URLS[number])
        data = self.dir / f"{number}.data"
        data.mkdir()
        (self.dir / f"{number}.hcl").write_text(f"""
        api_addr = "https://{address}:8200"
        cluster_addr = "https://{address}:8201"
        disable_mlock = true
        storage "raft" {{
          path = "{data}"
          node_id = "bao{number}"
          performance_multiplier = 1{joins}
        }}
        listener "tcp" {{
          address = "{address}:8200"
          cluster_address = "{address}:8201"
          tls_cert_file = "{self.dir}/pki/bao{number}.crt"
          tls_key_file = "{self.dir}/pki/bao{number}.key"
        }}
        """)

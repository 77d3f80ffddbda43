# SPDX-License-Identifier: Apache-2.0
"""Starts a hub with a TLS listener, and its clients on other hosts: platforms by certificate, and users by munge."""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from four_hosts import ADDRESSES, AGENT, payload
from harness import BUILD, poll
from own_agent import HttpConnection, request

PORT = 8443
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def network_of(hosts, host):
    """Makes this thread open its sockets in the network of a host within the block."""
    with open("/proc/thread-self/ns/net") as own, open(hosts.dir / host / "network") as other:
        assert _libc.setns(other.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert _libc.setns(own.fileno(), 0) == 0, os.strerror(ctypes.get_errno())


def run(*command):
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Pki:
    """A CA in a folder of its own, and the certificates that it signs."""

    def __init__(self, folder):
        self.folder = Path(folder)
        run(BUILD / "secretctl", "pki", "init", self.folder)
        self.ca = self.folder / "ca.crt"

    def issue(self, name, *options):
        run(BUILD / "secretctl", "pki", "issue", self.folder, name, *options)
        return name

    def issue_with_openssl(self, name, days, *lines):
        """Issues a certificate that `secretctl pki` does not make. With negative `days` it has expired as long ago."""
        key, wanted, extensions = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "ext"))
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-out", wanted, "-subj", f"/CN={name}")
        extensions.write_text("\n".join(["basicConstraints=CA:FALSE", *lines]) + "\n")
        # OpenSSL 3.4 and later refuses to issue a certificate for the past.
        clock = [] if days > 0 else ["env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={days - 1}d"]
        run(*clock, "openssl", "x509", "-req", "-in", wanted, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
            "-days", str(max(days, 1)), "-extfile", extensions, "-out", self.folder / f"{name}.crt")
        return name

    def put(self, name, source, kind):
        """Replaces a certificate or key by a rename, as an admin renews it."""
        new = self.folder / f"{name}.{kind}.new"
        new.write_bytes((self.folder / f"{source}.{kind}").read_bytes())
        new.rename(self.folder / f"{name}.{kind}")


class TlsConnection(HttpConnection):
    """A TLS connection to the hub from the host `where`, and from its address `source`, the usual one if None."""

    def __init__(self, hosts, pki, where="login", certificate=None, client=None, source=None, timeout=15,
                 to=ADDRESSES["hub"]):
        self.tcp = connect(hosts, where, source, timeout, to)
        context = ssl.create_default_context(cafile=pki.ca)
        if client:
            client(context)
        if certificate:
            folder = pki.folder if isinstance(certificate, str) else certificate[0].folder
            name = certificate if isinstance(certificate, str) else certificate[1]
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        try:
            self.socket = context.wrap_socket(self.tcp, server_hostname="hub")
        except BaseException:
            self.tcp.close()
            raise
        self.reader = self.socket.makefile("rb")


def connect(hosts, where="login", source=None, timeout=15, to=ADDRESSES["hub"]):
    """A bare TCP connection."""
    with network_of(hosts, where):
        tcp = socket.socket(socket.AF_INET)
        tcp.settimeout(timeout)
        if source:
            tcp.bind((source, 0))
        tcp.connect((to, PORT))
    return tcp


class Hub:
    """The agent on the host `hub`, with a configuration of its own."""

    def __init__(self, hosts, pki):
        self.hosts = hosts
        self.pki = pki
        self.site = hosts.on("hub")
        self.sources = (f"127.0.{number // 250}.{number % 250 + 2}" for number in range(1, 5000))

    def config(self, more="", certificate="hub"):
        folder = self.hosts.dir / "store"
        folder.mkdir(exist_ok=True)
        key = folder / "store.key"
        if not key.exists():
            key.write_bytes(os.urandom(32))
            key.chmod(0o400)
        return (f"listen:\n  address: 0.0.0.0\n  certificate: {self.pki.folder}/{certificate}.crt\n"
                f"  key: {self.pki.folder}/{certificate}.key\n  client_ca: {self.pki.ca}\n"
                f"store: {{ file: {folder}/store.db, key_file: {key} }}\n"
                f"log: {{ level: debug, to: stderr }}\n{more}")

    def start(self, more="", **options):
        self.log_begin = len(self.hosts.agent_log("hub")) if (self.site.dir / "log" / AGENT).exists() else 0
        self.hosts.start_agent("hub", self.config(more, **options))

    def reconfigure(self, text):
        (self.site.dir / "agentd.yaml").write_text(text)

    @property
    def log(self):
        """Returns the log since the hub was started."""
        return self.hosts.agent_log("hub")[self.log_begin:]

    def refusals(self):
        """Returns the address and the reason of each refusal in the log."""
        return re.findall(r"a client at (\S+) was refused: (.*)", self.log)

    def state(self):
        """Returns what the agent reports about the records that it holds."""
        status = self.site.status()
        for changes in ("uptime_seconds", "name_service", "last_errors"):
            status.pop(changes, None)
        return self.site.http("GET", "/v1/runs").json, status

    def connect(self, **options):
        return TlsConnection(self.hosts, self.pki, **options)

    def connect_as_new_peer(self, **options):
        """Returns an address that no connection has used before, and a function that connects from it."""
        source = next(self.sources)
        return source, lambda: self.connect(where="hub", source=source, to="127.0.0.1", **options)

    def http(self, method, target, body=None, headers=None, **options):
        with self.connect(**options) as connection:
            connection.send(request(method, target, body, headers))
            return connection.answer()

    def credential(self, user, method, target, body=b"", host="hub", where="login", options=(), text=None):
        done = self.hosts.run(where, ["munge", *options], user=user,
                              input=payload(method, target, body, host) if text is None else text)
        return done.out.strip()

    def by_munge(self, user, method, target, body=None, where="login", headers=None, **options):
        """Sends a request as a user of a host, with a munge credential."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        credential = self.credential(user, method, target, data, where=where)
        return self.http(method, target, None if body is None else data, {"Authorization": f"Munge {credential}", **(headers or {})},
                         where=where, **options)

    def reload(self):
        """Reloads the hub; returns the log entry about the reload."""
        before = len(self.log)
        os.kill(self.site.daemon_pid(AGENT), signal.SIGHUP)
        return poll(lambda: re.search(r"(reloaded .*|cannot reload.*)", self.log[before:]), 5, "the reload")[1]

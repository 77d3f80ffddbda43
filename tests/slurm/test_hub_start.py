# SPDX-License-Identifier: Apache-2.0
"""Start of a hub's TLS listener: one clear sentence about what is missing or invalid, and then no start."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from harness import BUILD, poll
from own_agent import AGENT, own_agent

NO_CERTIFICATE = "it contains no certificate in PEM (-----BEGIN CERTIFICATE-----)"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "ca"
    for words in (["init", folder], ["issue", folder, "hub", "--ip", "127.0.0.1", "--server"], ["issue", folder, "other"]):
        subprocess.run([BUILD / "secretctl", "pki", *map(str, words)], check=True, capture_output=True, timeout=20)
    openssl("pkey", "-in", folder / "hub.key", "-aes128", "-passout", "pass:words", "-out", folder / "locked.key")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "rsa.key")
    (folder / "empty.pem").touch()
    (folder / "nonsense.pem").write_text("nonsense\n")
    return folder


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


@pytest.fixture
def files(pki, tmp_path):
    """Copies the files of a hub, for tests to replace or remove."""
    for name in ("hub.crt", "hub.key", "ca.crt"):
        shutil.copy(pki / name, tmp_path / name)
    return tmp_path


def listen(files, address=None, **keys):
    keys = {"address": address or f"127.0.0.1:{free_port()}", "certificate": files / "hub.crt", "key": files / "hub.key",
            "client_ca": files / "ca.crt", **keys}
    return "listen: { " + ", ".join(f"{key}: '{value}'" for key, value in keys.items() if value) + " }"


def refusal_of_start(files, line, *options, environment=None):
    """Starts an agent that must fail; returns its one line."""
    config = files / "agentd.yaml"
    config.write_text(f"node_socket: {files}/node\njob_socket: {files}/job\ncontrol_socket: {files}/control\n{line}\n")
    done = subprocess.run([AGENT, "--config", config, *options], capture_output=True, text=True, timeout=20, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("slurm-secretsd: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("slurm-secretsd: ").rstrip("\n")


WRONG = [
    ("hub.crt", None, "listen.certificate: cannot read {}/hub.crt: No such file or directory"),
    ("hub.crt", "empty.pem", f"listen.certificate: cannot use {{}}/hub.crt: {NO_CERTIFICATE}"),
    ("hub.crt", "nonsense.pem", f"listen.certificate: cannot use {{}}/hub.crt: {NO_CERTIFICATE}"),
    ("hub.crt", "hub.key", f"listen.certificate: cannot use {{}}/hub.crt: {NO_CERTIFICATE}"),
    ("hub.key", None, "listen.key: cannot read {}/hub.key: No such file or directory"),
    ("hub.key", "hub.crt", "listen.key: cannot use {}/hub.key: it contains no private key in PEM that opens without a passphrase"),
    ("hub.key", "locked.key", "listen.key: cannot use {}/hub.key: it contains no private key in PEM that opens without a passphrase"),
    ("hub.key", "other.key", "listen.key: {0}/hub.key is not the key of {0}/hub.crt"),
    ("hub.key", "rsa.key", "listen.key: {0}/hub.key is not the key of {0}/hub.crt"),
    ("ca.crt", None, "listen.client_ca: cannot read {}/ca.crt: No such file or directory"),
    ("ca.crt", "empty.pem", f"listen.client_ca: cannot use {{}}/ca.crt: {NO_CERTIFICATE}"),
    ("ca.crt", "nonsense.pem", f"listen.client_ca: cannot use {{}}/ca.crt: {NO_CERTIFICATE}"),
]


def spoil(files, pki, name, source):
    (files / name).unlink()
    if source:
        shutil.copy(pki / source, files / name)


@pytest.mark.parametrize("name, source, sentence", WRONG)
def test_hub_does_not_start_with_invalid_tls_file_and_names_it(files, pki, name, source, sentence):
    spoil(files, pki, name, source)
    for options in ([], ["--check-config"]):
        assert refusal_of_start(files, listen(files), *options) == sentence.format(files)


@pytest.mark.parametrize("name, key", [("hub.crt", "certificate"), ("hub.key", "key"), ("ca.crt", "client_ca")])
def test_hub_names_tls_file_it_may_not_read(pki, name, key):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # which other users may enter
        files = Path(folder)
        files.chmod(0o755)
        (files / "agentd.yaml").write_text(listen(files))
        for each in ("hub.crt", "hub.key", "ca.crt"):
            shutil.copy(pki / each, files / each)
            (files / each).chmod(0o600 if each == name else 0o644)
        done = subprocess.run(["runuser", "-u", "nobody", "--", AGENT, "--check-config", "--config", files / "agentd.yaml"],
                              capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr) == \
            (1, f"slurm-secretsd: listen.{key}: cannot read {files}/{name}: Permission denied\n")


def test_hub_key_defaults_to_systemd_credential(files, pki):
    line = listen(files, key=None)
    assert refusal_of_start(files, line) == \
        "listen.key: no key file; set its path, or load the key as systemd credential tls.key"
    credentials = {"CREDENTIALS_DIRECTORY": str(files)}
    assert refusal_of_start(files, line, environment=credentials) == \
        f"listen.key: cannot read {files}/tls.key: No such file or directory"
    shutil.copy(pki / "other.key", files / "tls.key")
    assert refusal_of_start(files, line, environment=credentials) == \
        f"listen.key: {files}/tls.key is not the key of {files}/hub.crt"


def test_hub_names_port_in_use(files):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refusal_of_start(files, listen(files, f"127.0.0.1:{port}")) == \
            f"listen.address: cannot listen on 127.0.0.1 port {port}: another program listens on it"


def test_hub_names_address_not_on_this_host(files):
    assert refusal_of_start(files, listen(files, "192.0.2.77")) == \
        "listen.address: cannot listen on 192.0.2.77 port 8443: this host has no such address"


def reload(agent):
    """Sends SIGHUP; returns the log entry about the reload."""
    before = len(agent.log.read_text())
    agent.process.send_signal(signal.SIGHUP)
    return poll(lambda: re.search(r".*(reloaded |cannot reload).*", agent.log.read_text()[before:]), 5, "the reload")[0]


def test_hub_reload_with_invalid_tls_file_continues_with_old_certificate(files, pki):
    port = free_port()
    trust = ssl.create_default_context(cafile=pki / "ca.crt")

    def serial():
        with socket.create_connection(("127.0.0.1", port), 5) as tcp, \
                trust.wrap_socket(tcp, server_hostname="127.0.0.1") as tls:
            return tls.getpeercert()["serialNumber"]

    with own_agent(listen(files, f"127.0.0.1:{port}")) as agent:
        old = serial()
        for name, source, sentence in WRONG:
            spoil(files, pki, name, source)
            assert reload(agent).endswith("cannot reload, the previous configuration stays in force: " + sentence.format(files))
            assert serial() == old
            shutil.copy(pki / name, files / name)
        assert "reloaded " in reload(agent)


def test_hub_cuts_off_client_that_never_finishes_request(files, pki):
    """The head may take a minute, as on the control socket; a body that stalls has half a minute."""
    port = free_port()
    trust = ssl.create_default_context(cafile=pki / "ca.crt")
    trust.load_cert_chain(pki / "other.crt", pki / "other.key")
    platforms = "platforms: [{ name: tower, certificate: other, users: [alice] }]"
    with own_agent(listen(files, f"127.0.0.1:{port}"), platforms) as agent:
        with socket.create_connection(("127.0.0.1", port), 40) as tcp, \
                trust.wrap_socket(tcp, server_hostname="127.0.0.1") as slow:
            slow.sendall(b"PUT /v1/runs/slow HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
            begin = time.monotonic()
            assert slow.recv(1) == b""
            assert 25 < time.monotonic() - begin < 35
        assert agent.http("GET", "/v1/runs").json == {"runs": []}

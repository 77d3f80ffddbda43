# SPDX-License-Identifier: Apache-2.0
"""The small CA of `secretctl pki`: OpenSSL and TLS clients accept its certificates, and it overwrites nothing."""

import datetime
import json
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from harness import BUILD, Done

FINE, REFUSED, BAD_INPUT = 0, 1, 2


def secretctl(*arguments, **options):
    done = subprocess.run([BUILD / "secretctl", "pki", *map(str, arguments)], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "TZ": "UTC"}, check=False, **options)
    return Done(done.returncode, done.stdout, done.stderr)


def made(*arguments):
    done = secretctl(*arguments)
    assert (done.code, done.err) == (FINE, ""), done.err
    return done.out


def refused(code, *arguments):
    """Runs a command that must fail; returns its one sentence."""
    done = secretctl(*arguments)
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("secretctl: ") and done.err.count("\n") == 1
    return done.err.removeprefix("secretctl: ").rstrip()


def state_of(folder):
    """Returns all files below a folder with their content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def text_of(certificate):
    """Returns OpenSSL's text of a certificate without line breaks."""
    done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-text"], capture_output=True, text=True,
                          check=True)
    return " ".join(done.stdout.split())


def date_of(text, which):
    date = re.search(rf"{which} ?: (\w+ +\d+ [\d:]+ \d+) GMT", text)[1]
    return datetime.datetime.strptime(date, "%b %d %H:%M:%S %Y")


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "ca"
    made("init", folder)
    return folder


def test_pki_init_makes_ca(ca):
    text = text_of(ca / "ca.crt")
    assert "X509v3 Basic Constraints: critical CA:TRUE, pathlen:0 X509v3" in text
    assert "X509v3 Key Usage: critical Certificate Sign, CRL Sign X509v3" in text
    assert "X509v3 Subject Key Identifier:" in text
    assert "ASN1 OID: prime256v1" in text and "Signature Algorithm: ecdsa-with-SHA256" in text
    assert date_of(text, "Not After") - date_of(text, "Not Before") == datetime.timedelta(days=3650, minutes=5)
    assert re.search(r"Issuer: CN ?= ?slurm-secrets CA [0-9a-f]{8} Validity", text)


def test_pki_init_gives_each_ca_its_own_name(ca, tmp_path):
    made("init", tmp_path / "other")
    subjects = {re.search(r"Subject: CN ?= ?(.*?) Subject", text_of(folder / "ca.crt"))[1] for folder in (ca, tmp_path / "other")}
    assert len(subjects) == 2


def test_pki_issue_includes_requested_names(ca):
    out = made("issue", ca, "everything", "--dns", "hub.example.org", "--dns", "hub", "--ip", "10.77.0.1", "--ip", "fd00::1",
               "--uri", "spiffe://example.org/tower")
    assert out.startswith(f"created {ca}/everything.key and .crt, valid until 20")
    assert out.endswith(", for DNS hub.example.org, DNS hub, IP 10.77.0.1, IP fd00::1, URI spiffe://example.org/tower\n")
    text = text_of(ca / "everything.crt")
    assert "Version: 3 " in text and re.search("Subject: CN ?= ?everything ", text)
    assert ("X509v3 Subject Alternative Name: DNS:hub.example.org, DNS:hub, IP Address:10.77.0.1, "
            "IP Address:FD00:0:0:0:0:0:0:1, URI:spiffe://example.org/tower Signature") in text
    assert "X509v3 Basic Constraints: critical CA:FALSE X509v3" in text
    assert "X509v3 Key Usage: critical Digital Signature X509v3" in text
    assert "X509v3 Extended Key Usage: TLS Web Server Authentication, TLS Web Client Authentication X509v3" in text
    identifier = r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})"
    of_ca = re.search(f"Subject Key Identifier: {identifier}", text_of(ca / "ca.crt"))[1]
    assert re.search(f"Authority Key Identifier: {identifier}", text)[1] == of_ca
    assert re.search(f"Subject Key Identifier: {identifier}", text)[1] != of_ca
    assert date_of(text, "Not After") - date_of(text, "Not Before") == datetime.timedelta(days=825, minutes=5)


@pytest.mark.parametrize("option, usage, purpose, other", [
    ("--server", "Server", "sslserver", "sslclient"), ("--client", "Client", "sslclient", "sslserver")])
def test_pki_issue_limits_certificate_to_server_or_client_use(ca, option, usage, purpose, other):
    made("issue", ca, f"only{option}", option)
    certificate = ca / f"only{option}.crt"
    assert f"X509v3 Extended Key Usage: TLS Web {usage} Authentication X509v3" in text_of(certificate)
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", ca / "ca.crt", "-purpose"]
    assert subprocess.run([*verify, purpose, certificate], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*verify, other, certificate], capture_output=True, check=False).returncode != 0


def test_pki_issue_without_name_option_uses_its_name_as_dns_name(ca):
    made("issue", ca, "n1.example.org")
    assert "X509v3 Subject Alternative Name: DNS:n1.example.org Signature" in text_of(ca / "n1.example.org.crt")
    assert "is not a valid DNS name" in refused(BAD_INPUT, "issue", ca, "under_score")
    made("issue", ca, "under_score", "--ip", "10.0.0.1")


def test_pki_serial_numbers_are_random_and_long(ca):
    serials = set()
    for name in ("serial-1", "serial-2", "serial-3"):
        made("issue", ca, name)
        serial = subprocess.run(["openssl", "x509", "-in", ca / f"{name}.crt", "-noout", "-serial"],
                                capture_output=True, text=True, check=True).stdout.strip().removeprefix("serial=")
        serials.add(int(serial, 16))
    assert len(serials) == 3
    assert all(2 ** 96 < serial < 2 ** 128 for serial in serials)  # one in four billion is shorter by chance


def test_pki_chain_passes_strict_openssl_verification(ca, tmp_path):
    made("issue", ca, "verified")
    verify = ["openssl", "verify", "-x509_strict", "-verify_hostname", "verified", "-CAfile"]
    done = subprocess.run([*verify, ca / "ca.crt", ca / "verified.crt"], capture_output=True, text=True, check=False)
    assert done.stdout == f"{ca}/verified.crt: OK\n", done.stderr
    made("init", tmp_path / "other")
    done = subprocess.run([*verify, tmp_path / "other" / "ca.crt", ca / "verified.crt"], capture_output=True, check=False)
    assert done.returncode != 0


def test_pki_certificate_file_includes_ca_certificate(ca):
    made("issue", ca, "chained")
    text = (ca / "chained.crt").read_text()
    assert text.endswith((ca / "ca.crt").read_text()) and text.count("BEGIN CERTIFICATE") == 2
    assert (ca / "chained.key").read_text().startswith("-----BEGIN PRIVATE KEY-----\n")


@pytest.mark.parametrize("mask", ["000", "077", "0777"])
def test_pki_keys_are_private_to_owner_under_any_umask(tmp_path, mask):
    program = f'umask {mask}; "$0" pki init "$1" && "$0" pki issue "$1" hub'
    subprocess.run(["sh", "-c", program, BUILD / "secretctl", tmp_path / "ca"], check=True, capture_output=True)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "ca").iterdir()}
    assert modes == {"ca.key": 0o400, "ca.crt": 0o444, "hub.key": 0o400, "hub.crt": 0o444}


def test_pki_init_accepts_existing_directory(tmp_path):
    made("init", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "ca.key"]


def test_pki_issue_json_output_matches_certificate(ca):
    out = json.loads(made("issue", ca, "for-programs", "--json"))
    assert (out["key"], out["certificate"]) == (f"{ca}/for-programs.key", f"{ca}/for-programs.crt")
    end = datetime.datetime.strptime(out["expires"], "%Y-%m-%dT%H:%M:%SZ")
    assert end == date_of(text_of(ca / "for-programs.crt"), "Not After")


# ---- TLS handshakes ------------------------------------------------------------------------------

def context(role, ca, name):
    made_context = ssl.SSLContext(role)
    made_context.minimum_version = ssl.TLSVersion.TLSv1_3
    made_context.load_verify_locations(ca / "ca.crt")
    made_context.verify_mode = ssl.CERT_REQUIRED
    if name:
        made_context.load_cert_chain(ca / f"{name}.crt", ca / f"{name}.key")
    return made_context


def handshake(ca, server, client, hostname):
    """Returns the client certificate that the server saw, or raises the error of the side that refused."""
    ours, theirs = socket.socketpair()
    seen = []

    def serve():
        try:
            with context(ssl.PROTOCOL_TLS_SERVER, ca, server).wrap_socket(theirs, server_side=True) as connection:
                seen.append(connection.getpeercert())
                connection.sendall(b"hello")
        except (ssl.SSLError, OSError) as error:
            seen.append(error)
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        wrapping = context(ssl.PROTOCOL_TLS_CLIENT, ca, client)
        with wrapping.wrap_socket(ours, server_hostname=hostname) as connection:
            assert connection.version() == "TLSv1.3"
            connection.recv(5)
    except (ssl.SSLError, OSError) as error:
        ours.close()
        thread.join(10)
        raise seen[0] if not isinstance(error, ssl.SSLCertVerificationError) and isinstance(seen[0], Exception) else error
    thread.join(10)
    return seen[0]


@pytest.fixture(scope="module")
def sides(ca):
    made("issue", ca, "tls-server", "--dns", "hub.example.org", "--ip", "10.77.0.1", "--server")
    made("issue", ca, "tls-client", "--uri", "spiffe://example.org/tower", "--client")


@pytest.mark.parametrize("hostname", ["hub.example.org", "10.77.0.1"])
def test_pki_certificates_work_in_mutual_tls(ca, sides, hostname):
    peer = handshake(ca, "tls-server", "tls-client", hostname)
    assert peer["subjectAltName"] == (("URI", "spiffe://example.org/tower"),)


@pytest.mark.parametrize("hostname", ["n1.example.org", "10.77.0.2", "tls-server"])
def test_pki_tls_client_rejects_server_of_another_name(ca, sides, hostname):
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch|not valid for"):
        handshake(ca, "tls-server", "tls-client", hostname)


def test_pki_tls_server_rejects_client_without_certificate(ca, sides):
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(ca, "tls-server", None, "hub.example.org")


def test_pki_tls_rejects_certificate_of_wrong_purpose(ca, sides):
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        handshake(ca, "tls-server", "tls-server", "hub.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="unsuitable certificate purpose"):
        handshake(ca, "tls-client", "tls-client", "hub.example.org")


# ---- errors --------------------------------------------------------------------------------------

def test_pki_overwrites_nothing(ca):
    made("issue", ca, "once")
    for existing in ("once.key", "once.crt"):
        (ca / existing).rename(ca / "away")
        before = state_of(ca)
        other = next(name for name in ("once.key", "once.crt") if name != existing)
        sentence = refused(REFUSED, "issue", ca, "once")
        assert sentence == f"{ca}/{other} already exists; move the .key and .crt of that name away, or issue another name"
        assert state_of(ca) == before
        (ca / "away").rename(ca / existing)
    before = state_of(ca)
    assert refused(REFUSED, "init", ca) == (
        f"{ca}/ca.key already exists; an existing CA is never replaced; name another directory")
    assert state_of(ca) == before


def test_pki_issue_does_not_follow_existing_symlink(ca, tmp_path):
    (ca / "linked.key").symlink_to(tmp_path / "elsewhere")
    assert "linked.key already exists" in refused(REFUSED, "issue", ca, "linked")
    assert list(tmp_path.iterdir()) == []


def test_pki_issue_leaves_nothing_when_disk_is_full(ca):
    before = state_of(ca)
    done = subprocess.run(["sh", "-c", 'ulimit -f 0; trap "" XFSZ; exec "$@"', "sh", BUILD / "secretctl", "pki", "issue", ca,
                           "too-much"], capture_output=True, text=True, check=False)
    assert done.returncode == BAD_INPUT
    assert f"cannot write the file {ca}/too-much.key: " in done.stderr
    assert state_of(ca) == before


@pytest.mark.parametrize("days", ["0", "-1", "3651", "1.5", "ten", "99999999999999999999", " 5", "5d"])
def test_pki_issue_rejects_days_out_of_range(ca, days):
    before = state_of(ca)
    assert refused(BAD_INPUT, "issue", ca, "days", f"--days={days}") == "--days must be a whole number from 1 to 3650"
    assert state_of(ca) == before


def test_pki_issue_honours_days_option(ca):
    made("issue", ca, "a-day", "--days", "1")
    text = text_of(ca / "a-day.crt")
    assert date_of(text, "Not After") - date_of(text, "Not Before") == datetime.timedelta(days=1, minutes=5)


def make_ca_with_openssl(folder, days):
    folder.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    folder / "ca.key", "-out", folder / "ca.crt", "-days", str(days), "-subj", "/CN=Another CA",
                    "-addext", "keyUsage=critical,keyCertSign"], check=True, capture_output=True)
    (folder / "ca.key").chmod(0o400)
    return folder


def test_pki_certificate_does_not_outlive_ca(tmp_path):
    short = make_ca_with_openssl(tmp_path / "short", 30)
    sentence = refused(BAD_INPUT, "issue", short, "hub")
    assert sentence == "the certificate would outlive its CA; use --days 29 or less, or create a new CA in another directory"
    made("issue", short, "hub", "--days", "29")
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", short / "ca.crt", short / "hub.crt"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expiring = make_ca_with_openssl(tmp_path / "over", 1)
    assert refused(BAD_INPUT, "issue", expiring, "hub") == "the CA has expired, or expires today; create a new one in another directory"


def test_pki_reports_missing_ca(tmp_path, ca):
    nowhere = tmp_path / "nowhere"
    sentence = f"{nowhere}/ca.key does not exist; create a CA with: secretctl pki init {nowhere}"
    assert refused(REFUSED, "issue", nowhere, "hub") == sentence
    nowhere.mkdir()
    assert refused(REFUSED, "issue", nowhere, "hub") == sentence
    assert refused(BAD_INPUT, "init", tmp_path / "no" / "such") == \
        f"creating the directory {tmp_path}/no/such failed: No such file or directory"
    (tmp_path / "file").write_text("")
    assert refused(REFUSED, "issue", tmp_path / "file", "hub").startswith(f"{tmp_path}/file/ca.key does not exist; ")
    assert refused(BAD_INPUT, "init", tmp_path / "file") == f"creating the file {tmp_path}/file/ca.key failed: Not a directory"


def copy_of(ca, folder):
    folder.mkdir()
    for name in ("ca.key", "ca.crt"):
        (folder / name).write_bytes((ca / name).read_bytes())
        (folder / name).chmod(0o600)
    return folder


def test_pki_issue_rejects_invalid_ca(ca, tmp_path):
    copy = copy_of(ca, tmp_path / "copy")
    made("issue", copy, "well")
    (copy / "well.key").replace(copy / "ca.key")
    assert refused(BAD_INPUT, "issue", copy, "hub") == f"{copy}/ca.crt does not match the key next to it"
    (copy / "well.crt").replace(copy / "ca.crt")
    assert refused(BAD_INPUT, "issue", copy, "hub") == f"{copy}/ca.crt is not the certificate of a CA"
    (copy / "ca.crt").chmod(0o600)
    (copy / "ca.crt").write_text("nonsense")
    assert refused(BAD_INPUT, "issue", copy, "hub") == f"{copy}/ca.crt is not a certificate in PEM"
    (copy / "ca.key").chmod(0o600)
    (copy / "ca.key").write_text("nonsense")
    assert refused(BAD_INPUT, "issue", copy, "hub") == f"{copy}/ca.key is not a private key in PEM without a passphrase"
    assert sorted(path.name for path in copy.iterdir()) == ["ca.crt", "ca.key"]


def test_pki_issue_never_prompts_for_passphrase(ca, tmp_path):
    copy = copy_of(ca, tmp_path / "copy")
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", ca / "ca.key", "-out", copy / "ca.key", "-passout", "pass:word"],
                   check=True)
    (copy / "ca.key").chmod(0o400)
    assert refused(BAD_INPUT, "issue", copy, "hub") == f"{copy}/ca.key is not a private key in PEM without a passphrase"


def test_pki_issue_rejects_ca_key_readable_by_others(ca, tmp_path):
    copy = copy_of(ca, tmp_path / "copy")
    (copy / "ca.key").chmod(0o640)
    assert refused(BAD_INPUT, "issue", copy, "hub") == (
        f"{copy}/ca.key is readable by others than its owner, who could sign as this CA; if none did, run: "
        f"chmod 0400 {copy}/ca.key")


@pytest.mark.parametrize("arguments, sentence", [
    (["ca"], "cannot name a certificate 'ca': those files belong to the CA itself"),
    (["../up"], "the certificate name '../up' must begin with a letter or a digit"),
    (["a/b"], "the certificate name 'a/b' "),
    (["x" * 65], "a certificate name has 65 characters; at most 64 are allowed"),
    ([""], "a certificate name is missing"),
    (["x", "--dns", "a b"], "'a b' is not a valid DNS name"),
    (["x", "--dns", "10.0.0.1"], "'10.0.0.1' is not a valid DNS name"),
    (["x", "--dns", "*.example.org"], "'*.example.org' is not a valid DNS name"),
    (["x", "--dns", "a..b"], "'a..b' is not a valid DNS name"),
    (["x", "--dns", "-a"], "'-a' is not a valid DNS name"),
    (["x", "--dns", "a" * 64], "is not a valid DNS name"),
    (["x", "--dns", ".".join(["abc"] * 64)], "is not a valid DNS name"),
    (["x", "--dns", ""], "'' is not a valid DNS name"),
    (["x", "--dns", "good", "--dns", "DNS:evil,IP:1.2.3.4"], "'DNS:evil,IP:1.2.3.4' is not a valid DNS name"),
    (["x", "--ip", "10.0.0"], "'10.0.0' is not a valid IP address, such as 10.0.0.1 or fd00::1"),
    (["x", "--ip", "10.0.0.0/8"], "'10.0.0.0/8' is not a valid IP address"),
    (["x", "--ip", "hub"], "'hub' is not a valid IP address"),
    (["x", "--uri", "example.org"], "'example.org' is not a valid URI"),
    (["x", "--uri", "spiffe:"], "'spiffe:' is not a valid URI"),
    (["x", "--uri", "https://a b"], "'https://a b' is not a valid URI"),
    (["x", "--uri", "https://caf\u00e9"], "is not a valid URI"),
    (["x", "--client", "--server"], "--client excludes --server; see secretctl pki issue --help"),
    (["x", "--sign"], "unexpected argument"),
    (["x", "y"], "unexpected argument"),
    (["x", "--dns"], "--dns requires a value; see secretctl pki issue --help"),
    ([], "NAME is required; see secretctl pki issue --help"),
])
def test_pki_issue_with_invalid_usage_changes_nothing(ca, arguments, sentence):
    before = state_of(ca)
    assert sentence in refused(BAD_INPUT, "issue", ca, *arguments)
    assert state_of(ca) == before


@pytest.mark.parametrize("arguments, sentence", [
    ([], "A subcommand is required; see secretctl pki --help"),
    (["inti", "x"], "A subcommand is required; see secretctl pki --help"),
    (["init"], "DIR is required; see secretctl pki init --help"),
    (["init", "x", "--days", "5"], "unexpected argument"),
])
def test_pki_rejects_unknown_subcommand(arguments, sentence):
    assert sentence in refused(BAD_INPUT, *arguments)


@pytest.mark.parametrize("command", [["pki"], ["pki", "init"], ["pki", "issue"]])
def test_pki_help_has_examples_and_fits_screen(command):
    out = secretctl(*command[1:], "--help").out
    lines = out.splitlines()
    assert any(line.startswith(f"  secretctl {' '.join(command)} ") for line in lines)
    assert len(lines) <= 30 and max(map(len, lines)) <= 80

# SPDX-License-Identifier: Apache-2.0
"""Hub server: platforms over TLS, renewed certificates, and connections. Other clients change nothing."""

import base64
import contextlib
import datetime
import json
import re
import ssl
import time

import pytest
from hub_fixtures import BODY, PLATFORMS, changing_nothing, hub, is_refused, other_pki, pki  # noqa: F401
from four_hosts import ADDRESSES, AGENT
from hub_server import Hub, connect
from own_agent import request

import hunt


# ---- platforms, by their certificates -------------------------------------------------------------


@pytest.mark.parametrize("platform, owners", [("tower", ["alice"]), ("seqera", ["alice"]), ("another", ["bob"]), ("idle", [])])
def test_hub_platform_acts_only_for_its_listed_users(hub, platform, owners):
    hub.site.push("of-alice", user={"A": "x"})
    hub.site.push("of-bob", owner="bob", user={"A": "x"})
    with hub.connect(certificate=platform) as connection:

        def call(method, target, body=None):
            connection.send(request(method, target, body))
            return connection.answer()

        seen = [run["run"] for run in call("GET", "/v1/runs").json["runs"]]
        assert seen == [f"of-{owner}" for owner in owners]
        for owner in ("alice", "bob"):
            of = f"/v1/runs/of-{owner}"
            if owner in owners:
                assert call("GET", of).status == 200
                assert call("PUT", of, {"owner": owner}).json["generation"] == 2
                created = call("PUT", "/v1/runs/new", {"owner": owner})
                assert created.status == 201 and created.json["platform"] == platform
                assert call("DELETE", "/v1/runs/new").status == 204
                assert call("DELETE", of).status == 204
                assert call("GET", of).status == 404
                hub.site.push(f"of-{owner}", owner=owner)
            else:
                with changing_nothing(hub):
                    for answer in (call("GET", of), call("DELETE", of)):
                        is_refused(answer, 403, f"run of-{owner} belongs to another user, not to the certificate of ")
        for owner in {"alice", "bob", "root", "nobody"} - set(owners) - ({"root"} if platform == "tower" else set()):
            with changing_nothing(hub), hub.connect(certificate=platform) as once:
                once.send(request("PUT", "/v1/runs/new", {"owner": owner}))
                is_refused(once.answer(), 403, f"may not push runs for {owner}")


def test_hub_platform_may_neither_read_nor_set_stored_secrets(hub):
    with changing_nothing(hub):
        for method, target, body in [("GET", "/v1/secrets", None), ("PUT", "/v1/secrets/A", {"value": "x"}),
                                     ("GET", "/v1/secrets/A", None), ("DELETE", "/v1/secrets/A", None),
                                     ("GET", "/v1/workspaces/lab/secrets", None),
                                     ("PUT", "/v1/workspaces/lab/secrets/A", {"value": "x"}),
                                     ("DELETE", "/v1/workspaces/lab/secrets/A", None)]:
            answer = hub.http(method, target, body, certificate="tower")
            assert answer.status == (404 if "lab" in target else 403), answer.text
            assert "the certificate of tower.example.org" in answer.detail
    assert hub.http("GET", "/v1/workspaces", certificate="tower").json == {"workspaces": []}
    assert hub.http("GET", "/v1/status", certificate="tower").status == 200


@pytest.mark.parametrize("certificate, sentence", [
    (None, "the request is not authenticated"),
    ("unlisted", "the certificate of 'unlisted.example.org' belongs to no platform"),
    ("nameless", "the client certificate has no subjectAltName"),
])
def test_hub_rejects_client_that_is_no_platform_with_reason(hub, certificate, sentence):
    source, come = hub.connect_as_new_peer(certificate=certificate)
    with changing_nothing(hub):
        for _ in range(3):
            with come() as connection:
                connection.send(request("PUT", "/v1/runs/new", BODY))
                answer = connection.answer()
                is_refused(answer, 403 if certificate else 401, sentence)
                assert (answer.headers.get("www-authenticate") == "Munge") == (certificate is None)
    assert [why.startswith(sentence) for who, why in hub.refusals() if who == source] == [True]


@pytest.mark.parametrize("certificate, alert, sentence", [
    ("of another CA", "unknown ca", "certificate rejected: self-signed certificate in certificate chain"),
    ("expired", "expired", "certificate rejected: certificate has expired"),
    ("server", "unsupported certificate", "certificate rejected: "),
    ("TLS 1.2", "protocol version", "TLS 1.3 handshake failed: unsupported protocol"),
])
def test_hub_fails_tls_handshake_with_untrusted_certificate_or_tls_1_2(hub, other_pki, certificate, alert, sentence):
    options = {"certificate": certificate}
    if certificate == "of another CA":
        options = {"certificate": (other_pki, "tower")}
    if certificate == "TLS 1.2":
        options = {"certificate": "tower", "client": lambda context: setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2)}
    source, come = hub.connect_as_new_peer(**options)
    with changing_nothing(hub):
        for _ in range(3):
            with pytest.raises(ssl.SSLError, match=alert), come() as connection:
                connection.send(request("PUT", "/v1/runs/new", BODY))
                connection.answer()
    assert [why.startswith(sentence) for who, why in hub.refusals() if who == source] == [True], hub.refusals()


def test_hub_logs_denied_address_once_a_minute(hub):
    for where in ("login", "n1", "login", "n1", "login"):
        assert hub.http("GET", "/v1/status", where=where).status == 401
    assert sorted(who for who, _ in hub.refusals()) == sorted([ADDRESSES["login"], ADDRESSES["n1"]])


def test_hub_logs_no_denial_for_probe_without_request(hub, hosts):
    for _ in range(3):
        connect(hosts).close()
        hub.connect().close()
    assert hub.http("GET", "/v1/status", certificate="tower").status == 200
    assert hub.refusals() == []


# ---- renewed certificates -------------------------------------------------------------------------


def serial(connection):
    return connection.socket.getpeercert()["serialNumber"]


def test_hub_reload_uses_renewed_certificate_and_leaves_connections_open(hosts, pki, tmp_path):
    folder = tmp_path / "in-force"
    folder.mkdir()
    for kind in ("crt", "key"):
        (folder / f"hub.{kind}").write_bytes((pki.folder / f"hub.{kind}").read_bytes())
    (folder / "ca.crt").write_bytes(pki.ca.read_bytes())
    hub = Hub(hosts, pki)
    hub.start()
    config = hub.config(PLATFORMS).replace(f"{pki.folder}/", f"{folder}/")
    hosts.stop_agent("hub")
    hosts.start_agent("hub", config)

    def served(connection):
        connection.send(request("PUT", "/v1/runs/kept", BODY))
        return connection.answer().status in (200, 201)

    with hub.connect(certificate="tower") as open_connection:
        assert served(open_connection)
        old = serial(open_connection)
        for kind in ("crt", "key"):
            (folder / f"hub.{kind}").write_bytes((pki.folder / f"renewed.{kind}").read_bytes())
        assert hub.reload() == f"reloaded {hub.site.dir}/agentd.yaml"
        assert served(open_connection) and serial(open_connection) == old
        with hub.connect(certificate="tower") as new:
            assert served(new) and serial(new) != old
            renewed = serial(new)
            # A new file that is broken changes nothing.
            (folder / "hub.crt").write_text("-----BEGIN CERTIFICATE-----\nbroken\n")
            assert "cannot reload, the previous configuration stays in force: listen.certificate: " in hub.reload()
            assert served(new) and served(open_connection)
        with hub.connect(certificate="tower") as newer:
            assert served(newer) and serial(newer) == renewed


def test_hub_reload_trusts_only_new_client_ca_for_new_connections(hosts, pki, other_pki):
    hub = Hub(hosts, pki)
    hub.start(PLATFORMS)
    with hub.connect(certificate="tower") as before:
        before.send(request("GET", "/v1/runs"))
        assert before.answer().status == 200
        hub.reconfigure(hub.config(PLATFORMS).replace(f"client_ca: {pki.ca}", f"client_ca: {other_pki.ca}"))
        hub.reload()
        before.send(request("GET", "/v1/runs"))
        assert before.answer().status == 200
    assert hub.http("GET", "/v1/runs", certificate=(other_pki, "tower")).status == 200
    with pytest.raises(ssl.SSLError, match="unknown ca"):
        hub.http("GET", "/v1/runs", certificate="tower")


def test_hub_reload_defers_listen_address_to_restart(hub):
    hub.reconfigure(hub.config(PLATFORMS).replace("address: 0.0.0.0", "address: 0.0.0.0:8444"))
    assert hub.reload().endswith("; keys that take effect only at the next restart: listen.address")
    assert hub.http("GET", "/v1/runs", certificate="tower").status == 200


def test_hub_with_expired_certificate_starts_and_logs_it(hosts, pki):
    hub = Hub(hosts, pki)
    hub.start(PLATFORMS, certificate="expired-hub")
    assert re.search(r"clients will reject this hub's certificate: it expired at 20\d\d-\d\d-\d\d \d\d:\d\d UTC", hub.log)
    with pytest.raises(ssl.SSLError, match="certificate has expired"):
        hub.connect()


# ---- connections ----------------------------------------------------------------------------------


def test_hub_client_can_read_rejection_sent_before_its_body_was_read(hub, hosts):
    """Even a client that sends its whole body first: over TCP, closing with unread bytes would reset the connection."""
    hub.site.push("taken", owner="bob")
    with hub.connect(certificate="tower") as connection:
        connection.send(request("PUT", "/v1/runs/taken", b"x" * 2_000_000))
        is_refused(connection.answer(), 403, "run taken belongs to another user")
        assert connection.is_closed()
    certificate = ["--cacert", hub.pki.ca, "--cert", hub.pki.folder / "tower.crt", "--key", hub.pki.folder / "tower.key"]
    done = hosts.run("login", ["curl", "-sS", *certificate, "-X", "PUT", "--data-binary", "@-", "-H", "Expect:",
                               "-H", "Content-Type: application/json", "https://hub:8443/v1/runs/taken"], input="x" * 2_000_000)
    assert json.loads(done.out)["detail"] == "run taken belongs to another user, not to the certificate of tower.example.org"


def requires_close_notify(context):
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF


def test_hub_sends_tls_close_notify_at_connection_end(hub):
    with hub.connect(certificate="tower", client=requires_close_notify) as connection:
        connection.send(request("GET", "/v1/runs", headers={"Connection": "close"}))
        assert connection.answer().status == 200
        connection.socket.suppress_ragged_eofs = False
        assert connection.socket.recv(1) == b""


def test_hub_cuts_off_silent_and_slow_handshakes_without_delaying_others(hub, hosts):
    silent = connect(hosts, "n1", timeout=20)
    slow = connect(hosts, "n2", timeout=20)
    begin = time.monotonic()
    longest = 0
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)
    with contextlib.suppress(OSError):
        for byte in hello:
            slow.sendall(bytes([byte]))
            once = time.monotonic()
            assert hub.http("GET", "/v1/runs", certificate="tower").status == 200
            longest = max(longest, time.monotonic() - once)
            time.sleep(0.2)
            if time.monotonic() - begin > 10.5:
                break
    assert silent.recv(1) == b""
    with contextlib.suppress(ConnectionResetError):
        assert slow.recv(1) == b""
    assert 9 < time.monotonic() - begin < 15 and longest < 2
    assert sorted(hub.refusals()) == [(ADDRESSES[host], "no TLS handshake within 10 s") for host in ("n1", "n2")]


def hello():
    """Returns the first bytes of a client's TLS handshake."""
    end = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), end, server_hostname="hub").do_handshake()
    return end.read()


def test_hub_serves_others_during_512_stalled_handshakes(hub, hosts):
    """The clients are twice as many as may shake hands at a time."""
    silent = [connect(hosts, "n1") for _ in range(256)]
    halfway = [connect(hosts, "n2") for _ in range(256)]
    begin_to_shake = hello()
    for client in halfway:
        client.sendall(begin_to_shake)
    begin = time.monotonic()
    assert hub.http("GET", "/v1/runs", certificate="tower").status == 200
    assert time.monotonic() - begin < 5  # the hub cuts off stalled clients only after 10 s
    assert halfway[-1].recv(1) == b"\x16"  # the hub's part of the handshake
    for client in silent + halfway:
        client.close()


def test_silent_connections_of_one_address_give_way_to_a_client_there(hub, hosts):
    kept = hub.connect(where="n1", certificate="tower")
    kept.send(request("GET", "/v1/runs"))
    assert kept.answer().status == 200
    crowd = [connect(hosts, "n1") for _ in range(300)]
    try:
        for _ in range(3):
            assert hub.http("GET", "/v1/runs", where="n1", certificate="tower").status == 200
        kept.send(request("GET", "/v1/runs"))  # a connection whose caller is known stays
        assert kept.answer().status == 200
        assert hub.http("GET", "/v1/runs", where="login", certificate="tower").status == 200
        with contextlib.suppress(ConnectionResetError):
            assert crowd[0].recv(1) == b""
        [(address, reason)] = hub.refusals()
        assert address == ADDRESSES["n1"] and "the one silent for the longest was closed" in reason
    finally:
        for client in [kept, *crowd]:
            client.close()


def test_hub_stops_and_starts_again_with_open_connections(hub, hosts, pki):
    silent = [connect(hosts, "n1") for _ in range(3)]
    with hub.connect(certificate="tower", client=requires_close_notify) as idle, hub.connect(certificate="tower") as unused, \
            hub.connect(certificate="tower") as half:
        idle.socket.suppress_ragged_eofs = False
        idle.send(request("GET", "/v1/runs"))
        assert idle.answer().status == 200
        half.send(request("PUT", "/v1/runs/half", BODY)[:-5])
        begin = time.monotonic()
        hosts.stop_agent("hub")
        assert time.monotonic() - begin < 4  # the script that stops the agent takes a second of it
        assert idle.socket.recv(1) == b""
        assert unused.is_closed() and half.is_closed()
    for client in silent:
        assert client.recv(1) == b""
    hub.start(PLATFORMS)
    assert hub.http("GET", "/v1/runs/half", certificate="tower").status == 404
    assert "was refused" not in hub.log


def test_hub_stops_at_once_with_idle_clients(hub, hosts):
    """The agent waits for no idle client (every node of a cluster is one), and only briefly for silent ones."""
    silent = connect(hosts, "n1")
    idle = [hub.connect(certificate="tower") for _ in range(5)]
    for connection in idle:
        connection.send(request("GET", "/v1/runs"))
        assert connection.answer().status == 200
    hosts.stop_agent("hub")
    begin, end = (datetime.datetime.fromisoformat(re.search(rf"^(\S+) info: {what}", hub.log, re.MULTILINE)[1])
                  for what in ("shutting down: ", "ended: "))
    assert (end - begin).total_seconds() < 1.2
    silent.close()
    for connection in idle:
        assert connection.is_closed()
        connection.close()


def test_hub_memory_holds_no_value_while_connection_stays_open(hub, canary):
    values = [canary() for _ in range(4)]
    body = {"owner": "alice", "user": {"A": values[0], "B": {"base64": base64.b64encode(values[1].encode()).decode()},
                                       "C": values[2] + "x" * 40000}}
    with hub.connect(certificate="tower") as connection, hub.connect() as of_alice:
        connection.send(request("PUT", "/v1/runs/new", body))
        assert connection.answer().status == 201
        data = json.dumps({"value": values[3]}).encode()
        credential = hub.credential("alice", "PUT", "/v1/secrets/TOKEN", data)
        of_alice.send(request("PUT", "/v1/secrets/TOKEN", data, {"Authorization": f"Munge {credential}"}))
        assert of_alice.answer().status == 201
        found = hunt.in_memory(AGENT, hub.site.daemon_pid(AGENT), [value.encode() for value in values])
        assert found == []
        connection.send(request("DELETE", "/v1/runs/new"))
        assert connection.answer().status == 204
    assert hub.by_munge("alice", "DELETE", "/v1/secrets/TOKEN").status == 204

"""The hub's door: who comes in over TLS, as whom, and what they may do there. Nobody else changes anything."""

import base64
import contextlib
import datetime
import json
import os
import re
import signal
import ssl
import time
from pathlib import Path

import pytest
from four_hosts import ADDRESSES, AGENT
from harness import poll
from hub_door import Hub, Pki, connect, payload
from own_agent import request

import hunt

URI = "spiffe://example.org/seqera"
PLATFORMS = f"""
platforms:
  - {{ name: tower, certificate: tower.example.org, users: [alice, root] }}
  - {{ name: seqera, certificate: "{URI}", groups: [alice] }}
  - {{ name: another, certificate: 10.9.9.9, users: [bob], groups: [bob, no-such-group] }}
  - {{ name: idle, certificate: idle.example.org }}
workspaces:
  - {{ name: lab, admins: {{ users: [alice] }}, members: {{ users: [bob] }} }}
"""
BODY = {"owner": "alice", "user": {"A": "x"}}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """Certificates of a hub, of the platforms, and of others."""
    pki = Pki(tmp_path_factory.mktemp("pki") / "ca")
    pki.issue("hub", "--dns", "hub", "--dns", "hub.example.org", "--ip", "10.77.0.1", "--server")
    pki.issue("renewed", "--dns", "hub", "--server")
    pki.issue("tower", "--dns", "unlisted.example.org", "--dns", "tower.example.org", "--client")
    pki.issue("seqera", "--uri", URI, "--client")
    pki.issue("another", "--ip", "10.9.9.9", "--client")
    pki.issue("idle", "--dns", "idle.example.org", "--client")
    pki.issue("unlisted", "--dns", "unlisted.example.org", "--client")
    pki.issue("server", "--dns", "tower.example.org", "--server")
    pki.issue_with_openssl("nameless", 30)
    pki.issue_with_openssl("expired", -1, "subjectAltName=DNS:tower.example.org")
    pki.issue_with_openssl("expired-hub", -1, "subjectAltName=DNS:hub")
    return pki


@pytest.fixture(scope="module")
def other_pki(tmp_path_factory):
    pki = Pki(tmp_path_factory.mktemp("other-pki") / "ca")
    pki.issue("tower", "--dns", "tower.example.org", "--client")
    return pki


@pytest.fixture
def hub(hosts, pki):
    hub = Hub(hosts, pki)
    hub.start(PLATFORMS)
    return hub


@contextlib.contextmanager
def changing_nothing(hub):
    before = hub.state()
    yield
    assert hub.state() == before


def is_refused(answer, status, *fragments):
    assert answer.status == status, answer.text
    assert answer.json["title"] == {401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}[status]
    for fragment in fragments:
        assert fragment in answer.detail, answer.detail
    return True


# ---- platforms, by their certificates -------------------------------------------------------------


@pytest.mark.parametrize("platform, owners", [("tower", ["alice"]), ("seqera", ["alice"]), ("another", ["bob"]), ("idle", [])])
def test_a_platform_acts_for_those_that_are_listed_for_it_and_no_others(hub, platform, owners):
    hub.site.push("of-alice", user={"A": "x"})
    hub.site.push("of-bob", owner="bob", user={"A": "x"})
    with hub.connect(certificate=platform) as connection:

        def ask(method, target, body=None):
            connection.send(request(method, target, body))
            return connection.answer()

        seen = [run["run"] for run in ask("GET", "/v1/runs").json["runs"]]
        assert seen == [f"of-{owner}" for owner in owners]
        for owner in ("alice", "bob"):
            of = f"/v1/runs/of-{owner}"
            if owner in owners:
                assert ask("GET", of).status == 200
                assert ask("PUT", of, {"owner": owner}).json["generation"] == 2
                created = ask("PUT", "/v1/runs/new", {"owner": owner})
                assert created.status == 201 and created.json["platform"] == platform
                assert ask("DELETE", "/v1/runs/new").status == 204
                assert ask("DELETE", of).status == 204
                assert ask("GET", of).status == 404
                hub.site.push(f"of-{owner}", owner=owner)
            else:
                with changing_nothing(hub):
                    for answer in (ask("GET", of), ask("DELETE", of)):
                        is_refused(answer, 403, f"run of-{owner} belongs to another user, not to the certificate of ")
        for owner in {"alice", "bob", "root", "nobody"} - set(owners) - ({"root"} if platform == "tower" else set()):
            with changing_nothing(hub), hub.connect(certificate=platform) as once:
                once.send(request("PUT", "/v1/runs/new", {"owner": owner}))
                is_refused(once.answer(), 403, f"may not push runs for {owner}")


def test_a_platform_has_no_secrets_of_its_own_and_sets_none_of_others(hub):
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
    (None, "the request does not say who it comes from"),
    ("unlisted", "the certificate of 'unlisted.example.org' is of no platform"),
    ("nameless", "the client certificate has no name in it"),
])
def test_who_is_no_platform_gets_an_answer_that_says_so(hub, certificate, sentence):
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
    ("of another CA", "unknown ca", "its certificate is not taken: self-signed certificate in certificate chain"),
    ("expired", "expired", "its certificate is not taken: certificate has expired"),
    ("server", "unsupported certificate", "its certificate is not taken: "),
    ("TLS 1.2", "protocol version", "no TLS 1.3 with it: unsupported protocol"),
])
def test_whose_certificate_is_not_taken_gets_no_connection(hub, other_pki, certificate, alert, sentence):
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


def test_a_refused_client_is_written_down_once_a_minute_and_address(hub):
    for where in ("login", "n1", "login", "n1", "login"):
        assert hub.http("GET", "/v1/status", where=where).status == 401
    assert sorted(who for who, _ in hub.refusals()) == sorted([ADDRESSES["login"], ADDRESSES["n1"]])


def test_who_only_looks_whether_somebody_is_there_is_not_written_down(hub, hosts):
    for _ in range(3):
        connect(hosts).close()
        hub.connect().close()
    assert hub.http("GET", "/v1/status", certificate="tower").status == 200
    assert hub.refusals() == []


# ---- users, by munge ------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["alice", "bob", "root"])
def test_a_user_has_secrets_of_their_own_from_a_login_host(hub, canary, user):
    value = canary()
    assert hub.by_munge(user, "PUT", "/v1/secrets/TOKEN", {"value": value}).status == 201
    listed = hub.by_munge(user, "GET", "/v1/secrets").json
    assert listed["owner"] == user and [secret["name"] for secret in listed["secrets"]] == ["TOKEN"]
    assert hub.site.as_user(user, ["curl", "-s", "--unix-socket", hub.site.control_socket, "http://hub/v1/secrets"]).out \
        == json.dumps(listed, separators=(",", ":")) + "\n"
    other = "bob" if user == "alice" else "alice"
    assert hub.by_munge(other, "GET", "/v1/secrets").json["secrets"] == []
    assert hub.by_munge(user, "DELETE", "/v1/secrets/TOKEN").status == 204
    assert hub.by_munge(user, "GET", "/v1/secrets").json["secrets"] == []
    assert hub.refusals() == []


def test_a_workspace_is_its_admins_as_on_the_control_door(hub, canary):
    target = "/v1/workspaces/lab/secrets/TOKEN"
    assert hub.by_munge("alice", "PUT", target, {"value": canary()}).status == 201
    with changing_nothing(hub):
        is_refused(hub.by_munge("bob", "PUT", target, {"value": "x"}), 403)
        is_refused(hub.by_munge("bob", "DELETE", target), 403)
    assert hub.by_munge("bob", "GET", "/v1/workspaces").json["workspaces"] == [{"workspace": "lab", "role": "member"}]
    assert hub.by_munge("alice", "DELETE", target).status == 204


def test_a_user_pushes_checks_and_completes_runs_of_their_own(hub, canary):
    answer = hub.by_munge("alice", "PUT", "/v1/runs/hers", {"user": {"TOKEN": canary()}})
    assert answer.status == 201 and answer.json["owner"] == "alice" and answer.headers["etag"] == '"1"'
    assert hub.by_munge("alice", "GET", "/v1/check?ask=run:hers,TOKEN").json["ok"]
    assert not hub.by_munge("bob", "GET", "/v1/check?ask=run:hers,TOKEN").json["ok"]
    with changing_nothing(hub):
        is_refused(hub.by_munge("bob", "DELETE", "/v1/runs/hers"), 403, "belongs to another user, not to bob")
        is_refused(hub.by_munge("bob", "PUT", "/v1/runs/his", {"owner": "alice"}), 403, "bob may not push runs for alice")
    assert hub.by_munge("alice", "DELETE", "/v1/runs/hers").status == 204
    # root of any host that has the munge key is root here (docs/security.md).
    assert hub.by_munge("root", "PUT", "/v1/runs/hers", {"owner": "alice"}).status == 201


def test_each_request_of_a_connection_has_its_own_credential_and_caller(hub):
    with hub.connect() as connection:
        for user in ("alice", "bob", "alice"):
            credential = hub.credential(user, "GET", "/v1/secrets")
            connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"munge  {credential}"}))
            assert connection.answer().json["owner"] == user
        connection.send(request("GET", "/v1/secrets"))
        is_refused(connection.answer(), 401, "does not say who it comes from")


@pytest.mark.parametrize("changed, sentence", [
    ({"host": "hub2"}, "was made for the hub 'hub2', and the certificate of this hub does not name that"),
    ({"host": ""}, "was made for the hub ''"),
    ({"host": ".example.org"}, "was made for the hub '.example.org'"),
    ({"host": "hub.example.org\n"}, "it was made for something else"),
    ({"method": "DELETE"}, "was made for another request than this one"),
    ({"method": "put"}, "was made for another request than this one"),
    ({"target": "/v1/runs/other"}, "was made for another request than this one"),
    ({"target": "/v1/runs/new?"}, "was made for another request than this one"),
    ({"target": "/v1/runs/ne%77"}, "was made for another request than this one"),
    ({"body": b""}, "was made for another body than this one"),
    ({"body": b'{"owner": "alice", "user": {"A": "y"}}'}, "was made for another body than this one"),
    ({"text": ""}, "it was made for something else"),
    ({"text": "slurm-secrets 2\n" + payload("PUT", "/v1/runs/new").partition("\n")[2]}, "it was made for something else"),
    ({"options": ["--restrict-uid=bob"]}, "it was made for another user"),
])
def test_a_credential_is_good_for_the_request_alone_that_it_was_made_for(hub, changed, sentence):
    fine = {"method": "PUT", "target": "/v1/runs/new", "body": json.dumps(BODY).encode()}
    source, come = hub.connect_as_new_peer()
    with changing_nothing(hub), come() as connection:
        credential = hub.credential("alice", **{**fine, **changed})
        connection.send(request("PUT", "/v1/runs/new", BODY, {"Authorization": f"Munge {credential}"}))
        is_refused(connection.answer(), 401, sentence)
    assert [sentence in why for who, why in hub.refusals() if who == source] == [True]
    assert hub.by_munge("alice", "PUT", "/v1/runs/new", BODY).status == 201


@pytest.mark.parametrize("host", ["hub", "hub.example.org", "10.77.0.1"])
def test_every_name_in_the_hubs_certificate_is_the_hub(hub, host):
    credential = hub.credential("alice", "GET", "/v1/secrets", host=host)
    assert hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"}).status == 200


def test_a_credential_is_good_once(hub):
    headers = {"Authorization": f"Munge {hub.credential('alice', 'PUT', '/v1/runs/new', json.dumps(BODY).encode())}"}
    assert hub.http("PUT", "/v1/runs/new", BODY, headers).status == 201
    with changing_nothing(hub):
        is_refused(hub.http("PUT", "/v1/runs/new", BODY, headers), 401, "is not taken: it was used before")


def test_a_credential_expires(hub):
    credential = hub.credential("alice", "GET", "/v1/secrets", options=["--ttl=1"])
    time.sleep(2.1)
    is_refused(hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"}), 401,
               "is not taken: it has expired; are the clocks of both hosts right?")


def test_a_credential_of_another_key_is_refused(hub, hosts):
    with hosts.on("login").another_munge_key(), changing_nothing(hub):
        is_refused(hub.by_munge("alice", "PUT", "/v1/runs/new", BODY), 401, "it was made with another munge key")


@pytest.mark.parametrize("authorization, sentence", [
    ("Munge", "is not taken"), ("Munge ", "is not taken"), ("Munge garbage", "is not taken"),
    ("Munge MUNGE:AwQDAAB:", "is not taken"), pytest.param("Munge MUNGE:" + "A" * 20000 + ":", "is not taken", id="long"),
    ("Basic YWxpY2U6eA==", "is Munge and a credential"), ("Bearer x", "is Munge and a credential"),
    ("Mungex CRED", "is Munge and a credential"), ("MUNGE:CRED:", "is Munge and a credential"),
])
def test_what_is_no_credential_is_refused(hub, authorization, sentence):
    with changing_nothing(hub):
        is_refused(hub.http("PUT", "/v1/runs/new", BODY, {"Authorization": authorization}), 401, sentence)


def test_a_damaged_credential_is_refused_wherever_it_is_damaged(hub):
    prefix, text, _ = hub.credential("alice", "GET", "/v1/secrets").split(":")
    with hub.connect() as connection:
        raw = base64.b64decode(text)
        for place in range(len(raw)):
            damaged = base64.b64encode(raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1:]).decode()
            connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"Munge {prefix}:{damaged}:"}))
            is_refused(connection.answer(), 401, "the munge credential is not taken: ")
        connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"Munge {prefix}:{text}:"}))
        assert connection.answer().status == 200


def test_who_shows_a_certificate_and_a_credential_is_neither(hub):
    with changing_nothing(hub):
        for certificate in ("tower", "unlisted"):
            is_refused(hub.by_munge("alice", "PUT", "/v1/runs/new", BODY, certificate=certificate), 401,
                       "says in two ways who it comes from")


def test_without_munged_the_hub_says_so_and_it_is_fine_again_afterwards(hub, hosts):
    credentials = [hub.credential("alice", "GET", "/v1/secrets") for _ in range(3)]
    host = hosts.on("hub")
    host.daemon_stop("munged")
    try:
        for credential in credentials[:2]:
            answer = hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"})
            is_refused(answer, 503, "munged on the hub can't be asked")
            assert answer.headers["retry-after"] == "1"
        assert hub.http("GET", "/v1/runs", certificate="tower").status == 200
    finally:
        host.daemon_start("munged")
    assert hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credentials[0]}"}).status == 200
    assert hub.log.count("munged can't be asked: ") == 1 and hub.log.count("munged answers again") == 1
    assert hub.refusals() == []


def test_a_munged_that_hangs_or_dies_holds_up_who_needs_it_alone(hub, hosts):
    credential = hub.credential("alice", "GET", "/v1/secrets")
    host = hosts.on("hub")
    munged = host.daemon_pid("munged")
    os.kill(munged, signal.SIGSTOP)
    with hub.connect() as waiting:
        waiting.send(request("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"}))
        begin = time.monotonic()
        for _ in range(20):
            assert hub.http("GET", "/v1/runs", certificate="tower").status == 200
        assert time.monotonic() - begin < 2
        os.kill(munged, signal.SIGKILL)
        is_refused(waiting.answer(), 503, "munged on the hub can't be asked")
    host.daemon_stop("munged")
    host.daemon_start("munged")
    assert hub.by_munge("alice", "GET", "/v1/secrets").status == 200
    # That it dies while a request is written to it is too short a moment to be met here.
    status = Path(f"/proc/{host.daemon_pid(AGENT)}/status").read_text()
    assert int(re.search(r"SigIgn:\t(\w+)", status)[1], 16) & 1 << (signal.SIGPIPE - 1)


def test_no_route_of_nodes_is_there_for_others(hub):
    sentence = " is not the account that the nodes' agents run as, and only they may ask "
    for method, target in (("POST", "/v1/grants"), ("PUT", "/v1/nodes/n1/holds")):
        with changing_nothing(hub):
            is_refused(hub.http(method, target, {}, certificate="tower"), 403, "the certificate of tower.example.org" + sentence)
            is_refused(hub.by_munge("alice", method, target, {}), 403, "alice" + sentence)


# ---- what is renewed ------------------------------------------------------------------------------


def serial(connection):
    return connection.socket.getpeercert()["serialNumber"]


def test_a_reload_shows_the_new_certificate_to_who_comes_and_drops_nobody(hosts, pki, tmp_path):
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

    with hub.connect(certificate="tower") as kept:
        assert served(kept)
        old = serial(kept)
        for kind in ("crt", "key"):
            (folder / f"hub.{kind}").write_bytes((pki.folder / f"renewed.{kind}").read_bytes())
        assert hub.reload() == f"{hub.site.dir}/agentd.yaml is in force"
        assert served(kept) and serial(kept) == old
        with hub.connect(certificate="tower") as new:
            assert served(new) and serial(new) != old
            renewed = serial(new)
            # A new file that is broken changes nothing.
            (folder / "hub.crt").write_text("-----BEGIN CERTIFICATE-----\nbroken\n")
            assert "refused, the configuration stays as it was: listen.certificate: " in hub.reload()
            assert served(new) and served(kept)
        with hub.connect(certificate="tower") as newer:
            assert served(newer) and serial(newer) == renewed


def test_a_reload_believes_the_new_client_ca_alone(hosts, pki, other_pki):
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


def test_another_address_waits_for_a_restart_and_the_reload_says_so(hub):
    hub.reconfigure(hub.config(PLATFORMS).replace("address: 0.0.0.0", "address: 0.0.0.0:8444"))
    assert hub.reload().endswith("is in force; at the next restart only: listen.address")
    assert hub.http("GET", "/v1/runs", certificate="tower").status == 200


def test_a_hub_whose_certificate_has_expired_starts_and_says_so(hosts, pki):
    hub = Hub(hosts, pki)
    hub.start(PLATFORMS, certificate="expired-hub")
    assert re.search(r"clients will not take this hub's certificate, since it expired at 20\d\d-\d\d-\d\d \d\d:\d\d UTC", hub.log)
    with pytest.raises(ssl.SSLError, match="certificate has expired"):
        hub.connect()


# ---- connections ----------------------------------------------------------------------------------


def test_who_is_refused_before_the_body_is_read_can_read_why(hub, hosts):
    """Also one who first sends all that it has: over TCP, an end with bytes that nobody read would break that off."""
    hub.site.push("taken", owner="bob")
    with hub.connect(certificate="tower") as connection:
        connection.send(request("PUT", "/v1/runs/taken", b"x" * 2_000_000))
        is_refused(connection.answer(), 403, "run taken belongs to another user")
        assert connection.is_closed()
    certificate = ["--cacert", hub.pki.ca, "--cert", hub.pki.folder / "tower.crt", "--key", hub.pki.folder / "tower.key"]
    done = hosts.run("login", ["curl", "-sS", *certificate, "-X", "PUT", "--data-binary", "@-", "-H", "Expect:",
                               "-H", "Content-Type: application/json", "https://hub:8443/v1/runs/taken"], input="x" * 2_000_000)
    assert json.loads(done.out)["detail"] == "run taken belongs to another user, not to the certificate of tower.example.org"


def wants_the_end_said(context):
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF


def test_the_end_of_a_connection_is_said_in_tls(hub):
    with hub.connect(certificate="tower", client=wants_the_end_said) as connection:
        connection.send(request("GET", "/v1/runs", headers={"Connection": "close"}))
        assert connection.answer().status == 200
        connection.socket.suppress_ragged_eofs = False
        assert connection.socket.recv(1) == b""


def test_silent_and_slow_clients_are_cut_off_and_cost_others_nothing(hub, hosts):
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


def test_one_address_may_have_256_connections(hub, hosts):
    crowd = [connect(hosts, "n1") for _ in range(256)]
    with connect(hosts, "n1") as one_too_many:
        with contextlib.suppress(ConnectionResetError):
            assert one_too_many.recv(1) == b""
        assert hub.http("GET", "/v1/runs", where="login", certificate="tower").status == 200
    assert hub.refusals() == [(ADDRESSES["n1"], "it has 256 connections open, and no address is given more")]
    for client in crowd:
        client.close()
    poll(lambda: comes_in(hub, "n1"), 5, "room for n1 again")


def comes_in(hub, where):
    try:
        return hub.http("GET", "/v1/runs", where=where, certificate="tower").status == 200
    except OSError:
        return False


def test_the_agent_ends_and_starts_again_with_connections_open(hub, hosts, pki):
    silent = [connect(hosts, "n1") for _ in range(3)]
    with hub.connect(certificate="tower", client=wants_the_end_said) as idle, hub.connect(certificate="tower") as unused, \
            hub.connect(certificate="tower") as half:
        idle.socket.suppress_ragged_eofs = False
        idle.send(request("GET", "/v1/runs"))
        assert idle.answer().status == 200
        half.send(request("PUT", "/v1/runs/half", BODY)[:-5])
        begin = time.monotonic()
        hosts.stop_agent("hub")
        assert time.monotonic() - begin < 4  # a second of it is the script that ends it
        assert idle.socket.recv(1) == b""
        assert unused.is_closed() and half.is_closed()
    for client in silent:
        assert client.recv(1) == b""
    hub.start(PLATFORMS)
    assert hub.http("GET", "/v1/runs/half", certificate="tower").status == 404
    assert "was refused" not in hub.log


def test_the_agent_ends_at_once_although_clients_are_idle(hub, hosts):
    """None of them is waited for (the nodes of a cluster each keep a connection), and those who say nothing not long."""
    silent = connect(hosts, "n1")
    idle = [hub.connect(certificate="tower") for _ in range(5)]
    for connection in idle:
        connection.send(request("GET", "/v1/runs"))
        assert connection.answer().status == 200
    hosts.stop_agent("hub")
    begin, end = (datetime.datetime.fromisoformat(re.search(rf"^(\S+) info: {what}", hub.log, re.MULTILINE)[1])
                  for what in ("ending: ", "ended: "))
    assert (end - begin).total_seconds() < 1.2
    silent.close()
    for connection in idle:
        assert connection.is_closed()
        connection.close()


def test_no_value_stays_in_the_hubs_memory_while_its_connection_does(hub, canary):
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

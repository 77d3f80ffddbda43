# SPDX-License-Identifier: Apache-2.0
"""Hub server for users, identified by munge: as which user a request counts, and what a credential is valid for."""

import base64
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from hub_fixtures import BODY, changing_nothing, hub, is_refused, pki  # noqa: F401
from four_hosts import AGENT, payload
from hub_server import connect
from own_agent import request


@pytest.mark.parametrize("user", ["alice", "bob", "root"])
def test_hub_munge_user_manages_own_secrets_from_login_host(hub, canary, user):
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


def test_hub_munge_workspace_admin_sets_secret_and_member_is_denied(hub, canary):
    target = "/v1/workspaces/lab/secrets/TOKEN"
    assert hub.by_munge("alice", "PUT", target, {"value": canary()}).status == 201
    with changing_nothing(hub):
        is_refused(hub.by_munge("bob", "PUT", target, {"value": "x"}), 403)
        is_refused(hub.by_munge("bob", "DELETE", target), 403)
    assert hub.by_munge("bob", "GET", "/v1/workspaces").json["workspaces"] == [{"workspace": "lab", "role": "member", "secrets": 1}]
    assert hub.by_munge("alice", "DELETE", target).status == 204


def test_hub_munge_user_pushes_checks_and_completes_own_runs(hub, canary):
    answer = hub.by_munge("alice", "PUT", "/v1/runs/hers", {"user": {"TOKEN": canary()}})
    assert answer.status == 201 and answer.json["owner"] == "alice" and answer.headers["etag"] == '"1"'
    assert hub.by_munge("alice", "GET", "/v1/check?ask=run:hers,TOKEN").json["ok"]
    assert not hub.by_munge("bob", "GET", "/v1/check?ask=run:hers,TOKEN").json["ok"]
    with changing_nothing(hub):
        is_refused(hub.by_munge("bob", "DELETE", "/v1/runs/hers"), 403, "belongs to another user, not to bob")
        is_refused(hub.by_munge("bob", "PUT", "/v1/runs/his", {"owner": "alice"}), 403, "bob may not push runs for alice")
    assert hub.by_munge("alice", "DELETE", "/v1/runs/hers").status == 204
    # root of any host with the munge key is root at the hub (docs/security.md).
    assert hub.by_munge("root", "PUT", "/v1/runs/hers", {"owner": "alice"}).status == 201


def test_hub_authenticates_each_request_of_connection_separately(hub):
    with hub.connect() as connection:
        for user in ("alice", "bob", "alice"):
            credential = hub.credential(user, "GET", "/v1/secrets")
            connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"munge  {credential}"}))
            assert connection.answer().json["owner"] == user
        connection.send(request("GET", "/v1/secrets"))
        is_refused(connection.answer(), 401, "the request is not authenticated")


@pytest.mark.parametrize("changed, sentence", [
    ({"host": "hub2"}, "was created for hub 'hub2', which this hub's certificate does not name"),
    ({"host": ""}, "was created for hub ''"),
    ({"host": ".example.org"}, "was created for hub '.example.org'"),
    ({"host": "hub.example.org\n"}, "its payload is not a slurm-secrets request"),
    ({"method": "DELETE"}, "was created for a different request"),
    ({"method": "put"}, "was created for a different request"),
    ({"target": "/v1/runs/other"}, "was created for a different request"),
    ({"target": "/v1/runs/new?"}, "was created for a different request"),
    ({"target": "/v1/runs/ne%77"}, "was created for a different request"),
    ({"body": b""}, "was created for a different body"),
    ({"body": b'{"owner": "alice", "user": {"A": "y"}}'}, "was created for a different body"),
    ({"text": ""}, "its payload is not a slurm-secrets request"),
    ({"text": "slurm-secrets 2\n" + payload("PUT", "/v1/runs/new").partition("\n")[2]}, "its payload is not a slurm-secrets request"),
    ({"options": ["--restrict-uid=bob"]}, "it was made for another user"),
])
def test_hub_rejects_munge_credential_made_for_another_request(hub, changed, sentence):
    fine = {"method": "PUT", "target": "/v1/runs/new", "body": json.dumps(BODY).encode()}
    source, come = hub.connect_as_new_peer()
    with changing_nothing(hub), come() as connection:
        credential = hub.credential("alice", **{**fine, **changed})
        connection.send(request("PUT", "/v1/runs/new", BODY, {"Authorization": f"Munge {credential}"}))
        is_refused(connection.answer(), 401, sentence)
    assert [sentence in why for who, why in hub.refusals() if who == source] == [True]
    assert hub.by_munge("alice", "PUT", "/v1/runs/new", BODY).status == 201


@pytest.mark.parametrize("host", ["hub", "hub.example.org", "10.77.0.1"])
def test_hub_accepts_munge_credential_for_any_name_in_its_certificate(hub, host):
    credential = hub.credential("alice", "GET", "/v1/secrets", host=host)
    assert hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"}).status == 200


def test_hub_rejects_replayed_munge_credential(hub):
    headers = {"Authorization": f"Munge {hub.credential('alice', 'PUT', '/v1/runs/new', json.dumps(BODY).encode())}"}
    assert hub.http("PUT", "/v1/runs/new", BODY, headers).status == 201
    with changing_nothing(hub):
        is_refused(hub.http("PUT", "/v1/runs/new", BODY, headers), 401, "invalid munge credential: it was used before")


def test_hub_rejects_expired_munge_credential(hub):
    credential = hub.credential("alice", "GET", "/v1/secrets", options=["--ttl=1"])
    time.sleep(2.1)
    is_refused(hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"}), 401,
               "invalid munge credential: it has expired; check the clocks of both hosts")


def test_hub_rejects_munge_credential_of_another_key(hub, hosts):
    with hosts.on("login").another_munge_key(), changing_nothing(hub):
        is_refused(hub.by_munge("alice", "PUT", "/v1/runs/new", BODY), 401, "it was made with another munge key")


@pytest.mark.parametrize("authorization, sentence", [
    ("Munge", "invalid munge credential: "), ("Munge ", "invalid munge credential: "), ("Munge garbage", "invalid munge credential: "),
    ("Munge MUNGE:AwQDAAB:", "invalid munge credential: "), pytest.param("Munge MUNGE:" + "A" * 20000 + ":", "invalid munge credential: ", id="long"),
    ("Basic YWxpY2U6eA==", "must be Munge and a credential"), ("Bearer x", "must be Munge and a credential"),
    ("Mungex CRED", "must be Munge and a credential"), ("MUNGE:CRED:", "must be Munge and a credential"),
])
def test_hub_rejects_malformed_authorization_header(hub, authorization, sentence):
    with changing_nothing(hub):
        is_refused(hub.http("PUT", "/v1/runs/new", BODY, {"Authorization": authorization}), 401, sentence)


def test_hub_rejects_munge_credential_with_any_damaged_byte(hub):
    prefix, text, _ = hub.credential("alice", "GET", "/v1/secrets").split(":")
    with hub.connect() as connection:
        raw = base64.b64decode(text)
        for position in range(len(raw)):
            damaged = base64.b64encode(raw[:position] + bytes([raw[position] ^ 0x55]) + raw[position + 1:]).decode()
            connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"Munge {prefix}:{damaged}:"}))
            is_refused(connection.answer(), 401, "invalid munge credential: ")
        connection.send(request("GET", "/v1/secrets", headers={"Authorization": f"Munge {prefix}:{text}:"}))
        assert connection.answer().status == 200


def test_hub_rejects_request_with_both_certificate_and_munge_credential(hub):
    with changing_nothing(hub):
        for certificate in ("tower", "unlisted"):
            is_refused(hub.by_munge("alice", "PUT", "/v1/runs/new", BODY, certificate=certificate), 401,
                       "has both a munge credential and a client certificate")


def test_hub_answers_503_without_munged_and_recovers_with_it(hub, hosts):
    credentials = [hub.credential("alice", "GET", "/v1/secrets") for _ in range(3)]
    host = hosts.on("hub")
    host.daemon_stop("munged")
    try:
        for credential in credentials[:2]:
            answer = hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credential}"})
            is_refused(answer, 503, "cannot query munged on the hub")
            assert answer.headers["retry-after"] == "1"
        assert hub.http("GET", "/v1/runs", certificate="tower").status == 200
    finally:
        host.daemon_start("munged")
    assert hub.http("GET", "/v1/secrets", headers={"Authorization": f"Munge {credentials[0]}"}).status == 200
    assert hub.log.count("cannot query munged: ") == 1 and hub.log.count("munged answers again") == 1
    assert hub.refusals() == []


def test_hub_serves_certificate_clients_while_munged_hangs(hub, hosts):
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
        is_refused(waiting.answer(), 503, "cannot query munged on the hub")
    host.daemon_stop("munged")
    host.daemon_start("munged")
    assert hub.by_munge("alice", "GET", "/v1/secrets").status == 200
    # A test can't meet the short moment in which munged dies during a write; the agent has to ignore SIGPIPE for it.
    status = Path(f"/proc/{host.daemon_pid(AGENT)}/status").read_text()
    assert int(re.search(r"SigIgn:\t(\w+)", status)[1], 16) & 1 << (signal.SIGPIPE - 1)


def test_hub_denies_node_routes_to_users_and_platforms(hub):
    sentence = " is not the account that the nodes' agents run as"
    for method, target in (("POST", "/v1/grants"), ("PUT", "/v1/nodes/n1/holds")):
        with changing_nothing(hub):
            is_refused(hub.http(method, target, {}, certificate="tower"), 403, "the certificate of tower.example.org" + sentence)
            is_refused(hub.by_munge("alice", method, target, {}), 403, "alice" + sentence)

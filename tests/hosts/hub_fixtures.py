# SPDX-License-Identifier: Apache-2.0
"""Fixtures of a hub with a TLS listener: certificates, platforms and workspaces, and a check for refusals."""

import contextlib

import pytest
from hub_server import Hub, Pki

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
    """Issues certificates of a hub, of the platforms, and of others."""
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

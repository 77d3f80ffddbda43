# SPDX-License-Identifier: Apache-2.0
"""Login hosts and nodes: secretctl works on them as on the hub."""

import base64
import hashlib
import json
import re
import time
from subprocess import PIPE, Popen

import pytest
from harness import BUILD, poll
from login_fixtures import COMPARE, HUB, NOBODY, cluster, credential, hub_config, login, names, node_config, pki, secretctl  # noqa: F401


# ---- requests of users and platforms ---------------------------------------------------------------


def test_secret_set_on_login_host_is_granted_to_job_on_node(cluster, login, canary, canaries):
    value = canary()
    canaries.append(base64.b64encode(value.encode()))  # as secretctl sends it
    secretctl(login, "set", "OLD_TOKEN", input=value)
    assert names(login) == names(cluster.on("hub")) == ["OLD_TOKEN"]
    secretctl(login, "rename", "OLD_TOKEN", "HF_TOKEN")
    done = login.srun("-w", "n1", "--secret=HF_TOKEN", *COMPARE, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err
    assert "HF_TOKEN" in secretctl(cluster.on("n1"), "ls")
    assert names(login, user="bob") == []
    secretctl(login, "rm", "HF_TOKEN")
    assert names(login) == []


@pytest.mark.parametrize("value", [b"\0binary\0", b"two\nlines\n\n", "ü$`'\"\\ ".encode(), b"x" * 65536],
                         ids=["NUL", "newlines", "quotes", "64 KiB"])
def test_secret_set_on_login_host_arrives_byte_for_byte(cluster, login, canaries, value):
    if len(value) > 20:
        canaries.append(value)
    secretctl(login, "set", "BYTES", "--keep-newline", input=value)
    digest = hashlib.sha256(value).hexdigest()
    done = login.srun("-w", "n1", "--secret=BYTES:file", "sh", "-c", 'sha256sum <"$BYTES_FILE"')
    assert done.out.split() == [digest, "-"], done.err


def test_run_is_pushed_listed_checked_and_completed_from_login_host(cluster, login, canary):
    value = canary()
    secretctl(login, "push", "demo-1", input=f"HF_TOKEN={value}\n")
    assert "demo-1" in secretctl(login, "runs") and "demo-1" in secretctl(cluster.on("hub"), "runs")
    assert cluster.on("login").status()["runs"] == 0
    assert "HF_TOKEN" in secretctl(login, "runs", "demo-1")
    assert "HF_TOKEN" in secretctl(login, "check", "run:demo-1,HF_TOKEN")
    done = login.srun("-w", "n1", "--secrets-run=demo-1", *COMPARE, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err
    secretctl(login, "complete", "demo-1")
    assert "demo-1" not in secretctl(cluster.on("hub"), "runs")


def test_workspace_secret_set_on_login_host_is_granted_to_member(cluster, login, canary):
    value = canary()
    secretctl(login, "set", "HF_TOKEN", "--workspace=lab", input=value)
    assert "lab" in secretctl(login, "workspaces", user="bob")
    assert "admins" in secretctl(login, "set", "MINE", "--workspace=lab", user="bob", code=1, input="x")
    done = login.srun("-w", "n1", "--secret=HF_TOKEN", *COMPARE, user="bob", input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


def test_login_host_lets_root_push_for_alice_and_denies_bob(cluster, login, canary):
    text = f"HF_TOKEN={canary()}\n"
    refused = secretctl(login, "push", "of-alice", "--owner=alice", user="bob", code=1, input=text)
    assert refused == secretctl(cluster.on("hub"), "push", "of-alice", "--owner=alice", user="bob", code=1, input=text)
    secretctl(login, "push", "of-alice", "--owner=alice", user="root", input=text)
    assert "of-alice" in secretctl(login, "runs")
    assert "of-alice" not in secretctl(login, "runs", user="bob")


@pytest.mark.parametrize("words", [["rm", "NOT_THERE"], ["rename", "NOT_THERE", "B"], ["runs", "not-there"],
                                   ["ls", "--workspace=none"], ["set", "A", "--workspace=none"], ["check", "NOT_THERE"]])
def test_login_host_relays_hub_errors_verbatim(cluster, login, words):
    at_hub = secretctl(cluster.on("hub"), *words, code=1, input="some value")
    assert secretctl(login, *words, code=1, input="some value") == at_hub


def test_login_host_completes_secret_names(cluster, login, canary):
    secretctl(login, "set", "HF_TOKEN", input=canary())
    assert secretctl(login, "complete-names", "secrets") == "HF_TOKEN\n"


def test_login_host_status_is_its_own_and_names_hubs(cluster, login):
    status = json.loads(secretctl(login, "--json", "status"))
    assert status["hubs"] == [HUB]
    assert re.search(f"node of +{HUB}\n", secretctl(login, "status"))
    assert "hubs" not in cluster.on("hub").status()
    assert "slurm_secrets_runs" in login.http("GET", "/metrics").text


# ---- credentials ---------------------------------------------------------------------------------


def test_login_host_answers_401_naming_hub_without_credential(login):
    answer = login.http("GET", "/v1/secrets")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Munge hub="10.77.0.1"')
    assert answer.json["title"] == "Unauthorized" and "munge credential" in answer.json["detail"]


def test_login_host_rejects_invalid_request_before_requiring_credential(login):
    assert login.http("GET", "/v1/nothing").status == 404
    assert login.http("POST", "/v1/secrets").status == 405
    # Requests with a body use curl, which reads an answer that comes before the body was sent.
    assert login.http("PUT", "/v1/secrets/A", "x", user="alice", headers={"Content-Type": "text/plain"}).status == 415
    assert login.http("PUT", "/v1/secrets/A", "x" * 2000000, user="alice").status == 413


def test_relayed_munge_credential_is_good_for_one_request(cluster, login, canary):
    body = json.dumps({"value": canary()})
    head = {"Authorization": credential(login, "PUT", "/v1/secrets/A", body.encode())}
    first = login.http("PUT", "/v1/secrets/A", body, headers=head)
    assert (first.status, first.headers["etag"]) == (201, '"1"'), first.text
    second = login.http("PUT", "/v1/secrets/A", body, headers=head)
    assert second.status == 401 and "used before" in second.json["detail"]
    other = {"Authorization": credential(login, "PUT", "/v1/secrets/A", b"another body")}
    assert "a different body" in login.http("PUT", "/v1/secrets/A", body, headers=other).json["detail"]
    other = {"Authorization": credential(login, "GET", "/v1/secrets")}
    assert "a different request" in login.http("GET", "/v1/runs", headers=other).json["detail"]


def test_relayed_credential_for_another_hub_is_rejected_naming_hub(login):
    head = {"Authorization": credential(login, "GET", "/v1/secrets", hub="elsewhere")}
    answer = login.http("GET", "/v1/secrets", headers=head)
    assert answer.status == 401 and "'elsewhere'" in answer.json["detail"]
    assert answer.headers["www-authenticate"] == 'Munge hub="10.77.0.1"'


def test_login_host_relays_503_when_hub_has_no_munged(cluster, login):
    head = {"Authorization": credential(login, "GET", "/v1/secrets")}
    cluster.on("hub").daemon_stop("munged")
    try:
        answer = login.http("GET", "/v1/secrets", headers=head)
        message = secretctl(login, "ls", code=1)
    finally:
        cluster.on("hub").daemon_start("munged")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert message == f"secretctl: {answer.json['detail']}\n" and "munged on the hub" in message


def test_login_host_relays_header_fields_both_ways(cluster, login, canary):
    body = json.dumps({"value": canary()})

    def put(**fields):
        head = {"Authorization": credential(login, "PUT", "/v1/secrets/A", body.encode())}
        return login.http("PUT", "/v1/secrets/A", body, headers={**head, **fields})

    assert put(**{"If-None-Match": "*"}).status == 201
    assert put(**{"If-None-Match": "*"}).status == 412
    assert put(**{"If-Match": '"1"'}).headers["etag"] == '"2"'
    assert put(**{"If-Match": '"1"'}).status == 412
    read = login.http("GET", "/v1/secrets/A", headers={"Authorization": credential(login, "GET", "/v1/secrets/A")})
    assert read.headers["content-type"] == "application/json" and read.headers["etag"] == '"2"'
    gone = login.http("GET", "/v1/secrets/B", headers={"Authorization": credential(login, "GET", "/v1/secrets/B")})
    assert gone.headers["content-type"] == "application/problem+json" and gone.status == 404


def test_hub_trusts_munge_user_not_relaying_user(cluster, login):
    """A request with alice's credential is alice's, even if bob sends it."""
    head = {"Authorization": credential(login, "GET", "/v1/secrets")}
    assert login.http("GET", "/v1/secrets", user="bob", headers=head).json["owner"] == "alice"


# ---- outages ---------------------------------------------------------------------------------------


def test_secretctl_on_login_host_reports_missing_munged(cluster, login):
    login.daemon_stop("munged")
    try:
        message = secretctl(login, "ls", code=3)
    finally:
        login.daemon_start("munged")
    assert message.startswith("secretctl: the hub 10.77.0.1 requires MUNGE authentication, which failed: ")
    assert "is munged running?" in message and message.count("\n") == 1


@pytest.mark.parametrize("how", ["ended", "frozen", "cut off"])
def test_secretctl_on_login_host_reports_unreachable_hub_within_6_s(cluster, login, how):
    hub = cluster.on("hub")
    begin = time.monotonic()
    if how == "ended":
        cluster.stop_agent("hub")
        message = secretctl(login, "ls", code=3)
    elif how == "frozen":
        with hub.daemon_frozen("slurm-secretsd"):
            message = secretctl(login, "ls", code=3)
    else:
        with hub.cut_off():
            message = secretctl(login, "ls", code=3)
    assert time.monotonic() - begin < 6
    assert message.startswith(f"secretctl: no hub answered: {HUB}: "), message
    assert json.loads(secretctl(login, "--json", "status"))["hubs"] == [HUB]
    if how != "ended":
        poll(lambda: login.secretctl("ls", user="alice").code == 0, 10, "an answer of the hub")


@pytest.mark.parametrize("others", [[NOBODY], ["https://10.77.0.9:8443"], ["https://no-such-host.invalid"],
                                    ["https://10.77.0.8:8443", "https://10.77.0.9:8443"]])
def test_login_host_falls_back_to_next_hub_and_remembers_it(cluster, login, pki, canary, others):
    cluster.stop_agent("login")
    cluster.start_agent("login", node_config(pki, *others, "https://hub:8443"))
    begin = time.monotonic()
    secretctl(login, "set", "HF_TOKEN", input=canary())
    assert time.monotonic() - begin < 6
    assert names(cluster.on("hub")) == ["HF_TOKEN"]
    begin = time.monotonic()
    assert names(login) == ["HF_TOKEN"]
    assert time.monotonic() - begin < 1, "the hub that answered last is asked first"


def test_secretctl_on_login_host_names_all_unreachable_hubs(cluster, login, pki):
    urls = [NOBODY, "https://10.77.0.8:8443", "https://10.77.0.9:8443"]
    cluster.stop_agent("login")
    cluster.start_agent("login", node_config(pki, *urls))
    begin = time.monotonic()
    message = secretctl(login, "ls", code=3)
    assert time.monotonic() - begin < 6
    assert all(url in message for url in urls)


def test_login_host_agent_stop_ends_relayed_request(cluster, login):
    """A stopping agent leaves no client waiting and nothing behind."""
    with cluster.on("hub").daemon_frozen("slurm-secretsd"):
        waiting = Popen(login.command("alice", [BUILD / "secretctl", "ls"]), stdout=PIPE, stderr=PIPE, text=True)
        time.sleep(0.7)
        begin = time.monotonic()
        cluster.stop_agent("login")
        _, message = waiting.communicate(timeout=10)
        assert time.monotonic() - begin < 3
    assert waiting.returncode == 3 and "shutting down" in message, message
    cluster.start_agent("login")

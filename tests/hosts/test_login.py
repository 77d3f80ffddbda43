"""On a login host and on a node secretctl works as on the hub."""

import base64
import hashlib
import json
import re
import time
from subprocess import PIPE, Popen

import pytest
from harness import BUILD, poll
from login_fixtures import COMPARE, HUB, NOBODY, cluster, credential, hub_config, login, names, node_config, pki, secretctl  # noqa: F401


# ---- what people and platforms ask -----------------------------------------------------------------


def test_a_secret_that_was_set_on_a_login_host_is_given_to_a_job_on_a_node(cluster, login, canary, canaries):
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
def test_the_bytes_of_a_value_are_what_they_were(cluster, login, canaries, value):
    if len(value) > 20:
        canaries.append(value)
    secretctl(login, "set", "BYTES", "--keep-newline", input=value)
    digest = hashlib.sha256(value).hexdigest()
    done = login.srun("-w", "n1", "--secret=BYTES:file", "sh", "-c", 'sha256sum <"$BYTES_FILE"')
    assert done.out.split() == [digest, "-"], done.err


def test_a_run_is_pushed_listed_checked_and_completed_from_a_login_host(cluster, login, canary):
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


def test_a_workspace_is_the_hub_s(cluster, login, canary):
    value = canary()
    secretctl(login, "set", "HF_TOKEN", "--workspace=lab", input=value)
    assert "lab" in secretctl(login, "workspaces", user="bob")
    assert "admins" in secretctl(login, "set", "MINE", "--workspace=lab", user="bob", code=1, input="x")
    done = login.srun("-w", "n1", "--secret=HF_TOKEN", *COMPARE, user="bob", input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err


def test_root_may_push_for_alice_and_bob_may_not(cluster, login, canary):
    text = f"HF_TOKEN={canary()}\n"
    refused = secretctl(login, "push", "of-alice", "--owner=alice", user="bob", code=1, input=text)
    assert refused == secretctl(cluster.on("hub"), "push", "of-alice", "--owner=alice", user="bob", code=1, input=text)
    secretctl(login, "push", "of-alice", "--owner=alice", user="root", input=text)
    assert "of-alice" in secretctl(login, "runs")
    assert "of-alice" not in secretctl(login, "runs", user="bob")


@pytest.mark.parametrize("words", [["rm", "NOT_THERE"], ["rename", "NOT_THERE", "B"], ["runs", "not-there"],
                                   ["ls", "--workspace=none"], ["set", "A", "--workspace=none"], ["check", "NOT_THERE"]])
def test_what_the_hub_refuses_is_refused_in_its_words(cluster, login, words):
    at_hub = secretctl(cluster.on("hub"), *words, code=1, input="some value")
    assert secretctl(login, *words, code=1, input="some value") == at_hub


def test_names_are_completed_on_a_login_host(cluster, login, canary):
    secretctl(login, "set", "HF_TOKEN", input=canary())
    assert secretctl(login, "complete-names", "secrets") == "HF_TOKEN\n"


def test_the_status_of_a_node_is_its_own_and_names_its_hubs(cluster, login):
    told = json.loads(secretctl(login, "--json", "status"))
    assert told["hubs"] == [HUB]
    assert re.search(f"node of +{HUB}\n", secretctl(login, "status"))
    assert "hubs" not in cluster.on("hub").status()
    assert "slurm_secrets_runs" in login.http("GET", "/metrics").text


# ---- credentials ---------------------------------------------------------------------------------


def test_who_sends_no_credential_is_told_of_which_hub_it_must_be(login):
    answer = login.http("GET", "/v1/secrets")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Munge hub="10.77.0.1"')
    assert answer.json["title"] == "Unauthorized" and "munge credential" in answer.json["detail"]


def test_what_is_wrong_without_asking_a_hub_needs_no_credential(login):
    assert login.http("GET", "/v1/nothing").status == 404
    assert login.http("POST", "/v1/secrets").status == 405
    # What has a body is sent with curl, which reads an answer that comes before its body was sent.
    assert login.http("PUT", "/v1/secrets/A", "x", user="alice", headers={"Content-Type": "text/plain"}).status == 415
    assert login.http("PUT", "/v1/secrets/A", "x" * 2000000, user="alice").status == 413


def test_a_credential_is_good_for_one_request(cluster, login, canary):
    body = json.dumps({"value": canary()})
    head = {"Authorization": credential(login, "PUT", "/v1/secrets/A", body.encode())}
    first = login.http("PUT", "/v1/secrets/A", body, headers=head)
    assert (first.status, first.headers["etag"]) == (201, '"1"'), first.text
    second = login.http("PUT", "/v1/secrets/A", body, headers=head)
    assert second.status == 401 and "used before" in second.json["detail"]
    other = {"Authorization": credential(login, "PUT", "/v1/secrets/A", b"another body")}
    assert "another body" in login.http("PUT", "/v1/secrets/A", body, headers=other).json["detail"]
    other = {"Authorization": credential(login, "GET", "/v1/secrets")}
    assert "another request" in login.http("GET", "/v1/runs", headers=other).json["detail"]


def test_who_sends_a_credential_of_another_hub_is_told_of_which_it_must_be(login):
    head = {"Authorization": credential(login, "GET", "/v1/secrets", hub="elsewhere")}
    answer = login.http("GET", "/v1/secrets", headers=head)
    assert answer.status == 401 and "'elsewhere'" in answer.json["detail"]
    assert answer.headers["www-authenticate"] == 'Munge hub="10.77.0.1"'


def test_that_the_hub_can_t_ask_munged_is_passed_on(cluster, login):
    head = {"Authorization": credential(login, "GET", "/v1/secrets")}
    cluster.on("hub").daemon_stop("munged")
    try:
        answer = login.http("GET", "/v1/secrets", headers=head)
        said = secretctl(login, "ls", code=1)
    finally:
        cluster.on("hub").daemon_start("munged")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert said == f"secretctl: {answer.json['detail']}\n" and "munged on the hub" in said


def test_fields_of_request_and_answer_are_passed_on(cluster, login, canary):
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


def test_the_hub_believes_munge_and_not_who_passes_on(cluster, login):
    """alice's own credential, sent by bob, is alice's request."""
    head = {"Authorization": credential(login, "GET", "/v1/secrets")}
    assert login.http("GET", "/v1/secrets", user="bob", headers=head).json["owner"] == "alice"


# ---- what does not answer --------------------------------------------------------------------------


def test_without_munged_it_is_said(cluster, login):
    login.daemon_stop("munged")
    try:
        said = secretctl(login, "ls", code=3)
    finally:
        login.daemon_start("munged")
    assert said.startswith("secretctl: the hub 10.77.0.1 wants to know by munge who you are, and munged on this host")
    assert "is munged running?" in said and said.count("\n") == 1


@pytest.mark.parametrize("how", ["ended", "frozen", "cut off"])
def test_where_no_hub_answers_it_is_said_in_time(cluster, login, how):
    hub = cluster.on("hub")
    begin = time.monotonic()
    if how == "ended":
        cluster.stop_agent("hub")
        said = secretctl(login, "ls", code=3)
    elif how == "frozen":
        with hub.daemon_frozen("slurm-secretsd"):
            said = secretctl(login, "ls", code=3)
    else:
        with hub.cut_off():
            said = secretctl(login, "ls", code=3)
    assert time.monotonic() - begin < 6
    assert said.startswith(f"secretctl: no hub answers: {HUB}: "), said
    assert json.loads(secretctl(login, "--json", "status"))["hubs"] == [HUB]
    if how != "ended":
        poll(lambda: login.secretctl("ls", user="alice").code == 0, 10, "an answer of the hub")


@pytest.mark.parametrize("others", [[NOBODY], ["https://10.77.0.9:8443"], ["https://no-such-host.invalid"],
                                    ["https://10.77.0.8:8443", "https://10.77.0.9:8443"]])
def test_where_the_first_hub_does_not_answer_the_next_one_does(cluster, login, pki, canary, others):
    cluster.stop_agent("login")
    cluster.start_agent("login", node_config(pki, *others, "https://hub:8443"))
    begin = time.monotonic()
    secretctl(login, "set", "HF_TOKEN", input=canary())
    assert time.monotonic() - begin < 6
    assert names(cluster.on("hub")) == ["HF_TOKEN"]
    begin = time.monotonic()
    assert names(login) == ["HF_TOKEN"]
    assert time.monotonic() - begin < 1, "the hub that answered last is asked first"


def test_where_none_of_several_hubs_answers_all_are_named(cluster, login, pki):
    urls = [NOBODY, "https://10.77.0.8:8443", "https://10.77.0.9:8443"]
    cluster.stop_agent("login")
    cluster.start_agent("login", node_config(pki, *urls))
    begin = time.monotonic()
    said = secretctl(login, "ls", code=3)
    assert time.monotonic() - begin < 6
    assert all(url in said for url in urls)


def test_a_request_on_its_way_ends_with_the_agent(cluster, login):
    """An agent that ends lets nobody wait, and leaves nothing behind."""
    with cluster.on("hub").daemon_frozen("slurm-secretsd"):
        waiting = Popen(login.command("alice", [BUILD / "secretctl", "ls"]), stdout=PIPE, stderr=PIPE, text=True)
        time.sleep(0.7)
        begin = time.monotonic()
        cluster.stop_agent("login")
        _, said = waiting.communicate(timeout=10)
        assert time.monotonic() - begin < 3
    assert waiting.returncode == 3 and "about to end" in said, said
    cluster.start_agent("login")

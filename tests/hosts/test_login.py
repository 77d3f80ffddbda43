"""On a login host and on a node secretctl works as on the hub, and what a user submits is checked there."""

import base64
import hashlib
import json
import os
import re
import signal
import time
from subprocess import PIPE, Popen

import pytest
from harness import BUILD, poll

HUB = "https://10.77.0.1:8443"
NOBODY = "https://10.77.0.1:8444"
COMPARE = ["bash", "-c", '[ "$HF_TOKEN" = "$(cat)" ] && hostname']


@pytest.fixture(scope="session")
def pki(hosts):
    folder = hosts.dir / "login-pki"
    hosts.run("hub", [BUILD / "secretctl", "pki", "init", folder])
    hosts.run("hub", [BUILD / "secretctl", "pki", "issue", folder, "hub", "--ip", "10.77.0.1", "--dns", "hub", "--server"])
    return folder


@pytest.fixture
def hub_config(hosts, pki, tmp_path_factory):
    """Of a hub with a store of its own."""
    folder = tmp_path_factory.mktemp("store")
    key = folder / "store.key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o400)

    def config(login_hosts="[login]"):
        return (f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key, "
                f"login_hosts: {login_hosts} }}\n"
                f"store: {{ file: {folder}/store.db, key_file: {key} }}\n"
                "workspaces: [{ name: lab, admins: { users: [alice] }, members: { users: [bob] } }]\n")

    return config


def node_config(pki, *urls):
    return f"hub: {{ urls: {json.dumps(urls or [HUB])}, ca: {pki}/ca.crt }}\n"


@pytest.fixture
def cluster(hosts, pki, hub_config):
    hosts.start_view("hub")
    hosts.start_agent("hub", hub_config())
    for host in ("n1", "login"):
        hosts.start_agent(host, node_config(pki))
    return hosts


@pytest.fixture
def login(cluster):
    return cluster.on("login")


def secretctl(host, *arguments, user="alice", code=0, input=None):
    done = host.secretctl(*arguments, user=user, input=input)
    assert done.code == code, f"{arguments}: {done.code}: {done.out}{done.err}"
    return done.out + done.err


def names(host, user="alice"):
    return [secret["name"] for secret in json.loads(secretctl(host, "--json", "ls", user=user))["secrets"]]


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


def credential(host, method, target, body=b"", user="alice", hub="10.77.0.1"):
    text = f"slurm-secrets 1\n{hub}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}\n"
    done = host.as_user(user, ["munge"], input=text.encode())
    return "Munge " + done.out.strip()


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


# ---- what is submitted -----------------------------------------------------------------------------


def submit(host, *options, user="alice"):
    """Submits a job that waits in the queue; what sbatch said, and how long it took."""
    begin = time.monotonic()
    done = host.submit("true", "--hold", *options, user=user)
    return done, time.monotonic() - begin


def queued(hosts):
    return len(hosts.on("hub").jobs())


def cancel_all(hosts):
    hosts.run("hub", ["scancel", *hosts.on("hub").jobs()])


@pytest.mark.parametrize("name", ["login", "n1"])
def test_a_job_is_refused_before_the_queue_whose_secret_is_not_set(cluster, canary, name):
    host = cluster.on(name)
    secretctl(host, "set", "HF_TOKEN", input=canary())
    done, _ = submit(host, "--secret=FORGOTTEN")
    assert done.code == 1 and queued(cluster) == 0
    assert done.err == "sbatch: error: secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN\n" \
                       "sbatch: error: spank: required plugin spank_secrets.so: init_post_opt() failed with rc=-1\n" \
                       "sbatch: error: Plugin stack post-option processing failed\n"
    done, _ = submit(host, "--secret=HF_TOKEN", user="bob")
    assert "secret HF_TOKEN is not set for bob" in done.err and queued(cluster) == 0
    for options in (["--secret=HF_TOKEN"], ["--secret=FORGOTTEN?"], ["--secrets-run=later", "--secret=X"], []):
        done, _ = submit(host, *options)
        assert (done.code, done.err) == (0, ""), options
    assert queued(cluster) == 4
    cancel_all(cluster)


def refusals(cluster):
    return re.findall(r"an agent at 10\.77\.0\.4 was refused: .*", cluster.agent_log("hub"))


def test_from_a_host_that_is_not_listed_a_job_is_queued_unchecked(cluster, login, hub_config):
    cluster.stop_agent("hub")
    cluster.start_agent("hub", hub_config("[]"))
    for _ in range(3):
        done, _ = submit(login, "--secret=FORGOTTEN")
        assert (done.code, done.err) == (0, "")
    told = refusals(cluster)[-1]
    assert "listen.login_hosts" in told and "10.77.0.4 is neither the address of node 'login'" in told
    assert len(refusals(cluster)) == 1, "one a minute"
    assert cluster.agent_log("login").count("jobs are submitted from here unchecked: the hub says: checks of") == 1
    cancel_all(cluster)


def test_a_reload_takes_login_hosts(cluster, login, hub_config):
    config = cluster.on("hub").dir / "agentd.yaml"

    def reload_with(login_hosts):
        before = cluster.agent_log("hub").count("is in force")
        config.write_text(hub_config(login_hosts))
        os.kill(cluster.on("hub").daemon_pid("slurm-secretsd"), signal.SIGHUP)
        poll(lambda: cluster.agent_log("hub").count("is in force") > before, 5, "the reload")
        assert "at the next restart only" not in cluster.agent_log("hub")

    reload_with("[no-such-host.invalid]")
    poll(lambda: "listen.login_hosts: the host no-such-host.invalid has no address" in cluster.agent_log("hub"), 10,
         "the sentence")
    poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 0, 5, "a job that is not checked")
    reload_with("[10.77.0.4, hub]")
    poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 1, 5, "a job that is refused")
    cancel_all(cluster)


def ask_hub(cluster, host, body, user="root", made_on=None):
    """What the hub answers when a host asks it without its agent."""
    text = json.dumps(body)
    head = credential(cluster.on(made_on or host), "POST", "/v1/checks", text.encode(), user)
    done = cluster.run(host, ["curl", "-sS", "--cacert", cluster.dir / "login-pki" / "ca.crt", "-X", "POST",
                              "-H", f"Authorization: {head}", "-H", "Content-Type: application/json",
                              "--data-binary", "@-", "-w", "\n%{http_code}", f"{HUB}/v1/checks"], input=text)
    text, _, status = done.out.rpartition("\n")
    return int(status), json.loads(text)


def test_only_agents_on_hosts_of_the_cluster_are_answered_about_users(cluster):
    alice, bob = (int(cluster.run("hub", ["id", "-u", user]).out) for user in ("alice", "bob"))
    body = {"uid": alice, "ask": "FORGOTTEN", "node": "n1"}
    assert ask_hub(cluster, "n1", body) == (200, {
        "ok": False, "sentence": "secret FORGOTTEN is not set for alice; set it with: secretctl set FORGOTTEN"})
    assert ask_hub(cluster, "n1", {**body, "uid": bob, "ask": "A?"}) == (200, {"ok": True})
    # A node says which it is, and Slurm where that is.
    assert ask_hub(cluster, "n2", body)[0] == 403
    assert ask_hub(cluster, "n2", {**body, "node": "n9"})[0] == 403
    assert ask_hub(cluster, "n2", {**body, "node": "n2"})[0] == 200
    status, problem = ask_hub(cluster, "n1", body, made_on="n2")
    assert status == 403 and "made at 10.77.0.3 and came from 10.77.0.2" in problem["detail"]
    status, problem = ask_hub(cluster, "n1", body, user="alice")
    assert status == 403 and "alice is not the account that the nodes' agents run as" in problem["detail"]
    for wrong in ({}, {**body, "uid": -1}, {**body, "uid": "alice"}, {**body, "ask": "A" * 9000}, {**body, "ask": 1},
                  {**body, "node": "n" * 65}, {**body, "more": 1}, []):
        assert ask_hub(cluster, "n1", wrong)[0] == 400, wrong


def test_a_node_gets_no_grant_by_asking_for_no_job(cluster, canary):
    """To a question about no job Slurm's answer is where the node is, and that is no reason for a grant."""
    secretctl(cluster.on("hub"), "set", "HF_TOKEN", input=canary())
    alice = int(cluster.run("hub", ["id", "-u", "alice"]).out)
    body = json.dumps({"job": 0, "step": 0, "uid": alice, "node": "n1", "ask": "HF_TOKEN", "wait_ms": 0,
                       "patience_ms": 500})
    head = credential(cluster.on("n1"), "POST", "/v1/grants", body.encode(), "root")
    done = cluster.run("n1", ["curl", "-sS", "--cacert", cluster.dir / "login-pki" / "ca.crt", "-X", "POST",
                              "-H", f"Authorization: {head}", "-H", "Content-Type: application/json",
                              "--data-binary", "@-", f"{HUB}/v1/grants"], input=body)
    assert json.loads(done.out)["status"] == 503, done.out


@pytest.mark.parametrize("how", ["ended", "frozen"])
def test_a_hub_that_does_not_answer_holds_nobody_up(cluster, login, how):
    assert submit(login, "--secret=FORGOTTEN")[0].code == 1
    if how == "ended":
        cluster.stop_agent("hub")
        done, seconds = submit(login, "--secret=FORGOTTEN")
    else:
        with cluster.on("hub").daemon_frozen("slurm-secretsd"):
            done, seconds = submit(login, "--secret=FORGOTTEN")
        poll(lambda: submit(login, "--secret=FORGOTTEN")[0].code == 1, 5, "a job that is refused again")
    assert (done.code, done.err) == (0, "")
    assert seconds < 1.4
    cancel_all(cluster)


def test_several_submit_at_a_time_while_no_hub_answers(cluster, login):
    """Each waits its second, and not for another's."""
    with cluster.on("hub").daemon_frozen("slurm-secretsd"):
        begin = time.monotonic()
        waiting = [Popen(login.command("alice", ["sbatch", "--hold", "--secret=FORGOTTEN", "--wrap=true"]),
                         stdout=PIPE, stderr=PIPE, text=True) for _ in range(8)]
        codes = [process.wait(timeout=20) for process in waiting]
        assert time.monotonic() - begin < 4
    for process in waiting:
        process.communicate()
    assert codes == [0] * 8
    cancel_all(cluster)

# SPDX-License-Identifier: Apache-2.0
"""Two hubs that share one OpenBao: what is pushed or set at one hub is used at the other, and the loss of an OpenBao
server costs no job its secrets. test_several_hubs.py has the loss of a hub."""

import json
import subprocess
import threading
import time

import pytest
from harness import ALICE, BUILD, poll
from openbao_fixtures import PRINT, canary, cluster, hub, login, openbao, pki, secretctl, start_hub, stream  # noqa: F401
from openbao_servers import NUMBERS


# ---- shared documents ------------------------------------------------------------------------------


def test_run_pushed_at_one_hub_is_granted_by_any_hub(cluster, hub, login, canary):
    for value in (canary(), canary()):
        hub.push("demo", workspace={"HF_TOKEN": value})
        # n2 first: the hub that n2 contacts has seen neither the push nor the submit check.
        for node, other in (("n2", hub), ("n1", login)):
            done = other.srun("-w", node, "--secrets-run=demo", *PRINT, input=value)
            assert (done.code, done.out) == (0, f"{node}\n"), done.err
    assert login.runs() == ["demo"]
    assert login.run("demo")["secrets"] == hub.run("demo")["secrets"]


def test_run_completed_at_one_hub_ends_at_all_and_is_destroyed_in_openbao(cluster, hub, login, openbao, canary):
    hub.push("demo", workspace={"HF_TOKEN": canary()})
    login.push("demo", workspace={"HF_TOKEN": canary()})
    assert login.run("demo")["generation"] == hub.run("demo")["generation"] == 2
    assert openbao.stored_versions("runs/demo")
    login.complete("demo")
    assert openbao.stored_versions("runs/demo") == []
    assert hub.http("GET", "/v1/runs/demo").status == 404
    assert hub.runs() == []
    done = hub.srun("-w", "n1", "--secrets-run=demo", "true")
    assert done.code != 0
    assert "run demo was completed by " in done.err or "run demo ended at another hub at " in done.err


def test_run_pushed_again_leaves_no_old_version_in_openbao(cluster, hub, login, openbao, canary):
    hub.push("demo", workspace={"FIRST": canary()})
    login.push("demo", workspace={"SECOND": canary()})
    assert [[secret["name"] for secret in data["secrets"]] for data in openbao.stored_versions("runs/demo")] == [["SECOND"]]
    assert [secret["name"] for secret in hub.run("demo")["secrets"]] == ["SECOND"]


def test_run_has_one_owner_at_all_hubs(cluster, hub, login, canary):
    hub.push("demo", owner="alice", workspace={"HF_TOKEN": canary()})
    answer = login.http("PUT", "/v1/runs/demo", json.dumps({"owner": "bob", "user": {"A": "b"}}))
    assert (answer.status, "belongs to alice" in answer.json["detail"]) == (409, True), answer.text
    assert login.http("GET", "/v1/runs/demo", user="bob").status == 403


def test_run_may_be_pushed_again_after_completion_at_any_hub(cluster, hub, login, canary):
    for host in (hub, login, hub):
        value = canary()
        assert host.push("demo", workspace={"HF_TOKEN": value}).json["generation"] == 1
        done = login.srun("-w", "n2", "--secrets-run=demo", *PRINT, input=value)
        assert (done.code, done.out) == (0, "n2\n"), done.err
        host.complete("demo")


@pytest.mark.parametrize("run", ["a..b", "x-1.2_3", "A...b"])
def test_run_ids_with_unusual_characters_are_stored_in_openbao(cluster, hub, login, canary, run):
    hub.push(run, workspace={"HF_TOKEN": canary()})
    assert login.run(run)["run"] == run
    assert login.runs() == [run]
    login.complete(run)
    assert hub.runs() == []


def test_stored_secrets_are_the_same_at_all_hubs(cluster, hub, login, openbao, canary):
    value, other = canary(), canary()
    secretctl(hub, "set", "HF_TOKEN", input=value)
    secretctl(login, "set", "--workspace", "lab", "LAB_KEY", user="bob", input=other)
    script = f'[ "${{#HF_TOKEN}}.${{#LAB_KEY}}" = {len(value)}.{len(other)} ] && hostname'
    for node in ("n1", "n2"):
        done = login.srun("-w", node, "--secret=HF_TOKEN,LAB_KEY", "bash", "-c", script)
        assert (done.code, done.out) == (0, f"{node}\n"), done.err
    assert "HF_TOKEN" in secretctl(login, "ls")
    secretctl(login, "rename", "HF_TOKEN", "NEW_TOKEN")
    names = [secret["name"] for secret in hub.http("GET", "/v1/secrets", user="alice").json["secrets"]]
    assert names == ["NEW_TOKEN"]
    secretctl(hub, "rm", "NEW_TOKEN")
    secretctl(hub, "rm", "--workspace", "lab", "LAB_KEY", user="bob")
    assert openbao.stored_versions(f"users/{ALICE}") == openbao.stored_versions("workspaces/lab") == []
    assert login.http("GET", "/v1/secrets", user="alice").json["secrets"] == []


def test_stored_secrets_of_uid_that_another_user_has_now_are_refused_at_all_hubs(cluster, hub, login, openbao, canary):
    """What docs/admin.md says of a uid that another user has now, for a store in OpenBao."""
    path = f"slurm-secrets/users/{ALICE}"
    value, run_value = canary(), canary()
    secretctl(hub, "set", "TOKEN", input=value)
    hub.push("own", workspace={"RUN_TOKEN": run_value})
    document = openbao.stored_versions(f"users/{ALICE}")[0]
    assert document["user"] == "alice"

    def give_to(name):
        openbao.script("bao", "kv", "put", "-mount=secret", path, "document=" + json.dumps(document | {"user": name}))

    give_to("mallory")
    refusal = f"the stored secrets of uid {ALICE} belong to user mallory, but uid {ALICE} is alice now"
    for host, node in ((hub, "n1"), (login, "n2")):
        for method, target, body in (("GET", "/v1/secrets", None), ("PUT", "/v1/secrets/TOKEN", json.dumps({"value": "mine"})),
                                     ("DELETE", "/v1/secrets/TOKEN", None)):
            answer = host.http(method, target, body, user="alice")
            assert (answer.status, refusal in answer.json["detail"]) == (403, True), answer.text
        done = host.srun("-w", node, "--secret=TOKEN", "true")
        assert done.code != 0 and refusal in done.err, done.err
        done = host.srun("-w", node, "--secrets-run=own", "--secret=RUN_TOKEN", "bash", "-c", "echo ${#RUN_TOKEN}")
        assert (done.code, done.out) == (0, f"{len(run_value)}\n"), done.err
    assert openbao.stored_versions(f"users/{ALICE}") == [document | {"user": "mallory"}]
    give_to("alice")
    done = login.srun("-w", "n2", "--secret=TOKEN", "bash", "-c", "echo ${#TOKEN}")
    assert (done.code, done.out) == (0, f"{len(value)}\n"), done.err
    give_to("mallory")
    openbao.script("bao", "kv", "metadata", "delete", "-mount=secret", path)
    for host in (hub, login):
        assert host.http("GET", "/v1/secrets", user="alice").json["secrets"] == []
    secretctl(login, "set", "TOKEN", input=canary())
    assert openbao.stored_versions(f"users/{ALICE}")[0]["user"] == "alice"
    secretctl(hub, "rm", "TOKEN")


def test_concurrent_changes_at_two_hubs_lose_nothing(cluster, hub, login, canary):
    failed = []

    def set_many(host, name):
        for number in range(10):
            done = host.secretctl("set", f"{name}{number}", user="alice", input=canary())
            if done.code != 0:
                failed.append(done.err)

    threads = [threading.Thread(target=set_many, args=arguments) for arguments in ((hub, "A"), (login, "B"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    wanted = sorted(f"{name}{number}" for name in "AB" for number in range(10))
    for host in (hub, login):
        assert sorted(s["name"] for s in host.http("GET", "/v1/secrets", user="alice").json["secrets"]) == wanted
    for name in wanted:
        secretctl(hub, "rm", name)


def test_if_match_sees_generation_written_by_another_hub(cluster, hub, login, canary):
    secretctl(hub, "set", "HF_TOKEN", input=canary())
    seen = f'"{hub.http("GET", "/v1/secrets/HF_TOKEN", user="alice").json["generation"]}"'
    secretctl(login, "set", "HF_TOKEN", input=canary())
    body = json.dumps({"value": canary()})
    answer = hub.http("PUT", "/v1/secrets/HF_TOKEN", body, user="alice", headers={"If-Match": seen})
    assert answer.status == 412, answer.text
    secretctl(hub, "rm", "HF_TOKEN")


def test_expired_run_and_secret_are_destroyed_in_openbao(cluster, hub, login, openbao, canary):
    hub.push("short", workspace={"HF_TOKEN": canary()}, ttl="2s")
    secretctl(login, "set", "SHORT", "--expires", "2s", input=canary())
    assert openbao.stored_versions("runs/short") and openbao.stored_versions(f"users/{ALICE}")
    poll(lambda: openbao.stored_versions("runs/short") == [], 20, "the end of the run in OpenBao")
    poll(lambda: openbao.stored_versions(f"users/{ALICE}") == [], 20, "the end of the secret in OpenBao")
    assert login.runs() == hub.runs() == []


# ---- outages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["killed", "frozen"])
def test_lost_openbao_leader_fails_no_job_and_no_push(cluster, hub, login, openbao, canary, loss):
    value = canary()
    hub.push("demo", workspace={"HF_TOKEN": value})
    threads, results = stream(cluster, value, 15)
    pushed = []

    def is_push_accepted(host, run):
        """Pushes a run; false on 503, a hub's answer after 20 s without a leader, which a busy machine may cause."""
        answer = host.http("PUT", f"/v1/runs/{run}", json.dumps({"owner": "alice", "workspace": {"HF_TOKEN": value}}))
        assert answer.status in (200, 201) or (answer.status, "retry-after" in answer.headers) == (503, True), answer.text
        return answer.status != 503

    def push_many():
        for number in range(20):
            host = (hub, login)[number % 2]
            poll(lambda: is_push_accepted(host, f"run-{number}"), 90, "the push")  # noqa: B023 called at once
            pushed.append(f"run-{number}")
            time.sleep(0.2)

    pushes = threading.Thread(target=push_many)
    pushes.start()
    poll(lambda: len(results) >= 5, 30, "the first jobs")
    leader = openbao.leader()
    with openbao.frozen(leader) if loss == "frozen" else openbao.killed(leader):
        for thread in (*threads, pushes):
            thread.join()
    assert [done.code for done in results] == [0] * 30, [done.err for done in results if done.code]
    assert len(pushed) == 20
    for host in (hub, login):
        assert sorted(host.runs()) == sorted(["demo", *pushed])


def test_outage_of_openbao_denies_new_job_and_spares_granted_one(cluster, hub, openbao, canary):
    value = canary()
    hub.push("demo", workspace={"HF_TOKEN": value})
    script = ("next() { while [ ! -e $1 ]; do sleep 0.1; done; }; "
              "srun bash -c 'echo ${#HF_TOKEN}'; touch first; next go; srun bash -c 'echo ${#HF_TOKEN}'; rm first go")
    job = hub.sbatch(script, "-w", "n1", "--secrets-run=demo")
    poll(lambda: (hub.out / "first").exists(), 20, "the first step")
    for number in NUMBERS:
        openbao.kill(number)
    begun = time.monotonic()
    done = hub.srun("-w", "n2", "--secrets-run=demo", "true", timeout=60)
    assert done.code != 0 and "OpenBao" in done.err and time.monotonic() - begun < 15, done.err
    answer = hub.http("PUT", "/v1/runs/other", json.dumps({"owner": "alice", "user": {"A": "b"}}))
    assert (answer.status, "OpenBao" in answer.json["detail"]) == (503, True), answer.text
    (hub.out / "go").touch()
    assert hub.wait(job).out.split() == [str(len(value))] * 2
    openbao.restart_all()
    poll(lambda: hub.http("GET", "/v1/runs").status == 200, 30, "OpenBao again")
    assert hub.runs() == ["demo"]


def test_moved_mount_of_openbao_is_an_outage_and_ends_no_run(cluster, hub, login, openbao, canary):
    value = canary()
    hub.push("demo", workspace={"HF_TOKEN": value})
    assert login.runs() == ["demo"]
    script = ("next() { while [ ! -e $1 ]; do sleep 0.1; done; }; "
              "srun bash -c 'echo ${#HF_TOKEN}'; touch first; next go; srun bash -c 'echo ${#HF_TOKEN}'; rm first go")
    job = hub.sbatch(script, "-w", "n1", "--secrets-run=demo")
    poll(lambda: (hub.out / "first").exists(), 20, "the first step")
    def reports():
        return cluster.agent_log("hub").count("OpenBao is unavailable")

    reported = reports()
    openbao.script("bao", "secrets", "move", "secret", "away")
    try:
        for host in (hub, login):
            for path in ("/v1/runs/demo", "/v1/runs"):
                answer = host.http("GET", path)
                assert (answer.status, "no handler for route" in answer.json["detail"]) == (503, True), answer.text
            answer = host.http("DELETE", "/v1/runs/demo")
            assert answer.status == 503, answer.text
        done = hub.srun("-w", "n2", "--secrets-run=demo", "true", timeout=60)
        assert done.code != 0 and "no handler for route" in done.err, done.err
        (hub.out / "go").touch()
        assert hub.wait(job).out.split() == [str(len(value))] * 2
        assert reports() == reported + 1
    finally:
        openbao.script("bao", "secrets", "move", "away", "secret")
    assert hub.runs() == login.runs() == ["demo"]
    done = hub.srun("-w", "n2", "--secrets-run=demo", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n2\n"), done.err


SILENT_SERVER = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.53', 53)); print(flush=True); s.recv(1); input()"


@pytest.fixture
def silent_dns(hosts, tmp_path):
    """Has the hub query a DNS server that never answers, for names that are not in /etc/hosts. Returns whether it was queried."""
    tmp_path.chmod(0o755)
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n")
    hosts.run("hub", ["mount", "--bind", resolv_conf, "/etc/resolv.conf"])
    server = subprocess.Popen(hosts.on("hub").command("root", ["timeout", "120", "python3", "-c", SILENT_SERVER]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"\n"
        yield lambda: "127.0.0.53:53" in hosts.run("hub", ["ss", "-Hun", "state", "established"]).out
    finally:
        server.communicate(b"end\n")
        hosts.run("hub", ["umount", "/etc/resolv.conf"])


def test_login_host_whose_lookup_hangs_delays_no_request(cluster, hub, pki, openbao, canary, silent_dns):
    value = canary()
    cluster.on("login").push("demo", workspace={"HF_TOKEN": value})
    hub.daemon_stop("slurm-secretsd")
    start_hub(cluster, pki, openbao, "hub", more=", login_hosts: [hangs.test, login]")
    poll(silent_dns, 10, "the lookup of hangs.test")
    begun = time.monotonic()
    assert hub.http("GET", "/v1/runs/demo").status == 200
    done = hub.srun("-w", "n1", "--secrets-run=demo", *PRINT, input=value)
    assert (done.code, done.out) == (0, "n1\n"), done.err
    assert time.monotonic() - begun < 5
    assert silent_dns()
    poll(lambda: "cannot resolve host hangs.test: the resolver does not answer in time" in cluster.agent_log("hub"), 10,
         "the report that the lookup hangs")


def test_doctor_and_status_show_that_openbao_is_away(cluster, hub, openbao):
    def state():
        checks = json.loads(hub.secretctl("doctor", "--json").out)["checks"]
        return next(check for check in checks if check["name"] == "OpenBao")

    poll(lambda: state()["state"] == "ok", 20, "an answer of OpenBao")
    for number in NUMBERS:
        openbao.kill(number)
    poll(lambda: state()["state"] == "fail", 30, "a failed check")
    assert "Connection refused" in state()["sentence"] and "store.openbao.urls" in state()["what_to_do"], state()
    assert "Connection refused" in hub.secretctl("status").out
    openbao.restart_all()
    poll(lambda: state()["state"] == "ok", 30, "an answer of OpenBao")


def test_completed_run_does_not_reappear_from_lagging_openbao_server(cluster, hub, openbao, canary):
    hub.push("over", workspace={"HF_TOKEN": canary()})
    leader = int(openbao.leader())
    behind, other = (number for number in NUMBERS if number != leader)
    poll(lambda: openbao.has(behind, "runs/over"), 5, "the run at a server that stands by")
    openbao.kill(behind)
    hub.complete("over")
    openbao.kill(other)
    openbao.kill(leader)
    openbao.script("start", behind)
    assert openbao.has(behind, "runs/over")
    for _ in range(5):
        assert hub.http("GET", "/v1/runs/over").status == 404
        time.sleep(0.3)


def test_restarted_hub_restores_runs_from_openbao(cluster, hub, login, pki, openbao, canary):
    hub.push("kept", workspace={"HF_TOKEN": canary()})
    hub.push("gone", workspace={"HF_TOKEN": canary()})
    hub.daemon_stop("slurm-secretsd")
    login.complete("gone")
    start_hub(cluster, pki, openbao, "hub")
    assert hub.runs() == ["kept"]


def test_hub_reads_approle_ids_from_systemd_credentials(cluster, hosts, hub, pki, openbao, canary):
    hub.daemon_stop("slurm-secretsd")
    folder = hosts.dir / "credentials"
    folder.mkdir(exist_ok=True)
    for name in ("role-id", "secret-id"):
        (folder / f"openbao.{name}").write_text((openbao.dir / name).read_text())
    (hub.dir / "agentd.yaml").write_text(f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key }}\n"
                                         + openbao.config(role_id_file="", secret_id_file=""))
    hub.daemon_start("slurm-secretsd", CREDENTIALS_DIRECTORY=str(folder))
    hub.push("demo", workspace={"HF_TOKEN": canary()})
    assert cluster.on("login").runs() == ["demo"]


def test_hub_reports_wrong_secret_id_once_and_uses_corrected_one_at_once(cluster, hosts, hub, pki, openbao):
    """OpenBao locks a role out after five refused logins, so that a hub does not send the same id again and again."""
    hub.daemon_stop("slurm-secretsd")
    secret = openbao.dir / "changed-id"
    secret.touch(0o600)
    secret.write_text("no-such-id\n")
    hosts.start_agent("hub", f"listen: {{ address: 10.77.0.1, certificate: {pki}/hub.crt, key: {pki}/hub.key }}\n"
                      + openbao.config(secret_id_file=str(secret)))
    for _ in range(10):
        answer = hub.http("GET", "/v1/runs")
        assert (answer.status, "rejected the login of the AppRole" in answer.json["detail"]) == (503, True), answer.text
    assert hosts.agent_log("hub").count("rejected the login") == 1
    secret.write_text((openbao.dir / "secret-id").read_text())
    assert hub.http("GET", "/v1/runs").status == 200


def test_agent_names_missing_approle_file_and_does_not_start(cluster, hosts, openbao):
    config = hosts.dir / "wrong.yaml"
    config.write_text(openbao.config(secret_id_file="/nowhere"))
    for more in (["--check-config"], []):
        done = hosts.run("n1", [BUILD / "slurm-secretsd", "--config", config, *more], check=False)
        assert done.code != 0 and "cannot open store.openbao.secret_id_file" in done.err, done.err
    config.write_text("store: { openbao: { urls: ['https://a'], role_id_file: /nowhere } }\n")
    done = hosts.run("n1", [BUILD / "slurm-secretsd", "--config", config], check=False)
    assert "store.openbao.role_id_file" in done.err, done.err

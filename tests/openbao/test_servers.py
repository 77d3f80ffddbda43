# SPDX-License-Identifier: Apache-2.0
"""OpenBao client against real servers: choice of a server, login, connections, and errors when no server answers."""

import re
import subprocess
import threading
import time

import pytest
from servers import ClientError, ScriptedServer, poll


@pytest.fixture(autouse=True)
def all_again(servers):
    """Starts the servers again that a test lost."""
    yield
    servers.start_all()


class Stream:
    """Writes and reads without a pause until end(). A write has the time that an election may take."""

    def __init__(self, client, path):
        self.client, self.path = client, path
        self.wrong = []
        self.version = 0  # the newest that was acknowledged
        self.longest = {"read": 0.0, "write": 0.0}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._ends.is_set():
                self._write()
                answer = self._timed("read", lambda: self.client.request("read", self.path))
                version, data = answer["version"], answer["data"]
                if (version < self.version and not answer["may_lag"]) or data["is"] != version:
                    self.wrong.append(f"version {version} after {self.version} was acknowledged: {data}")
                self.version = max(self.version, version)
        except ClientError as wrong:
            self.wrong.append(str(wrong))

    def _write(self):
        """Writes the next version. After a lost answer, the write may have happened, which the next write finds."""
        written = self._timed("write", lambda: self.client.write(self.path, {"is": self.version + 1}, self.version, seconds=20))
        if written:
            self.version = written

    def _timed(self, what, call):
        begin = time.monotonic()
        result = call()
        self.longest[what] = max(self.longest[what], time.monotonic() - begin)
        return result

    def end(self):
        self._ends.set()
        self._thread.join()


@pytest.mark.parametrize("loss", ["kill", "freeze", "stop"])
def test_openbao_lost_leader_loses_no_request_and_no_acknowledged_write(client, servers, loss):
    streams = [Stream(client, f"stream/{loss}-{n}") for n in range(8)]
    time.sleep(1)
    leader = servers.leader()
    before = [stream.version for stream in streams]
    begin = time.monotonic()
    servers.script(loss, leader)
    servers.wait_for_another(leader)
    without_leader = time.monotonic() - begin
    time.sleep(2)
    if loss == "freeze":
        servers.script("thaw", leader)
        time.sleep(2)
    for stream in streams:
        stream.end()
    assert max(stream.longest["write"] for stream in streams) < without_leader + 6
    assert [stream.wrong for stream in streams] == [[]] * 8
    assert all(stream.version > version for stream, version in zip(streams, before))
    for stream in streams:
        assert client.read(stream.path) == (stream.version, {"is": stream.version})
    assert client.outage() == ""


def test_openbao_without_leader_reads_continue_and_write_error_names_cause(client, servers):
    assert client.write("runs/alone", {"is": "there"}, 0) == 1
    leader = servers.leader()
    for number in servers.numbers:
        if number != leader:
            servers.script("kill", number)
    assert client.read("runs/alone") == (1, {"is": "there"})
    begin = time.monotonic()
    with pytest.raises(ClientError) as wrong:
        client.write("runs/alone2", {}, 0, seconds=4)
    assert 2 < time.monotonic() - begin < 5
    assert str(wrong.value).count("Connection refused") == 2 and str(wrong.value).count("https://") == 3
    assert client.read("runs/alone") == (1, {"is": "there"})


def test_openbao_read_from_standby_is_marked_may_lag(client, servers):
    assert client.write("runs/lags", {"is": 1}, 0) == 1
    leader = servers.leader()
    behind, other = (n for n in servers.numbers if n != leader)
    poll(lambda: servers.request(behind, "GET", "secret/data/slurm-secrets/runs/lags").status == 200, 5, "the first version there")
    servers.script("kill", behind)
    assert client.write("runs/lags", {"is": 2}, 1) == 2
    assert client.request("read", "runs/lags")["may_lag"] is False
    servers.script("kill", other)
    servers.script("kill", leader)
    servers.script("start", behind)
    answer = client.request("read", "runs/lags")
    assert (answer["version"], answer["may_lag"]) == (1, True)


@pytest.fixture
def scripted(servers):
    """Starts servers of which each is a script: the statuses of its health, and the version that it knows."""
    running = []

    def scripted(*script, **more):
        running.append(ScriptedServer(servers, *script, **more))
        return running[-1].url

    yield scripted
    for server in running:
        server.end()


def test_client_reads_again_after_the_server_that_answered_stepped_down(start, scripted):
    behind = scripted([200, 429], 38)  # active when the client looks for a server, and not any more when it is read
    client = start(urls=[behind, scripted([200], 39)])
    answer = client.request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (39, False)


def test_client_says_that_a_read_may_lag_after_the_only_server_stepped_down(start, scripted):
    answer = start(urls=[scripted([200, 429], 38)]).request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (38, True)


def test_client_repeats_a_write_that_was_refused_by_a_server_that_stepped_down(start, scripted):
    behind = scripted([200, 429], 38)
    client = start(urls=[behind, scripted([200], 39)])
    assert client.write("runs/x", {}, 39) == 40


def test_client_repeats_a_write_that_was_refused_by_a_standby_server_while_none_was_active(start, scripted):
    behind = scripted([200, 429], 38)
    client = start(urls=[behind, scripted([429, 429, 429, 429, 200], 39)])
    assert client.write("runs/x", {}, 39) == 40


def leads(address, since):
    """What a server reports of the leader that takes itself for it."""
    return {"is_self": True, "leader_address": address, "active_time": since}


def follows(address):
    return {"is_self": False, "leader_address": address}


def test_client_marks_a_read_of_a_deposed_server_that_still_says_it_is_active(start, scripted):
    deposed = scripted([200], 38, leads("https://one", "2026-01-01T00:00:00.5Z"))
    client = start(urls=[deposed, scripted([429], 38, follows("https://two"))])
    answer = client.request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (38, True)
    with pytest.raises(ClientError, match="other servers name another leader"):
        client.write("runs/x", {}, 39, seconds=1)


def test_client_trusts_a_server_that_makes_changes_although_others_name_another(start, scripted):
    leads_again = scripted([200], 39, leads("https://one", "2026-01-01T00:00:00.5Z"), renews=True)
    client = start(urls=[leads_again, scripted([429], 38, follows("https://two"))])
    assert client.write("runs/x", {}, 38, seconds=5) is None
    answer = client.request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (39, False)


def test_client_prefers_the_server_that_was_elected_later(start, scripted):
    deposed = scripted([200], 38, leads("https://one", "2026-01-01T00:00:00.5Z"))
    client = start(urls=[deposed, scripted([200], 39, leads("https://two", "2026-01-01T00:00:07Z"))])
    answer = client.request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (39, False)


def test_client_trusts_the_active_server_although_one_of_two_others_names_another(start, scripted):
    active = scripted([200], 39, leads("https://two", "2026-01-01T00:00:07Z"))
    client = start(urls=[scripted([429], 38, follows("https://one")), active, scripted([429], 39, follows("https://two"))])
    answer = client.request("read", "runs/x")
    assert (answer["version"], answer["may_lag"]) == (39, False)


def test_client_reports_another_version_only_as_the_active_server_does(start, scripted):
    client = start(urls=[scripted([200], 39)])
    assert client.write("runs/x", {}, 38) is None


def test_openbao_client_finds_active_server_in_any_url_order(start, servers):
    leader = servers.leader()
    urls = [servers.url(n) for n in servers.numbers if n != leader] + [servers.url(leader)]
    client = start(urls=urls)
    begin = time.monotonic()
    assert client.write("runs/order", {"is": 1}, 0) == 1
    assert time.monotonic() - begin < 1
    client.purge("runs/order")


def test_openbao_client_skips_sealed_server(start, servers):
    leader = servers.leader()
    sealed = next(n for n in servers.numbers if n != leader)
    servers.script("stop", sealed)
    servers.script("start-sealed", sealed)
    client = start(urls=[servers.url(sealed), servers.url(leader)])
    assert client.read("runs/never") == (0, None)
    alone = start(urls=[servers.url(sealed)])
    with pytest.raises(ClientError, match="sealed"):
        alone.read("runs/never", seconds=1)


def test_openbao_client_reports_outage_within_deadline_and_logs_it_once(client, servers):
    assert client.read("runs/never") == (0, None)
    for number in servers.numbers:
        servers.script("kill", number)
    for _ in range(3):
        begin = time.monotonic()
        with pytest.raises(ClientError) as wrong:
            client.read("runs/never", seconds=1.5)
        assert 0.5 < time.monotonic() - begin < 2.5
    assert all(servers.url(n) in str(wrong.value) for n in servers.numbers)
    assert str(wrong.value).count("Connection refused") == 3
    assert client.outage() == str(wrong.value)
    servers.start_all()
    assert client.read("runs/never") == (0, None)
    assert client.outage() == ""
    poll(lambda: any("available again" in line for line in client.journal), 5, "the line that it is available again")
    logged = [line for line in client.journal if "OpenBao" in line]
    assert len(logged) == 2 and "is unavailable" in logged[0] and "available again" in logged[1], logged


def test_openbao_client_error_gives_no_cause_for_servers_not_contacted(client, servers):
    client.read("runs/never")
    leader = servers.leader()
    time.sleep(1.1)  # so that the client determines the leader again
    servers.script("freeze", leader)
    with pytest.raises(ClientError) as wrong:
        client.read("runs/never", seconds=0.4)
    reasons = dict(re.findall("(https://[0-9.:]+): ([^;]+)", str(wrong.value)))
    assert reasons.pop(servers.url(leader)) == "it does not answer in time"
    assert set(reasons.values()) <= {"it is a standby server"}, reasons


def test_openbao_client_rejects_server_of_another_ca(start, servers, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    tmp_path / "key", "-out", tmp_path / "ca.crt", "-subj", "/CN=other"], check=True, capture_output=True)
    with pytest.raises(ClientError, match="certificate rejected"):
        start(ca=str(tmp_path / "ca.crt")).read("runs/never", seconds=1)


# ---- login and tokens --------------------------------------------------------------------------------


@pytest.fixture
def role(servers, start, tmp_path):
    """Starts clients, each with a role of its own."""

    def role(name, *settings, **keys):
        servers.bao("write", f"auth/approle/role/{name}", "token_policies=slurm-secrets", *settings)
        files = {}
        for word, arguments in (("role_id", ["read"]), ("secret_id", ["write", "-f"])):
            path = tmp_path / word
            path.write_text(servers.bao(*arguments, f"-field={word}", f"auth/approle/role/{name}/{word.replace('_', '-')}") + "\n")
            path.chmod(0o400)
            files[f"{word}_file"] = str(path)
        return start(**files, **keys)

    return role


def tokens(servers, role):
    """Returns the accessors of a role's tokens."""
    leader = servers.leader()
    found = []
    for accessor in servers.request(leader, "LIST", "auth/token/accessors").data["keys"]:
        looked_up = servers.request(leader, "POST", "auth/token/lookup-accessor", {"accessor": accessor})
        if looked_up.status == 200 and (looked_up.data["meta"] or {}).get("role_name") == role:
            found.append(accessor)
    return found


def test_openbao_client_logs_in_once_for_concurrent_requests(role, servers):
    client = role("crowd")
    for answer in [client.begin("read", "runs/never") for _ in range(50)]:
        assert answer()["version"] == 0
    assert len(tokens(servers, "crowd")) == 1


def test_openbao_client_renews_token_while_openbao_allows(role, servers):
    client = role("period", "token_period=4s")
    client.read("runs/never")
    first = tokens(servers, "period")
    time.sleep(9)
    assert tokens(servers, "period") == first != []
    client.read("runs/never")
    assert tokens(servers, "period") == first


def test_openbao_client_replaces_token_before_it_expires(role, servers):
    client = role("short", "token_ttl=2s", "token_max_ttl=3s")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        client.read("runs/never")
        time.sleep(0.02)
    assert client.outage() == "" and not any("OpenBao" in line for line in client.journal), client.journal


def test_openbao_client_replaces_revoked_token(role, servers):
    client = role("revoked")
    client.read("runs/never")
    for _ in range(6):
        for accessor in tokens(servers, "revoked"):
            servers.bao("token", "revoke", "-accessor", accessor)
        for answer in [client.begin("read", "runs/never") for _ in range(20)]:
            assert answer()["version"] == 0
        assert len(tokens(servers, "revoked")) == 1
    assert client.outage() == ""


def test_openbao_client_revokes_token_at_exit(role, servers):
    client = role("ended")
    client.read("runs/never")
    assert len(tokens(servers, "ended")) == 1
    client.end()
    assert tokens(servers, "ended") == []


def test_openbao_client_reports_wrong_secret_id_until_corrected(role, servers, tmp_path):
    client = role("mended")
    right = (tmp_path / "secret_id").read_text()
    (tmp_path / "secret_id").chmod(0o600)
    (tmp_path / "secret_id").write_text("00000000-0000-0000-0000-000000000000")
    with pytest.raises(ClientError) as wrong:
        client.read("runs/never", seconds=3)
    assert "rejected the login of the AppRole: invalid role or secret ID" in str(wrong.value)
    assert "00000000" not in str(wrong.value)
    (tmp_path / "secret_id").write_text(right)
    assert client.read("runs/never") == (0, None)


def test_openbao_client_rejects_secret_id_file_readable_by_others(role, tmp_path):
    client = role("open")
    (tmp_path / "secret_id").chmod(0o644)
    with pytest.raises(ClientError, match="chmod 0400"):
        client.read("runs/never", seconds=3)


def test_openbao_client_reports_denied_policy_without_new_login(role, servers):
    client = role("elsewhere", path="other")
    for _ in range(3):
        with pytest.raises(ClientError) as wrong:
            client.write("runs/x", {}, 0, seconds=3)
        assert "permission denied" in str(wrong.value) and "policy" in str(wrong.value)
    assert len(tokens(servers, "elsewhere")) == 1


def test_openbao_client_uses_configured_namespace(servers, start, tmp_path):
    servers.bao("namespace", "create", "hpc")
    inside = ["-namespace=hpc"]
    servers.bao("secrets", "enable", *inside, "-path=secret", "-version=2", "kv")
    servers.bao("policy", "write", *inside, "slurm-secrets", "-",
                input='path "secret/*" { capabilities = ["create", "read", "update", "list", "delete"] }')
    servers.bao("auth", "enable", *inside, "approle")
    servers.bao("write", *inside, "auth/approle/role/hub", "token_policies=slurm-secrets")
    files = {}
    for word, arguments in (("role_id", ["read"]), ("secret_id", ["write", "-f"])):
        path = tmp_path / word
        path.write_text(servers.bao(*arguments, *inside, f"-field={word}", f"auth/approle/role/hub/{word.replace('_', '-')}"))
        path.chmod(0o400)
        files[f"{word}_file"] = str(path)
    client = start(namespace="hpc", **files)
    assert client.write("runs/inside", {"is": "inside"}, 0) == 1
    assert client.read("runs/inside") == (1, {"is": "inside"})
    assert start().read("runs/inside") == (0, None)


# ---- connections ---------------------------------------------------------------------------------------


def connections(client):
    done = subprocess.run(["ss", "-Htnp", "state", "established", "dport", "=", ":8200"], capture_output=True, text=True,
                          check=True)
    return [line for line in done.stdout.splitlines() if f"pid={client.pid}," in line]


def test_openbao_client_reuses_connections_and_opens_at_most_16(client, servers):
    for _ in range(20):
        client.read("runs/never")
    leader = servers.addresses[servers.leader() - 1]
    assert sum(leader in line for line in connections(client)) == 1
    waiting = [client.begin("write", f"many/{n}", data={"A": "x" * 10000}, version=0) for n in range(100)]
    most = 0
    for answer in waiting:
        most = max(most, sum(leader in line for line in connections(client)))
        assert answer()["version"] == 1
    assert 2 <= most <= 16


def test_openbao_client_exit_fails_pending_requests(client, servers):
    client.read("runs/never")
    for number in servers.numbers:
        servers.script("freeze", number)
    waiting = client.begin("read", "runs/never", seconds=10)
    time.sleep(0.2)
    begin = time.monotonic()
    client.end()
    assert time.monotonic() - begin < 1
    with pytest.raises(ClientError, match="shutting down"):
        waiting()

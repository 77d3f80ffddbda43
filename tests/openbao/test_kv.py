# SPDX-License-Identifier: Apache-2.0
"""OpenBao client against real servers: reads and writes of documents."""

import base64
import os

import pytest
from servers import ClientError


def test_kv_read_of_missing_document_returns_version_0(client):
    assert client.read("runs/never") == (0, None)
    assert client.list("never") == []
    client.destroy("runs/never", 1)
    client.purge("runs/never")


def test_kv_read_returns_written_document_byte_for_byte(client):
    value = base64.b64encode(os.urandom(64 * 1024)).decode()
    data = {"A": value, "quotes": '"\\\n\x01\x7f', "ü": "𝄞", "deep": {"numbers": [1, -2, 2.5, None, True]}, "": ""}
    version = client.write("runs/exact", data, 0)
    assert version == 1
    assert client.read("runs/exact") == (1, data)


def test_kv_write_replaces_only_newest_version(client):
    assert client.write("runs/cas", {"is": "1"}, 0) == 1
    assert client.write("runs/cas", {"is": "other"}, 0) is None
    assert client.write("runs/cas", {"is": "other"}, 2) is None
    assert client.write("runs/cas", {"is": "2"}, 1) == 2
    assert client.read("runs/cas") == (2, {"is": "2"})


def test_kv_concurrent_writes_of_one_version_succeed_once(client, start):
    clients = [client, start()]
    pending = [each.begin("write", "runs/race", data={"by": n}, version=0) for n, each in enumerate(clients * 8)]
    outcomes = [answer()["written"] for answer in pending]
    assert outcomes.count(True) == 1
    assert client.read("runs/race") == (1, {"by": outcomes.index(True)})


def test_kv_destroy_removes_data_and_leaves_version(client, servers):
    assert client.write("runs/gone", {"is": "1"}, 0) == 1
    assert client.write("runs/gone", {"is": "2"}, 1) == 2
    client.destroy("runs/gone", 2)
    assert client.read("runs/gone") == (2, None)
    assert client.list("runs").count("gone") == 1
    metadata = servers.bao("kv", "metadata", "get", "-format=json", "secret/slurm-secrets/runs/gone")
    assert '"destroyed": false' not in metadata
    assert client.write("runs/gone", {"is": "3"}, 2) == 3
    client.destroy("runs/gone", 2)  # late
    assert client.read("runs/gone") == (3, {"is": "3"})


def test_kv_purge_resets_version(client):
    client.write("runs/purged", {"is": "1"}, 0)
    client.purge("runs/purged")
    assert client.read("runs/purged") == (0, None)
    assert "purged" not in client.list("runs")
    assert client.write("runs/purged", {"is": "2"}, 0) == 1


@pytest.mark.parametrize("name", ["a.b", "a-b_c", "x" * 200, ".hidden", "per%cent", "%2e%2e", "with space", "a+b", "ques?tion",
                                  "ha#sh", "ümläut", "col:on@at", "a&b=c;d,e", "(*)!'$[]", '"quoted"', "back\\slash"])
def test_kv_document_name_may_hold_any_character(client, name):
    path = f"odd/{name}"
    assert client.write(path, {"of": name}, 0) == 1
    assert client.read(path) == (1, {"of": name})
    assert name in client.list("odd")
    client.destroy(path, 1)
    assert client.read(path) == (1, None)
    client.purge(path)
    assert client.read(path) == (0, None)


def test_kv_list_marks_folders_with_slash(client):
    client.write("folder/one", {}, 0)
    client.write("folder/two/three", {}, 0)
    assert client.list("folder") == ["one", "two/"]


def test_kv_writes_document_of_2000_fields(client):
    data = {f"NAME_{n}": {"base64": "dmFsdWU=", "set": "2026-11-28T12:00:00Z"} for n in range(2000)}
    assert client.write("runs/many", data, 0) == 1
    assert client.read("runs/many") == (1, data)


def test_kv_rejects_oversized_document_with_remedy(client, canary):
    value = canary + "x" * (1536 * 1024)
    with pytest.raises(ClientError) as wrong:
        client.write("runs/large", {"A": value}, 0, seconds=5)
    sentence = str(wrong.value)
    assert "max_entry_size" in sentence and "limits.run_bytes" in sentence
    assert canary not in sentence and not any(canary in line for line in client.journal)
    assert client.read("runs/large") == (0, None)


def test_kv_answers_100_concurrent_requests(client):
    writes = [client.begin("write", f"crowd/{n}", data={"is": n}, version=0) for n in range(100)]
    assert [answer()["version"] for answer in writes] == [1] * 100
    reads = [client.begin("read", f"crowd/{n}") for n in range(100)]
    assert [answer()["data"] for answer in reads] == [{"is": n} for n in range(100)]


def test_kv_uses_configured_mount_path_and_approle(start, servers):
    servers.bao("secrets", "enable", "-path=deep/er", "-version=2", "kv")
    servers.bao("policy", "write", "deeper", "-", input='path "deep/er/*" { capabilities = ["create", "read", "update", "list", "delete"] }')
    servers.bao("auth", "enable", "-path=approle2", "approle")
    servers.bao("write", "auth/approle2/role/r", "token_policies=deeper")
    files = {}
    for name, arguments in (("role_id", ["read"]), ("secret_id", ["write", "-f"])):
        path = servers.dir / f"deeper.{name}"
        path.write_text(servers.bao(*arguments, f"-field={name}", f"auth/approle2/role/r/{name.replace('_', '-')}") + "\n")
        path.chmod(0o400)
        files[f"{name}_file"] = str(path)
    client = start(mount="deep/er", path="own/folder", approle="approle2", **files)
    assert client.write("runs/x", {"is": "there"}, 0) == 1
    assert client.read("runs/x") == (1, {"is": "there"})
    assert client.list("runs") == ["x"]


def test_kv_takes_no_answer_of_a_missing_mount_for_a_missing_document(start, servers):
    """KV v2 alone knows what was never written or has ended: a mount that was moved, disabled or never there does not."""
    servers.bao("secrets", "enable", "-path=apart", "-version=2", "kv")
    servers.bao("policy", "write", "apart", "-",
                input='path "apart/*" { capabilities = ["create", "read", "update", "list", "delete"] }')
    servers.bao("write", "auth/approle/role/slurm-secrets", "token_policies=slurm-secrets,apart")
    client = start(mount="apart")
    assert client.write("runs/held", {"is": "held"}, 0) == 1
    servers.bao("secrets", "move", "apart", "away")
    calls = [lambda: client.read("runs/held"), lambda: client.read("runs/never"), lambda: client.list("runs"), lambda: client.list("never"),
             lambda: client.destroy("runs/held", 1), lambda: client.purge("runs/held"), lambda: client.write("runs/held", {}, 1)]
    for call in calls:
        with pytest.raises(ClientError) as wrong:
            call()
        assert "no handler for route" in str(wrong.value) and "store.openbao.mount" in str(wrong.value)
    assert "no handler for route" in client.outage()
    servers.bao("secrets", "move", "away", "apart")
    assert client.read("runs/held") == (1, {"is": "held"})
    assert client.outage() == ""
    assert [line for line in client.journal if "no handler for route" in line] == [
        line for line in client.journal if "unavailable" in line and "no handler" in line]
    assert sum("no handler for route" in line for line in client.journal) == 1
    servers.bao("secrets", "disable", "apart")
    with pytest.raises(ClientError):
        client.read("runs/held")
    servers.bao("secrets", "enable", "-path=apart", "-version=2", "kv")
    assert client.read("runs/held") == (0, None)  # an admin removed all that the mount had
    assert client.list("runs") == []

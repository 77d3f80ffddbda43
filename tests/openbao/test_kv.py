"""The agent's client of OpenBao against real servers: what it reads and writes."""

import base64
import os

import pytest
from servers import Wrong


def test_what_was_never_written_has_version_0(client):
    assert client.read("runs/never") == (0, None)
    assert client.list("never") == []
    client.destroy("runs/never", 1)
    client.purge("runs/never")


def test_what_is_written_is_read_byte_for_byte(client):
    value = base64.b64encode(os.urandom(64 * 1024)).decode()
    data = {"A": value, "quotes": '"\\\n\x01\x7f', "ü": "𝄞", "deep": {"numbers": [1, -2, 2.5, None, True]}, "": ""}
    version = client.write("runs/exact", data, 0)
    assert version == 1
    assert client.read("runs/exact") == (1, data)


def test_only_the_newest_version_is_replaced(client):
    assert client.write("runs/cas", {"is": "1"}, 0) == 1
    assert client.write("runs/cas", {"is": "other"}, 0) is None
    assert client.write("runs/cas", {"is": "other"}, 2) is None
    assert client.write("runs/cas", {"is": "2"}, 1) == 2
    assert client.read("runs/cas") == (2, {"is": "2"})


def test_of_writes_at_the_same_time_one_is_done(client, start):
    clients = [client, start()]
    asked = [each.begin("write", "runs/race", data={"by": n}, version=0) for n, each in enumerate(clients * 8)]
    outcomes = [answer()["written"] for answer in asked]
    assert outcomes.count(True) == 1
    assert client.read("runs/race") == (1, {"by": outcomes.index(True)})


def test_what_is_destroyed_is_gone_for_good_but_its_version(client, servers):
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


def test_what_is_purged_begins_anew(client):
    client.write("runs/purged", {"is": "1"}, 0)
    client.purge("runs/purged")
    assert client.read("runs/purged") == (0, None)
    assert "purged" not in client.list("runs")
    assert client.write("runs/purged", {"is": "2"}, 0) == 1


@pytest.mark.parametrize("name", ["a.b", "a-b_c", "x" * 200, ".hidden", "per%cent", "%2e%2e", "with space", "a+b", "ques?tion",
                                  "ha#sh", "ümläut", "col:on@at", "a&b=c;d,e", "(*)!'$[]", '"quoted"', "back\\slash"])
def test_a_name_may_have_any_characters(client, name):
    path = f"odd/{name}"
    assert client.write(path, {"of": name}, 0) == 1
    assert client.read(path) == (1, {"of": name})
    assert name in client.list("odd")
    client.destroy(path, 1)
    assert client.read(path) == (1, None)
    client.purge(path)
    assert client.read(path) == (0, None)


def test_folders_are_listed_as_such(client):
    client.write("folder/one", {}, 0)
    client.write("folder/two/three", {}, 0)
    assert client.list("folder") == ["one", "two/"]


def test_a_document_of_many_strings_is_taken(client):
    data = {f"NAME_{n}": {"base64": "dmFsdWU=", "set": "2026-11-28T12:00:00Z"} for n in range(2000)}
    assert client.write("runs/many", data, 0) == 1
    assert client.read("runs/many") == (1, data)


def test_a_document_that_is_too_large_is_refused_with_what_to_do(client, canary):
    value = canary + "x" * (1536 * 1024)
    with pytest.raises(Wrong) as wrong:
        client.write("runs/large", {"A": value}, 0, seconds=5)
    sentence = str(wrong.value)
    assert "max_entry_size" in sentence and "limits.run_bytes" in sentence
    assert canary not in sentence and not any(canary in line for line in client.journal)
    assert client.read("runs/large") == (0, None)


def test_a_hundred_at_once_are_answered(client):
    writes = [client.begin("write", f"crowd/{n}", data={"is": n}, version=0) for n in range(100)]
    assert [answer()["version"] for answer in writes] == [1] * 100
    reads = [client.begin("read", f"crowd/{n}") for n in range(100)]
    assert [answer()["data"] for answer in reads] == [{"is": n} for n in range(100)]


def test_an_instance_of_its_own_folder_and_mount(start, servers):
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

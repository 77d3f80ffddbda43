# SPDX-License-Identifier: Apache-2.0
"""OpenAPI document and agent agree: every example works, every documented status occurs, and a fuzzer provokes no
other."""

import contextlib
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from http_document import FILE, OPERATIONS, must_fit
from name_service import NameService
from own_agent import HttpConnection, OwnAgent, request

VENV = Path("/var/cache/slurm-secrets-tests/venv")  # tests/setup makes it
WORKSPACES = """
workspaces:
  - { name: lab,  admins: { users: [alice] }, members: { users: [bob] } }
  - { name: team, admins: { users: [bob] }, members: { users: [alice] } }
"""
PLATFORMS = "platforms: [{ name: tower, user: games, users: [alice] }]"


def started(folder, *config, store=True):
    if store:
        key = folder / "store.key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o400)
        config += (f"store: {{ file: {folder}/store.db, key_file: {key} }}",)
    return OwnAgent(WORKSPACES, PLATFORMS, *config)


class LonelyAgent(OwnAgent):
    """An agent that cannot look its platform's account up."""

    def __init__(self, folder):
        folder.chmod(0o755)
        names = NameService(folder)
        names.set("unavail")
        self.environment = names.environment
        super().__init__("platforms: [{ name: tower, user: ldapuser, users: [alice] }]",
                         "workspaces: [{ name: lab, admins: { users: [alice] }, members: { groups: [ldapgroup] } }]",
                         prefix=names.prefix)


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """Starts four agents: with a store, with a store and small limits, without a store, and without a name service."""
    made = {}
    try:
        made["usual"] = started(tmp_path_factory.mktemp("usual"))
        made["small"] = started(tmp_path_factory.mktemp("small"), "limits: { runs_per_owner: 1, kept_secrets: 1 }")
        made["bare"] = started(tmp_path_factory.mktemp("bare"), store=False)
        made["lonely"] = LonelyAgent(tmp_path_factory.mktemp("lonely"))
        yield made
    finally:
        for agent in made.values():
            agent.remove()


def prepare(agent, has_secrets=True):
    """Gives an agent exactly what the examples refer to, without the secrets if `has_secrets` is false."""
    for run in agent.http("GET", "/v1/runs").json["runs"]:
        agent.http("DELETE", f"/v1/runs/{run['run']}")
    agent.push("demo-1", user={"HF_TOKEN": "hf_token"})
    for collection in ("/v1/secrets", "/v1/workspaces/lab/secrets"):
        for secret in agent.http("GET", collection, user="alice").json.get("secrets", []):
            assert agent.http("DELETE", f"{collection}/{secret['name']}", user="alice").status == 204
        if has_secrets:
            agent.http("PUT", f"{collection}/HF_TOKEN", {"value": "hf_token"}, user="alice")


def call(agent, operation, target=None, user="alice", body=None, **headers):
    """Sends the example of an operation, some parts replaced by the arguments, and checks the answer."""
    body = operation.body if body is None else body
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = agent.http(operation.method, target or operation.target(), body, user, headers)
    operation.must_document(answer)
    return answer


def served(operation):
    """Returns an operation as a parameter of a test."""
    return pytest.param(operation, id=str(operation))


# ---- the document ---------------------------------------------------------------------------------


def needs_pypi():
    if (VENV / "requirements.txt").exists():
        return
    # `make check` prints the line at its end.
    pytest.skip(f"NOT TESTED on a machine that reached PyPI: there is no {VENV}; run tests/setup")


def test_openapi_document_is_valid():
    needs_pypi()
    done = subprocess.run([VENV / "bin" / "openapi-spec-validator", "--schema", "3.1", FILE], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("user", ["root", "alice", "nobody"])
def test_agent_serves_openapi_document_to_every_user(agents, user):
    answer = agents["usual"].http("GET", "/v1/openapi.json", user=user)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.text == FILE.read_text()


@pytest.mark.parametrize("operation", [served(each) for each in OPERATIONS])
def test_openapi_examples_match_their_schemas(operation):
    for status, response in operation.responses.items():
        for content in response.get("content", {}).values():
            if "example" in content:
                must_fit(content["example"], content["schema"])
            if status >= 400:
                assert content["example"]["status"] == status
    for body in operation.bodies.values():
        must_fit(body, operation.body_schema)


# ---- the examples, and every status ---------------------------------------------------------------


@pytest.mark.parametrize("operation", [served(each) for each in OPERATIONS])
def test_openapi_examples_give_every_documented_success_status(agents, operation):
    agent = agents["usual"]
    seen = set()
    for body in operation.bodies.values() or [None]:
        prepare(agent)
        seen.add(call(agent, operation, body=body).status)
        if operation.method == "PUT":
            prepare(agent, has_secrets=False)
            agent.http("DELETE", "/v1/runs/demo-1")
            seen.add(call(agent, operation, body=body).status)
    assert seen == {status for status in operation.responses if status < 400}


def is_about_runs(operation):
    return operation.path.startswith("/v1/runs")


def conflict(agent, operation):
    if is_about_runs(operation):
        return call(agent, operation, user="root", body={"owner": "bob"})
    other = operation.target(name="OTHER")
    if operation.method == "PATCH":
        agent.http("PUT", other, {"value": "x"}, "alice")
        return call(agent, operation, body={"name": "OTHER"})
    return call(agent, operation, target=operation.target(name="HF-TOKEN"))


def unavailable(agents, operation):
    """Provokes a 503: without a store, or without a name service that tells who the platform's account is."""
    if "secrets" in operation.path:
        answer = call(agents["bare"], operation)
        assert "retry-after" not in answer.headers
        return answer
    agents["lonely"].push("demo-1", user={"HF_TOKEN": "hf_token"})
    answer = call(agents["lonely"], operation, user="bob")
    assert answer.headers["retry-after"] == "10"
    return answer


def missing(agent, operation):
    nothing = {name: "nothing" for name in operation.parameters if name != "name"} or {"name": "NOTHING"}
    return call(agent, operation, operation.target(**nothing))


PROVOCATIONS = {
    400: lambda agents, operation: call(agents["usual"], operation, operation.target("nothing=1")),
    403: lambda agents, operation: call(agents["usual"], operation, user="bob"),
    404: lambda agents, operation: missing(agents["usual"], operation),
    409: lambda agents, operation: conflict(agents["usual"], operation),
    411: lambda agents, operation: call(agents["usual"], operation, Content_Length=None),
    412: lambda agents, operation: call(agents["usual"], operation, If_Match='"99"'),
    413: lambda agents, operation: call(agents["usual"], operation, body=b"", Content_Length="100000000"),
    415: lambda agents, operation: call(agents["usual"], operation, Content_Type="text/plain"),
    429: lambda agents, operation: call(agents["small"], operation, operation.target(
        **({"run": "demo-2"} if is_about_runs(operation) else {"name": "OTHER"}))),
    431: lambda agents, operation: call(agents["usual"], operation, X_Long="x" * 40000),
    503: unavailable,
}


def other_method(agent, operation):
    answer = agent.http("POST", operation.target())
    operation.must_document(answer)
    assert operation.method in answer.headers["allow"].split(", ")
    return answer


PROVOCATIONS[405] = lambda agents, operation: other_method(agents["usual"], operation)


@pytest.mark.parametrize("operation, status", [
    pytest.param(operation, status, id=f"{operation} {status}")
    for operation in OPERATIONS for status in operation.responses if status >= 400])
def test_openapi_every_documented_error_can_be_provoked(agents, operation, status):
    prepare(agents["usual"])
    prepare(agents["small"])
    answer = PROVOCATIONS[status](agents, operation)
    assert answer.status == status, answer.text
    example = operation.responses[status]["content"]["application/problem+json"]["example"]
    assert answer.detail and answer.json["title"] == example["title"]


# ---- what a fuzzer finds --------------------------------------------------------------------------


class Forwarder:
    """Forwards a TCP port to the agent's control socket, as one user."""

    def __init__(self, agent, user):
        self.agent = agent
        self.user = user
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            connection = HttpConnection(self.agent.control_socket, self.user, timeout=None)
            for source, sink in ((client, connection.socket), (connection.socket, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        """Forwards one direction. What a sink that has closed does not accept is read and dropped: the agent closes
        after a response to a request whose body it did not read, and that response is still on its way."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with contextlib.suppress(OSError):
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("user", ["root", "alice"])
def test_openapi_fuzzer_finds_no_undocumented_response(agents, user, tmp_path):
    needs_pypi()
    agent = agents["usual"]
    prepare(agent)
    checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
              "response_headers_conformance", "response_schema_conformance", "unsupported_method",
              "allow_header_conformance"]
    with Forwarder(agent, user) as forwarder:
        done = subprocess.run(
            [VENV / "bin" / "schemathesis", "run", FILE, "--url", forwarder.url, "--checks", ",".join(checks),
             "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "9", "--workers", "1",
             "--generation-database", "none", "--request-timeout", "10",
             "--warnings", "off", "--no-color"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert agent.is_alive()

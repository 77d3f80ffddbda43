# SPDX-License-Identifier: Apache-2.0
"""Control socket: valid and invalid HTTP on a socket that any local user may open."""

import json
import subprocess

import pytest

from harness import poll
from own_agent import own_agent, request


@pytest.fixture(scope="module")
def agent():
    """Starts an agent with a run of alice, which no rejected request may change."""
    with own_agent() as agent:
        agent.push("kept", user={"OLD": "old value"})
        yield agent


@pytest.fixture(autouse=True)
def nothing_changes(agent):
    before = agent.state()
    yield
    assert agent.state() == before


def answer_to(agent, data, user="root"):
    with agent.connect(user) as connection:
        connection.send(data)
        return connection.answer()


def is_refused(answer, status, *fragments):
    assert answer.status == status, answer.text
    for fragment in fragments:
        assert fragment in answer.detail


# ---- invalid requests -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00", b"\x00" * 64,
                                  b"GET /v1/status HTTP/2.0\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
                                  b"GET /v1/status\r\n\r\n", b"GET /v1/status HTTP/1.1\r\nbad\r\n\r\n",
                                  b"GET /v1/status HTTP/1.1\r\nX : y\r\n\r\n",
                                  b"GET /v1/st\x00atus HTTP/1.1\r\n\r\n",
                                  b"SLS1\x01\x00\x03\x00\x0c\x00\x00\x00"])
def test_control_socket_rejects_non_http_and_closes_connection(agent, data):
    with agent.connect() as connection:
        connection.send(data)
        is_refused(connection.answer(), 400, "invalid HTTP/1.1 request")
        assert connection.is_closed()


def test_control_socket_rejects_head_over_32_kib(agent):
    with agent.connect() as connection:
        connection.send(request("GET", "/v1/status", headers={"X": "a" * 33 * 1024}))
        is_refused(connection.answer(), 431, "longer than 32 KiB")
        assert connection.is_closed()


# ---- bodies ---------------------------------------------------------------------------------------


def test_control_socket_rejects_push_without_content_length(agent):
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", {}, {"Content-Length": None})),
               411, "needs a Content-Length")
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", b"2\r\n{}\r\n0\r\n\r\n", chunked)),
               411, "no chunked encoding")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "18446744073709551616", "2, 2",
                                    "2\r\nContent-Length: 3", "2\r\nTransfer-Encoding: chunked"])
def test_control_socket_rejects_invalid_content_length(agent, length):
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", b"{}", {"Content-Length": length})), 400)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/jsonx", "application/problem+json",
                                  "application/x-www-form-urlencoded", "multipart/form-data"])
def test_control_socket_rejects_body_of_other_content_type(agent, kind):
    body = {"owner": "alice", "user": {"A": "x"}}
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", body, {"Content-Type": kind})),
               415, "Content-Type: application/json")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8",
                                  "application/json ;charset=utf-8", "Application/JSON"])
def test_control_socket_accepts_any_spelling_of_json_content_type(agent, kind):
    body = {"owner": "alice", "user": {"A": "x"}}
    assert agent.http("PUT", "/v1/runs/typed", body, headers={"Content-Type": kind}).status == 201
    assert agent.http("DELETE", "/v1/runs/typed").status == 204


@pytest.mark.parametrize("length", [2 * 1024 * 1024 + 256 * 1024 + 1, 5_000_000_000, 2**64 - 1])
def test_control_socket_rejects_oversized_body_before_reading_it(agent, length):
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/kept", b"", {"Content-Length": str(length)}))
        is_refused(connection.answer(), 413, f"the body has {length} bytes", "limits in the agent's configuration")
        assert connection.is_closed()


def test_control_socket_client_can_read_rejection_of_oversized_body(agent):
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", agent.control_socket, "-X", "PUT", "--data-binary", "@-",
         "-H", "Content-Type: application/json", "-H", "Expect:", "http://localhost/v1/runs/kept"],
        input=b"x" * 8_000_000, capture_output=True, timeout=20)
    assert json.loads(done.stdout)["status"] == 413


@pytest.mark.parametrize("method, path", [("GET", "/v1/status"), ("GET", "/v1/runs"), ("GET", "/v1/runs/kept"),
                                          ("DELETE", "/v1/runs/kept"), ("GET", "/v1/check?ask=A")])
def test_control_socket_rejects_unexpected_body(agent, method, path):
    with agent.connect() as connection:
        connection.send(request(method, path, {}))
        is_refused(connection.answer(), 400, f"a {method} of this path accepts no body")
        assert connection.is_closed()


def test_control_socket_parses_bytes_beyond_content_length_as_next_request(agent):
    body = b'{"owner":"alice"}'
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/kept", body, {"Content-Length": "10"}))
        is_refused(connection.answer(), 400, "the JSON is malformed")
        is_refused(connection.answer(), 400, "invalid HTTP/1.1 request")
        assert connection.is_closed()


# ---- paths, methods, queries ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "*", "/v1", "/v1/", "/V1/status", "/v1/status/", "/v1/runs/a/b",
                                  "/v1/runs/../status", "//v1/status", "/v1/secret", "/v1/status#x",
                                  "/v1/%73tatus", "/" + "a" * 20000])
def test_control_socket_answers_404_for_unknown_path(agent, path):
    is_refused(answer_to(agent, request("GET", path)), 404, "there is no path '")


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/v1/runs/kept", "PUT, GET, DELETE"),
    ("PATCH", "/v1/runs/kept", "PUT, GET, DELETE"),
    ("BREW", "/v1/runs/kept", "PUT, GET, DELETE"),
    ("delete", "/v1/runs/kept", "PUT, GET, DELETE"),
    ("DELETE", "/v1/runs", "GET"),
    ("PUT", "/v1/runs", "GET"),
    ("POST", "/v1/status", "GET"),
    ("OPTIONS", "/v1/check", "GET"),
    ("TRACE", "/v1/status", "GET"),
])
def test_control_socket_answers_405_and_lists_allowed_methods(agent, method, path, allow):
    answer = answer_to(agent, request(method, path))
    is_refused(answer, 405, f"this path does not allow '{method}'; expected one of: {allow}")
    assert answer.headers["allow"] == allow


def test_control_socket_head_response_has_no_body(agent):
    """On a persistent connection, a client would read the body as the next answer."""
    with agent.connect() as connection:
        connection.send(request("HEAD", "/v1/status", headers={"Connection": "close"}))
        _, _, body = connection.reader.read().partition(b"\r\n\r\n")
    assert body == b""


@pytest.mark.parametrize("run", ["", ".x", "-x", "_x", "a%2Fb", "a%20b", "%zz", "%", "a%00", "a" * 65,
                                 "\u00e4", "a?b%", "..", "a:b", "a%0Ab"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_control_socket_rejects_invalid_run_id(agent, method, run):
    path = f"/v1/runs/{run}".encode()
    body = b'{"owner":"alice"}' if method == "PUT" else None
    data = request(method, "PATH", body).replace(b"PATH", path)
    answer = answer_to(agent, data)
    assert answer.status == 400, answer.text
    assert answer.detail.isprintable()


@pytest.mark.parametrize("path, sentence", [
    ("/v1/status?verbose", "unknown query parameter 'verbose'"),
    ("/v1/runs?owner=alice", "unknown query parameter 'owner'"),
    ("/v1/runs/kept?ask=A", "unknown query parameter 'ask'"),
    ("/v1/check", "'ask' is missing"),
    ("/v1/check?", "'ask' is missing"),
    ("/v1/check?ask=A&ask=B", "duplicate query parameter 'ask'"),
    ("/v1/check?ask=%4", "'ask' is malformed"),
    ("/v1/check?ask=%zz", "'ask' is malformed"),
    ("/v1/check?=A", "unknown query parameter ''"),
    ("/v1/check?ask=", "the secret spec at character 1: no secret is named"),
    ("/v1/check?ask=A,,B", "the secret spec at character 3: an item is missing"),
    ("/v1/check?ask=A%0A", "the secret spec at character 1: the secret's name 'A?'"),
    ("/v1/check?ask=A:held", "the secret spec at character 3: invalid form 'held'"),
    ("/v1/check?ask=workspace:w", "a workspace is named, but no secret"),
    ("/v1/check?ask=" + "A," * 4100, "characters; at most 8192"),
])
def test_control_socket_rejects_invalid_query(agent, path, sentence):
    is_refused(answer_to(agent, request("GET", path)), 400, sentence)


def test_control_socket_accepts_percent_encoded_spec_of_maximum_length(agent):
    spec = ",".join(["A" * 60 + str(number) for number in range(100, 225)])
    assert len(spec) < 8192
    answer = agent.http("GET", "/v1/check?ask=" + "".join(f"%{byte:02x}" for byte in spec.encode()))
    assert answer.status == 200 and len(answer.json["items"]) == 125


# ---- connections ------------------------------------------------------------------------------------


def test_control_socket_connection_serves_many_requests(agent):
    with agent.connect() as connection:
        for number in range(20):
            connection.send(request("PUT", "/v1/runs/often", {"owner": "alice", "user": {"A": "x" * number}}))
            assert connection.answer().json["generation"] == number + 1
            connection.send(request("GET", "/v1/nothing"))
            assert connection.answer().status == 404
        connection.send(request("DELETE", "/v1/runs/often", headers={"Connection": "close"}))
        assert connection.answer().status == 204
        assert connection.is_closed()


def test_control_socket_answers_pipelined_requests_in_order(agent):
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/p1", {"owner": "alice", "user": {"A": "x" * 5000}})
                        + request("GET", "/v1/runs/p1")
                        + request("PUT", "/v1/runs/p1", {"owner": "bob"})
                        + request("PUT", "/v1/runs/p1", {"owner": "alice"})
                        + request("DELETE", "/v1/runs/p1") + request("GET", "/v1/runs/p1"))
        statuses = [connection.answer().status for _ in range(6)]
    assert statuses == [201, 200, 409, 200, 204, 404]


def test_control_socket_serves_request_sent_byte_by_byte(agent):
    data = request("PUT", "/v1/runs/slow", {"owner": "alice", "user": {"A": "x"}})
    with agent.connect() as connection:
        for byte in data:
            connection.send(bytes([byte]))
        assert connection.answer().status == 201
    agent.http("DELETE", "/v1/runs/slow")


def test_control_socket_partial_requests_change_nothing_and_block_nobody(agent):
    data = request("PUT", "/v1/runs/kept", {"owner": "alice", "user": {"A": "x" * 3000}})
    halves = []
    for length in [*range(1, len(data), 97), len(data) - 1]:
        halves.append(agent.connect())
        halves[-1].send(data[:length])
    assert agent.http("GET", "/v1/runs/kept").json["generation"] == 1
    for half in halves:
        half.close()
    assert agent.http("GET", "/v1/runs/kept").json["generation"] == 1


def test_control_socket_survives_client_that_leaves_before_answer(agent):
    for _ in range(20):
        with agent.connect() as connection:
            connection.send(request("GET", "/v1/runs") * 50)
    assert agent.is_alive()


def test_control_socket_sends_100_continue_before_body(agent):
    body = b'{"owner":"alice","user":{"A":"x"}}'
    data = request("PUT", "/v1/runs/expected", body, {"Expect": "100-continue"})
    with agent.connect() as connection:
        connection.send(data[:-len(body)])
        assert connection.answer().status == 100
        connection.send(body)
        assert connection.answer().status == 201
    agent.http("DELETE", "/v1/runs/expected")


def test_control_socket_sends_rejection_instead_of_100_continue(agent):
    head = {"Expect": "100-continue", "Content-Length": "17"}
    for user, extra, status in [("bob", {}, 403), ("root", {"Content-Type": "text/plain"}, 415)]:
        with agent.connect(user) as connection:
            connection.send(request("PUT", "/v1/runs/kept", b"", head | extra))
            assert connection.answer().status == status
            assert connection.is_closed()


def test_control_socket_closes_http_1_0_connection_after_answer(agent):
    with agent.connect() as connection:
        connection.send(b"GET /v1/status HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 200
        assert connection.is_closed()


def test_control_socket_responses_forbid_caching(agent):
    for path in ("/v1/status", "/v1/runs", "/v1/nothing"):
        assert agent.http("GET", path).headers["cache-control"] == "no-store"


def test_control_socket_connections_of_one_user_leave_room_for_others(agent):
    crowd = [agent.connect("bob") for _ in range(700)]
    try:
        assert agent.answers()
        assert agent.http("GET", "/v1/runs/kept", user="alice").status == 200
    finally:
        for client in crowd:
            client.close()
    poll(agent.is_alive, 5, "an answer")
    poll(lambda: agent.open_descriptors() < 30, 5, "the end of all connections")

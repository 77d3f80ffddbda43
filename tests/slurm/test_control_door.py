"""The control door: HTTP as it is and as it is not, on a socket that any local user may open."""

import json
import subprocess

import pytest

from harness import poll
from own_agent import own_agent, request


@pytest.fixture(scope="module")
def agent():
    """With a run of alice's: whatever is refused here leaves it as it is."""
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


# ---- what is no request ---------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"hello\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00", b"\x00" * 64,
                                  b"GET /v1/status HTTP/2.0\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
                                  b"GET /v1/status\r\n\r\n", b"GET /v1/status HTTP/1.1\r\nbad\r\n\r\n",
                                  b"GET /v1/status HTTP/1.1\r\nX : y\r\n\r\n",
                                  b"GET /v1/st\x00atus HTTP/1.1\r\n\r\n",
                                  b"SLS1\x01\x00\x03\x00\x0c\x00\x00\x00"])
def test_what_is_no_http_is_refused_and_the_connection_closed(agent, data):
    with agent.connect() as connection:
        connection.send(data)
        is_refused(connection.answer(), 400, "this is no HTTP/1.1 request")
        assert connection.is_closed()


def test_a_head_longer_than_32_kib_is_refused(agent):
    with agent.connect() as connection:
        connection.send(request("GET", "/v1/status", headers={"X": "a" * 33 * 1024}))
        is_refused(connection.answer(), 431, "longer than 32 KiB")
        assert connection.is_closed()


# ---- bodies ---------------------------------------------------------------------------------------


def test_a_push_without_a_content_length_is_refused(agent):
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", {}, {"Content-Length": None})),
               411, "needs a Content-Length")
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", b"2\r\n{}\r\n0\r\n\r\n", chunked)),
               411, "no chunked encoding")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "18446744073709551616", "2, 2",
                                    "2\r\nContent-Length: 3", "2\r\nTransfer-Encoding: chunked"])
def test_a_content_length_that_is_none_is_refused(agent, length):
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", b"{}", {"Content-Length": length})), 400)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/jsonx", "application/problem+json",
                                  "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_of_another_content_type_is_refused(agent, kind):
    body = {"owner": "alice", "user": {"A": "x"}}
    is_refused(answer_to(agent, request("PUT", "/v1/runs/kept", body, {"Content-Type": kind})),
               415, "Content-Type: application/json")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8",
                                  "application/json ;charset=utf-8", "Application/JSON"])
def test_json_by_any_spelling_of_its_name_is_taken(agent, kind):
    body = {"owner": "alice", "user": {"A": "x"}}
    assert agent.http("PUT", "/v1/runs/typed", body, headers={"Content-Type": kind}).status == 201
    assert agent.http("DELETE", "/v1/runs/typed").status == 204


@pytest.mark.parametrize("length", [2 * 1024 * 1024 + 256 * 1024 + 1, 5_000_000_000, 2**64 - 1])
def test_an_oversized_body_is_refused_before_it_is_read(agent, length):
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/kept", b"", {"Content-Length": str(length)}))
        is_refused(connection.answer(), 413, f"the body has {length} bytes", "limits in the agent's configuration")
        assert connection.is_closed()


def test_a_client_that_sends_an_oversized_body_at_once_can_read_the_refusal(agent):
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", agent.control_socket, "-X", "PUT", "--data-binary", "@-",
         "-H", "Content-Type: application/json", "-H", "Expect:", "http://localhost/v1/runs/kept"],
        input=b"x" * 8_000_000, capture_output=True, timeout=20)
    assert json.loads(done.stdout)["status"] == 413


@pytest.mark.parametrize("method, path", [("GET", "/v1/status"), ("GET", "/v1/runs"), ("GET", "/v1/runs/kept"),
                                          ("DELETE", "/v1/runs/kept"), ("GET", "/v1/check?ask=A")])
def test_a_request_that_takes_no_body_and_has_one_is_refused(agent, method, path):
    with agent.connect() as connection:
        connection.send(request(method, path, {}))
        is_refused(connection.answer(), 400, f"a {method} of this path takes no body")
        assert connection.is_closed()


def test_a_body_that_goes_on_after_its_length_is_no_part_of_it(agent):
    body = b'{"owner":"alice"}'
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/kept", body, {"Content-Length": "10"}))
        is_refused(connection.answer(), 400, "the JSON is malformed")
        is_refused(connection.answer(), 400, "this is no HTTP/1.1 request")
        assert connection.is_closed()


# ---- paths, methods, queries ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "*", "/v1", "/v1/", "/V1/status", "/v1/status/", "/v1/runs/a/b",
                                  "/v1/runs/../status", "//v1/status", "/v1/secret", "/v1/status#x",
                                  "/v1/%73tatus", "/" + "a" * 20000])
def test_an_unknown_path_is_not_found(agent, path):
    is_refused(answer_to(agent, request("GET", path)), 404, "there is no '")


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
def test_a_wrong_method_is_refused_and_told_which_are_right(agent, method, path, allow):
    answer = answer_to(agent, request(method, path))
    is_refused(answer, 405, f"this path knows {allow}, not '{method}'")
    assert answer.headers["allow"] == allow


def test_the_answer_to_head_has_no_body(agent):
    """A client that keeps its connection would take a body for the next answer."""
    with agent.connect() as connection:
        connection.send(request("HEAD", "/v1/status", headers={"Connection": "close"}))
        _, _, body = connection.reader.read().partition(b"\r\n\r\n")
    assert body == b""


@pytest.mark.parametrize("run", ["", ".x", "-x", "_x", "a%2Fb", "a%20b", "%zz", "%", "a%00", "a" * 65,
                                 "\u00e4", "a?b%", "..", "a:b", "a%0Ab"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_bad_run_id_is_refused(agent, method, run):
    path = f"/v1/runs/{run}".encode()
    body = b'{"owner":"alice"}' if method == "PUT" else None
    data = request(method, "PATH", body).replace(b"PATH", path)
    answer = answer_to(agent, data)
    assert answer.status == 400, answer.text
    assert answer.detail.isprintable()


@pytest.mark.parametrize("path, sentence", [
    ("/v1/status?verbose", "'verbose' is not known here"),
    ("/v1/runs?owner=alice", "'owner' is not known here"),
    ("/v1/runs/kept?ask=A", "'ask' is not known here"),
    ("/v1/check", "'ask' is missing"),
    ("/v1/check?", "'ask' is missing"),
    ("/v1/check?ask=A&ask=B", "'ask' stands twice"),
    ("/v1/check?ask=%4", "'ask' is malformed"),
    ("/v1/check?ask=%zz", "'ask' is malformed"),
    ("/v1/check?=A", "'' is not known here"),
    ("/v1/check?ask=", "the ask at character 1: no secret is named"),
    ("/v1/check?ask=A,,B", "the ask at character 3: an item is missing"),
    ("/v1/check?ask=A%0A", "the ask at character 1: the secret's name 'A?'"),
    ("/v1/check?ask=A:hold", "the ask at character 2: ':hold' is not available"),
    ("/v1/check?ask=workspace:w", "a workspace is named, and no secret"),
    ("/v1/check?ask=" + "A," * 4100, "characters; at most 8192"),
])
def test_a_bad_query_is_refused(agent, path, sentence):
    is_refused(answer_to(agent, request("GET", path)), 400, sentence)


def test_an_ask_of_the_greatest_length_passes_in_any_encoding(agent):
    ask = ",".join(["A" * 60 + str(number) for number in range(100, 225)])
    assert len(ask) < 8192
    answer = agent.http("GET", "/v1/check?ask=" + "".join(f"%{byte:02x}" for byte in ask.encode()))
    assert answer.status == 200 and len(answer.json["items"]) == 125


# ---- connections ------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests(agent):
    with agent.connect() as connection:
        for number in range(20):
            connection.send(request("PUT", "/v1/runs/often", {"owner": "alice", "user": {"A": "x" * number}}))
            assert connection.answer().json["generation"] == number + 1
            connection.send(request("GET", "/v1/nothing"))
            assert connection.answer().status == 404
        connection.send(request("DELETE", "/v1/runs/often", headers={"Connection": "close"}))
        assert connection.answer().status == 204
        assert connection.is_closed()


def test_requests_that_come_all_at_once_are_answered_in_their_order(agent):
    with agent.connect() as connection:
        connection.send(request("PUT", "/v1/runs/p1", {"owner": "alice", "user": {"A": "x" * 5000}})
                        + request("GET", "/v1/runs/p1")
                        + request("PUT", "/v1/runs/p1", {"owner": "bob"})
                        + request("PUT", "/v1/runs/p1", {"owner": "alice"})
                        + request("DELETE", "/v1/runs/p1") + request("GET", "/v1/runs/p1"))
        statuses = [connection.answer().status for _ in range(6)]
    assert statuses == [201, 200, 409, 200, 204, 404]


def test_a_request_that_comes_byte_by_byte_is_served(agent):
    data = request("PUT", "/v1/runs/slow", {"owner": "alice", "user": {"A": "x"}})
    with agent.connect() as connection:
        for byte in data:
            connection.send(bytes([byte]))
        assert connection.answer().status == 201
    agent.http("DELETE", "/v1/runs/slow")


def test_half_a_request_changes_nothing_and_holds_nobody_up(agent):
    data = request("PUT", "/v1/runs/kept", {"owner": "alice", "user": {"A": "x" * 3000}})
    halves = []
    for length in [*range(1, len(data), 97), len(data) - 1]:
        halves.append(agent.connect())
        halves[-1].send(data[:length])
    assert agent.http("GET", "/v1/runs/kept").json["generation"] == 1
    for half in halves:
        half.close()
    assert agent.http("GET", "/v1/runs/kept").json["generation"] == 1


def test_a_client_that_leaves_before_its_answer_harms_nobody(agent):
    for _ in range(20):
        with agent.connect() as connection:
            connection.send(request("GET", "/v1/runs") * 50)
    assert agent.is_alive()


def test_expect_100_continue_is_answered_before_the_body(agent):
    body = b'{"owner":"alice","user":{"A":"x"}}'
    data = request("PUT", "/v1/runs/expected", body, {"Expect": "100-continue"})
    with agent.connect() as connection:
        connection.send(data[:-len(body)])
        assert connection.answer().status == 100
        connection.send(body)
        assert connection.answer().status == 201
    agent.http("DELETE", "/v1/runs/expected")


def test_expect_100_continue_gets_the_refusal_instead_where_there_is_one(agent):
    head = {"Expect": "100-continue", "Content-Length": "17"}
    for user, extra, status in [("bob", {}, 403), ("root", {"Content-Type": "text/plain"}, 415)]:
        with agent.connect(user) as connection:
            connection.send(request("PUT", "/v1/runs/kept", b"", head | extra))
            assert connection.answer().status == status
            assert connection.is_closed()


def test_http_1_0_gets_its_answer_and_the_end(agent):
    with agent.connect() as connection:
        connection.send(b"GET /v1/status HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 200
        assert connection.is_closed()


def test_answers_may_be_stored_nowhere(agent):
    for path in ("/v1/status", "/v1/runs", "/v1/nothing"):
        assert agent.http("GET", path).headers["cache-control"] == "no-store"


def test_one_users_many_connections_leave_room_for_others(agent):
    crowd = [agent.connect("bob") for _ in range(700)]
    try:
        assert agent.answers()
        assert agent.http("GET", "/v1/runs/kept", user="alice").status == 200
    finally:
        for client in crowd:
            client.close()
    poll(agent.is_alive, 5, "an answer")
    poll(lambda: agent.open_descriptors() < 30, 5, "the end of all connections")

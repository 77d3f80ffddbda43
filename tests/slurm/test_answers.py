# SPDX-License-Identifier: Apache-2.0
"""secretctl and the agent's answers: what the OpenAPI document describes is what secretctl reads and shows. That the
agent answers as the document says is for test_openapi.py."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from harness import BUILD, PROJECT
from http_document import DOCUMENT, OPERATIONS, FullAnswers, must_fit

SECRETCTL = BUILD / "secretctl"

# The commands that show an answer, with the operation that gives it and the fields that they leave out for users;
# --json has them all.
COMMANDS = [
    (["status"], "GET /v1/status",
     # The store's trouble is shown of a closed one; this one is open.
     {"store.bytes", "store.trouble"} | {f"name_service.{what}" for what in ("answered", "failed", "slow", "waiting", "missing")}),
    (["ls"], "GET /v1/secrets", {"owner", "secrets.generation"}),
    (["ls", "--workspace", "lab"], "GET /v1/workspaces/{workspace}/secrets", {"workspace", "role", "secrets.generation"}),
    (["set", "A"], "PUT /v1/secrets/{name}", {"generation", "set", "used.job", "used.at", "damaged"}),
    (["set", "A", "--workspace", "lab"], "PUT /v1/workspaces/{workspace}/secrets/{name}",
     {"generation", "set", "used.job", "used.at", "damaged"}),
    (["rename", "A", "B"], "PATCH /v1/secrets/{name}",
     {"bytes", "generation", "set", "expires", "used.job", "used.at", "damaged"}),
    (["rename", "A", "B", "--workspace", "lab"], "PATCH /v1/workspaces/{workspace}/secrets/{name}",
     {"bytes", "generation", "set", "expires", "used.job", "used.at", "damaged"}),
    (["workspaces"], "GET /v1/workspaces", set()),
    (["runs"], "GET /v1/runs", {"runs.created", "runs.platform", "next"}),
    (["runs", "r"], "GET /v1/runs/{run}", {"created", "platform", "expires"}),  # it has ended
    (["push", "r"], "PUT /v1/runs/{run}",
     {"created", "platform", "expires", "secrets.name", "secrets.scope", "secrets.bytes", "holds.job", "holds.since",
      "nodes.node", "nodes.jobs", "nodes.seen", "nodes.lost"}),
    (["check", "A"], "GET /v1/check",
     {"ask", "ok", "reason", "items.form", "items.optional", "items.expires", "items.reason"}),  # it was found
]


def operation_named(name):
    return next(each for each in OPERATIONS if str(each) == name)


def scalars(value, path=""):
    """Yields the path and the value of each scalar of an answer; a list adds nothing to the path."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from scalars(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from scalars(each, path)
    else:
        yield path, value


def words_of(path, value):
    """Returns how secretctl shows a scalar."""
    if path == "uptime_seconds":
        return f"{value // 60} min {value % 60} s"
    if path.endswith("lost"):
        return "lost"
    if path.endswith("damaged"):
        return "damaged"
    if path.endswith("found"):
        return ""  # shown by the scope
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return value[:16].replace("T", " ")
    return str(value)


def last_page(answer, line):
    """Returns the answer; if the request has a cursor, one without a further page."""
    if "cursor=" not in line:
        return answer
    return {name: [] if isinstance(value, list) else value for name, value in answer.items() if name != "next"}


@contextlib.contextmanager
def answering(folder, operation, answer, knows_query=True):
    """Runs a stand-in for the agent that gives every request of `operation` this answer, and others a 404; without
    `knows_query`, a request with a query a 400."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "control.sock"))
    listener.listen()
    path = re.sub(r"\\{\w+\\}", "[^/?]+", re.escape(operation.path))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as reader:
                line = reader.readline().decode()
                lines = iter(reader.readline, b"\r\n")
                length = sum(int(each.split(b":")[1]) for each in lines if each.lower().startswith(b"content-length"))
                reader.read(length)
                known = re.match(rf"{operation.method} {path}(\?\S*)? HTTP", line)
                status = b"200 OK" if known else b"404 Not Found"
                body = json.dumps(last_page(answer, line) if known else {"detail": "no such path"}).encode()
                if "?" in line and not knows_query:
                    status, body = b"400 Bad Request", b'{"detail": "unknown query parameter"}'
                client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: " +
                               str(len(body)).encode() + b"\r\n\r\n" + body)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield folder / "control.sock"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def secretctl(agent, *arguments):
    return subprocess.run([SECRETCTL, "--socket", agent, *arguments], input="A=1\n", capture_output=True, text=True,
                          timeout=20, check=False, env={"PATH": os.environ["PATH"], "TZ": "UTC"})


@pytest.mark.parametrize("command, name, left_out", [pytest.param(*each, id=" ".join(each[0])) for each in COMMANDS])
def test_secretctl_shows_every_documented_field_of_answer(tmp_path, command, name, left_out):
    operation = operation_named(name)
    schema = operation.responses[200]["content"]["application/json"]["schema"]
    answer = FullAnswers().of(schema)
    must_fit(answer, schema)
    paths = {path for path, _ in scalars(answer)}
    assert left_out <= paths, left_out - paths
    with answering(tmp_path, operation, answer) as agent:
        done = secretctl(agent, *command)
        assert done.returncode == 0, done.stderr
        for path, value in scalars(answer):
            if path not in left_out:
                assert words_of(path, value) in done.stdout, (path, value, done.stdout)
        shown = json.loads(secretctl(agent, *command, "--json").stdout)
        assert shown == {name: value for name, value in answer.items() if name != "next"}  # all pages are one


def test_secretctl_runs_lists_runs_of_agent_without_pages(tmp_path):
    operation = operation_named("GET /v1/runs")
    answer = FullAnswers().of(operation.responses[200]["content"]["application/json"]["schema"])
    del answer["next"]
    with answering(tmp_path, operation, answer, knows_query=False) as agent:
        assert json.loads(secretctl(agent, "runs", "--json").stdout) == answer


def test_secretctl_watch_shows_message_and_time_of_event(tmp_path):
    operation = operation_named("GET /v1/events")
    answer = FullAnswers().of(operation.responses[200]["content"]["application/json"]["schema"])
    event = answer["events"][0]
    with answering(tmp_path, operation, answer) as agent, \
            subprocess.Popen([SECRETCTL, "--socket", agent, "watch"], stdout=subprocess.PIPE, text=True,
                             env={"TZ": "UTC"}) as watch:
        assert watch.stdout.readline() == f"{event['time'][:19].replace('T', ' ')}  {event['message']}\n"
        watch.terminate()


def test_every_operation_with_an_answer_is_shown_by_a_command():
    shown = {name for _, name, _ in COMMANDS} | {"GET /v1/events"}
    without_command = {"GET /v1/openapi.json", "GET /metrics", "GET /v1/secrets/{name}",
                       "GET /v1/workspaces/{workspace}/secrets/{name}"}
    answering_with_json = {str(each) for each in OPERATIONS if "content" in each.responses.get(200, {})}
    assert answering_with_json == shown | without_command


def documented_names():
    """Returns the names of all fields in the document's schemas."""
    found = set()

    def add(part):
        if isinstance(part, list):
            for each in part:
                add(each)
        elif isinstance(part, dict):
            found.update(part.get("properties", {}))
            for each in part.values():
                add(each)

    add(DOCUMENT["components"]["schemas"])
    return found


def test_every_field_that_secretctl_reads_is_documented():
    """Searches the sources for what reads a field, so that doctor's checks are covered, too."""
    reader = re.compile(r'(?:(?:text_of|array_of|is_true|how_many)\([^;"]*?,\s*|(?:contains|if_contains|\bat)\(|'
                        r'\bname == |\bkey\(\) == )"(\w+)"')
    read = {name for folder in ("client", "commands", "doctor") for path in (PROJECT / "ctl" / folder).glob("*.cpp")
            for name in reader.findall(path.read_text())}
    assert len(read) > 40, read
    assert read <= documented_names(), read - documented_names()

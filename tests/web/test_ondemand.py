# SPDX-License-Identifier: Apache-2.0
"""Promise: the app in etc/ondemand shows a portal's user their page, starts one `secretctl web`, forwards no cookie."""

import ast
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import ALICE, BUILD, PROJECT, poll
from web_page import await_text, names_of

APP = PROJECT / "etc" / "ondemand"
STAND_IN = Path(__file__).resolve().parent / "passenger_stand_in.py"
PREFIX = "/pun/sys/slurm-secrets"
# What Apache sends to a user's portal for a request of https://portal.example.org.
FROM_PORTAL = {"Host": "localhost", "X-Forwarded-Host": "portal.example.org"}
SAME_ORIGIN = {**FROM_PORTAL, "Origin": "https://portal.example.org", "Sec-Fetch-Site": "same-origin"}


class Portal:
    """The app in a process of alice's; her processes of `secretctl web` end with it."""

    def __init__(self, cluster, folder, secretctl, **environment):
        self.folder = folder
        self.command = cluster.command("alice", [APP / "bin" / "python", STAND_IN, APP, PREFIX],
                                       {"XDG_RUNTIME_DIR": folder, "SECRETCTL": secretctl, **environment})

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        start_new_session=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.communicate(timeout=10)
        for pid in web_processes(self.folder):
            end(pid)

    def request(self, path, method="GET", body=None, headers=FROM_PORTAL, prefix=PREFIX):
        """Returns status, fields and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.putrequest(method, prefix + path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() if body else None)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()


def web_processes(folder):
    """Lists the processes that serve the page at a socket below a folder."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (process / "cmdline").read_text().split("\0")
            if "web" in arguments and any(argument.startswith(f"{folder}/") for argument in arguments):
                pids.append(int(process.name))
    return pids


def end(pid, number=signal.SIGTERM):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    poll(lambda: has_ended(pid), 5, "the end of secretctl web")


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def folder():
    """Makes a folder of alice's like that of XDG_RUNTIME_DIR."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-secrets-portal-", dir="/var/tmp"))
    shutil.chown(folder, "alice", "alice")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def script(folder):
    """Makes a program in the place of secretctl."""

    def make(text):
        path = folder / "program"
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def secretctl(cluster):
    return f"{BUILD / 'secretctl'} --socket {cluster.control_socket}"


@pytest.fixture
def portal(cluster, folder, secretctl):
    with Portal(cluster, folder, secretctl) as portal:
        yield portal


@pytest.fixture
def recorded(cluster, folder, script):
    """Starts the app with a program that answers each request with the request itself."""
    program = script(f"""#!{sys.executable}
import http.server, json, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        text = json.dumps(dict(method=self.command, target=self.path, headers=dict(self.headers.items()), body=body))
        self.send_response(200)
        self.send_header("X-Answer", "yes")
        self.end_headers()
        self.wfile.write(text.encode())
    do_GET = do_PUT = answer
    def address_string(self): return "socket"
socketserver.UnixStreamServer(sys.argv[-1], Handler).serve_forever()
""")
    with Portal(cluster, folder, program) as portal:
        yield portal


def test_page_in_a_browser_sets_a_secret(cluster, portal, browser, canary):
    page = browser.new_tab()
    value = canary()
    page.goto(f"http://127.0.0.1:{portal.port}{PREFIX}")
    page.get_by_role("button", name="New secret").click()
    page.get_by_label("Name", exact=True).fill("PORTAL_TOKEN")
    page.get_by_label("Value", exact=True).fill(value)
    page.get_by_role("button", name="Set", exact=True).click()
    await_text(page, "PORTAL_TOKEN")
    poll(lambda: names_of(cluster, "alice") == ["PORTAL_TOKEN"], 10, "the secret")
    assert page.url.startswith(f"http://127.0.0.1:{portal.port}{PREFIX}/")
    assert not page.reported
    page.close()
    assert cluster.srun("-n1", "--secret=PORTAL_TOKEN", "printenv", "PORTAL_TOKEN").out.strip() == value


def test_api_through_the_app_is_that_of_its_user(cluster, portal, canary):
    body = json.dumps({"value": canary()})
    status, _, text = portal.request("/api/v1/secrets/API_TOKEN", "PUT", body, {**SAME_ORIGIN, "If-None-Match": "*"})
    assert status == 201, text
    status, _, text = portal.request("/api/v1/secrets/API_TOKEN", "PUT", body, {**SAME_ORIGIN, "If-None-Match": "*"})
    assert status == 412, text  # the condition was forwarded
    status, fields, text = portal.request("/api/v1/secrets", headers=SAME_ORIGIN)
    assert (status, [secret["name"] for secret in json.loads(text)["secrets"]]) == (200, ["API_TOKEN"])
    assert names_of(cluster, "alice") == ["API_TOKEN"]
    assert "default-src 'none'" in fields["Content-Security-Policy"]


def test_path_without_its_slash_is_redirected(portal):
    for query in ("", "?a=b"):
        status, fields, _ = portal.request(query)
        assert (status, fields["Location"]) == (302, f"{PREFIX}/{query}")
    assert portal.request("/")[0] == 200


def test_request_of_another_site_is_refused(cluster, portal):
    foreign = {**FROM_PORTAL, "Origin": "https://attacker.example.org"}
    # Longer than the buffers of a socket: secretctl refuses it unread.
    status, _, text = portal.request("/api/v1/secrets/TOKEN", "PUT", "x" * 1000000, foreign)
    assert (status, "another site" in text) == (403, True)
    assert portal.request("/api/v1/secrets", headers={**FROM_PORTAL, "Sec-Fetch-Site": "cross-site"})[0] == 403
    navigated = {**FROM_PORTAL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert portal.request("/", headers=navigated)[0] == 200
    assert names_of(cluster, "alice") == []


def test_only_the_fields_of_the_page_are_forwarded(recorded):
    forwarded = {**SAME_ORIGIN, "Sec-Fetch-Mode": "cors", "Content-Type": "application/json", "If-Match": '"3"',
                 "If-None-Match": "*"}
    dropped = {"Cookie": "_session=portal", "Authorization": "Basic portal", "X-Forwarded-User": "alice",
               "X-Forwarded-For": "192.0.2.1", "Accept-Encoding": "gzip"}
    target = "/api/v1/runs/a%2Fb%20c?x=%26"
    status, fields, text = recorded.request(target, "PUT", "the body", {**forwarded, **dropped})
    request = json.loads(text)
    assert (status, fields["X-Answer"]) == (200, "yes")
    assert request["headers"] == {**forwarded, "Content-Length": "8", "Connection": "close"}
    assert (request["method"], request["target"], request["body"]) == ("PUT", target, "the body")


def test_body_over_the_limit_is_refused_unread(recorded):
    over = {**FROM_PORTAL, "Content-Length": str(1024 * 1024 + 1)}
    status, fields, text = recorded.request("/api/v1/secrets/TOKEN", "PUT", None, over)  # no body follows
    assert (status, fields["Content-Type"]) == (413, "application/problem+json")
    assert json.loads(text)["detail"] == "the text is too long; at most 1048576 bytes are accepted"
    assert recorded.request("/", "PUT", None, {**FROM_PORTAL, "Content-Length": "-1"})[0] == 400


def test_missing_secretctl_gives_a_sentence(cluster, folder):
    with Portal(cluster, folder, "no-such-secretctl") as portal:
        status, fields, text = portal.request("/")
        assert (status, fields["Content-Type"]) == (502, "text/plain; charset=utf-8")
        assert text == ("cannot start no-such-secretctl: it is not installed on the portal's host; ask the portal's "
                        "administrators\n")


def test_sentence_of_a_secretctl_that_cannot_start_is_shown(cluster, folder):
    with Portal(cluster, folder, f"{BUILD / 'secretctl'} --socket /nowhere.sock") as portal:
        status, _, text = portal.request("/")
        assert (status, text.count("\n")) == (502, 1)
        assert text.startswith("secretctl: cannot connect to the agent at /nowhere.sock: ")
        status, _, text = portal.request("/api/v1/secrets", headers=SAME_ORIGIN)  # which the page's code reads
        assert json.loads(text)["detail"].startswith("secretctl: cannot connect to the agent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])  # the latter leaves the socket
def test_ended_secretctl_is_started_again(portal, number):
    assert portal.request("/")[0] == 200
    [first] = web_processes(portal.folder)
    end(first, number)
    assert portal.request("/api/v1/secrets", headers=SAME_ORIGIN)[0] == 200
    running = [pid for pid in web_processes(portal.folder) if pid != first]
    assert len(running) == 1
    assert portal.request("/")[0] == 200
    assert web_processes(portal.folder) == running


def test_simultaneous_first_requests_start_one_secretctl(cluster, folder, script, secretctl):
    # The pause lets each request find that no process listens yet.
    program = script(f"#!/bin/sh\necho started >>{folder}/starts\nsleep 0.3\nexec {secretctl} \"$@\"\n")
    with Portal(cluster, folder, program) as one, Portal(cluster, folder, program) as other, \
            concurrent.futures.ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda portal: portal.request("/")[0], [one, other] * 4))
        assert answers == [200] * 8
        assert (folder / "starts").read_text() == "started\n"
        assert len(web_processes(folder)) == 1


def test_socket_is_in_a_private_folder_of_the_user(cluster, folder, secretctl):
    if Path(f"/run/user/{ALICE}").exists():
        pytest.skip("NOT TESTED on this machine: the folder in /tmp, since alice has one in /run/user")
    folder.chmod(0o755)  # no folder for a socket: others can open it
    place = folder / f"slurm-secrets-ondemand-{ALICE}"
    with Portal(cluster, folder, secretctl, TMPDIR=folder) as portal:
        os.mkdir(place, 0o700)  # by root
        status, _, text = portal.request("/")
        assert (status, text) == (502, f"cannot use the folder {place}: it is not yours with mode 0700; have it "
                                       "removed\n")
        place.rmdir()
        assert portal.request("/")[0] == 200
        assert (place.stat().st_uid, place.stat().st_mode & 0o777) == (ALICE, 0o700)
        assert len(web_processes(place)) == 1


def test_manifest_has_the_form_of_open_ondemand_and_app_runs_on_old_python():
    lines = [line for line in (APP / "manifest.yml").read_text().splitlines() if re.match("[a-z_]+:", line)]
    manifest = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert {"name", "category", "subcategory", "description"} <= set(manifest) <= {
        "name", "category", "subcategory", "description", "icon", "url", "new_window", "metadata"}  # no role: a Passenger app
    assert manifest["new_window"] == "true" and manifest["icon"].startswith("fas://")
    ast.parse((APP / "passenger_wsgi.py").read_text(), feature_version=(3, 6))

# SPDX-License-Identifier: Apache-2.0
"""Promise: the page answers its user only: no other local user, no page of another site or port, no used link, no
other name of the host; and it ends by itself."""

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse

import pytest

from harness import BUILD, poll
from web_page import Browser, WebProcess, await_text, names_of, request_as, set_secret


@pytest.fixture
def serving():
    """Serves a page of another program's until the end of the test."""
    servers = []

    def serve(handler, port=0):
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", port), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def cookie_of(page):
    """Returns the cookie of this page: the browser has those of all ports."""
    port = urllib.parse.urlsplit(page.url).port
    cookie, = [each for each in page.context.cookies([page.url]) if each["name"] == f"slurm-secrets-{port}"]
    return cookie


def cookie_field(page):
    """Returns the field Cookie that the browser sends."""
    return f"Cookie: {cookie_of(page)['name']}={cookie_of(page)['value']}"


def test_link_opens_once_and_leaves_the_history(web, browser, page):
    stolen = web.url
    cookie = cookie_of(page)
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["name"] == f"slurm-secrets-{web.port}"
    assert "token" not in page.url and page.evaluate("document.cookie") == ""
    with Browser("alice") as other:
        tab = other.new_tab()
        answer = tab.goto(stolen)
        assert answer.status == 403
        await_text(tab, "Open the newest link")
        assert tab.goto(web.next_url()).status == 200
        await_text(tab, "No secrets yet.")
    again = browser.new_tab()
    again.goto(stolen)  # this browser has opened it
    await_text(again, "No secrets yet.")
    assert again.url == f"{web.origin}/"
    again.close()


def test_other_local_user_is_refused_even_with_link_and_cookie(cluster, web, page):
    cookie = cookie_field(page)
    fresh = web.next_url()
    for user, expected in (("alice", 200), ("bob", 403)):
        status, body = request_as(cluster, user, f"{web.origin}/api/v1/secrets", "--header", cookie)
        assert status == expected, body
    assert "this page is another user's" in json.loads(body)["detail"]
    for url in (fresh, f"{web.origin}/", f"{web.origin}/main.js"):
        assert request_as(cluster, "bob", url)[0] == 403
    status, body = request_as(cluster, "bob", f"{web.origin}/api/v1/secrets/TOKEN", "--header", cookie,
                              "--request", "PUT", "--data", '{"value":"x"}')
    assert status == 403 and names_of(cluster, "alice") == []
    assert request_as(cluster, "alice", fresh)[0] == 200, "bob has not used it up"


def test_connection_that_is_closed_already_is_not_taken_for_roots(cluster, web, page):
    """The kernel shows the connections of ended processes as those of uid 0."""
    request = (f"PUT /api/v1/secrets/TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie_field(page)}\r\n"
               'Content-Length: 13\r\n\r\n{"value":"x"}')
    code = (f"import socket; s = socket.create_connection(('127.0.0.1', {web.port})); "
            f"s.sendall({request.encode()!r}); s.close()")
    for _ in range(20):
        assert cluster.as_user("bob", ["/usr/bin/python3", "-c", code]).code == 0
    # Answered after them: connections are accepted in their order.
    assert request_as(cluster, "alice", f"{web.origin}/api/v1/secrets", "--header", cookie_field(page))[0] == 200
    assert names_of(cluster, "alice") == []


@pytest.mark.parametrize("headers, expected", [
    ({}, 404),
    ({"Origin": "{origin}"}, 404),
    ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 404),
    ({"Host": "evil.example"}, 403),
    ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403),
    ({"Origin": "https://127.0.0.1:{port}"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
])
def test_request_needs_own_host_and_origin(cluster, web, page, headers, expected):
    arguments = ["--header", cookie_field(page)]
    for name, value in headers.items():
        arguments += ["--header", f"{name}: {value.format(origin=web.origin, port=web.port)}"]
    for method, path in (("GET", "runs/none"), ("DELETE", "secrets/NONE")):
        status, body = request_as(cluster, "alice", f"{web.origin}/api/v1/{path}", "--request", method, *arguments)
        assert status == expected, body


@pytest.mark.parametrize("path", ["/api/v1/secrets", "/api/v1/events", "/api/import", "/"])
def test_request_without_cookie_is_refused(cluster, web, path):
    assert request_as(cluster, "alice", web.origin + path)[0] in (401, 403)


def test_page_of_another_port_can_neither_read_nor_change(cluster, web, browser, page, canary, serving):
    set_secret(cluster, "alice", "TOKEN", canary())
    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>foreign</title>")

        def log_message(self, *_):
            pass

    server = serving(Foreign)
    tab = browser.new_tab()
    tab.goto(f"http://127.0.0.1:{server.server_port}/")
    for path, options in (("", "{}"), ("", "{mode: 'no-cors', credentials: 'include'}"), ("", "{credentials: 'include'}"),
                          ("/TOKEN", "{method: 'DELETE', credentials: 'include'}")):
        text = tab.evaluate(f"fetch('{web.origin}/api/v1/secrets{path}', {options})"
                            ".then(answer => answer.text()).catch(() => '')")
        assert "TOKEN" not in text
    own = browser.new_tab()
    own.goto(f"{web.origin}/")
    assert "TOKEN" in own.evaluate("fetch('/api/v1/secrets').then(answer => answer.text())"), "the page itself may"
    own.close()
    tab.set_content(f'<form method="POST" action="{web.origin}/api/import"><textarea name="A">B=1</textarea>'
                    '<button>send</button></form>')
    tab.get_by_role("button").click()
    await_text(tab, "the request comes from another site")
    tab.goto(f"http://127.0.0.1:{server.server_port}/")
    with tab.expect_response(f"{web.origin}/"):
        tab.set_content(f'<iframe src="{web.origin}/"></iframe>')
    assert all("Your Secrets" not in frame.content() for frame in tab.frames)
    tab.close()
    assert names_of(cluster, "alice") == ["TOKEN"]


def test_link_on_another_page_opens_the_page(web, browser):
    tab = browser.new_tab()
    tab.set_content(f'<a href="{web.url}">link</a>')
    tab.get_by_role("link").click()
    await_text(tab, "No secrets yet.")
    assert tab.url == f"{web.origin}/"
    tab.close()


def test_every_answer_has_the_strict_policy(cluster, web, page):
    for path in ("/", "/main.js", "/api/v1/secrets", "/none"):
        answer = page.request.get(web.origin + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    page.get_by_role("link", name="Activity").click()
    page.wait_for_timeout(500)
    assert requests and all(url.startswith(web.origin + "/") for url in requests), "nothing is loaded from elsewhere"


def test_too_long_head_and_body_end_the_connection(cluster, web, page):
    cookie = cookie_field(page)
    assert request_as(cluster, "alice", f"{web.origin}/", "--header", "X-A: " + "a" * 20000)[0] == 431
    status, _ = request_as(cluster, "alice", f"{web.origin}/api/import", "--header", cookie, "--header",
                           "Content-Length: 1048577", "--request", "POST", "--data", "x")
    assert status == 413
    assert page.request.get(f"{web.origin}/").status == 200, "others are served"


def test_silent_connections_keep_nobody_out(cluster, web, page):
    code = (f"import socket, time; s = [socket.create_connection(('127.0.0.1', {web.port})) for _ in range(80)]; "
            "print('here', flush=True); time.sleep(60)")
    holder = subprocess.Popen(cluster.command("bob", ["/usr/bin/python3", "-c", code]), stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "here\n"
        for _ in range(3):
            assert request_as(cluster, "alice", f"{web.origin}/", "--header", cookie_field(page))[0] == 200
    finally:
        holder.terminate()
        holder.wait()


def test_other_user_who_takes_the_port_gets_no_value(web, page, canary, serving):
    got = []

    class Thief(http.server.BaseHTTPRequestHandler):
        def answer(self):
            got.append((self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"secrets": [], "owner": "alice", "proof": "00"}')

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_):
            pass

    value = canary()
    page.get_by_role("button", name="New secret").click()
    page.get_by_label("Name", exact=True).fill("TOKEN")
    page.get_by_label("Value", exact=True).fill(value)
    web.interrupt()
    web.wait()
    serving(Thief, web.port)
    page.get_by_role("button", name="Set", exact=True).click()
    await_text(page, "so that nothing was sent")
    assert [command for command, *_ in got] == ["GET"], got
    page.get_by_role("button", name="Cancel").click()


def test_head_is_answered_without_body(cluster, web, page):
    for path in ("/", "/main.js", "/none", "/api/v1/secrets"):
        with socket.create_connection(("127.0.0.1", web.port)) as connection:
            connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{cookie_field(page)}\r\n\r\n".encode())
            answer = b"".join(iter(lambda connection=connection: connection.recv(4096), b""))
        assert answer.endswith(b"\r\n\r\n") and answer.startswith(b"HTTP/1.1 "), answer


# ---- how it begins and ends ----------------------------------------------------------------------------


def test_output_shows_link_tunnel_and_end(cluster):
    port = free_port()
    with WebProcess(cluster, "alice", "--port", str(port), is_json=False) as web:
        assert web.port == port
        lines = [web.first, web.line(), web.line()]
        assert re.fullmatch(r"Your secrets are at http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{64}\n", lines[0])
        assert lines[1] == f"On another computer, first: ssh -L {web.port}:127.0.0.1:{web.port} {socket.gethostname()}\n"
        assert lines[2] == "Ends with Ctrl-C, or after 1h without use.\n"
        web.interrupt()
        assert web.wait()[0] == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_page_ends_without_use_though_it_asks_for_events(cluster, browser):
    tab = browser.new_tab()
    with WebProcess(cluster, "alice", "--idle", "6s") as web:
        tab.goto(web.url)
        await_text(tab, "No secrets yet.")
        with tab.expect_request("**/api/v1/events?*"):
            tab.get_by_role("link", name="Activity").click()
        code, err = web.wait(20)
        assert code == 0 and err == "secretctl: ended: the page was not used for 6s\n"
        tab.close()


@pytest.mark.parametrize("options, sentence", [
    (["--port", "0"], "invalid --port '0'; expected a number from 1 to 65535"),
    (["--port", "65536"], "invalid --port '65536'; expected a number from 1 to 65535"),
    (["--idle", "soon"], "invalid --idle: invalid duration 'soon'"),
    (["--port", "8000", "--unix-socket", "/tmp/x"], "--unix-socket"),
    (["--unix-socket", ""], "--unix-socket requires a path"),
    (["--unix-socket", "/etc/passwd"], "cannot listen at /etc/passwd: it is not a socket"),
    (["--unix-socket", "/tmp/" + "x" * 120], "the path is longer than a socket's may be"),
])
def test_wrong_option_is_named(cluster, options, sentence):
    done = cluster.secretctl("web", "--no-browser", *options, user="alice")
    assert done.code == 2 and sentence in done.err, done.err


def test_output_that_nobody_reads_ends_nothing(cluster, browser):
    with WebProcess(cluster, "alice") as web:
        web.process.stdout.close()
        tab = browser.new_tab()
        tab.goto(web.url)  # after which the next link is written
        await_text(tab, "No secrets yet.")
        tab.close()
        assert web.is_running()


def test_nohup_keeps_page_and_hangup_ends_it_otherwise(cluster):
    for before, is_kept in ((["nohup"], True), ([], False)):
        with WebProcess(cluster, "alice", before=before) as web:
            os.kill(web.pid, signal.SIGHUP)
            if is_kept:
                assert request_as(cluster, "alice", web.url)[0] == 200
            else:
                assert web.wait()[0] == 0


def test_browser_is_opened_on_own_desktop_with_neither_port_nor_terminal(cluster, folder):
    program = folder / "xdg-open"
    folder.chmod(0o777)
    program.write_text(f"#!/bin/sh\n(echo $1; ls /proc/$$/fd; ps -o sid= -p $$; echo $$) >{folder}/seen.new\n"
                       f"echo $1 >>{folder}/opened\nmv {folder}/seen.new {folder}/seen\nexec sleep 20\n")
    program.chmod(0o755)
    desktop = {"DISPLAY": ":9", "PATH": f"{folder}:{os.environ['PATH']}"}
    for options, env in ((["--no-browser"], desktop), ([], {**desktop, "SSH_CONNECTION": "a b"})):
        with WebProcess(cluster, "alice", *options, env=env) as web:
            assert request_as(cluster, "alice", web.url)[0] == 200, "by now it would be opened"
    with WebProcess(cluster, "alice", env=desktop) as web:
        poll(lambda: (folder / "seen").exists(), 10, "the browser")
        url, *descriptors, session, pid = (folder / "seen").read_text().split()
        assert url == web.url
        assert set(descriptors) <= {"0", "1", "2", "10"}, "10 is the shell's own, of its script"
        assert session == pid
        os.kill(int(pid), signal.SIGKILL)
    assert (folder / "opened").read_text() == f"{web.url}\n"


def test_port_that_is_used_is_named(cluster, web):
    done = cluster.secretctl("web", "--no-browser", "--port", str(web.port), user="alice")
    assert done.code == 2
    assert f"cannot listen at 127.0.0.1:{web.port}: Address already in use; choose another --port" in done.err


def test_absent_agent_is_named_at_begin(cluster):
    command = [BUILD / "secretctl", "--socket", "/run/none.sock", "web", "--no-browser"]
    done = cluster.as_user("alice", command)
    assert done.code == 3 and "cannot connect to the agent at /run/none.sock" in done.err


def test_unix_socket_serves_its_user_only(cluster, folder, canary):
    set_secret(cluster, "alice", "TOKEN", canary())
    folder.chmod(0o777)
    path = folder / "web.sock"
    for _ in range(2):  # the second replaces what the first, which is killed, leaves
        with WebProcess(cluster, "alice", "--unix-socket", str(path)) as web:
            assert web.first == {"unix_socket": str(path)}
            assert path.stat().st_mode & 0o777 == 0o600
            status, body = request_as(cluster, "alice", "http://portal/api/v1/secrets", "--unix-socket", path)
            assert status == 200 and "TOKEN" in body
            assert request_as(cluster, "alice", "http://portal/", "--unix-socket", path)[0] == 200
            assert request_as(cluster, "bob", "http://portal/", "--unix-socket", path)[0] == 0
            path.chmod(0o666)
            assert request_as(cluster, "bob", "http://portal/", "--unix-socket", path)[0] == 403
            foreign = ["--header", "Origin: https://evil.example"]
            assert request_as(cluster, "alice", "http://portal/api/v1/secrets", "--unix-socket", path, *foreign)[0] == 403
            behind = ["--header", "Origin: https://portal.example", "--header", "X-Forwarded-Host: portal.example"]
            assert request_as(cluster, "alice", "http://portal/api/v1/secrets", "--unix-socket", path, *behind)[0] == 200
            refused = cluster.secretctl("web", "--unix-socket", path, user="alice")
            assert refused.code == 2 and "another program listens there" in refused.err
            os.kill(web.pid, signal.SIGKILL)
            poll(lambda: not web.is_running(), 5, "its end")
    with WebProcess(cluster, "alice", "--unix-socket", str(path)) as web:
        web.interrupt()
        web.wait()
    assert not path.exists()


def test_unix_socket_of_another_process_is_not_removed_at_end(cluster, folder):
    folder.chmod(0o777)
    path = folder / "web.sock"
    with WebProcess(cluster, "alice", "--unix-socket", str(path)) as first:
        path.unlink()
        with WebProcess(cluster, "alice", "--unix-socket", str(path)):
            first.interrupt()
            first.wait()
            assert request_as(cluster, "alice", "http://portal/", "--unix-socket", path)[0] == 200

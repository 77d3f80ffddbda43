# SPDX-License-Identifier: Apache-2.0
"""Shows the page of `secretctl web` to a user of Open OnDemand.

The portal runs this app as the user. The app starts `secretctl web` at a Unix socket that only the user can reach,
forwards each request to that socket, and starts the command again after it has ended. It needs Python 3.6 or later.
"""

import fcntl
import http.client
import json
import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time

LONGEST_BODY = 1024 * 1024  # in bytes
START_SECONDS = 20  # secretctl waits for 6 s if no hub answers
ANSWER_SECONDS = 60
IDLE = "10m"

# The fields that the page needs, by their names in WSGI. Cookies are the portal's and never forwarded.
FORWARDED = {
    "HTTP_HOST": "Host",
    "HTTP_X_FORWARDED_HOST": "X-Forwarded-Host",
    "HTTP_ORIGIN": "Origin",
    "HTTP_SEC_FETCH_SITE": "Sec-Fetch-Site",
    "HTTP_SEC_FETCH_MODE": "Sec-Fetch-Mode",
    "HTTP_IF_MATCH": "If-Match",
    "HTTP_IF_NONE_MATCH": "If-None-Match",
    "CONTENT_TYPE": "Content-Type",
}
# The fields that are about one connection only, which WSGI forbids in a response.
OF_CONNECTION = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


class Problem(Exception):
    """The reason why a request has no answer of secretctl: an HTTP status and one sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


def is_private(folder):
    """Returns whether only this user can open a folder. A link to one is not accepted."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700


def private_folder():
    """Returns the folder of the socket, the same one for each process of this app.

    It is on a local file system and not in the home directory: a Unix socket on NFS cannot be relied on.
    """
    user = os.geteuid()
    runtime = [folder for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/run/user/{}".format(user))
               if folder and is_private(folder)]
    path = os.path.join((runtime or [tempfile.gettempdir()])[0], "slurm-secrets-ondemand-{}".format(user))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    if not is_private(path):
        raise Problem(502, "cannot use the folder {}: it is not yours with mode 0700; have it removed".format(path))
    return path


def connect(path):
    """Returns a connection to the socket; None if no process listens."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        return None
    client.settimeout(ANSWER_SECONDS)
    return client


def connect_or_start():
    """Returns a connection to `secretctl web`, which it starts if necessary.

    A lock makes only one of several simultaneous requests start the command; the others then find its socket.
    """
    folder = private_folder()
    path = os.path.join(folder, "web.sock")
    connected = connect(path)
    if connected is None:
        with open(os.path.join(folder, "start.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            connected = connect(path) or start(path, os.path.join(folder, "secretctl.stderr"))
    return connected


def start(path, messages):
    """Starts `secretctl web` and returns a connection to it. Its messages go to a file, since it outlasts this app."""
    command = shlex.split(os.environ.get("SECRETCTL", "secretctl"))
    program = shutil.which(command[0]) or shutil.which(command[0], path="/usr/bin:/usr/local/bin")
    if program is None:
        raise Problem(502, "cannot start {}: it is not installed on the portal's host; ask the portal's "
                           "administrators".format(command[0]))
    command = [program] + command[1:] + ["web", "--no-browser", "--idle", IDLE, "--unix-socket", path]
    with open(messages, "w") as stderr:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, cwd="/",
                                 start_new_session=True)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        connected = connect(path)
        if connected is not None:
            return connected
        if child.poll() is not None:
            with open(messages, errors="replace") as stderr:
                sentence = " ".join(stderr.read().split())
            raise Problem(502, sentence or "cannot start secretctl: it ended with code {}".format(child.returncode))
        time.sleep(0.02)
    child.kill()
    child.wait()
    raise Problem(502, "cannot start secretctl: it does not listen after {} s; try again".format(START_SECONDS))


def body_of(environ):
    """Reads the request's body. Checks its length first, so that no long one is held in memory."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch("[0-9]{1,18}", length):
        raise Problem(400, "the field Content-Length is malformed")
    if int(length) > LONGEST_BODY:
        raise Problem(413, "the text is too long; at most {} bytes are accepted".format(LONGEST_BODY))
    try:
        body = environ["wsgi.input"].read(int(length)) if int(length) > 0 else b""
    except OSError:
        raise Problem(400, "cannot read the request's body")
    if len(body) != int(length):
        raise Problem(400, "the request's body is shorter than its Content-Length")
    return body


def forward(environ, target):
    """Returns status, fields and body of secretctl's answer."""
    body = body_of(environ)
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connect_or_start()
    try:
        connection.putrequest(environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True)
        for variable, name in FORWARDED.items():
            if environ.get(variable):
                connection.putheader(name, environ[variable])
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # secretctl has refused the request by its head, and its answer can be read
        answer = connection.getresponse()
        fields = [(name, value) for name, value in answer.getheaders() if name.lower() not in OF_CONNECTION]
        return answer.status, answer.reason, fields, answer.read()
    except (OSError, http.client.HTTPException):
        raise Problem(502, "secretctl ended or was too slow while it answered; try again")
    finally:
        connection.close()


def print_problem(problem, is_for_page):
    """Returns an answer with a sentence: plain text for a reader, or JSON, which the page's code shows."""
    text, kind = str(problem) + "\n", "text/plain; charset=utf-8"
    if is_for_page:
        text, kind = json.dumps({"status": problem.status, "detail": str(problem)}), "application/problem+json"
    body = text.encode("utf-8", "replace")
    fields = [("Content-Type", kind), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
              ("Content-Length", str(len(body)))]
    return problem.status, http.client.responses[problem.status], fields, body


def application(environ, start_response):
    """Answers a request (WSGI)."""
    root = environ.get("SCRIPT_NAME", "").rstrip("/")
    # Not PATH_INFO: Passenger gives "/" as PATH_INFO even if the request's path ends without it.
    uri = environ["REQUEST_URI"]
    target = uri[len(root):] if uri.startswith(root) else uri
    try:
        if not re.fullmatch("[A-Z]+", environ["REQUEST_METHOD"]) or not re.fullmatch("[!-~]*", target):
            raise Problem(400, "the request is malformed")
        if target.startswith("/"):
            status, reason, fields, body = forward(environ, target)
        else:  # the URLs in the page are relative to the path with the slash
            status, reason, body = 302, "Found", b""
            fields = [("Location", root + "/" + target), ("Content-Length", "0")]
    except Problem as problem:
        status, reason, fields, body = print_problem(problem, target.startswith("/api/"))
    except OSError as error:
        problem = Problem(502, "cannot start secretctl: {}".format(error))
        status, reason, fields, body = print_problem(problem, target.startswith("/api/"))
    start_response("{} {}".format(status, reason), fields)
    return [body]

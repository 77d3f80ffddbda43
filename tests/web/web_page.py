# SPDX-License-Identifier: Apache-2.0
"""Starts `secretctl web` as a user, and a browser of that user's own, whose connections the kernel knows as theirs."""

import atexit
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from harness import BUILD

CHROMIUM = Path("/usr/bin/chromium")
AS_USER = Path(__file__).resolve().parent / "chromium-as-user"


class WebProcess:
    """`secretctl web` of a user; its lines are the links that it shows."""

    def __init__(self, cluster, user, *options, is_json=True, env=None, before=()):
        self.cluster = cluster
        command = [*before, BUILD / "secretctl", "--socket", cluster.control_socket, *(["--json"] if is_json else []),
                   "web", *options]
        if env is None:
            command.append("--no-browser")
        self.command = cluster.command(user, command, env=env)
        self.unread = b""

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                        start_new_session=True)
        try:
            return self.begun()
        except BaseException:
            self.__exit__()
            raise

    def begun(self):
        line = self.line()
        if line.startswith("{"):
            self.first = json.loads(line)
            self.url = self.first.get("url")
        else:
            self.first = line
            self.url = line.split()[-1] if "http" in line else None
        if self.url:
            parts = urllib.parse.urlsplit(self.url)
            self.port = parts.port
            self.origin = f"http://{parts.netloc}"
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()

    def next_url(self):
        """Returns the link that is shown after one was opened."""
        return json.loads(self.line())["url"]

    def line(self):
        """Reads a line of the output, for which it waits for at most 20 s."""
        end = time.monotonic() + 20
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            assert ready, "secretctl web has shown nothing within 20 s"
            part = os.read(self.process.stdout.fileno(), 4096)
            assert part, self.process.stderr.read().decode()
            self.unread += part
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode() + "\n"

    def is_running(self):
        return self.process.poll() is None

    @property
    def pid(self):
        """Returns the pid of secretctl itself, which runuser and env may have started."""
        pids = [self.process.pid]
        while pids:
            pid = pids.pop()
            if Path(f"/proc/{pid}/exe").resolve() == (BUILD / "secretctl").resolve():
                return pid
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        raise AssertionError("secretctl web does not run")

    def interrupt(self):
        os.kill(self.pid, signal.SIGINT)

    def wait(self, seconds=10):
        _, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, err.decode()


@functools.cache
def driver():
    """Starts the driver of the browsers: one for all, which ends with the tests."""
    from playwright.sync_api import sync_playwright
    started = sync_playwright().start()
    atexit.register(started.stop)
    return started


class Browser:
    """Chromium as a user, with a profile of its own."""

    def __init__(self, user):
        self.user = user

    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix="slurm-secrets-browser-", dir="/var/tmp")
        shutil.chown(self.profile, self.user, self.user)
        environment = {"PATH": os.environ["PATH"], "BROWSER_USER": self.user, "BROWSER_HOME": self.profile}
        try:
            self.context = driver().chromium.launch_persistent_context(
                self.profile, executable_path=AS_USER, env=environment, chromium_sandbox=False, timezone_id="UTC")
        except BaseException:
            self.remove_profile()
            raise
        self.context.set_default_timeout(10000)
        return self

    def __exit__(self, *_):
        try:
            self.context.close()
        finally:
            self.remove_profile()

    def remove_profile(self):
        shutil.rmtree(self.profile, ignore_errors=True)

    def new_tab(self):
        tab = self.context.new_page()
        tab.reported = []
        tab.on("pageerror", lambda error: tab.reported.append(str(error)))
        tab.on("console", lambda message: tab.reported.append(message.text) if "Content Security Policy" in message.text
               else None)
        return tab


def set_secret(cluster, user, name, value, *options):
    done = cluster.secretctl("set", name, *options, user=user, input=value)
    assert done.code == 0, done.err


def names_of(cluster, user, *options):
    """Lists the names of a user's secrets, or of a workspace's."""
    answer = json.loads(cluster.secretctl("ls", "--json", *options, user=user).out)
    return [secret["name"] for secret in answer["secrets"]]


def request_as(cluster, user, url, *arguments):
    """Sends a request as a user, without a browser. Returns the status and the body."""
    done = cluster.as_user(user, ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *arguments, url])
    body, _, status = done.out.rpartition("\n")
    return int(status), body


def go(page, address):
    """Shows the screen of an address, as its link does."""
    page.evaluate("address => { location.hash = address; }", address)


def await_text(page, text):
    page.get_by_text(text).first.wait_for()

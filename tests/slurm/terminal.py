# SPDX-License-Identifier: Apache-2.0
"""Runs a program at a terminal of its own, at which the test types and reads."""

import fcntl
import os
import pty
import pwd
import select
import signal
import subprocess
import termios
import time


class Terminal:
    def __init__(self, command, user="alice", environment=None):
        account = pwd.getpwnam(user)
        self.master, slave = pty.openpty()
        os.fchown(slave, account.pw_uid, account.pw_gid)
        self.shown = ""
        self.slave = slave  # stays open, so that its modes can be read after the program's end
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd="/", env=environment, start_new_session=True,
            user=account.pw_uid, group=account.pw_gid, extra_groups=[],
            preexec_fn=self._prepare)

    @staticmethod
    def _prepare():
        """Gives the new process the terminal as its own and the default actions of signals, although the tests may have
        been started in the background."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)

    def type(self, text):
        os.write(self.master, text.encode())

    def read_for(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.shown += os.read(self.master, 65536).decode(errors="replace")

    def wait_for(self, text, seconds=10):
        """Reads until `text` is shown; returns and discards the output up to its end."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown, but: {self.shown!r}"
            self.read_for(0.1)
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait_until_hidden(self):
        end = time.monotonic() + 10
        while self.echoes():
            assert time.monotonic() < end, "the terminal goes on showing what is typed"
            time.sleep(0.01)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, seconds=10):
        """Waits for the program's end; returns its exit code and the output since the last wait_for()."""
        try:
            code = self.process.wait(seconds)
        finally:
            self.process.kill()
        self.read_for(0.2)
        return code, self.shown

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)

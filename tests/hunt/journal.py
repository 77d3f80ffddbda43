# SPDX-License-Identifier: Apache-2.0
"""Runs a systemd-journald of the hunt's own, at the usual socket, and searches all that it has taken."""

import subprocess
from pathlib import Path

from finds import JOURNAL, finds_of
from harness import poll

PROGRAM = "/lib/systemd/systemd-journald"
SETTINGS = "/run/systemd/journald.conf.d/hunt.conf"
SOCKET = Path("/run/systemd/journal/socket")
FOLDER = Path("/run/log/journal")


def start():
    """Starts journald without a limit of its rate, and with a journal in memory that is not compressed."""
    Path(SETTINGS).parent.mkdir(parents=True)
    Path(SETTINGS).write_text("[Journal]\nStorage=volatile\nCompress=no\nReadKMsg=no\nAudit=no\n"
                              "RateLimitIntervalSec=0\nRuntimeMaxUse=1G\n")
    FOLDER.mkdir(parents=True)
    process = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd="/", env={})
    poll(SOCKET.exists, 10, "the start of journald")
    return process


def search(canaries, folder=FOLDER):
    """Returns the finds in the fields of all entries; the files of the journal are searched as all files are."""
    with subprocess.Popen(["journalctl", "--directory", folder, "--output=export", "--all", "--no-pager"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        chunks = iter(lambda: process.stdout.read(1 << 20), b"")
        return finds_of(JOURNAL, f"the journal in {folder}", canaries.search_chunks(chunks))

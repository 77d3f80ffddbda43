# SPDX-License-Identifier: Apache-2.0
"""A name service of the tests' own (tests/faults/libnss_slow.c), which is slow, away or forgetful at a test's command
and which only one agent uses, in a mount namespace of its own."""

import re
from pathlib import Path

from harness import BUILD

GROUP_ID = 60017
LDAP_UID = 60018


class NameService:
    """ldapuser, and ldapgroup with member alice, besides the users and groups of the machine's files."""

    def __init__(self, folder):
        self.table = folder / "names"
        self.nsswitch = folder / "nsswitch.conf"
        text = Path("/etc/nsswitch.conf").read_text()
        self.nsswitch.write_text(re.sub(r"(?m)^(passwd|group):.*$", r"\1: files slow", text))
        self.set("answer")

    def set(self, mode, group_members="alice"):
        """Sets the mode: answer, slow SECONDS, unavail, notfound or flapping."""
        new = self.table.with_suffix(".new")
        new.write_text(f"mode {mode}\nuser ldapuser {LDAP_UID}\ngroup ldapgroup {GROUP_ID} {group_members}\n")
        new.chmod(0o644)
        new.rename(self.table)

    @property
    def environment(self):
        return {"LD_LIBRARY_PATH": str(BUILD), "SECRETS_NAME_SERVICE": str(self.table)}

    @property
    def prefix(self):
        """Returns what a command line must begin with to use this service."""
        mount = f"mount --bind {self.nsswitch} /etc/nsswitch.conf && exec \"$0\" \"$@\""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]

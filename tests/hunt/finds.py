# SPDX-License-Identifier: Apache-2.0
"""Describes what a hunt found: which value, in which kind of place, and where exactly."""

from dataclasses import dataclass

from canary import Canary

FILE, NAMELESS_FILE, JOURNAL, PACKET = "file", "file without a name", "journal", "packet"
MEMORY, ENVIRONMENT, COMMAND_LINE = "memory", "environment", "command line"
KINDS = (FILE, NAMELESS_FILE, JOURNAL, PACKET, MEMORY, ENVIRONMENT, COMMAND_LINE)


@dataclass(frozen=True)
class Find:
    """One kind of place that holds a value. Of several finds in one file or mapping the first is kept."""

    kind: str
    where: str
    canary: Canary | None  # None if only a part of a value was found
    encoding: str
    process: object = None  # the process of MEMORY, ENVIRONMENT, COMMAND_LINE and NAMELESS_FILE

    def __str__(self):
        return f"{self.kind}: {self.where} ({self.encoding})"


def finds_of(kind, where, results, process=None):
    """Returns a find for each value among the results of Canaries.search()."""
    firsts = {}
    for at, canary, encoding in results:
        firsts.setdefault(canary, (at, encoding))
    return [Find(kind, f"{where} at byte {at}", canary, encoding, process)
            for canary, (at, encoding) in firsts.items()]

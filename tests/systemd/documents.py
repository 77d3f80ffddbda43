# SPDX-License-Identifier: Apache-2.0
"""Extracts what the docs tell admins and platforms to do, for tests that do it."""

import re
import textwrap

from harness import PROJECT


def blocks(document, heading):
    """Returns the blocks of a section of the docs that a reader has to type or to write."""
    section = (PROJECT / "docs" / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)]

"""What the documents tell admins and platforms to do, for tests that do it."""

import re
import textwrap

from harness import PROJECT


def blocks(document, heading):
    """What a section of the documents says to type or to write."""
    section = (PROJECT / "docs" / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)]

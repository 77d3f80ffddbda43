# SPDX-License-Identifier: Apache-2.0
"""Moves the wall clock of an agent through a library that is loaded before libc (tests/faults/wall_clock.c)."""

from harness import BUILD

LIBRARY = BUILD / "libwall_clock.so"
DAY = 24 * 3600


class WallClock:
    """The file that says how far the wall clock is ahead. `seen_as`: its path and the library's, as the agent sees them."""

    def __init__(self, path, seen_as=None):
        self.path = path
        file, library = seen_as or (path, LIBRARY)
        self.environment = {"LD_PRELOAD": str(library), "SECRETS_WALL_CLOCK": str(file)}
        path.write_bytes(bytes(8))
        path.chmod(0o644)

    def jump(self, seconds):
        """Sets how far the wall clock is ahead."""
        with open(self.path, "r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))

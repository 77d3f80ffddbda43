# SPDX-License-Identifier: Apache-2.0
"""Makes values that the hunt recognizes wherever they are, also copied, encoded, escaped and in two halves.

Each value has the same mark of sixteen digits in both of its halves, so that a few searches for the mark find all values.
No escape changes a digit, and the hexadecimal form of a digit is the same in upper and lower case."""

import base64
import secrets
from dataclasses import dataclass

MARK_LENGTH = 16
ID_LENGTH = 8
WINDOW = 256  # bytes behind a mark that hold an encoded id
CHUNK = 4 << 20
SPECIAL = '"\\/ +%&=é:'  # is changed by each of the usual ways to escape


def _digits(count):
    return "".join(secrets.choice("0123456789") for _ in range(count))


@dataclass(frozen=True)
class Canary:
    value: str

    @property
    def data(self):
        return self.value.encode()


def encodings(text):
    """Returns the names of encodings, and the bytes by which `text` is found in each, wherever it begins."""
    data = text.encode()
    pairs = [f"{byte:02x}" for byte in data]
    found = {
        "plain": data,
        "UTF-16": b"\0".join(bytes([byte]) for byte in data),
        "hexadecimal": "".join(pairs).encode(),
        "percent escapes": ("%" + "%".join(pairs)).encode(),
        "\\x escapes": ("\\x" + "\\x".join(pairs)).encode(),
        "\\u escapes": "".join(f"\\u00{pair}" for pair in pairs).encode(),
    }
    for shift in range(3):
        # The first and the last characters hold bits of the bytes before and behind the text.
        whole = base64.b64encode(bytes(shift) + data)
        found[f"base64, shifted by {shift}"] = whole[(shift * 8 + 5) // 6:(shift + len(data)) * 8 // 6]
    return found


class Canaries:
    """Makes the canaries of one hunt, and searches bytes for all of them at once."""

    def __init__(self):
        self._mark = _digits(MARK_LENGTH)
        self._needles = encodings(self._mark)
        self._whole = {}  # by encoding: the bytes of mark and id, and the canary
        self.overlap = WINDOW + max(len(needle) for needle in self._needles.values())

    def make(self):
        ids = [_digits(ID_LENGTH) for _ in range(2)]
        canary = Canary(SPECIAL.join(self._mark + part for part in ids))
        for part in ids:
            for name, needle in encodings(self._mark + part).items():
                self._whole.setdefault(name, []).append((needle, canary))
        return canary

    def search(self, data):
        """Returns position, canary and encoding of each find. The canary is None if the id is missing."""
        found = []
        for name, needle in self._needles.items():
            at = data.find(needle)
            while at >= 0:
                found.append((at, self._canary_at(data, at, name), name))
                at = data.find(needle, at + len(needle))
        return found

    def _canary_at(self, data, at, name):
        return next((canary for needle, canary in self._whole.get(name, ()) if data.startswith(needle, at)), None)

    def search_chunks(self, chunks):
        """Searches pieces of bytes that follow each other, and returns what search() does for all of them."""
        found, rest, begin = [], b"", 0
        for chunk in chunks:
            data = rest + chunk
            keep = min(len(data), self.overlap)
            # A find in the kept bytes may go on in the next piece.
            found += [(begin + at, *what) for at, *what in self.search(data) if at < len(data) - keep]
            begin += len(data) - keep
            rest = data[-keep:] if keep else b""
        return found + [(begin + at, *what) for at, *what in self.search(rest)]

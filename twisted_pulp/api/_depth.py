"""How deep JSON is nested, before anybody builds what it says."""

from __future__ import annotations

from array import array
from itertools import accumulate

__all__ = ["Depth"]

_FOLD = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # as signed bytes: one up, one down
_OTHERS = bytes(each for each in range(256) if each not in b"[]{}")


class Depth:
    """
    Follow the nesting of JSON that comes in pieces.

    Each piece costs a few passes over its bytes in C, whatever it is.

    :ivar most: how deep it was at its deepest.
    """

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._in_text = False
        self._escape = b""

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        # Backslashes stand in texts only. Without the pairs that begin with them, every quote begins or ends a text.
        data = (self._escape + data).replace(b"\\\\", b"")
        self._escape = b"\\" if data.endswith(b"\\") else b""
        parts = data.replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[self._in_text :: 2])
        self._in_text ^= not len(parts) % 2
        steps = array("b", outside.translate(_FOLD, _OTHERS))
        if steps:
            # It cannot rise above this; most pieces need no closer look.
            self.most = max(self.most, *accumulate(steps, initial=self._now))
            self._now += sum(steps)

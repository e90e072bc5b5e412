"""A file that is filled at several places at once, and hashed in order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from twisted_pulp.digests import Hashes, new_hash
from twisted_pulp.download import Pieces
from twisted_pulp.transfer._spans import Spans

__all__ = ["BadPiece", "Filled", "Filling"]

_BLOCK = 1 << 20
# So much is read back at a time: what is to be written meanwhile must not wait for long.
_STEP = 8 << 20

#: The number of a piece, and the digest that it has.
BadPiece = tuple[int, str]
#: Whether there are bytes behind the hashed ones that can be hashed now, and the pieces found bad.
Filled = tuple[bool, list[BadPiece]]


class Filling:
    """
    Hash the front of a file as it grows: bytes that come in order at once, others when the front reaches them.

    :param hashes: of the bytes up to *front*.
    :param ranges: what is in the file.
    :param length: of the whole file.
    :param pieces: to check as the front passes, or None. *front* is at the beginning of one.
    :ivar hashes: of the bytes up to the front.
    :ivar ranges: what is in the file; a bad piece is not.
    """

    def __init__(
        self, hashes: Hashes, front: int, ranges: Iterable[tuple[int, int]], length: int, pieces: Pieces | None
    ) -> None:
        self.hashes, self._front, self._length, self._pieces = hashes, front, length, pieces
        self.ranges = Spans(ranges)
        self._bad: list[BadPiece] = []
        self._begin()

    def _begin(self) -> None:
        """Begin with the piece at the front."""
        if self._pieces is not None:
            self._start, self._saved = self._front, self.hashes.copy()
            self._hash: Any = new_hash(self._pieces.algorithm)

    def came(self, file: int, blocks: list[bytes], offset: int, size: int) -> Filled:
        """Take in that *blocks* are at *offset* of *file* now."""
        self.ranges.add(offset, offset + size)
        if offset == self._front:
            for block in blocks:
                if not self._passed(block):
                    break
        return self._state()

    def catch_up(self, file: int) -> Filled:
        """Read back from *file* what is there behind the front: some of it, so that nobody waits for long."""
        end = min(self.ranges.reach(self._front), self._front + _STEP)
        while self._front < end:
            block = os.pread(file, min(_BLOCK, end - self._front), self._front)
            if not block:
                raise OSError(0, f"the file ends at {self._front}, before {end}")
            if not self._passed(block):
                break
        return self._state()

    def _state(self) -> Filled:
        bad, self._bad = self._bad, []
        return self.ranges.reach(self._front) > self._front, bad

    def _passed(self, block: bytes) -> bool:
        """Let the front pass *block*; return False, and go back, when a piece is bad."""
        pieces = self._pieces
        if pieces is None:
            self.hashes.update(block)
            self._front += len(block)
            return True
        rest = memoryview(block)
        while rest:
            part = rest[: self._start + pieces.length - self._front]
            rest = rest[len(part) :]
            self.hashes.update(part)
            self._hash.update(part)
            self._front += len(part)
            if not self._ended(pieces):
                return False
        return True

    def _ended(self, pieces: Pieces) -> bool:
        """Check the piece if the front is at its end; return whether it was not bad."""
        if self._front < min(self._start + pieces.length, self._length):
            return True
        number, actual = self._start // pieces.length, self._hash.hexdigest()
        good = actual == pieces.digests[number]
        if not good:
            self._bad.append((number, actual))
            self.ranges.remove(self._start, self._front)
            self._front, self.hashes = self._start, self._saved
        self._begin()
        return bool(good)

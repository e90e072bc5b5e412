"""Pieces of a file that were found bad, and who may bring them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted_pulp.download import Pieces, Source
from twisted_pulp.errors import DigestMismatch
from twisted_pulp.transfer._filling import BadPiece

__all__ = ["Repairs"]


class Repairs:
    """
    See to it that a bad piece is fetched once from each source at most.

    :param pieces: of the file.
    :param length: of the file.
    :ivar failures: how often a repair itself has failed.
    """

    def __init__(self, pieces: Pieces, length: int) -> None:
        self._pieces, self.length = pieces, length
        self._waiting: dict[int, tuple[int, str]] = {}  # number -> where to begin, and the digest that it had
        self._asked: dict[int, set[str]] = {}
        self._came: list[tuple[int, int, Source]] = []
        self.failures = 0

    def begin(self, start: int) -> None:
        """Begin another attempt, at *start*: what waits is a gap like others by now."""
        self._waiting.clear()
        if not start:
            self._came.clear()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def came(self, start: int, end: int, source: Source) -> None:
        """Note that *source* has brought the bytes from *start* to *end*."""
        if start < end:
            self._came.append((start, end, source))

    def add(self, bad: BadPiece) -> tuple[int, int]:
        """Note that a piece is *bad*; return where it begins and ends."""
        number, actual = bad
        start, end = self.span(number)
        self._waiting[number] = start, actual
        return start, end

    def span(self, number: int) -> tuple[int, int]:
        """Return where the piece with *number* begins and ends."""
        start = number * self._pieces.length
        return start, min(self.length, start + self._pieces.length)

    def culprits(self, number: int) -> list[Source]:
        """Return who has brought bytes of the piece with *number*."""
        first, last = self.span(number)
        return [source for start, end, source in self._came if start < last and first < end]

    def take(self, sources: Sequence[Source]) -> tuple[int, int, Source]:
        """
        Return the number of a piece that waits, where to begin, and who is to bring it: best one who did not before.

        :param sources: that can be asked for a range.
        :raises DigestMismatch: when all of them have been asked for it.
        """
        number, (start, actual) = next(iter(self._waiting.items()))
        asked, culprits = self._asked.setdefault(number, set()), self.culprits(number)
        left = [source for source in sources if source.url not in asked]
        if not left:
            raise self.mismatch(number, actual)
        source = min(left, key=lambda each: each in culprits)
        asked.add(source.url)
        del self._waiting[number]
        return number, start, source

    def failed(self, number: int, at: int, again: Source | None) -> None:
        """
        Let the piece with *number* wait again, for the bytes from *at* on.

        :param again: a source that may be asked for it once more, or None.
        """
        self.failures += 1
        self._waiting[number] = at, "no answer"
        if again is not None:
            self._asked[number].discard(again.url)

    def mismatch(self, number: int, actual: str) -> DigestMismatch:
        """Return the error that the piece with *number* is bad."""
        pieces = self._pieces
        error = DigestMismatch("", pieces.algorithm, pieces.digests[number], actual)
        error.detail = f"piece {number + 1} of {len(pieces.digests)}: {error.detail}"
        return error


def one(sources: Iterable[Source]) -> Source | None:
    """Return the source that all of *sources* are, or None."""
    found = {source.url: source for source in sources}
    return next(iter(found.values())) if len(found) == 1 else None

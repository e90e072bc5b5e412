"""Ranges of bytes: which there are, and what is missing between them. Nothing but arithmetic."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["Spans"]


class Spans:
    """
    Ranges of a file, in order; no two touch or overlap.

    :param ranges: first byte and the one after the last, in any order.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __repr__(self) -> str:
        return f"<Spans {', '.join(f'{start}-{end}' for start, end in self)}>"

    @property
    def total(self) -> int:
        """Bytes in all of them."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Let the bytes from *start* to *end* be among them."""
        if start >= end:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Let none of the bytes from *start* to *end* be among them."""
        if start >= end:
            return
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if first >= last:
            return
        before, behind = self._starts[first], self._ends[last - 1]
        kept = [pair for pair in ((before, start), (end, behind)) if pair[0] < pair[1]]
        self._starts[first:last] = [pair[0] for pair in kept]
        self._ends[first:last] = [pair[1] for pair in kept]

    def reach(self, offset: int) -> int:
        """Return where the range that *offset* is in ends; *offset* itself where there is none."""
        at = bisect_right(self._starts, offset) - 1
        return self._ends[at] if at >= 0 and self._ends[at] > offset else offset

    def next(self, offset: int) -> int | None:
        """Return where the first range that begins behind *offset* begins, or None."""
        at = bisect_right(self._starts, offset)
        return self._starts[at] if at < len(self._starts) else None

    def gaps(self, length: int) -> Spans:
        """Return what is missing of a file of *length* bytes."""
        missing = Spans([(0, length)])
        for start, end in self:
            missing.remove(start, end)
        return missing

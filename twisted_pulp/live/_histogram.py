"""How often something took how long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

__all__ = ["Histogram"]

#: Seconds: from a file that is in memory to one that takes the whole night.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Histogram:
    """
    How often something took how long, in seconds.

    :ivar sum: of all that was observed.
    """

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How often it was."""
        return sum(self._counts)

    def observe(self, seconds: float) -> None:
        """Note that it took so long once; less than nothing, when a clock was set back, is nothing."""
        seconds = max(seconds, 0.0)
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    @property
    def counts(self) -> tuple[tuple[int, ...], float]:
        """How often it was in each bucket, and the sum."""
        return tuple(self._counts), self.sum

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Note what was observed elsewhere: how often in each bucket, and the sum."""
        for at, count in enumerate(counts):
            self._counts[at] += count
        self.sum += seconds

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Give bounds, and how often it took that long at most."""
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            yield bound, float(total)

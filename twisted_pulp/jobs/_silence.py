"""Who says nothing any more."""

from __future__ import annotations

from collections.abc import Container, Sequence

from attrs import define, field

from twisted_pulp.catalog.jobs import JobRow

__all__ = ["Silence"]


@define(eq=False)
class Silence:
    """
    Watches the jobs of others: whoever lives makes a count grow.

    For how long it has not grown is told by our own clock, and since we look: a wall clock that jumps kills nobody.
    """

    _seen: dict[int, tuple[int, int, float]] = field(init=False, factory=dict)

    def broken(self, rows: Sequence[JobRow], ours: Container[int], now: float, lease: float) -> list[JobRow]:
        """
        Return those of *rows* whose holders have said nothing for *lease* seconds.

        :param rows: all jobs that run.
        :param ours: ids of our own.
        :param now: by the monotonic clock.
        """
        before, self._seen = self._seen, {}
        dead = []
        for row in rows:
            if row.id in ours:
                continue
            fence, beat, since = before.get(row.id, (-1, -1, now))
            if (fence, beat) != (row.fence, row.beat):
                since = now
            self._seen[row.id] = row.fence, row.beat, since
            if now - since >= lease:
                dead.append(row)
        return dead

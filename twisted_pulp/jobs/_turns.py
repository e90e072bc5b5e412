"""Whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field

from twisted_pulp.catalog.leases import Candidate

__all__ = ["Turns"]

#: Remotes that are remembered.
_MOST = 10_000


@define(eq=False)
class Turns:
    """
    Takes the job with the highest priority; of several, that of the remote with the fewest that run, and then of the
    one that had its turn the longest time ago.
    """

    _count: int = field(init=False, default=0)
    _served: dict[str, int] = field(init=False, factory=dict)

    def best(self, candidates: Sequence[Candidate], running: Mapping[str, int]) -> Candidate:
        """Return the one of *candidates*, at least one, whose turn it is."""

        def order(each: Candidate) -> tuple[int, int, int, int]:
            return each.rank, running.get(each.remote, 0), self._served.get(each.remote, 0), each.id

        return min(candidates, key=order)

    def had(self, remote: str) -> None:
        """Remember that a *remote* had its turn."""
        self._count += 1
        self._served.pop(remote, None)
        self._served[remote] = self._count
        if len(self._served) > _MOST:
            del self._served[next(iter(self._served))]

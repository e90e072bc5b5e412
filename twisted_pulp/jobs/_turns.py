"""Whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field, frozen
from sqlalchemy import Connection

from twisted_pulp.catalog import dispatch, leases
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.catalog.leases import Candidate

__all__ = ["Place", "Turns", "begun", "crowding"]

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


@frozen
class Place:
    """
    A job that runs, and could be interrupted.

    :ivar rank: minus its priority.
    :ivar seconds: for which it has run.
    """

    id: int
    remote: str
    rank: int
    seconds: float


def crowding(
    places: Sequence[Place], candidates: Sequence[Candidate], running: Mapping[str, int], slice_: float
) -> Place | None:
    """
    Return which of *places* is to be left to one of *candidates*; None: none.

    That is one of a lower priority, or one that has had its *slice_* of time while a remote has nothing that runs.

    :param running: how many jobs of each remote run.
    """
    if not places or not candidates:
        return None
    lowest = max(places, key=lambda each: (each.rank, each.seconds))
    if min(each.rank for each in candidates) < lowest.rank:
        return lowest
    idle = [each.rank for each in candidates if not running.get(each.remote)]
    had = [each for each in places if each.seconds >= slice_ and idle and each.rank >= min(idle)]
    return max(had, key=lambda each: (running.get(each.remote, 0), each.seconds), default=None)


def begun(
    connection: Connection,
    holder: str,
    turns: Turns,
    now: float,
    longest: float,
    due: list[int],
    without: str = "",
    told: Sequence[str] = (),
) -> JobRow | None:
    """
    Begin the job whose turn it is, of those that are not of the kind *without*; None: there is none.

    :param told: uids of jobs that we were told of, one of which is taken where it is as good: others have others.
    """
    leases.promote(connection, now, longest, due)
    while True:
        found, running = leases.candidates(connection, without)
        if not found:
            return None
        best = turns.best(found, running)
        same = dispatch.like(connection, best, told, without) if told else None
        row = leases.begin(connection, best.id if same is None else same, holder, now)
        if row is not None:
            return row

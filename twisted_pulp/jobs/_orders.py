"""What other processes want of the jobs that run here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import leases
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._rounds import Rounds

__all__ = ["Orders"]

#: Seconds between two looks.
_EVERY = 1.0


@define(eq=False)
class Orders:
    """
    Looks whether the jobs that run here still may, which others can end, pause and reorder; and notes how far they are.

    :param jobs: the book.
    :param reactor: its clock.
    """

    _jobs: Jobs
    _reactor: Any
    _noted: Mapping[tuple[int, int], Mapping[str, int]] = field(init=False, factory=dict)
    _rounds: Rounds = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rounds = Rounds(self._reactor, self.look, "it is not known what others want of jobs")

    def start(self) -> None:
        """Look every second from now on."""
        self._rounds.start(_EVERY)

    def stop(self) -> Deferred[None]:
        """Look no more; the Deferred fires when nothing of a look is left."""
        return self._rounds.stop()

    async def look(self) -> None:
        """Look once."""
        mine = {run.row.id: run for run in self._jobs.runs.values()}
        if not mine:
            return
        held = await self._jobs.catalog.read(leases.held, list(mine))
        for id, run in mine.items():  # noqa: A001 -- the column
            fence, rank = held.get(id, (None, 0))
            if fence != run.row.fence:
                run.lose()
            elif rank != run.row.rank:
                run.row = evolve(run.row, rank=rank)
        figures = {(each.row.id, each.row.fence): each.task.figures for each in mine.values()}
        new = {key: value for key, value in figures.items() if value and self._noted.get(key) != value}
        if new:
            await self._jobs.catalog.write(leases.progress, new)
        self._noted = figures

"""What other processes want of the jobs that run here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import leases
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._rounds import Rounds

if TYPE_CHECKING:
    from twisted_pulp.catalog.reports import ReportRow
    from twisted_pulp.jobs._run import Run
    from twisted_pulp.jobs._task import Task

__all__ = ["Orders"]

#: Seconds between two looks.
_EVERY = 1.0


@define(eq=False)
class Orders:
    """
    Looks whether the jobs that run here still may, which others can end, pause and reorder; and notes how far they are.

    :param jobs: the book.
    :param reactor: its clock.
    :param watched: tells whether another process may be asked how far they are; default: one may.
    """

    _jobs: Jobs
    _reactor: Any
    _watched: Callable[[], bool] = lambda: True
    _reported: Mapping[tuple[int, int], ReportRow] = field(init=False, factory=dict)
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
        if mine:
            await self._obey(mine)
        await self._report({(each.row.id, each.row.fence): each.task for each in mine.values()})

    async def _obey(self, mine: Mapping[int, Run]) -> None:
        held = await self._jobs.catalog.read(leases.held, list(mine))
        for id, run in mine.items():  # noqa: A001 -- the column
            fence, rank = held.get(id, (None, 0))
            if fence != run.row.fence:
                run.lose()
            elif rank != run.row.rank:
                run.row = evolve(run.row, rank=rank)

    async def _report(self, tasks: Mapping[tuple[int, int], Task]) -> None:
        from twisted_pulp.jobs._reports import row_of  # where nobody else is, nobody needs it

        figures = {key: task.figures for key, task in tasks.items()}
        rows = {key: row_of(task) for key, task in tasks.items()} if self._watched() else {}
        reports = {key: row for key, row in rows.items() if row is not None}
        told, noted = self._reported, self._noted
        news = (
            {key: value for key, value in figures.items() if value and noted.get(key) != value},
            {key: row for key, row in reports.items() if told.get(key) != row},
            [key for key in told if key not in reports],
        )
        if any(news):
            await self._jobs.catalog.write(_note, *news)
        self._noted, self._reported = figures, reports


def _note(
    connection: Connection,
    figures: Mapping[tuple[int, int], Mapping[str, int]],
    rows: Mapping[tuple[int, int], ReportRow],
    over: Collection[tuple[int, int]],
) -> None:
    from twisted_pulp.catalog import reports

    leases.progress(connection, figures)
    reports.note(connection, rows)
    reports.forget(connection, over)

"""What other processes do with jobs, told here as if it were done here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import watching
from twisted_pulp.catalog.watching import Sight
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._nodes import Nodes
from twisted_pulp.jobs._rounds import Rounds
from twisted_pulp.jobs._telling import Tell

if TYPE_CHECKING:
    from twisted_pulp.catalog.reports import ReportRow

__all__ = ["Watch"]

#: Seconds between two looks; jobs of which it is known what was told; jobs that are looked after until they end.
_EVERY, _KNOWN, _FOLLOWED = 1.0, 5_000, 1_000
#: Told in parts: by the job that they belong to.
_HIDDEN = frozenset({"fetch"})
_TOLD = "state", "priority", "total", "done", "failed", "bytes", "error", "coming", "parts"


@define(eq=False)
class Watch:
    """
    Looks in the catalog for jobs that have changed, while there are other nodes, and tells of those; not of what the
    first look sees.

    Of very many at once some changes may be left out, never the state in which a job that was told of ends.

    :param jobs: the book.
    :param nodes: who else there is.
    :param reactor: its clock.
    :param tell: called with "job" and what is known of one.
    """

    _jobs: Jobs
    _nodes: Nodes
    _reactor: Any
    _tell: Tell
    _told: dict[str, tuple[Any, ...]] = field(init=False, factory=dict)
    _followed: dict[int, None] = field(init=False, factory=dict)
    _since: float | None = field(init=False, default=None)
    _rounds: Rounds = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rounds = Rounds(self._reactor, self.look, "it is not known what others do with jobs")

    def start(self) -> None:
        """Look every second from now on."""
        self._rounds.start(_EVERY)

    def stop(self) -> Deferred[None]:
        """Look no more; the Deferred fires when nothing of a look is left."""
        return self._rounds.stop()

    def note(self, data: Mapping[str, Any]) -> None:
        """Remember what was told of a job by who does it here, so that it is told once."""
        uid = data["uid"]
        self._told.pop(uid, None)
        self._told[uid] = tuple(data.get(name) for name in _TOLD)
        while len(self._told) > _KNOWN:
            del self._told[next(iter(self._told))]

    async def look(self) -> None:
        """Look once."""
        if not self._nodes.others and self._since is not None:
            return
        found, rows = await self._jobs.catalog.read(_looked, list(self._followed))
        first = self._since is None
        if self._since is None:
            self._since = max((each.finished for each in found if each.finished is not None), default=0.0)
        self._followed = {}
        for each in found:
            if each.state in ("waiting", "paused", "running") and len(self._followed) < _FOLLOWED:
                self._followed[each.id] = None
            if each.uid not in self._jobs.runs and each.kind not in _HIDDEN:
                self._see(each, rows.get(each.uid), first)

    def _see(self, sight: Sight, row: ReportRow | None, first: bool) -> None:
        data = _data(sight)
        if row is not None:
            from twisted_pulp.jobs._reports import report_of  # where nobody else is, nobody needs it

            report = report_of(row, sight.bytes)
            data |= {"coming": report.coming, "parts": report.parts}
        told = self._told.get(sight.uid)
        if told == tuple(data.get(name) for name in _TOLD):
            return
        # What ended before we looked is no news, although it may be seen only now that something newer was deleted.
        assert self._since is not None
        old = told is None and sight.finished is not None and sight.finished <= self._since
        self.note(data)
        if not first and not old:
            self._tell("job", data)


def _looked(connection: Connection, ids: Collection[int]) -> tuple[Sequence[Sight], Mapping[str, ReportRow]]:
    from twisted_pulp.catalog import reports

    return watching.lately(connection, ids), reports.running(connection, _FOLLOWED)


def _data(sight: Sight) -> dict[str, Any]:
    return {
        "uid": sight.uid,
        "owner": sight.owner or None,
        "kind": sight.kind,
        "state": sight.state,
        "remote": sight.remote or None,
        "priority": -sight.rank,
        "total": sight.total,
        "done": sight.done,
        "failed": sight.failed,
        "bytes": sight.bytes,
        "error": sight.error,
    }

"""How far runs of jobs are, here and in other processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import frozen

from twisted_pulp.catalog import reports
from twisted_pulp.catalog.reports import ReportRow

if TYPE_CHECKING:
    from twisted_pulp.jobs._jobs import Jobs
    from twisted_pulp.jobs._task import Task

__all__ = ["Report", "report_of", "reports_of", "row_of"]

#: Parts that others are told of, and bytes of all of them.
_PARTS, _ROOM = 100, 64 << 10
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


@frozen
class Report:
    """
    How far the run of a job is, beside its figures.

    :ivar coming: bytes that have come of files that are not finished.
    :ivar parts: how far the parts of it are: "code", "message", "state", "total", "done", "bytes", "suffix".
    """

    coming: int = 0
    parts: Sequence[Mapping[str, Any]] = ()


def row_of(task: Task) -> ReportRow | None:
    """Return what the catalog is to know of a run; None where its figures say everything."""
    if not task.parts and not task.come:
        return None
    return ReportRow(task.seen(task.job).bytes + task.come, _text(task.parts))


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    """Return *parts* as JSON; those that are too long, or what JSON cannot say, are left out."""
    try:
        text = _encode(list(parts[:_PARTS]))
    except (TypeError, ValueError):
        return "[]"
    return text.decode() if len(text) <= _ROOM else "[]"


def report_of(row: ReportRow, bytes: int) -> Report:
    """Return what is known of a run of which *bytes* are finished: some of what had come may be by now."""
    return Report(max(0, row.received - bytes), _decode(row.parts))


async def reports_of(jobs: Jobs, finished: Mapping[str, int]) -> dict[str, Report]:
    """
    Return how far jobs are that run, wherever they do.

    :param finished: by their uids, the bytes of them that are known to be finished.
    """
    here = {uid: jobs.runs[uid].task for uid in finished if uid in jobs.runs}
    found = {uid: Report(task.come, list(task.parts)) for uid, task in here.items()}
    elsewhere: Collection[str] = finished.keys() - here.keys()
    if elsewhere:
        rows = await jobs.catalog.read(reports.of, elsewhere)
        found.update((uid, report_of(row, finished[uid])) for uid, row in rows.items())
    return found

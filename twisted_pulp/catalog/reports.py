"""How far runs of jobs are, for those who watch them from other processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import frozen
from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._cluster_tables import report
from twisted_pulp.catalog._job_tables import job

__all__ = ["ReportRow", "forget", "note", "of", "running"]


@frozen
class ReportRow:
    """
    How far a run is.

    :ivar received: bytes that have come, those of files that are not finished too.
    :ivar parts: as JSON.
    """

    received: int
    parts: str


def note(connection: Connection, rows: Mapping[tuple[int, int], ReportRow]) -> None:
    """Note how far runs are, known by the numbers of their jobs and their fences."""
    for (number, fence), row in rows.items():
        values = {"fence": fence, "received": row.received, "parts": row.parts}
        same = report.c.job_id == number, report.c.fence <= fence
        if connection.execute(update_of(report).where(*same).values(values)).rowcount:
            continue
        try:
            with connection.begin_nested():
                connection.execute(insert_into(report).values(job_id=number, **values))
        except IntegrityError:  # there is a later run, or no such job any more
            pass


def forget(connection: Connection, runs: Collection[tuple[int, int]]) -> None:
    """Forget runs that are over."""
    for number, fence in runs:
        connection.execute(delete(report).where(report.c.job_id == number, report.c.fence == fence))


_RUNNING = (
    select(job.c.uid, report.c.received, report.c.parts)
    .join_from(report, job, report.c.job_id == job.c.id)
    .where(report.c.fence == job.c.fence, job.c.state == "running")
)


def running(connection: Connection, limit: int) -> dict[str, ReportRow]:
    """Return how far jobs that run are, by their uids, the latest of them."""
    found = connection.execute(_RUNNING.order_by(report.c.job_id.desc()).limit(limit))
    return {uid: ReportRow(*rest) for uid, *rest in found}


def of(connection: Connection, uids: Collection[str]) -> dict[str, ReportRow]:
    """Return how far those of *uids* are that run."""
    found = connection.execute(_RUNNING.where(among(job.c.uid, "uids")), {"uids": list(uids)})
    return {uid: ReportRow(*rest) for uid, *rest in found}

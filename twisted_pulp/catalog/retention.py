"""What is forgotten of jobs, some rows at a time."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Select, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._job_tables import item, job

__all__ = ["discard", "discard_drafts", "expire", "oldest", "shorten", "sweep"]


def discard(connection: Connection, id: int) -> None:
    """Let a draft be deleted."""
    connection.execute(update_of(job).where(job.c.id == id, job.c.state == "draft").values(state="deleted"))


def discard_drafts(connection: Connection, but: Collection[str], before: float | None = None) -> int:
    """Let drafts be deleted that were begun before *before* (None: whenever), but those with the uids *but*."""
    old = [job.c.state == "draft", job.c.uid.not_in(sorted(but))]
    if before is not None:
        old.append(job.c.created < before)
    return connection.execute(update_of(job).where(*old).values(state="deleted")).rowcount


def sweep(connection: Connection, limit: int) -> int:
    """Remove *limit* rows, or some more, of what is to be deleted: items, then their jobs; return how many."""
    deleted = select(job.c.id).where(job.c.state == "deleted").order_by(job.c.id).limit(_TOGETHER)
    ids = list(connection.scalars(deleted).all())
    if not ids:
        return 0
    rows = select(item.c.job_id, item.c.number).where(among(item.c.job_id, "ids"))
    ordered = rows.order_by(item.c.job_id, item.c.number).limit(limit)
    found = connection.execute(ordered, {"ids": ids}).all()
    last = {job_id: number for job_id, number in found}  # noqa: C416 -- rows are no pairs to mypy
    for job_id, number in last.items():
        connection.execute(delete_from(item).where(item.c.job_id == job_id, item.c.number <= number))
    if len(found) == limit:
        return limit
    connection.execute(delete_from(job).where(among(job.c.id, "ids"), job.c.state == "deleted"), {"ids": ids})
    return len(found) + len(ids)


#: Jobs that are removed at once.
_TOGETHER = 500


def expire(connection: Connection, states: Collection[str], before: float, limit: int) -> int:
    """Let *limit* jobs in these states be deleted that were finished before *before*; return how many they were."""
    old = select(job.c.id).where(job.c.finished.is_not(None), job.c.finished < before, job.c.state.in_(sorted(states)))
    return _delete(connection, old.order_by(job.c.finished).limit(limit))


def oldest(connection: Connection, count: int) -> int | None:
    """Return the id of the latest job that is over, but for the latest *count* of those; None: there is none."""
    over = select(job.c.id).where(job.c.state.in_(_OVER))
    found: int | None = connection.scalar(over.order_by(job.c.id.desc()).offset(count).limit(1))
    return found


def shorten(connection: Connection, last: int, limit: int) -> int:
    """Let *limit* jobs that are over be deleted, of those with ids up to *last*; return how many they were."""
    over = select(job.c.id).where(job.c.state.in_(_OVER), job.c.id <= last)
    return _delete(connection, over.order_by(job.c.id).limit(limit))


_OVER = "completed", "failed", "cancelled"


def _delete(connection: Connection, which: Select[int]) -> int:
    ids = connection.scalars(which).all()
    if ids:
        gone = update_of(job).where(among(job.c.id, "ids"), job.c.state.in_(_OVER))
        connection.execute(gone.values(state="deleted", key=None), {"ids": list(ids)})
    return len(ids)

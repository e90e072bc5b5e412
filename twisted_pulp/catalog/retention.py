"""What is forgotten of jobs, some rows at a time."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Select, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._job_tables import item, job

__all__ = ["discard", "discard_drafts", "expire", "shorten", "sweep"]


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
    """Remove *limit* rows of what is to be deleted: items, and jobs that have none any more; return how many."""
    gone = 0
    deleted = select(job.c.id).where(job.c.state == "deleted").order_by(job.c.id).limit(limit)
    for id in connection.scalars(deleted).all():  # noqa: A001 -- the column
        gone += _remove_items(connection, id, limit - gone)
        if gone >= limit:
            break
        connection.execute(delete_from(job).where(job.c.id == id))
        gone += 1
    return gone


def _remove_items(connection: Connection, job_id: int, limit: int) -> int:
    numbers = select(item.c.number).where(item.c.job_id == job_id).order_by(item.c.number).limit(limit)
    found = connection.scalars(numbers).all()
    if found:
        connection.execute(delete_from(item).where(item.c.job_id == job_id, item.c.number <= found[-1]))
    return len(found)


def expire(connection: Connection, states: Collection[str], before: float, limit: int) -> int:
    """Let *limit* jobs in these states be deleted that were finished before *before*; return how many they were."""
    old = select(job.c.id).where(job.c.finished.is_not(None), job.c.finished < before, job.c.state.in_(sorted(states)))
    return _delete(connection, old.order_by(job.c.finished).limit(limit))


def shorten(connection: Connection, count: int, limit: int) -> int:
    """Let *limit* jobs that are over be deleted, but the latest *count* of them; return how many they were."""
    over = select(job.c.id).where(job.c.state.in_(_OVER))
    last: int | None = connection.scalar(over.order_by(job.c.id.desc()).offset(count).limit(1))
    if last is None:
        return 0
    return _delete(connection, over.where(job.c.id <= last).order_by(job.c.id).limit(limit))


_OVER = "completed", "failed", "cancelled"


def _delete(connection: Connection, which: Select[int]) -> int:
    ids = connection.scalars(which).all()
    if ids:
        gone = update_of(job).where(among(job.c.id, "ids"), job.c.state.in_(_OVER))
        connection.execute(gone.values(state="deleted", key=None), {"ids": list(ids)})
    return len(ids)

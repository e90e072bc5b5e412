"""What is read of jobs, in the catalog's threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from twisted_pulp.catalog import items, jobs
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.errors import JobNotFound
from twisted_pulp.jobs._values import Item, Page, item_of

__all__ = ["again", "item_at", "items_of", "listed"]


def listed(connection: Connection, wanted: Mapping[str, Any], after: int | None, limit: int) -> Sequence[JobRow]:
    """Return a page of jobs, and one more if there are more."""
    return jobs.list(connection, **wanted, after=after, limit=limit + 1)


def items_of(connection: Connection, uid: str, state: str | None, after: int, limit: int) -> Page[Item]:
    """Return a page of items of a job."""
    job = jobs.get(connection, uid)
    cancelled = job.state == "cancelled"
    if cancelled and state in ("waiting", "cancelled"):
        if state == "waiting":
            return Page([], None)
        state = "waiting"
    rows = items.list(connection, job.id, state=state, after=after, limit=limit + 1)
    found = rows[:limit]
    return Page([item_of(row, cancelled) for row in found], found[-1].number if len(rows) > limit else None)


def item_at(connection: Connection, uid: str, number: int) -> Item:
    """Return one item of a job."""
    job = jobs.get(connection, uid)
    row = items.get(connection, job.id, number)
    if row is None:
        raise JobNotFound(f"{uid}, item {number}")
    return item_of(row, job.state == "cancelled")


def again(connection: Connection, uid: str, limit: int) -> int:
    """Let some failed items of a job that is over wait again; return how many."""
    job = jobs.get(connection, uid)
    return items.again(connection, job.id, limit) if job.state in jobs.VERBS["retry"][0] else 0

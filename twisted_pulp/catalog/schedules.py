"""Schedules: what is done again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog import jobs
from twisted_pulp.catalog._job_tables import schedule
from twisted_pulp.catalog.jobs import JobRow, NewJob
from twisted_pulp.errors import NotInCatalog

__all__ = ["ScheduleRow", "delete", "fire", "get", "list", "put"]


@frozen
class ScheduleRow:
    """
    A schedule of the catalog. Times are seconds since the epoch.

    :ivar spec: what is done, and how often.
    :ivar next_at: when it is due.
    :ivar fired: how often it was.
    :ivar last_uid: the job of the last time, or None.
    """

    id: int
    name: str
    spec: Mapping[str, Any]
    created: float
    next_at: float
    fired: int
    last_uid: str | None


def put(connection: Connection, name: str, spec: Mapping[str, Any], now: float) -> ScheduleRow:
    """Keep a schedule under a *name*; a new one is due at once, and so is one that had another *spec*."""
    values = {"name": name, "spec": dict(spec), "created": now, "next_at": now}
    try:
        with connection.begin_nested():
            return ScheduleRow(*connection.execute(insert_into(schedule).values(values).returning(*schedule.c)).one())
    except IntegrityError:
        pass
    row = get(connection, name)
    if row.spec == spec:
        return row
    changed = update_of(schedule).where(schedule.c.name == name).values(spec=dict(spec), next_at=now)
    return ScheduleRow(*connection.execute(changed.returning(*schedule.c)).one())


def get(connection: Connection, name: str) -> ScheduleRow:
    """
    Return a schedule.

    :raises NotInCatalog: when there is none of this *name*.
    """
    row = connection.execute(select(schedule).where(schedule.c.name == name)).first()
    if row is None:
        raise NotInCatalog("schedule", name)
    return ScheduleRow(*row)


def list(connection: Connection, after: str = "", limit: int | None = None) -> Sequence[ScheduleRow]:  # noqa: A001 -- read with its module: schedules.list
    """Return schedules in the order of their names: *limit* (default all) whose names come after *after*."""
    statement = select(schedule).where(schedule.c.name > after).order_by(schedule.c.name).limit(limit)
    return [ScheduleRow(*row) for row in connection.execute(statement)]


def delete(connection: Connection, name: str) -> None:
    """
    Forget a schedule; its jobs stay.

    :raises NotInCatalog: when there is none of this *name*.
    """
    if not connection.execute(delete_from(schedule).where(schedule.c.name == name)).rowcount:
        raise NotInCatalog("schedule", name)


def fire(
    connection: Connection, name: str, fired: int, next_at: float, new: NewJob, now: float
) -> tuple[JobRow | None, bool]:
    """
    Make the job of a schedule that is due, and say when it is due again.

    :param fired: how often it was, as far as the caller knows: if another process was quicker, nothing happens.
    :returns: the job, and whether it is new: as long as the one before is not over, there is no other. Without a job
        somebody else was quicker, or there is no such schedule any more.
    """
    due = schedule.c.name == name, schedule.c.fired == fired
    if not connection.execute(update_of(schedule).where(*due).values(fired=fired + 1, next_at=next_at)).rowcount:
        return None, False
    row, fresh = jobs.add(connection, new, now)
    if fresh:
        connection.execute(update_of(schedule).where(schedule.c.name == name).values(last_uid=row.uid))
    return row, fresh

"""What jobs look like from afar: the few figures that those who watch are told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, select

from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog.jobs import STATES

__all__ = ["Sight", "lately"]

#: Jobs that run, and those that were made or ended last, of which one look sees so many.
_RUNNING, _LATE = 1000, 100


@frozen
class Sight:
    """
    A job as those who watch are told of it, with the names of `jobs.JobRow`.

    :ivar finished: when it ended, in seconds since the epoch, or None.
    """

    id: int
    uid: str
    kind: str
    state: str
    rank: int
    remote: str
    owner: int
    total: int
    done: int
    failed: int
    bytes: int
    error: str | None
    finished: float | None


_SEEN = select(*(job.c[name] for name in Sight.__annotations__)).where(job.c.state.in_(STATES))


def lately(connection: Connection, ids: Collection[int] = ()) -> Sequence[Sight]:
    """Return the jobs that run, those made or ended last, and those with these *ids*, each once, by their ids."""
    looks: tuple[tuple[Any, dict[str, Any]], ...] = (
        (_SEEN.where(job.c.state == "running").order_by(job.c.id.desc()).limit(_RUNNING), {}),
        (_SEEN.order_by(job.c.id.desc()).limit(_LATE), {}),
        (_SEEN.where(job.c.finished.is_not(None)).order_by(job.c.finished.desc()).limit(_LATE), {}),
        (_SEEN.where(among(job.c.id, "ids")), {"ids": list(ids)}),
    )
    found = {row[0]: Sight(*row) for look, given in looks for row in connection.execute(look, given)}
    return [found[number] for number in sorted(found)]

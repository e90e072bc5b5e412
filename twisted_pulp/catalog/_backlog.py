"""How much is to be done yet."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog._parts import WHOLE

__all__ = ["waiting"]


def waiting(connection: Connection) -> int:
    """Return how many items are not done yet; a job without items is one."""
    left = func.sum(job.c.total - job.c.done - job.c.failed)
    unfinished = job.c.state.in_(("waiting", "running", "paused")), WHOLE
    statement = select(left, func.count()).where(*unfinished)
    plain = select(func.count()).where(*unfinished, job.c.total == 0)
    return int(connection.execute(statement).one()[0] or 0) + int(connection.scalar(plain) or 0)

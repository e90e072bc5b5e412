"""Which jobs workers have to be told of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy import update as update_of

from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog.leases import Candidate

__all__ = ["give_up", "like", "needed", "unheard"]


def give_up(connection: Connection, uid: str, deaths: int, now: float) -> bool:
    """Let a job fail that has killed whoever ran it so often in a row; return whether it has."""
    open_ = job.c.state.in_(("waiting", "running")) & (job.c.deaths >= deaths)
    values = {
        "state": "failed",
        "holder": None,
        "fence": job.c.fence + 1,
        "run_after": None,
        "finished": now,
        "parked": True,
        "error": "whoever ran it died, again and again",
    }
    return connection.execute(update_of(job).where(job.c.uid == uid, open_).values(values)).rowcount > 0


def needed(connection: Connection, uids: Sequence[str], holder: str) -> set[str]:
    """Return which of these jobs could be begun, or are run by *holder*."""
    free = (job.c.state == "waiting") & job.c.run_after.is_(None)
    ours = (job.c.state == "running") & (job.c.holder == holder)
    return set(connection.scalars(select(job.c.uid).where(job.c.uid.in_(uids), free | ours)))


def like(connection: Connection, best: Candidate, uids: Sequence[str], without: str) -> int | None:
    """Return the first of these jobs that may be begun in the place of *best*: of its remote, and of its priority."""
    free = job.c.state == "waiting", job.c.run_after.is_(None), job.c.kind != without
    same = job.c.remote == best.remote, job.c.rank == best.rank
    return connection.scalar(select(job.c.id).where(job.c.uid.in_(uids), *free, *same).order_by(job.c.id).limit(1))


def unheard(connection: Connection, before: float, limit: int) -> Sequence[str]:
    """Return jobs that could be begun, and were made *before* then (since the epoch), the first to be begun first."""
    free = job.c.state == "waiting", job.c.run_after.is_(None), job.c.created < before
    return connection.scalars(select(job.c.uid).where(*free).order_by(job.c.rank, job.c.id).limit(limit)).all()

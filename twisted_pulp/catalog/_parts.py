"""Jobs that do a part of another."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy import update as update_of

from twisted_pulp.catalog._claim_tables import fetch
from twisted_pulp.catalog._job_tables import job

__all__ = ["PARTS", "WHOLE", "cancel_parts"]

#: Their kinds: only who asks for them is told of them.
PARTS = frozenset({"fetch"})
#: What holds for all other jobs.
WHOLE = job.c.kind.not_in(sorted(PARTS))

_UNFINISHED = "waiting", "running", "paused"


def cancel_parts(connection: Connection, parent_id: int, now: float) -> None:
    """Cancel everything that is done for a job; whoever does it has lost it then."""
    theirs = select(fetch.c.job_id).where(fetch.c.parent_id == parent_id)
    unfinished = update_of(job).where(job.c.id.in_(theirs), job.c.state.in_(_UNFINISHED))
    connection.execute(unfinished.values(state="cancelled", holder=None, fence=job.c.fence + 1, finished=now))

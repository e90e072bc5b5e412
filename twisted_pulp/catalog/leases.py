"""
Who runs which job.

A run writes with its fence, a number that grows whenever the job changes hands: what a holder that has lost its job
still writes is refused. That a holder lives is told by a count that it makes grow; others watch it by their own
monotonic clocks, so that nobody's wall clock counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, bindparam, func, null, select, text
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.errors import LeaseLost

__all__ = [
    "Candidate",
    "Lost",
    "anything",
    "beat",
    "begin",
    "candidates",
    "drop",
    "end",
    "held",
    "hold",
    "progress",
    "promote",
    "ready",
    "running",
]

#: The best job of each remote that has one: remotes are found one after another in the index, so that it does not
#: matter how many jobs each of them has.
_CANDIDATES = text("""
WITH RECURSIVE lane(remote) AS (
    SELECT min(remote) FROM job WHERE state = 'waiting' AND run_after IS NULL
    UNION ALL
    SELECT (SELECT min(remote) FROM job WHERE state = 'waiting' AND run_after IS NULL AND remote > lane.remote)
    FROM lane WHERE lane.remote IS NOT NULL
)
SELECT job.id, job.remote, job.rank FROM lane JOIN job ON job.id = (
    SELECT id FROM job AS other
    WHERE other.state = 'waiting' AND other.run_after IS NULL AND other.remote = lane.remote AND other.kind <> :without
    ORDER BY other.rank, other.id LIMIT 1
) WHERE lane.remote IS NOT NULL
""")


@frozen
class Candidate:
    """
    A job that could be begun: the first of its remote.

    :ivar rank: minus its priority.
    """

    id: int
    remote: str
    rank: int


@frozen
class Lost:
    """
    What becomes of a job whose holder died.

    :ivar state: "waiting" or "failed".
    :ivar run_after: seconds since the epoch, or None.
    """

    state: str
    run_after: float | None = None
    error: str | None = None


def candidates(connection: Connection, without: str = "") -> tuple[list[Candidate], dict[str, int]]:
    """
    Return the first job of each remote, and how many jobs of each remote are running.

    :param without: jobs of this kind are left out; default: none are.
    """
    found = [Candidate(*row) for row in connection.execute(_CANDIDATES, {"without": without})]
    if not found:
        return found, {}
    busy = select(job.c.remote, func.count()).where(job.c.state == "running").group_by(job.c.remote)
    return found, {remote: count for remote, count in connection.execute(busy)}  # noqa: C416 -- rows are no pairs to mypy


def promote(connection: Connection, now: float, longest: float, ids: Collection[int] = ()) -> None:
    """
    Let jobs be begun whose time has come.

    :param longest: seconds that a failed job waits at most: one that has more to wait has met a wall clock that jumped.
    :param ids: of jobs whose time has come by another clock.
    """
    if connection.scalar(_DUE, {"now": now, "never": now + longest, "ids": list(ids)}) is not None:
        values = {"now": now, "never": now + longest, "ids": list(ids)}
        connection.execute(update_of(job).where(_LATER, _IS_DUE).values(run_after=None), values)


# As the condition of the index says it.
_LATER = text("state = 'waiting' AND run_after IS NOT NULL")
_IS_DUE = (
    (job.c.run_after <= bindparam("now"))
    | ((job.c.run_after > bindparam("never")) & (job.c.failures + job.c.deaths > 0))
    | among(job.c.id, "ids")
)
_DUE = select(job.c.id).where(_LATER, _IS_DUE).limit(1)


def begin(connection: Connection, id: int, holder: str, now: float) -> JobRow | None:
    """Begin a job; return it, or None when somebody else was quicker."""
    ready = job.c.id == id, job.c.state == "waiting", job.c.run_after.is_(None)
    values = {
        "state": "running",
        "holder": holder,
        "fence": job.c.fence + 1,
        "attempts": job.c.attempts + 1,
        "started": func.coalesce(job.c.started, now),
    }
    row = connection.execute(update_of(job).where(*ready).values(values).returning(*job.c)).first()
    return None if row is None else JobRow(*row)


def hold(connection: Connection, id: int, fence: int, uid: str) -> None:
    """
    Make sure that a job is still ours, until the end of the transaction.

    :raises LeaseLost: it is not.
    """
    ours = select(job.c.id).where(job.c.id == id, job.c.fence == fence, job.c.state == "running")
    if connection.execute(ours.with_for_update()).first() is None:
        raise LeaseLost(uid)


def beat(connection: Connection, holder: str, ids: Collection[int]) -> dict[int, int]:
    """Say that the holder of these jobs lives; return the fences of those that it still has."""
    ours = update_of(job).where(job.c.holder == holder, job.c.state == "running", among(job.c.id, "ids"))
    changed = ours.values(beat=job.c.beat + 1).returning(job.c.id, job.c.fence)
    rows = connection.execute(changed, {"ids": list(ids)})
    return {number: fence for number, fence in rows}  # noqa: C416 -- rows are no pairs to mypy


def held(connection: Connection, ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return fence and rank of those of these jobs that run."""
    rows = connection.execute(_HELD, {"ids": list(ids)})
    return {number: (fence, rank) for number, fence, rank in rows}


_HELD = select(job.c.id, job.c.fence, job.c.rank).where(job.c.state == "running", among(job.c.id, "ids"))


def ready(connection: Connection) -> int:
    """Return how many jobs wait for nothing but somebody to run them."""
    statement = select(func.count()).where(text("state = 'waiting' AND run_after IS NULL")).select_from(job)
    return connection.scalar(statement) or 0


def running(connection: Connection) -> Sequence[JobRow]:
    """Return all jobs that run."""
    return [JobRow(*row) for row in connection.execute(select(job).where(job.c.state == "running"))]


def drop(connection: Connection, lost: Sequence[JobRow], fate: Callable[[JobRow], Lost], now: float) -> list[JobRow]:
    """
    Take jobs from holders that are dead; return those that really were still what *lost* says of them.

    :param fate: says what becomes of each.
    """
    dropped = []
    for row in lost:
        same = job.c.id == row.id, job.c.fence == row.fence, job.c.beat == row.beat, job.c.state == "running"
        become = fate(row)
        values: dict[str, Any] = {
            "state": become.state,
            "holder": None,
            "fence": row.fence + 1,
            "deaths": row.deaths + 1,
            "run_after": become.run_after,
            "error": become.error,
        }
        if become.state == "failed":
            values.update(finished=now, parked=True)
        found = connection.execute(update_of(job).where(*same).values(values).returning(*job.c)).first()
        if found is not None:
            dropped.append(JobRow(*found))
    return dropped


def progress(connection: Connection, figures: Mapping[tuple[int, int], Mapping[str, int]]) -> None:
    """Note how far jobs without items are: id and fence -> figures; those that are not ours any more are left out."""
    for (id, fence), values in figures.items():  # noqa: A001 -- the column
        if not values:
            continue
        connection.execute(_FENCED.values(dict(values)), {"id_": id, "fence_": fence})


_FENCED = update_of(job).where(
    job.c.id == bindparam("id_"), job.c.fence == bindparam("fence_"), job.c.state == "running"
)


def end(
    connection: Connection,
    id: int,
    fence: int,
    uid: str,
    state: str,
    *,
    now: float,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
    run_after: float | None = None,
    failures: int = 0,
    parked: bool = False,
    figures: Mapping[str, int] | None = None,
) -> JobRow:
    """
    End a run: its job is in this *state* then.

    :param figures: of a job without items: how far it is.

    :raises LeaseLost: it is not ours any more.
    """
    values = {
        **(figures or {}),
        "state": state,
        "holder": None,
        "fence": fence + 1,
        "result": null() if result is None else dict(result),
        "error": error,
        "run_after": run_after,
        "failures": failures,
        "deaths": 0,
        "parked": parked,
        "finished": now if state in ("completed", "failed", "cancelled") else None,
    }
    row = connection.execute(_FENCED.values(values).returning(*job.c), {"id_": id, "fence_": fence}).first()
    if row is None:
        raise LeaseLost(uid)
    return JobRow(*row)


def anything(connection: Connection, now: float, longest: float, ids: Collection[int] = ()) -> bool:
    """Return whether there is a job that could be begun, once `promote` was called."""
    if connection.scalar(_READY) is not None:
        return True
    return connection.scalar(_DUE, {"now": now, "never": now + longest, "ids": list(ids)}) is not None


_READY = select(job.c.id).where(text("state = 'waiting' AND run_after IS NULL")).limit(1)

"""Jobs that bring files for another job, and what has come of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog import leases
from twisted_pulp.catalog._bulk import among
from twisted_pulp.catalog._bulk import insert as insert_all
from twisted_pulp.catalog._claim_tables import fetch, fetched
from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog.jobs import JobRow, NewJob
from twisted_pulp.catalog.jobs import add as add_job

__all__ = ["KIND", "Fetched", "Fetching", "State", "add", "get", "look", "note", "numbers", "remove", "withdraw"]

#: The kind of such jobs.
KIND = "fetch"


class Fetching(msgspec.Struct, frozen=True):
    """
    A file that is to be brought.

    :ivar sources: URL, priority, and the number of the Remote that reaches it, if it is not that of all.
    """

    sources: tuple[tuple[str, int, int | None], ...]
    path: str
    size: int | None
    digests: Mapping[str, str]


@frozen
class Fetched:
    """
    What became of a file.

    :ivar number: its place among those of its job, from 0.
    :ivar artifact_id: of the stored artifact, as *sha256* and *size*; None where there is none.
    :ivar bytes: that came from the upstream; None where nothing was asked of it.
    :ivar error: why there is none: class, whether another try can help, and words; or None.
    """

    number: int
    artifact_id: int | None
    sha256: str | None
    size: int | None
    bytes: int | None
    error: tuple[str, bool, str] | None


@frozen
class State:
    """How far a job is: its *state*, and how many *turns* it has noted."""

    id: int
    uid: str
    state: str
    turns: int


_encode = msgspec.json.Encoder().encode
_wanted = msgspec.json.Decoder(list[Fetching]).decode
_error = msgspec.json.Decoder(tuple[str, bool, str]).decode


def add(
    connection: Connection,
    new: NewJob,
    parent: JobRow,
    wanted: Sequence[Fetching],
    remote_id: int | None,
    key: Any,
    now: float,
) -> JobRow:
    """
    Keep a job that fetches *wanted* for *parent*, as long as that one runs.

    :param key: seals what has secrets; None: nothing has.
    :raises LeaseLost: *parent* is not ours any more.
    """
    leases.hold(connection, parent.id, parent.fence, parent.uid)
    row, _ = add_job(connection, new, now)
    connection.execute(update_of(job).where(job.c.id == row.id).values(total=len(wanted)))
    document = _encode(wanted)
    sealed = None if key is None else key.seal({"wanted": document.decode()})
    values = {
        "job_id": row.id,
        "parent_id": parent.id,
        "parent_fence": parent.fence,
        "remote_id": remote_id,
        "wanted": document.decode() if sealed is None else None,
        "sealed": sealed,
    }
    connection.execute(insert(fetch).values(values))
    return row


def get(connection: Connection, job_id: int, key: Any) -> tuple[list[Fetching], int | None, bool] | None:
    """Return what a job fetches, the number of the Remote that reaches it, and whether it is still wanted."""
    row = connection.execute(select(fetch).where(fetch.c.job_id == job_id)).first()
    if row is None:
        return None
    text = row.wanted if row.sealed is None else key.unseal(row.sealed)["wanted"]
    running = select(job.c.id).where(
        job.c.id == row.parent_id, job.c.fence == row.parent_fence, job.c.state == "running"
    )
    return _wanted(text), row.remote_id, connection.execute(running).first() is not None


def numbers(connection: Connection, job_id: int) -> set[int]:
    """Return the numbers of the files that are done."""
    return set(connection.scalars(select(fetched.c.number).where(fetched.c.job_id == job_id)))


def note(connection: Connection, job_id: int, fence: int, uid: str, ended: Sequence[Fetched]) -> None:
    """
    Note what became of files of a job.

    :raises LeaseLost: the job is not ours any more.
    """
    leases.hold(connection, job_id, fence, uid)
    done, failed = connection.execute(select(job.c.done, job.c.failed).where(job.c.id == job_id)).one()
    rows = [
        (
            job_id,
            turn,
            each.number,
            each.artifact_id,
            each.sha256,
            each.size,
            -1 if each.bytes is None else each.bytes,
            None if each.error is None else _encode(each.error).decode(),
        )
        for turn, each in enumerate(ended, done + failed)
    ]
    insert_all(connection, fetched, tuple(fetched.c.keys()), rows)
    lost = sum(each.artifact_id is None for each in ended)
    values = {
        "done": job.c.done + len(ended) - lost,
        "failed": job.c.failed + lost,
        "bytes": job.c.bytes + sum(each.bytes or 0 for each in ended),
        "deaths": 0,
    }
    connection.execute(update_of(job).where(job.c.id == job_id).values(values))


def look(connection: Connection, turns: Mapping[int, int]) -> tuple[list[State], dict[int, list[Fetched]]]:
    """
    Return how far jobs are, and what is new of each.

    :param turns: numbers of jobs, with how many outcomes of each are known.
    """
    states, news = [], {}
    for row in connection.execute(_STATES, {"ids": list(turns)}):
        state = State(row.id, row.uid, row.state, row.done + row.failed)
        states.append(state)
        if state.turns > turns[state.id]:
            found = connection.execute(_NEWS, {"job": state.id, "known": turns[state.id]})
            news[state.id] = [_fetched(each) for each in found]
    return states, news


_STATES = select(job.c.id, job.c.uid, job.c.state, job.c.done, job.c.failed).where(among(job.c.id, "ids"))
_NEWS = (
    select(fetched)
    .where(fetched.c.job_id == bindparam("job"), fetched.c.turn >= bindparam("known"))
    .order_by(fetched.c.turn)
)


def _fetched(row: Any) -> Fetched:
    error = None if row.error is None else _error(row.error)
    came = None if row.bytes < 0 else row.bytes
    return Fetched(row.number, row.artifact_id, row.sha256, row.size, came, error)


def withdraw(connection: Connection, ids: Collection[int], now: float) -> list[int]:
    """Cancel those of *ids* that nobody has begun; return them."""
    unbegun = update_of(job).where(among(job.c.id, "ids"), job.c.state == "waiting")
    return list(connection.scalars(unbegun.values(**_CANCELLED, finished=now).returning(job.c.id), {"ids": list(ids)}))


_CANCELLED: dict[str, Any] = {"state": "cancelled", "holder": None, "fence": job.c.fence + 1}


def remove(connection: Connection, ids: Collection[int]) -> None:
    """Forget jobs, whether they are over or not, and what came of them."""
    for table in (fetched, fetch):
        connection.execute(delete_from(table).where(among(table.c.job_id, "ids")), {"ids": list(ids)})
    connection.execute(delete_from(job).where(among(job.c.id, "ids"), job.c.kind == KIND), {"ids": list(ids)})

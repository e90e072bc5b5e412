"""The items of jobs: one file each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, func, literal, select
from sqlalchemy import update as update_of

from twisted_pulp.catalog import leases
from twisted_pulp.catalog._bulk import among, insert, json_text
from twisted_pulp.catalog._job_tables import item, job
from twisted_pulp.errors import JobNotFound

__all__ = ["Ended", "ItemRow", "NewItem", "add", "again", "finish", "get", "list", "twice"]


class NewItem(msgspec.Struct, frozen=True):
    """
    An item that is to be kept.

    :ivar url: fit to be shown.
    :ivar path: where the file goes.
    :ivar size: expected bytes.
    :ivar digests: expected: algorithm -> lower-case hex.
    :ivar secret: the URL itself, sealed, where *url* hides something of it.
    """

    url: str
    path: str
    size: int | None = None
    digests: Mapping[str, str] | None = None
    secret: bytes | None = None


@frozen
class ItemRow:
    """
    An item of the catalog.

    :ivar number: within its job, from 0.
    :ivar bytes: that the file has.
    :ivar finished: seconds since the epoch.
    """

    number: int
    url: str
    secret: bytes | None
    path: str
    size: int | None
    digests: Mapping[str, str]
    state: str
    attempts: int
    bytes: int
    sha256: str | None
    error: str | None
    finished: float | None


@frozen
class Ended:
    """
    What became of an item.

    :ivar state: "completed", "failed", or "waiting" when it is to be tried again in a later run.
    """

    number: int
    state: str
    bytes: int = 0
    sha256: str | None = None
    error: str | None = None


_NEW = "job_id", "number", "url", "secret", "path", "size", "digests", "state"


def add(connection: Connection, job_id: int, new: Sequence[NewItem]) -> int:
    """
    Add items to a job that is being handed in; return how many it has now.

    :raises JobNotFound: when it is not there any more.
    """
    more = update_of(job).where(job.c.id == job_id).values(total=job.c.total + len(new)).returning(job.c.total)
    total: int | None = connection.scalar(more)
    if total is None:
        raise JobNotFound(str(job_id))
    rows = [
        (job_id, number, each.url, each.secret, each.path, each.size, _text(each.digests), "waiting")
        for number, each in enumerate(new, total - len(new))
    ]
    insert(connection, item, _NEW, rows)
    return total


def twice(connection: Connection, job_id: int) -> tuple[int, int, str] | None:
    """Return a path that a job has twice, behind the numbers of the second and the first item; None: there is none."""
    found = connection.execute(_TWICE, {"job": job_id}).first()
    if found is None:
        return None
    first, path = found
    second = connection.scalars(_NEXT, {"job": job_id, "path": path, "first": first}).one()
    return second, first, path


_OF_JOB = item.c.job_id == bindparam("job")
_TWICE = (
    select(func.min(item.c.number).label("first"), item.c.path)
    .where(_OF_JOB)
    .group_by(item.c.path)
    .having(func.count() > 1)
    .order_by("first")
    .limit(1)
)
_NEXT = select(func.min(item.c.number)).where(
    _OF_JOB, item.c.path == bindparam("path"), item.c.number > bindparam("first")
)


def _text(digests: Mapping[str, str] | None) -> str | None:
    return json_text(dict(digests)) if digests else None


def get(connection: Connection, job_id: int, number: int) -> ItemRow | None:
    """Return an item of a job, or None when it has none of this number."""
    row = connection.execute(_ONE, {"job": job_id, "number": number}).first()
    return None if row is None else _row(row)


def list(  # noqa: A001 -- read with its module: items.list
    connection: Connection, job_id: int, *, state: str | None = None, after: int = -1, limit: int = 100
) -> Sequence[ItemRow]:
    """Return items of a job in their order: *limit* whose numbers come after *after*; of one *state*, or (None) all."""
    given = {"job": job_id, "after": after, "limit": limit}
    if state is None:
        return [_row(row) for row in connection.execute(_PAGE, given)]
    return [_row(row) for row in connection.execute(_PAGE_OF, {**given, "state": state})]


_COLUMNS = [column for column in item.c if column.name != "job_id"]
_ONE = select(*_COLUMNS).where(item.c.job_id == bindparam("job"), item.c.number == bindparam("number"))
_PAGE = (
    select(*_COLUMNS)
    .where(item.c.job_id == bindparam("job"), item.c.number > bindparam("after"))
    .order_by(item.c.number)
    .limit(bindparam("limit"))
)
_PAGE_OF = _PAGE.where(item.c.state == bindparam("state"))
_digests = msgspec.json.Decoder(dict[str, str]).decode
_NO_DIGESTS: Mapping[str, str] = {}


def _row(row: Any) -> ItemRow:
    number, url, secret, path, size, digests, *rest = row
    return ItemRow(number, url, secret, path, size, _digests(digests) if digests else _NO_DIGESTS, *rest)


def finish(
    connection: Connection, job_id: int, fence: int, uid: str, ended: Sequence[Ended], now: float
) -> tuple[int, int, int]:
    """
    Note what became of items; what was noted before stays.

    :returns: how many of these are done now, how many have failed, and the bytes of those done.

    :raises LeaseLost: the job is not ours any more, and nothing is noted.
    """
    leases.hold(connection, job_id, fence, uid)
    by_number = {each.number: each for each in ended}
    given = {"job": job_id, "numbers": sorted(by_number)}
    new = [by_number[number] for (number,) in connection.execute(_UNFINISHED, given)]
    if new:
        connection.execute(_FINISH, [_ended(job_id, each, now) for each in new])
    done = [each for each in new if each.state == "completed"]
    failed, bytes = sum(each.state == "failed" for each in new), sum(each.bytes for each in done)  # noqa: A001 -- of the row
    counted = {
        "done": job.c.done + len(done),
        "failed": job.c.failed + failed,
        "bytes": job.c.bytes + bytes,
    }
    if done or failed:
        counted["deaths"] = literal(0)
    connection.execute(update_of(job).where(job.c.id == job_id).values(counted))
    return len(done), failed, bytes


_UNFINISHED = select(item.c.number).where(
    item.c.job_id == bindparam("job"), among(item.c.number, "numbers"), item.c.state == "waiting"
)
_FINISH = (
    update_of(item)
    .where(item.c.job_id == bindparam("job"), item.c.number == bindparam("at"))
    .values(
        state=bindparam("to"),
        attempts=item.c.attempts + 1,
        bytes=bindparam("came"),
        sha256=bindparam("digest"),
        error=bindparam("why"),
        finished=bindparam("when"),
    )
)


def _ended(job_id: int, each: Ended, now: float) -> dict[str, Any]:
    return {
        "job": job_id,
        "at": each.number,
        "to": each.state,
        "came": each.bytes,
        "digest": each.sha256,
        "why": each.error,
        "when": None if each.state == "waiting" else now,
    }


def again(connection: Connection, job_id: int, limit: int) -> int:
    """Let *limit* failed items of a job that does not run wait again; return how many they were."""
    failed = select(item.c.number).where(item.c.job_id == job_id, item.c.state == "failed").limit(limit)
    numbers = [number for (number,) in connection.execute(failed)]
    if not numbers:
        return 0
    waiting = update_of(item).where(item.c.job_id == job_id, among(item.c.number, "numbers"))
    connection.execute(waiting.values(state="waiting", finished=None), {"numbers": numbers})
    connection.execute(update_of(job).where(job.c.id == job_id).values(failed=job.c.failed - len(numbers)))
    return len(numbers)

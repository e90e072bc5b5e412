"""Responses of upstreams that may change: what is kept of each, and when it was wanted last."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog import artifacts
from twisted_pulp.catalog._bulk import among, chunks, insert, json_text
from twisted_pulp.catalog._tables import artifact, cached
from twisted_pulp.catalog.artifacts import NewArtifact

__all__ = ["LONGEST", "CachedRow", "delete", "evict", "find", "save", "total", "unwanted", "use"]

Pairs = tuple[tuple[str, str], ...]

#: Characters of the longest URL that is kept: a longer one is no key in every database.
LONGEST = 2000
_UNIQUE = "url", "kind", "remote_id"
_CHANGING = "artifact_id", "fields", "vary", "requested", "received", "used"


@frozen(kw_only=True)
class CachedRow:
    """
    A response that is kept.

    :ivar remote_id: the Remote it came from.
    :ivar url: that was asked for, as its key: without credentials, of `LONGEST` characters at most.
    :ivar kind: the media type that was negotiated, or "".
    :ivar sha256: of the body, in lower-case hex.
    :ivar size: of the body, in bytes.
    :ivar fields: its headers, names in lower case.
    :ivar vary: digests of the headers of the request that its Vary names.
    :ivar requested: when it was asked for or last found to be right, in seconds since the epoch, as the others.
    :ivar received: when the answer to that came.
    :ivar used: when it was wanted last, to within some minutes.
    """

    remote_id: int
    url: str
    kind: str = ""
    sha256: str
    size: int
    fields: Pairs = ()
    vary: Mapping[str, str]
    requested: float
    received: float
    used: float


def find(connection: Connection, remote_id: int, url: str, kind: str) -> CachedRow | None:
    """Return what is kept of the response of a Remote at *url*, of the kind that was negotiated; None is nothing."""
    row = connection.execute(_FIND, {"remote": remote_id, "at": url, "asked": kind}).mappings().first()
    if row is None:
        return None
    given = dict(row)
    return CachedRow(**{**given, "fields": _pairs(given["fields"]), "vary": _mapping(given["vary"])})


_pairs, _mapping = msgspec.json.Decoder(Pairs).decode, msgspec.json.Decoder(dict[str, str]).decode
_WHERE = (
    cached.c.remote_id == bindparam("remote"),
    cached.c.url == bindparam("at"),
    cached.c.kind == bindparam("asked"),
)
_FIND = (
    select(
        cached.c.remote_id,
        cached.c.url,
        cached.c.kind,
        artifact.c.sha256,
        artifact.c.size,
        cached.c.fields,
        cached.c.vary,
        cached.c.requested,
        cached.c.received,
        cached.c.used,
    )
    .join_from(cached, artifact)
    .where(*_WHERE)
)


def save(connection: Connection, row: CachedRow, now: float) -> int | None:
    """
    Keep a response, whose body is in the storage.

    :returns: the number of the artifact that was its body before, if that was another one.
    """
    before = connection.scalar(_BODY, _place(row))
    number = artifacts.save(connection, [NewArtifact(row.sha256, row.size)], now)[row.sha256]
    texts = json_text(row.fields), json_text(dict(row.vary))
    values = (row.remote_id, row.url, row.kind, number, *texts, row.requested, row.received, row.used)
    insert(connection, cached, _COLUMNS, [values], unique=_UNIQUE, change=_CHANGING)
    return None if before == number else before


_COLUMNS = "remote_id", "url", "kind", *_CHANGING
_BODY = select(cached.c.artifact_id).where(*_WHERE)


def _place(row: CachedRow) -> dict[str, object]:
    return {"remote": row.remote_id, "at": row.url, "asked": row.kind}


def use(connection: Connection, row: CachedRow, now: float) -> None:
    """Say that a response was wanted."""
    connection.execute(_USE, {**_place(row), "now": now})


_USE = update_of(cached).where(*_WHERE, cached.c.used < bindparam("now")).values(used=bindparam("now"))


def delete(connection: Connection, row: CachedRow) -> int | None:
    """Forget a response, unless a newer one has replaced it; return the number of the artifact that was its body."""
    statement = delete_from(cached).where(*_WHERE, cached.c.received <= row.received).returning(cached.c.artifact_id)
    return connection.scalar(statement, _place(row))


def total(connection: Connection) -> tuple[int, int]:
    """Return how many responses are kept, and how many bytes their bodies have."""
    count, size = connection.execute(_TOTAL).one()
    return count, int(size)


_TOTAL = select(func.count(), func.coalesce(func.sum(artifact.c.size), 0)).select_from(cached).join(artifact)


def evict(connection: Connection, most: int, capacity: int) -> list[int]:
    """
    Forget the responses that nobody wanted for longest, until there are few enough.

    :param most: how many may stay.
    :param capacity: bytes that their bodies may have.
    :returns: the numbers of the artifacts that were their bodies.
    """
    count, size = total(connection)
    if count <= most and size <= capacity:
        return []
    chosen: list[int] = []
    bodies: list[int] = []
    # Fewer than allowed are left, so that not every new one costs a search.
    for number, body, length in connection.execute(_OLDEST):
        if count <= most * 0.9 and size <= capacity * 0.9:
            break
        chosen.append(number)
        bodies.append(body)
        count, size = count - 1, size - length
    for some in chunks(chosen):
        connection.execute(_DELETE, {"ids": some})
    return bodies


_OLDEST = select(cached.c.id, cached.c.artifact_id, artifact.c.size).join_from(cached, artifact).order_by(cached.c.used)
_DELETE = delete_from(cached).where(among(cached.c.id, "ids"))


def unwanted(connection: Connection, ids: Collection[int], before: float) -> list[artifacts.Stored]:
    """Delete those of the artifacts that nothing refers to any more, and return them."""
    return [
        each
        for some in chunks(sorted(ids))
        for each in artifacts.delete_orphans(connection, before, len(some), among=some)
    ]

"""Files of a Remote that were fetched for clients, belong to no repository, and do not change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy import delete as delete_from

from twisted_pulp.catalog._bulk import among, chunks, insert, json_text
from twisted_pulp.catalog._tables import artifact, pulled

__all__ = ["LONGEST", "NewPulled", "PulledFile", "evict", "find", "find_each", "save", "shrink", "total"]

Pairs = tuple[tuple[str, str], ...]

#: Characters of the longest URL that is kept: a longer one is no key in every database.
LONGEST = 2000


@frozen
class PulledFile:
    """
    A file that was pulled through a Remote.

    :ivar sha256: of the stored artifact, in lower-case hex.
    :ivar size: bytes.
    :ivar headers: names and values that came with it and are passed on.
    :ivar created: when it was fetched, in seconds since the epoch.
    :ivar artifact_id: its bytes; None where nobody has asked the catalog.
    :ivar wanted: when they were wanted last, to within a day; None where nobody has asked.
    """

    sha256: str
    size: int
    headers: Pairs
    created: float
    artifact_id: int | None = None
    wanted: float | None = None


@frozen
class NewPulled:
    """
    A file that was pulled through a Remote just now.

    :ivar remote_id: the Remote.
    :ivar url: where it is, without credentials, of `LONGEST` characters at most.
    :ivar artifact_id: its bytes.
    :ivar headers: names and values that came with it and are passed on.
    """

    remote_id: int
    url: str
    artifact_id: int
    headers: Pairs = ()


def find(connection: Connection, remote_id: int, url: str) -> PulledFile | None:
    """Return the file of a Remote at *url*, or None as long as it was not fetched."""
    row = connection.execute(_FIND, {"remote": remote_id, "at": url}).first()
    return None if row is None else _file(row)


def find_each(connection: Connection, remote_id: int, urls: Collection[str]) -> dict[str, PulledFile]:
    """Return those files of a Remote at *urls* that were fetched."""
    found = {}
    for some in chunks(urls):
        for row in connection.execute(_FIND_EACH, {"remote": remote_id, "at": some}):
            found[row.url] = _file(row)
    return found


def _file(row: Any) -> PulledFile:
    return PulledFile(row.sha256, row.size, _headers(row.headers), row.created, row.artifact_id, row.touched)


_headers = msgspec.json.Decoder(Pairs).decode
_OF_REMOTE = (
    select(
        artifact.c.sha256,
        artifact.c.size,
        pulled.c.headers,
        pulled.c.created,
        pulled.c.artifact_id,
        artifact.c.touched,
        pulled.c.url,
    )
    .join_from(pulled, artifact)
    .where(pulled.c.remote_id == bindparam("remote"))
)
_FIND = _OF_REMOTE.where(pulled.c.url == bindparam("at"))
_FIND_EACH = _OF_REMOTE.where(among(pulled.c.url, "at"))


def save(connection: Connection, new: Sequence[NewPulled], now: float) -> None:
    """Add files; one that is there already takes over the artifact and the headers."""
    latest = {(each.remote_id, each.url): each for each in new if len(each.url) <= LONGEST}
    rows = [(*key, each.artifact_id, json_text(each.headers), now) for key, each in sorted(latest.items(), key=_key)]
    columns = "remote_id", "url", "artifact_id", "headers", "created"
    insert(connection, pulled, columns, rows, unique=("remote_id", "url"), change=("artifact_id", "headers", "created"))


def _key(item: tuple[tuple[int, str], NewPulled]) -> tuple[int, str]:
    return item[0]


def evict(connection: Connection, before: float) -> int:
    """
    Forget files that nobody has wanted since *before*, in seconds since the epoch; their bytes go with a cleanup.

    :returns: how many were forgotten.
    """
    return connection.execute(_EVICT, {"before": before}).rowcount


_UNWANTED = select(artifact.c.id).where(artifact.c.touched < bindparam("before"))
_EVICT = delete_from(pulled).where(pulled.c.artifact_id.in_(_UNWANTED))


def total(connection: Connection) -> int:
    """Return how many bytes the files have."""
    return int(connection.scalar(_TOTAL) or 0)


_TOTAL = select(func.sum(artifact.c.size)).where(artifact.c.id.in_(select(pulled.c.artifact_id)))


def shrink(connection: Connection, capacity: int, limit: int) -> int:
    """
    Forget files that nobody has wanted for longest, until the bytes of the others are no more than *capacity*.

    :param limit: how many at most; where as many were forgotten, there may be more to forget.
    :returns: how many were forgotten.
    """
    size, chosen = total(connection), []
    for number, length in connection.execute(_OLDEST, {"limit": limit}):
        if size <= capacity:
            break
        chosen.append(number)
        size -= length
    for some in chunks(chosen):
        connection.execute(_FORGET, {"ids": some})
    return len(chosen)


_OLDEST = (
    select(artifact.c.id, artifact.c.size)
    .where(artifact.c.id.in_(select(pulled.c.artifact_id)))
    .order_by(artifact.c.touched, artifact.c.id)
    .limit(bindparam("limit"))
)
_FORGET = delete_from(pulled).where(among(pulled.c.artifact_id, "ids"))

"""Files of a Remote that were fetched for clients, belong to no repository, and do not change."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, select

from twisted_pulp.catalog._bulk import insert, json_text
from twisted_pulp.catalog._tables import artifact, pulled

__all__ = ["LONGEST", "NewPulled", "PulledFile", "find", "save"]

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
    """

    sha256: str
    size: int
    headers: Pairs
    created: float


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
    if row is None:
        return None
    return PulledFile(row.sha256, row.size, _headers(row.headers), row.created)


_headers = msgspec.json.Decoder(Pairs).decode
_FIND = (
    select(artifact.c.sha256, artifact.c.size, pulled.c.headers, pulled.c.created)
    .join_from(pulled, artifact)
    .where(pulled.c.remote_id == bindparam("remote"), pulled.c.url == bindparam("at"))
)


def save(connection: Connection, new: Sequence[NewPulled], now: float) -> None:
    """Add files; one that is there already takes over the artifact and the headers."""
    latest = {(each.remote_id, each.url): each for each in new if len(each.url) <= LONGEST}
    rows = [(*key, each.artifact_id, json_text(each.headers), now) for key, each in sorted(latest.items(), key=_key)]
    columns = "remote_id", "url", "artifact_id", "headers", "created"
    insert(connection, pulled, columns, rows, unique=("remote_id", "url"), change=("artifact_id", "headers", "created"))


def _key(item: tuple[tuple[int, str], NewPulled]) -> tuple[int, str]:
    return item[0]

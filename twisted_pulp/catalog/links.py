"""Files that pages of a Remote's upstream name: those, and no others, are had from wherever they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from attrs import frozen
from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy import delete as delete_from

from twisted_pulp.catalog._bulk import among, chunks, insert, json_text
from twisted_pulp.catalog._linked import linked
from twisted_pulp.catalog._tables import pulled

__all__ = ["LinkRow", "find", "prune", "save", "some"]

# Seconds after which it is noted again that a page names a file.
_DAY = 86400.0


@frozen
class LinkRow:
    """
    A file that a page of an upstream names.

    :ivar name: its URL, written as all that means it is.
    :ivar url: as it is asked for.
    :ivar digests: that the page tells: algorithm -> hex in lower case.
    """

    name: str
    url: str
    digests: Mapping[str, str]


def find(connection: Connection, remote_id: int, name: str) -> LinkRow | None:
    """Return the file of this name that a page of the Remote has named; None when none has."""
    row = connection.execute(_FIND, {"remote": remote_id, "at": name}).first()
    return None if row is None else LinkRow(row.name, row.url, _digests(row.digests))


_digests = msgspec.json.Decoder(dict[str, str]).decode
_FIND = select(linked.c.name, linked.c.url, linked.c.digests).where(
    linked.c.remote_id == bindparam("remote"), linked.c.name == bindparam("at")
)


def some(connection: Connection, remote_id: int) -> bool:
    """Return whether pages of the Remote have named any file."""
    return connection.execute(_SOME, {"remote": remote_id}).first() is not None


_SOME = select(linked.c.name).where(linked.c.remote_id == bindparam("remote")).limit(1)


def save(connection: Connection, remote_id: int, rows: Sequence[LinkRow], now: float) -> bool:
    """
    Remember files of a Remote. Digests that were told once hold until others are told.

    :returns: whether something else was said of one of them before.
    """
    new = {row.name: row for row in rows}
    changed = False
    for names in chunks(sorted(new)):
        for name, url, digests, named in connection.execute(_KNOWN, {"remote": remote_id, "names": names}).all():
            row = new.pop(name)
            told = row.digests or _digests(digests)
            differs = (url, _digests(digests)) != (row.url, told)
            changed = changed or differs
            if differs or now - named > _DAY:
                new[name] = LinkRow(name, row.url, told)
    columns = "remote_id", "name", "url", "digests", "created"
    values = [(remote_id, name, row.url, json_text(dict(row.digests)), now) for name, row in sorted(new.items())]
    insert(connection, linked, columns, values, unique=("remote_id", "name"), change=("url", "digests", "created"))
    return changed


_KNOWN = select(linked.c.name, linked.c.url, linked.c.digests, linked.c.created).where(
    linked.c.remote_id == bindparam("remote"), among(linked.c.name, "names")
)


def prune(connection: Connection, before: float) -> int:
    """
    Forget files that no page has named since *before*, in seconds since the epoch; those that were fetched stay known.

    :returns: how many were forgotten.
    """
    return connection.execute(_PRUNE, {"before": before}).rowcount


_FETCHED = exists().where(pulled.c.remote_id == linked.c.remote_id, pulled.c.url == linked.c.name)
_PRUNE = delete_from(linked).where(linked.c.created < bindparam("before"), ~_FETCHED)

"""The bytes that are stored: each file once, known by its digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from attrs import field, frozen
from sqlalchemy import Connection, Select, bindparam, exists, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among, chunks, insert, rows_of
from twisted_pulp.catalog._tables import artifact, artifact_digest, cached, content_artifact, pulled, version_file

__all__ = ["NewArtifact", "Stored", "delete", "delete_orphans", "each", "find", "orphans", "save", "total", "touch"]

_COLUMNS = artifact.c.id, artifact.c.sha256, artifact.c.size


@frozen
class Stored:
    """
    An artifact of the catalog.

    :ivar id: its number.
    :ivar sha256: hexadecimal, lower case.
    :ivar size: bytes.
    """

    id: int
    sha256: str
    size: int


@frozen
class NewArtifact:
    """
    What is known of bytes that are in the storage now.

    :ivar sha256: hexadecimal, lower case.
    :ivar size: bytes.
    :ivar digests: the others, by algorithm; default none.
    """

    sha256: str
    size: int
    digests: Mapping[str, str] = field(factory=dict)


def find(connection: Connection, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
    """Return the artifacts that have one of the *wanted* digests: (algorithm, hexadecimal), in lower case."""
    by_algorithm: dict[str, list[str]] = defaultdict(list)
    for algorithm, value in wanted:
        by_algorithm[algorithm].append(value)
    found = {}
    for algorithm, values in by_algorithm.items():
        statement = _BY_SHA256 if algorithm == "sha256" else _BY_DIGEST
        for some in chunks(values):
            for value, *row in rows_of(connection, statement, {"algorithm": algorithm, "values": some}):
                found[algorithm, value] = Stored(*row)
    return found


_BY_SHA256 = select(artifact.c.sha256, *_COLUMNS).where(among(artifact.c.sha256, "values"))
_BY_DIGEST = (
    select(artifact_digest.c.value, *_COLUMNS)
    .join_from(artifact_digest, artifact)
    .where(artifact_digest.c.algorithm == bindparam("algorithm"), among(artifact_digest.c.value, "values"))
)


def save(connection: Connection, new: Sequence[NewArtifact], now: float) -> dict[str, int]:
    """Add what is not there yet and touch the rest; return the number of each by its sha256."""
    by_sha256 = {each.sha256: each for each in new}
    ids: dict[str, int] = {}
    for some in chunks(sorted(by_sha256)):
        rows = [(sha256, by_sha256[sha256].size, now) for sha256 in some]
        insert(connection, artifact, ("sha256", "size", "touched"), rows, unique=("sha256",))
        old = []
        for number, sha256, stale in rows_of(connection, _STALE, {"values": some, "now": now}):
            ids[sha256] = number
            if stale:
                old.append(number)
        _touch(connection, sorted(old), now)
    digests = [(ids[each.sha256], *digest) for each in by_sha256.values() for digest in each.digests.items()]
    insert(connection, artifact_digest, ("artifact_id", "algorithm", "value"), sorted(digests))
    return ids


_STALE = select(artifact.c.id, artifact.c.sha256, (artifact.c.touched < bindparam("now")).label("stale")).where(
    among(artifact.c.sha256, "values")
)


def touch(connection: Connection, ids: Collection[int], now: float) -> None:
    """Say that the artifacts are wanted now: `delete_orphans` spares what was wanted a short time ago."""
    for some in chunks(sorted(ids)):
        _touch(connection, some, now)


def _touch(connection: Connection, ids: Sequence[int], now: float) -> None:
    if ids:
        connection.execute(_TOUCH, {"ids": ids, "now": now})


_TOUCH = (
    update_of(artifact)
    .where(among(artifact.c.id, "ids"), artifact.c.touched < bindparam("now"))
    .values(touched=bindparam("now"))
)


def each(connection: Connection, after: int, limit: int) -> list[Stored]:
    """Return up to *limit* artifacts whose numbers come after *after*, in the order of their numbers."""
    return _stored(connection, select(*_COLUMNS).where(artifact.c.id > after).order_by(artifact.c.id).limit(limit))


def total(connection: Connection) -> tuple[int, int]:
    """Return how many artifacts there are, and their bytes."""
    count, size = connection.execute(select(func.count(), func.coalesce(func.sum(artifact.c.size), 0))).one()
    return count, int(size)


def orphans(connection: Connection, before: float, limit: int, after: int = 0) -> list[Stored]:
    """
    Return artifacts that belong to no content, are no metadata of a version, were not pulled through a Remote, and are
    not cached.

    :param before: seconds since the epoch; what was wanted since is spared.
    :param limit: how many at most.
    :param after: only those whose numbers come after this one; default all.
    """
    return _stored(connection, _orphans(before, limit, after, None))


def _orphans(before: float, limit: int, after: int, among: Collection[int] | None) -> Select[int, str, int]:
    used = exists().where(content_artifact.c.artifact_id == artifact.c.id)
    kept = exists().where(version_file.c.artifact_id == artifact.c.id)
    through = exists().where(pulled.c.artifact_id == artifact.c.id)
    served = exists().where(cached.c.artifact_id == artifact.c.id)
    alone = select(*_COLUMNS).where(artifact.c.id > after, artifact.c.touched < before)
    alone = alone.where(~used, ~kept, ~through, ~served)
    if among is not None:
        alone = alone.where(artifact.c.id.in_(among))
    return alone.order_by(artifact.c.id).limit(limit)


def _stored(connection: Connection, statement: Select[int, str, int]) -> list[Stored]:
    return [Stored(*row) for row in connection.execute(statement)]


def delete_orphans(
    connection: Connection, before: float, limit: int, after: int = 0, among: Collection[int] | None = None
) -> list[Stored]:
    """
    Delete what `orphans` finds and is still nobody's, and return it: its bytes can be removed from the storage.

    :param among: only these; default all.
    """
    found = _orphans(before, limit, after, among).subquery()
    statement = delete_from(artifact).where(artifact.c.id.in_(select(found.c.id)), artifact.c.touched < before)
    return sorted((Stored(*row) for row in connection.execute(statement.returning(*_COLUMNS))), key=lambda one: one.id)


def delete(connection: Connection, ids: Collection[int]) -> int:
    """Delete artifacts, and return how many there were; content that has them needs to be downloaded again."""
    return sum(connection.execute(_DELETE, {"ids": some}).rowcount for some in chunks(sorted(ids)))


_DELETE = delete_from(artifact).where(among(artifact.c.id, "ids"))

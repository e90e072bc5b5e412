"""Units of content, each known by its type and natural key, and the files that they are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Select, bindparam, exists, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import among, chunks, insert, json_text, rows_of
from twisted_pulp.catalog._tables import artifact, content, content_artifact, version_content

__all__ = [
    "FileRow",
    "NewContent",
    "NewFile",
    "artifacts_of",
    "attach",
    "delete",
    "delete_orphans",
    "find",
    "orphans",
    "paths_of",
    "placed",
    "save",
    "touch",
]


@frozen
class NewContent:
    """
    A unit to be saved.

    :ivar type: such as `file`.
    :ivar key: its natural key within the type, as JSON text.
    :ivar place: content of one type with the same place replaces each other in a repository; None replaces nothing.
    :ivar data: what else is known of it.
    """

    type: str
    key: str
    place: str | None
    data: Mapping[str, Any]


@frozen
class NewFile:
    """
    A file of a unit.

    :ivar content_id: the unit.
    :ivar path: where the file is within it.
    :ivar artifact_id: its bytes, or None as long as they are not downloaded.
    :ivar size: bytes, or None when nothing says so.
    :ivar digests: by algorithm, hexadecimal; default none.
    """

    content_id: int
    path: str
    artifact_id: int | None = None
    size: int | None = None
    digests: Mapping[str, str] = field(factory=dict)


@frozen
class FileRow:
    """
    A file of the catalog.

    :ivar id: its number, to which sources refer.
    :ivar sha256: of the bytes that are stored, or None as long as there are none.
    """

    id: int
    content_id: int
    path: str
    artifact_id: int | None
    size: int | None
    digests: Mapping[str, str]
    sha256: str | None


def find(connection: Connection, type: str, keys: Collection[str]) -> dict[str, int]:
    """Return the numbers of the units of *type* that are there, by their keys."""
    return {
        key: number
        for some in chunks(keys)
        for number, key, _ in rows_of(connection, _BY_KEY, {"type": type, "keys": some, "now": 0.0})
    }


_BY_KEY = select(content.c.id, content.c.key, (content.c.touched < bindparam("now")).label("stale")).where(
    content.c.type == bindparam("type"), among(content.c.key, "keys")
)


def placed(connection: Connection, type: str, places: Collection[str]) -> list[int]:
    """Return the numbers of all units of *type* that have one of *places*, in whatever repository."""
    return [
        number
        for some in chunks(places)
        for number, _ in rows_of(connection, AT_PLACES, {"type": type, "places": some})
    ]


#: Number and place of units of a type.
AT_PLACES = select(content.c.id, content.c.place).where(
    content.c.type == bindparam("type"), among(content.c.place, "places")
)


def save(connection: Connection, new: Sequence[NewContent], now: float) -> dict[tuple[str, str], int]:
    """Add what is not there yet and touch the rest, which stays as it is; return the number of each by type and key."""
    by_key = {(each.type, each.key): each for each in new}
    keys: dict[str, list[str]] = defaultdict(list)
    ids: dict[tuple[str, str], int] = {}
    for some in chunks(sorted(by_key)):
        rows = [(*key, by_key[key].place, json_text(by_key[key].data), now) for key in some]
        made = insert(connection, content, _UNIT, rows, unique=("key", "type"), giving=("id", "type", "key"))
        ids |= {(kind, key): number for number, kind, key in made}
    for kind, key in by_key.keys() - ids.keys():
        keys[kind].append(key)
    for kind, wanted in keys.items():
        old = []
        for some_keys in chunks(wanted):
            for number, key, stale in rows_of(connection, _BY_KEY, {"type": kind, "keys": some_keys, "now": now}):
                ids[kind, key] = number
                if stale:
                    old.append(number)
        touch(connection, old, now)
    return ids


_UNIT = "type", "key", "place", "data", "touched"


def touch(connection: Connection, ids: Collection[int], now: float) -> None:
    """Say that the units are wanted now: `delete_orphans` spares what was wanted a short time ago."""
    for some in chunks(sorted(ids)):
        connection.execute(_TOUCH, {"ids": some, "now": now})


_TOUCH = (
    update_of(content)
    .where(among(content.c.id, "ids"), content.c.touched < bindparam("now"))
    .values(touched=bindparam("now"))
)


def attach(connection: Connection, files: Sequence[NewFile]) -> dict[tuple[int, str], int]:
    """
    Give units their files, and return the number of each file by unit and path.

    A file that is there already gets the artifact if it has none; what else is known of it stays.
    """
    by_path = {(each.content_id, each.path): each for each in files}
    ids: dict[tuple[int, str], int] = {}
    for some in chunks(sorted(by_path)):
        rows = [_row(by_path[key]) for key in some]
        made = insert(connection, content_artifact, _FILE, rows, unique=_FILE[:2], giving=("id", *_FILE[:2]))
        ids |= {(content_id, path): number for number, content_id, path in made}
    downloaded = []
    for some_ids in chunks({content_id for content_id, _ in by_path.keys() - ids.keys()}):
        for number, content_id, path, artifact_id in rows_of(connection, _FILES, {"ids": some_ids}):
            new = by_path.get((content_id, path))
            if new is not None:
                ids[content_id, path] = number
                if artifact_id is None and new.artifact_id is not None:
                    downloaded.append({"file": number, "artifact": new.artifact_id})
    if downloaded:
        connection.execute(_FILL, sorted(downloaded, key=lambda each: each["file"]))
    return ids


_FILE = "content_id", "path", "artifact_id", "size", "digests"
_FILES = select(*(content_artifact.c[name] for name in ("id", "content_id", "path", "artifact_id"))).where(
    among(content_artifact.c.content_id, "ids")
)
_FILL = (
    update_of(content_artifact)
    .where(content_artifact.c.id == bindparam("file"), content_artifact.c.artifact_id.is_(None))
    .values(artifact_id=bindparam("artifact"))
)


def _row(file: NewFile) -> tuple[int, str, int | None, int | None, str]:
    return file.content_id, file.path, file.artifact_id, file.size, json_text(file.digests)


def artifacts_of(connection: Connection, content_ids: Collection[int]) -> dict[int, list[FileRow]]:
    """Return the files of units, those of each in the order of their paths; a unit without files is not there."""
    files: dict[int, list[FileRow]] = defaultdict(list)
    for some in chunks(sorted(content_ids)):
        for row in connection.execute(_OF, {"ids": some}):
            file = FileRow(*row)
            files[file.content_id].append(file)
    return dict(files)


_OF: Select[*tuple[Any, ...]] = (
    select(content_artifact.c.id, *(content_artifact.c[name] for name in _FILE), artifact.c.sha256)
    .join_from(content_artifact, artifact, isouter=True)
    .where(among(content_artifact.c.content_id, "ids"))
    .order_by(content_artifact.c.content_id, content_artifact.c.path)
)


def orphans(connection: Connection, before: float, limit: int, after: int = 0) -> list[int]:
    """
    Return the numbers of units that are in no version of a repository, in none that is being made either.

    :param before: seconds since the epoch; what was wanted since is spared.
    :param limit: how many at most.
    :param after: only those whose numbers come after this one; default all.
    """
    return [*connection.scalars(_orphans(before, limit, after))]


def _orphans(before: float, limit: int, after: int) -> Select[int]:
    used = exists().where(version_content.c.content_id == content.c.id)
    alone = select(content.c.id).where(content.c.id > after, content.c.touched < before, ~used)
    return alone.order_by(content.c.id).limit(limit)


def delete_orphans(connection: Connection, before: float, limit: int, after: int = 0) -> list[int]:
    """Delete what `orphans` finds, files and sources too, and return the numbers that it had."""
    found = _orphans(before, limit, after).subquery()
    statement = delete_from(content).where(content.c.id.in_(select(found.c.id)), content.c.touched < before)
    return sorted(connection.scalars(statement.returning(content.c.id)))


def delete(connection: Connection, ids: Collection[int]) -> int:
    """Delete units with their files and sources, out of every version too; return how many there were."""
    return sum(connection.execute(_DELETE, {"ids": some}).rowcount for some in chunks(sorted(ids)))


_DELETE = delete_from(content).where(among(content.c.id, "ids"))


def paths_of(connection: Connection, artifact_id: int, limit: int) -> list[str]:
    """Return what the files are called that have these bytes: *limit* of their paths at most, in order."""
    named = select(content_artifact.c.path).where(content_artifact.c.artifact_id == artifact_id).distinct()
    return [*connection.scalars(named.order_by(content_artifact.c.path).limit(limit))]

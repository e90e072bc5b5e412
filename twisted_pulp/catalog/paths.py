"""The paths of a version, as clients ask for them: one file, or what a directory has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, func, select
from sqlalchemy import update as update_of

from twisted_pulp.catalog._history import of_version
from twisted_pulp.catalog._tables import artifact, content_artifact, version, version_content, version_file

__all__ = ["FileAt", "Listed", "Name", "at", "fill", "listed", "names"]

_AT_ONCE = 500
_Row = tuple[str, int | None, float | None]


@frozen
class FileAt:
    """
    A file of a version.

    :ivar id: of the unit's file, to which sources refer; None of metadata that its upstream wrote.
    :ivar sha256: of the stored artifact, in lower-case hex; None while it was not downloaded.
    :ivar size: bytes, or None where nothing says so.
    :ivar digests: that are expected of it: algorithm -> hex.
    :ivar modified: when it came to the repository, in seconds since the epoch.
    """

    id: int | None
    sha256: str | None
    size: int | None
    digests: Mapping[str, str]
    modified: float | None


@frozen
class Name:
    """
    What a directory has under one name.

    :ivar name: without a slash.
    :ivar directory: whether it is a directory.
    :ivar size: of a file in bytes, or None where nothing says so.
    :ivar modified: when a file came to the repository, in seconds since the epoch.
    """

    name: str
    directory: bool
    size: int | None = None
    modified: float | None = None


@frozen
class Listed:
    """
    A file of a version, as a list of all of them names it.

    :ivar path: relative.
    :ivar sha256: of its bytes, or None where nothing says so.
    :ivar size: in bytes, or None where nothing says so.
    """

    path: str
    sha256: str | None
    size: int | None


def at(connection: Connection, repository_id: int, number: int, path: str) -> FileAt | None:
    """Return the file that a version has at *path*, or None; the upstream's metadata comes before units."""
    row = connection.execute(_metadata(repository_id, number).where(version_file.c.path == path)).first()
    if row is not None:
        return FileAt(None, row.sha256, row.size, {"sha256": row.sha256}, row.created)
    files = content_artifact.c
    found = (
        select(files.id, artifact.c.sha256, artifact.c.size, files.size, files.digests, _came(repository_id))
        .join_from(content_artifact, version_content, files.content_id == version_content.c.content_id)
        .join(artifact, artifact.c.id == files.artifact_id, isouter=True)
        .where(files.path == path, *of_version(repository_id, number))
        .order_by(files.artifact_id.is_(None), files.id.desc())
        .limit(1)
    )
    unit = connection.execute(found).first()
    if unit is None:
        return None
    file_id, sha256, stored, expected, digests, came = unit
    return FileAt(file_id, sha256, expected if stored is None else stored, digests, came)


def _came(repository_id: int) -> ScalarSelect[Any]:
    # The version that a unit came with may be gone; then the oldest that is left says it.
    mine = version.c.repository_id == repository_id, version.c.complete.is_(True)
    later = version.c.number >= version_content.c.added
    return select(func.min(version.c.created)).where(*mine, later).correlate(version_content).scalar_subquery()


def _metadata(repository_id: int, number: int) -> Select[*tuple[Any, ...]]:
    return (
        select(version_file.c.path, artifact.c.sha256, artifact.c.size, version.c.created)
        .join_from(version_file, artifact)
        .join(version, version.c.id == version_file.c.version_id)
        .where(version.c.repository_id == repository_id, version.c.number == number, version.c.complete.is_(True))
    )


def listed(connection: Connection, repository_id: int, number: int, after: str, limit: int) -> list[Listed]:
    """
    Return files of the units of a version, in the order of the bytes of their paths; each path once.

    :param after: the last path of the page before; "" for the first.
    :param limit: how many rows are read; where fewer are there, this is the last page.
    """
    files = content_artifact.c
    page = (
        select(files.path, artifact.c.sha256, func.coalesce(artifact.c.size, files.size), files.digests)
        .join_from(content_artifact, version_content, files.content_id == version_content.c.content_id)
        .join(artifact, artifact.c.id == files.artifact_id, isouter=True)
        .where(*of_version(repository_id, number), files.path > after)
        .order_by(files.path, files.artifact_id.is_(None), files.id.desc())
        .limit(limit)
    )
    found: dict[str, Listed] = {}
    for path, sha256, size, digests in connection.execute(page):
        found.setdefault(path, Listed(path, sha256 or digests.get("sha256"), size))
    return list(found.values())


def names(
    connection: Connection,
    repository_id: int,
    number: int,
    directory: str,
    after: Name | None = None,
    limit: int = 1000,
) -> list[Name]:
    """
    Return what *directory* of a version has, in the order of the bytes of their paths; nothing: there is none.

    :param directory: "" is the top; else with a slash at its end.
    :param after: the last one of the page before; default None: the first page.
    :param limit: how many at most; default 1000.
    """
    kept = _named(directory, _kept(connection, repository_id, number, directory))
    found = {_place(name): name for name in kept if after is None or _place(name) > _place(after)}
    for name in _units(connection, repository_id, number, directory, after):
        if len(found) >= limit and _place(name) >= sorted(found)[limit - 1]:
            break
        found.setdefault(_place(name), name)
    return [found[place] for place in sorted(found)[:limit]]


def _place(name: Name) -> bytes:
    return (name.name + "/" * name.directory).encode("utf-8", "surrogatepass")


def _kept(connection: Connection, repository_id: int, number: int, directory: str) -> Iterator[_Row]:
    for row in connection.execute(_metadata(repository_id, number)):
        if row.path.startswith(directory):
            yield row.path, row.size, row.created


def _named(directory: str, rows: Iterable[_Row]) -> Iterator[Name]:
    for path, size, created in rows:
        name, slash, _ = path[len(directory) :].partition("/")
        yield Name(name, True) if slash else Name(name, False, size, created)


def _units(
    connection: Connection, repository_id: int, number: int, directory: str, after: Name | None
) -> Iterator[Name]:
    """Give the names of units' files; of what lies in directories below, no more is read than one statement gives."""
    path = content_artifact.c.path
    below = (path >= directory, path < _behind(directory)) if directory else ()
    page = (
        select(path, func.coalesce(artifact.c.size, content_artifact.c.size), _came(repository_id))
        .join_from(content_artifact, version_content, content_artifact.c.content_id == version_content.c.content_id)
        .join(artifact, artifact.c.id == content_artifact.c.artifact_id, isouter=True)
        .where(*of_version(repository_id, number), *below)
        .order_by(path)
        .limit(_AT_ONCE)
    )
    start = path >= directory if after is None else _beyond(directory, after)
    while True:
        rows = connection.execute(page.where(start)).all()
        last: Name | None = None
        for name in _named(directory, ((row[0], row[1], row[2]) for row in rows)):
            if last is None or (name.name, name.directory) != (last.name, last.directory):
                yield name
            last = name
        if len(rows) < _AT_ONCE or last is None:
            return
        start = _beyond(directory, last)


def _beyond(directory: str, name: Name) -> ColumnElement[bool]:
    path = content_artifact.c.path
    whole = directory + name.name
    return path >= _behind(whole + "/") if name.directory else path > whole


def _behind(directory: str) -> str:
    """Return the first path that comes after all that lie in *directory*, which ends with a slash."""
    return directory[:-1] + chr(ord("/") + 1)


def fill(connection: Connection, id: int, artifact_id: int) -> None:
    """Say that the bytes of the file *id* are stored now."""
    connection.execute(update_of(content_artifact).where(content_artifact.c.id == id).values(artifact_id=artifact_id))

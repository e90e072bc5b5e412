"""Versions that are complete: what each has, and how one is taken out of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, Delete, Select, delete, exists, func, null, select, update

from twisted_pulp.catalog._tables import content, repository, version, version_content
from twisted_pulp.errors import NotInCatalog

__all__ = [
    "ContentRow",
    "VersionRow",
    "contents",
    "counts",
    "delete_version",
    "every",
    "get",
    "latest",
    "of_version",
    "retain",
    "undo",
]

_COLUMNS = tuple(
    version.c[name] for name in ("id", "repository_id", "number", "created", "added", "removed", "present")
)
_ROW = version_content.c


@frozen
class VersionRow:
    """
    A complete version of a repository.

    :ivar created: seconds since the epoch.
    :ivar added: how many units it had, when it was made, that the version before had not.
    :ivar removed: how many units of the version before it had not.
    :ivar present: how many units it has.
    """

    id: int
    repository_id: int
    number: int
    created: float
    added: int
    removed: int
    present: int


@frozen
class ContentRow:
    """
    A unit of a version.

    :ivar id: its number.
    :ivar key: its natural key, as JSON text.
    :ivar data: what else is known of it.
    """

    id: int
    type: str
    key: str
    place: str | None
    data: dict[str, object]


def get(connection: Connection, repository_id: int, number: int) -> VersionRow:
    """
    Return a version.

    :raises NotInCatalog: when there is none of this *number*, or it is not complete.
    """
    row = connection.execute(_complete(repository_id).where(version.c.number == number)).one_or_none()
    if row is None:
        raise NotInCatalog("version", number)
    return VersionRow(*row)


def latest(connection: Connection, repository_id: int) -> VersionRow | None:
    """Return the latest version of a repository, or None when it has none."""
    ordered = _complete(repository_id).order_by(version.c.number.desc()).limit(1)
    row = connection.execute(ordered).one_or_none()
    return None if row is None else VersionRow(*row)


def every(connection: Connection, repository_id: int) -> Sequence[VersionRow]:
    """Return the versions of a repository in the order of their numbers."""
    return [VersionRow(*row) for row in connection.execute(_complete(repository_id).order_by(version.c.number))]


def _complete(repository_id: int) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(version.c.repository_id == repository_id, version.c.complete.is_(True))


def contents(
    connection: Connection,
    repository_id: int,
    number: int,
    type: str | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[ContentRow]:
    """
    Return units of a version in the order of their numbers; version 0 is the empty one.

    :param type: only of this type; default all.
    :param after: the number of the last unit of the page before; default 0: the first page.
    :param limit: how many at most; default 1000.
    :raises NotInCatalog: when there is no such version, or it is not complete.
    """
    if number == 0:
        return []
    get(connection, repository_id, number)
    columns = (content.c[name] for name in ("id", "type", "key", "place", "data"))
    page = select(*columns).join_from(version_content, content).where(*of_version(repository_id, number))
    page = page.where(_ROW.content_id > after).order_by(_ROW.content_id).limit(limit)
    if type is not None:
        page = page.where(content.c.type == type)
    return [ContentRow(*row) for row in connection.execute(page)]


def counts(connection: Connection, repository_id: int, number: int) -> dict[str, int]:
    """
    Return how many units of each type a version has; those of which it has none are not there.

    :raises NotInCatalog: when there is no such version, or it is not complete.
    """
    get(connection, repository_id, number)
    by_type = (
        select(content.c.type, func.count())
        .join_from(version_content, content)
        .where(*of_version(repository_id, number))
    )
    return dict(connection.execute(by_type.group_by(content.c.type)).all())


def of_version(repository_id: int, number: int) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of the rows of `version_content` that a version has."""
    return _ROW.repository_id == repository_id, _ROW.added <= number, _ROW.removed.is_(None) | (_ROW.removed > number)


def delete_version(connection: Connection, repository_id: int, number: int) -> None:
    """
    Delete a version of a repository, whose lock the caller holds; what an unfinished one left behind is undone.

    The others stay as they are. Without the latest one the repository has what the one before it has, and the next
    sync asks for everything.

    :raises NotInCatalog: when there is no such version, or it is not complete.
    """
    undo(connection, repository_id)
    gone = get(connection, repository_id, number)
    connection.execute(delete(version).where(version.c.id == gone.id))
    now = latest(connection, repository_id)
    number = 0 if now is None else now.number
    if number < gone.number:
        _go_back(connection, repository_id, number)
        forget = update(repository).where(repository.c.id == repository_id).values(synced=null())
        connection.execute(forget)
    connection.execute(_in_none(repository_id))


def retain(connection: Connection, repository_id: int) -> None:
    """Delete the oldest versions but those that the repository retains."""
    keep = connection.scalars(select(repository.c.retain).where(repository.c.id == repository_id)).one()
    if keep is None:
        return
    mine = version.c.repository_id == repository_id
    newest = select(version.c.number).where(mine, version.c.complete.is_(True)).order_by(version.c.number.desc())
    oldest = connection.scalars(newest.offset(keep - 1).limit(1)).one_or_none()
    if oldest is not None and connection.execute(delete(version).where(mine, version.c.number < oldest)).rowcount:
        # What was added in a deleted version stays as it is: it is in those that follow.
        connection.execute(delete(version_content).where(_ROW.repository_id == repository_id, _ROW.removed <= oldest))


def undo(connection: Connection, repository_id: int) -> int:
    """Remove what is left of the repository's incomplete versions, and return how many they were."""
    mine = version.c.repository_id == repository_id
    incomplete = select(version.c.id).where(mine, version.c.complete.is_(False)).with_for_update()
    ids = connection.scalars(incomplete).all()
    if ids:
        base = latest(connection, repository_id)
        _go_back(connection, repository_id, 0 if base is None else base.number)
        connection.execute(delete(version).where(version.c.id.in_(ids)))
    return len(ids)


def _go_back(connection: Connection, repository_id: int, number: int) -> None:
    """Make the repository's content what version *number* has."""
    mine = _ROW.repository_id == repository_id
    connection.execute(delete(version_content).where(mine, _ROW.added > number))
    connection.execute(update(version_content).where(mine, _ROW.removed > number).values(removed=None))


def _in_none(repository_id: int) -> Delete:
    inside = exists().where(
        version.c.repository_id == repository_id,
        version.c.complete.is_(True),
        version.c.number >= _ROW.added,
        version.c.number < _ROW.removed,
    )
    return delete(version_content).where(_ROW.repository_id == repository_id, _ROW.removed.is_not(None), ~inside)

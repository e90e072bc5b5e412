"""Repositories: named sets of content, of which each version is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, null, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of

from twisted_pulp.catalog._bulk import insert
from twisted_pulp.catalog._tables import repository
from twisted_pulp.errors import NameTaken, NotInCatalog

__all__ = ["RepositoryRow", "by_id", "create", "delete", "get", "list", "update"]


@frozen
class RepositoryRow:
    """
    A repository of the catalog.

    :ivar type: of its content, such as `file`.
    :ivar remote_id: the Remote it is synced from, or None.
    :ivar retain: how many complete versions are kept, or None for all.
    :ivar next: the number of its next version.
    :ivar synced: what the last sync saw, by which the next knows that nothing has changed; None: ask for everything.
    :ivar created: seconds since the epoch.
    """

    id: int
    name: str
    type: str
    description: str | None
    remote_id: int | None
    retain: int | None
    next: int
    synced: Mapping[str, Any] | None
    created: float


def create(
    connection: Connection,
    name: str,
    type: str,
    now: float,
    *,
    description: str | None = None,
    remote_id: int | None = None,
    retain: int | None = None,
) -> RepositoryRow:
    """
    Make a repository without versions.

    :param retain: how many complete versions to keep, at least 1; default None: all.
    :raises NameTaken: when there is one of this name.
    """
    _check(retain)
    row = name, type, description, remote_id, retain, 1, now
    columns = "name", "type", "description", "remote_id", "retain", "next", "created"
    before = _first(connection, repository.c.name == name)
    if before is None:
        insert(connection, repository, columns, [row], unique=("name",))
    made = _first(connection, repository.c.name == name)
    if before is not None or made is None or (made.type, made.created) != (type, now):
        raise NameTaken("repository", name)
    return made


def get(connection: Connection, name: str) -> RepositoryRow:
    """
    Return the repository of this *name*.

    :raises NotInCatalog: when there is none.
    """
    return _one(connection, repository.c.name == name, name)


def by_id(connection: Connection, id: int) -> RepositoryRow:
    """
    Return the repository of this number.

    :raises NotInCatalog: when there is none.
    """
    return _one(connection, repository.c.id == id, id)


def list(connection: Connection, after: str = "", limit: int | None = None) -> Sequence[RepositoryRow]:  # noqa: A001 -- read with its module: repositories.list
    """Return repositories in the order of their names: *limit* (default all) whose names come after *after*."""
    statement = select(repository).where(repository.c.name > after).order_by(repository.c.name).limit(limit)
    return [RepositoryRow(*row) for row in connection.execute(statement)]


def update(connection: Connection, name: str, /, **changes: Any) -> RepositoryRow:
    """
    Change a repository's name, description, remote_id, retain or synced, and return what it is now.

    :raises NotInCatalog: when there is none of this *name*.
    :raises NameTaken: when another one has the new name.
    """
    unknown = changes.keys() - {"name", "description", "remote_id", "retain", "synced"}
    if unknown:
        raise TypeError(f"a repository's {', '.join(sorted(unknown))} cannot be changed")
    _check(changes.get("retain"))
    found = get(connection, name)
    new = changes.get("name", name)
    if new != name and _first(connection, repository.c.name == new) is not None:
        raise NameTaken("repository", new)
    if changes.get("synced", found) is None:
        changes["synced"] = null()
    if changes:
        connection.execute(update_of(repository).where(repository.c.id == found.id).values(changes))
    return by_id(connection, found.id)


def delete(connection: Connection, name: str) -> None:
    """
    Delete a repository and its versions; its content is left to the orphans' cleanup.

    :raises NotInCatalog: when there is none of this *name*.
    """
    if not connection.execute(delete_from(repository).where(repository.c.name == name)).rowcount:
        raise NotInCatalog("repository", name)


def _check(retain: int | None) -> None:
    if retain is not None and retain < 1:
        raise ValueError(f"retain is {retain}, but at least one version is kept")


def _one(connection: Connection, which: ColumnElement[bool], name: object) -> RepositoryRow:
    found = _first(connection, which)
    if found is None:
        raise NotInCatalog("repository", name)
    return found


def _first(connection: Connection, which: ColumnElement[bool]) -> RepositoryRow | None:
    row = connection.execute(select(repository).where(which)).one_or_none()
    return None if row is None else RepositoryRow(*row)

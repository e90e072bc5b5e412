"""Remotes under names: what is secret is sealed, and comes back only to reach the upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog import _tables
from twisted_pulp.catalog._key import Key
from twisted_pulp.catalog._secrets import joined, parted
from twisted_pulp.errors import KeyRefused, NameTaken, NotInCatalog
from twisted_pulp.settings import Remote, changed

__all__ = ["RemoteRow", "by_id", "create", "delete", "get", "list", "reach", "replace", "update"]

_remote, _source = _tables.remote, _tables.source


@frozen
class RemoteRow:
    """
    A Remote of the catalog, without its secrets.

    :ivar type: of the content that it has, such as `file`.
    :ivar settings: the fields of `Remote` that may be seen, as plain data.
    :ivar secret: whether it has secrets too.
    :ivar created: seconds since the epoch, as *updated*.
    """

    id: int
    name: str
    type: str
    settings: Mapping[str, Any]
    secret: bool
    created: float
    updated: float


def create(
    connection: Connection, name: str, remote: Remote, now: float, *, type: str = "file", key: Key | None = None
) -> RemoteRow:
    """
    Keep *remote* under a name.

    :param key: seals its secrets; may be missing where there are none.
    :raises NameTaken: when there is one of this name.
    :raises KeyRefused: it has secrets, and there is no key.
    :raises SettingsError: it has something that exists in code only.
    """
    settings, secrets = _sealed(remote, key)
    values = {"name": name, "type": type, "created": now, "updated": now, "settings": settings, "secrets": secrets}
    try:
        with connection.begin_nested():
            connection.execute(insert_into(_remote).values(values))
    except IntegrityError as error:
        raise NameTaken("remote", name) from error
    return get(connection, name)


def get(connection: Connection, name: str) -> RemoteRow:
    """
    Return the remote of this *name*, without secrets.

    :raises NotInCatalog: when there is none.
    """
    return _shown(_row(connection, _remote.c.name == name, name))


def by_id(connection: Connection, id: int) -> RemoteRow:
    """
    Return the remote of this number, without secrets.

    :raises NotInCatalog: when there is none.
    """
    return _shown(_row(connection, _remote.c.id == id, id))


def reach(connection: Connection, name: str | int, key: Key | None = None) -> Remote:
    """
    Return the Remote of this *name*, or number, with its secrets: to reach the upstream, and to be shown to nobody.

    :raises NotInCatalog: when there is none.
    :raises KeyRefused: it has secrets, and *key* is not what they were sealed with.
    """
    column = _remote.c.name if isinstance(name, str) else _remote.c.id
    row = _row(connection, column == name, name)
    return joined(row.settings, _unsealed(row.secrets, key))


def list(connection: Connection, after: str = "", limit: int | None = None) -> Sequence[RemoteRow]:  # noqa: A001 -- read with its module: remotes.list
    """Return remotes in the order of their names: *limit* (default all) whose names come after *after*."""
    statement = select(_remote).where(_remote.c.name > after).order_by(_remote.c.name).limit(limit)
    return [_shown(row) for row in connection.execute(statement)]


def update(
    connection: Connection,
    name: str,
    now: float,
    fields: Mapping[str, object],
    *,
    rename: str | None = None,
    key: Key | None = None,
) -> RemoteRow:
    """
    Change fields of a remote, and return what it is now; secrets that are not named stay.

    :param fields: name, with dots into parts as ``tls.verify`` -> plain value; see `twisted_pulp.settings.changed`.
    :param rename: its new name.
    :raises NotInCatalog: when there is none of this *name*.
    :raises NameTaken: when another one has the new name.
    :raises KeyRefused: it has secrets, and *key* is not what they were sealed with.
    :raises SettingsError: naming the field.
    """
    new = name if rename is None else rename
    settings, secrets = _sealed(changed(reach(connection, name, key), fields), key)
    values = {"name": new, "updated": now, "settings": settings, "secrets": secrets}
    try:
        with connection.begin_nested():
            connection.execute(update_of(_remote).where(_remote.c.name == name).values(values))
    except IntegrityError as error:
        raise NameTaken("remote", new) from error
    return get(connection, new)


def replace(connection: Connection, name: str, remote: Remote, now: float, *, key: Key | None = None) -> bool:
    """
    Keep *remote* under a name, in the place of one that has it; return whether anything has changed.

    :raises KeyRefused: it has secrets, and there is no key, or another one than that of the old secrets.
    """
    try:
        old = reach(connection, name, key)
    except NotInCatalog:
        create(connection, name, remote, now, key=key)
        return True
    if old == remote:
        return False
    settings, secrets = _sealed(remote, key)
    values = {"updated": now, "settings": settings, "secrets": secrets}
    connection.execute(update_of(_remote).where(_remote.c.name == name).values(values))
    return True


def delete(connection: Connection, name: str) -> None:
    """
    Forget a remote with its secrets; what it has brought stays.

    Where files could come from that it has not brought yet is forgotten too if it was guarded: nobody would guard that.

    :raises NotInCatalog: when there is none of this *name*.
    """
    row = _row(connection, _remote.c.name == name, name)
    if row.settings.get("network", {}).get("guarded"):
        connection.execute(delete_from(_source).where(_source.c.remote_id == row.id))
    connection.execute(delete_from(_remote).where(_remote.c.id == row.id))


def _row(connection: Connection, condition: ColumnElement[bool], name: object) -> Any:
    row = connection.execute(select(_remote).where(condition)).first()
    if row is None:
        raise NotInCatalog("remote", name)
    return row


def _shown(row: Any) -> RemoteRow:
    return RemoteRow(row.id, row.name, row.type, row.settings, row.secrets is not None, row.created, row.updated)


def _sealed(remote: Remote, key: Key | None) -> tuple[dict[str, Any], bytes | None]:
    seen, secret = parted(remote)
    if not secret:
        return seen, None
    if key is None:
        raise KeyRefused("a remote with secrets needs the key that seals them")
    return seen, key.seal(secret)


def _unsealed(sealed: bytes | None, key: Key | None) -> dict[str, Any]:
    if sealed is None:
        return {}
    if key is None:
        raise KeyRefused("a remote with secrets needs the key that they were sealed with")
    return key.unseal(sealed)

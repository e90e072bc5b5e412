"""Distributions: below which path a repository, one version of it, or a Remote is served."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, func, or_, select, text
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of

from twisted_pulp.catalog import _tables
from twisted_pulp.errors import NameTaken, NotInCatalog, SettingsError

__all__ = ["DistributionRow", "by_path", "create", "delete", "get", "list", "update"]

_distribution = _tables.distribution
_FIELDS = frozenset({"name", "base_path", "repository_id", "number", "remote_id", "policy", "settings"})
_POLICIES = "immediate", "on_demand", "streamed", None
_path = re.compile(r"[^/\x00-\x1f\x7f?#%\\]+(/[^/\x00-\x1f\x7f?#%\\]+)*").fullmatch


@frozen
class DistributionRow:
    """
    A distribution of the catalog.

    :ivar base_path: what paths on it begin with, without slashes around it.
    :ivar repository_id: what is served; None: nothing but `remote_id`.
    :ivar number: of the version; None: the newest.
    :ivar remote_id: what is asked for what is not there; None: nobody.
    :ivar policy: of what is asked for; None: the default.
    :ivar created: seconds since the epoch.
    """

    id: int
    name: str
    base_path: str
    repository_id: int | None
    number: int | None
    remote_id: int | None
    policy: str | None
    settings: Mapping[str, Any]
    created: float


def create(connection: Connection, name: str, base_path: str, now: float, **fields: Any) -> DistributionRow:
    """
    Make a distribution.

    :param fields: repository_id, number, remote_id, policy and settings; default: none of them.
    :raises NameTaken: when there is one of this name, or one with this path, above it or below it.
    :raises SettingsError: *base_path* or the policy is none, or there is a number without a repository.
    """
    values = _checked({"name": name, "base_path": base_path, "settings": {}, **fields})
    _alone(connection)
    _free(connection, values, 0)
    connection.execute(insert_into(_distribution).values(created=now, **values))
    return get(connection, name)


def get(connection: Connection, name: str) -> DistributionRow:
    """
    Return the distribution of this *name*.

    :raises NotInCatalog: when there is none.
    """
    found = _first(connection, _distribution.c.name == name)
    if found is None:
        raise NotInCatalog("distribution", name)
    return found


def by_path(connection: Connection, path: str) -> DistributionRow | None:
    """Return the distribution that *path*, without a slash before it, is in; None when it is in none."""
    return _first(connection, _distribution.c.base_path.in_(_above(path)))


def list(connection: Connection, after: str = "", limit: int | None = None) -> Sequence[DistributionRow]:  # noqa: A001 -- read with its module: distributions.list
    """Return distributions in the order of their names: *limit* (default all) whose names come after *after*."""
    statement = select(_distribution).where(_distribution.c.name > after).order_by(_distribution.c.name).limit(limit)
    return [DistributionRow(*row) for row in connection.execute(statement)]


def update(connection: Connection, name: str, /, **fields: Any) -> DistributionRow:
    """
    Change a distribution, and return what it is now.

    :param fields: name, base_path, and those of `create`.
    :raises NotInCatalog: when there is none of this *name*.
    :raises NameTaken: see `create`.
    :raises SettingsError: see `create`.
    """
    _alone(connection)
    row = get(connection, name)
    values = _checked({**{each: getattr(row, each) for each in _FIELDS}, **fields})
    _free(connection, values, row.id)
    connection.execute(update_of(_distribution).where(_distribution.c.id == row.id).values(**values))
    return get(connection, values["name"])


def delete(connection: Connection, name: str) -> None:
    """
    Forget a distribution.

    :raises NotInCatalog: when there is none of this *name*.
    """
    if not connection.execute(delete_from(_distribution).where(_distribution.c.name == name)).rowcount:
        raise NotInCatalog("distribution", name)


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - _FIELDS
    if unknown:
        raise TypeError(f"a distribution has no {', '.join(sorted(unknown))}")
    path, policy = values["base_path"], values.get("policy")
    if not _path(path) or not {".", ".."}.isdisjoint(path.split("/")):
        raise SettingsError("base_path", path, "names with slashes between them")
    if policy not in _POLICIES:
        raise SettingsError("policy", policy, "one of immediate, on_demand, streamed")
    if values.get("number") is not None and values.get("repository_id") is None:
        raise SettingsError("number", values["number"], "given together with a repository")
    return values


def _alone(connection: Connection) -> None:
    # That paths are not within each other is no constraint of the database.
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE distribution IN SHARE ROW EXCLUSIVE MODE"))


def _free(connection: Connection, values: Mapping[str, Any], own: int) -> None:
    others, path = _distribution.c.id != own, values["base_path"]
    if _first(connection, others & (_distribution.c.name == values["name"])) is not None:
        raise NameTaken("distribution", values["name"])
    below = func.substr(_distribution.c.base_path, 1, len(path) + 1) == f"{path}/"  # LIKE would not mind the case
    taken = _first(connection, others & or_(_distribution.c.base_path.in_(_above(path)), below))
    if taken is not None:
        raise NameTaken("distribution", f"at {taken.base_path}")


def _above(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _first(connection: Connection, condition: ColumnElement[bool]) -> DistributionRow | None:
    row = connection.execute(select(_distribution).where(condition)).first()
    return None if row is None else DistributionRow(*row)

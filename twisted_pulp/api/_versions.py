"""Versions of repositories, and what they have."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted_pulp.api._call import Call
from twisted_pulp.api._route import LIMIT, Answer, Parameter, Route, after
from twisted_pulp.catalog import repositories, versions
from twisted_pulp.documents import Page, Unit, Version

__all__ = ["ROUTES"]

_NUMBER = "<number>"
_TYPE = Parameter(name="type", most=64, pattern=r"^[a-z][a-z0-9_.]*$", says="Only units of this type.")


def _document(row: Any) -> Version:
    return Version(number=row.number, created=row.created, added=row.added, removed=row.removed, present=row.present)


def _unit(row: Any) -> Unit:
    return Unit(id=row.id, type=row.type, key=msgspec.json.decode(row.key), place=row.place, data=row.data)


async def _list(call: Call, name: str) -> Page[Version]:
    limit = call.given.get("limit", 100)
    rows = await call.catalog.read(_listed, name, call.given.get("after", 0))
    return call.page(rows[: limit + 1], limit, _document, lambda row: row.number)


def _listed(connection: Any, name: str, begin: int) -> list[Any]:
    return [row for row in versions.list(connection, repositories.get(connection, name).id) if row.number > begin]


async def _get(call: Call, name: str, number: int) -> Version:
    return await call.catalog.read(_shown, name, number)  # type: ignore[no-any-return]


def _shown(connection: Any, name: str, number: int) -> Version:
    return _document(versions.get(connection, repositories.get(connection, name).id, number))


async def _content(call: Call, name: str, number: int) -> Page[Unit]:
    limit = call.given.get("limit", 100)
    begin, kind = call.given.get("after", 0), call.given.get("type")
    rows = await call.catalog.read(_units, name, number, kind, begin, limit + 1)
    return call.page(rows, limit, _unit, lambda row: row.id)


def _units(connection: Any, name: str, number: int, kind: str | None, begin: int, limit: int) -> list[Any]:
    repository = repositories.get(connection, name)
    return versions.contents(connection, repository.id, number, kind, begin, limit)


async def _delete(call: Call, name: str, number: int) -> Answer:
    row = await call.catalog.read(repositories.get, name)
    lock = await call.catalog.lock(f"repository-{row.id}")
    try:
        await call.catalog.write(versions.delete, row.id, number)
    finally:
        await lock.release()
    return Answer(b"", 204)


ROUTES = (
    Route(
        method="GET",
        path="/repositories/<name>/versions",
        says="List the versions of a repository, the oldest first.",
        run=_list,
        gives=Page[Version],
        parameters=(after("integer"), LIMIT),
    ),
    Route(
        method="GET",
        path=f"/repositories/<name>/versions/{_NUMBER}",
        says="Show a version.",
        run=_get,
        gives=Version,
    ),
    Route(
        method="GET",
        path=f"/repositories/<name>/versions/{_NUMBER}/content",
        says="List what a version has.",
        run=_content,
        gives=Page[Unit],
        parameters=(_TYPE, after("integer"), LIMIT),
    ),
    Route(
        method="DELETE",
        path=f"/repositories/<name>/versions/{_NUMBER}",
        says="Delete a version; the others stay as they are.",
        run=_delete,
        scope="write",
        status=204,
    ),
)

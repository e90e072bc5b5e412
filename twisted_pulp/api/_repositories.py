"""Repositories."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import wrong
from twisted_pulp.api._route import LIMIT, Answer, Route, after
from twisted_pulp.catalog import remotes, repositories, versions
from twisted_pulp.documents import NewRepository, Page, Repository, RepositoryChange
from twisted_pulp.errors import NotInCatalog

__all__ = ["ROUTES", "remote_id_of"]


def _document(connection: Any, row: Any) -> Repository:
    latest = versions.latest(connection, row.id)
    remote = None if row.remote_id is None else remotes.by_id(connection, row.remote_id)
    return Repository(
        name=row.name,
        type=row.type,
        description=row.description,
        remote=None if remote is None else remote.name,
        version=None if latest is None else latest.number,
        content=0 if latest is None else latest.present,
        retain=row.retain,
        created=row.created,
    )


def remote_id_of(connection: Any, name: str | None) -> int | None:
    """
    Return the number of the remote *name*, or None of None.

    :raises Refused: when there is none.
    """
    if name is None:
        return None
    try:
        return remotes.get(connection, name).id
    except NotInCatalog as error:
        raise wrong("/remote", str(error)) from error


async def _create(call: Call) -> Answer:
    made = await call.catalog.write(_add, call.document(NewRepository), call.now())
    return Answer(made, 201, {"Location": f"{call.root}/repositories/{made.name}"})


def _add(connection: Any, wanted: NewRepository, now: float) -> Repository:
    remote_id = remote_id_of(connection, wanted.remote)
    fields: dict[str, Any] = {"description": wanted.description, "remote_id": remote_id, "retain": wanted.retain}
    return _document(connection, repositories.create(connection, wanted.name, wanted.type, now, **fields))


async def _list(call: Call) -> Page[Repository]:
    limit = call.given.get("limit", 100)
    found = await call.catalog.read(_listed, call.given.get("after", ""), limit + 1)
    return call.page(found, limit, lambda each: each, lambda each: each.name)


def _listed(connection: Any, begin: str, limit: int) -> list[Repository]:
    return [_document(connection, row) for row in repositories.list(connection, begin, limit)]


async def _get(call: Call, name: str) -> Repository:
    return await call.catalog.read(_shown, name)  # type: ignore[no-any-return]


def _shown(connection: Any, name: str) -> Repository:
    return _document(connection, repositories.get(connection, name))


async def _change(call: Call, name: str) -> Repository:
    return await call.catalog.write(_update, call, name, call.document(RepositoryChange))  # type: ignore[no-any-return]


def _update(connection: Any, call: Call, name: str, wanted: RepositoryChange) -> Repository:
    call.unchanged(_shown(connection, name))
    changes = {each: getattr(wanted, each) for each in ("name", "description", "retain")}
    if wanted.remote is not UNSET:
        changes["remote_id"] = remote_id_of(connection, wanted.remote or None)
        changes["synced"] = None
    changes = {each: value for each, value in changes.items() if value is not UNSET}
    return _document(connection, repositories.update(connection, name, **changes))


async def _delete(call: Call, name: str) -> Answer:
    row = await call.catalog.read(repositories.get, name)
    lock = await call.catalog.lock(f"repository-{row.id}")
    try:
        await call.catalog.write(_remove, call, name)
    finally:
        await lock.release()
    return Answer(b"", 204)


def _remove(connection: Any, call: Call, name: str) -> None:
    call.unchanged(_shown(connection, name))
    repositories.delete(connection, name)


ROUTES = (
    Route(
        method="GET",
        path="/repositories",
        says="List repositories by name.",
        run=_list,
        gives=Page[Repository],
        parameters=(after(), LIMIT),
    ),
    Route(
        method="POST",
        path="/repositories",
        says="Make a repository.",
        run=_create,
        scope="write",
        takes=NewRepository,
        gives=Repository,
        status=201,
    ),
    Route(method="GET", path="/repositories/<name>", says="Show a repository.", run=_get, gives=Repository),
    Route(
        method="PATCH",
        path="/repositories/<name>",
        says="Change a repository; what is left out stays.",
        run=_change,
        scope="write",
        takes=RepositoryChange,
        gives=Repository,
    ),
    Route(
        method="DELETE",
        path="/repositories/<name>",
        says="Delete a repository with all its versions; its files go with the next cleanup.",
        run=_delete,
        scope="write",
        status=204,
    ),
)

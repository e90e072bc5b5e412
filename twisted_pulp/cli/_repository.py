"""`pulpdownloader repository`: what there is, and how it goes."""

from __future__ import annotations

from typing import Any

import msgspec

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import facts, moment, table

__all__ = ["content", "deleted", "listed", "shown", "versions"]

#: Units that are asked for at once; as many are known at a time.
_PAGE = 1000


def listed(place: Place) -> int:
    """List all repositories."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.repositories.list(), _all)
        rows = [(each["name"], each["type"], each["version"], each["content"], each["remote"]) for each in found]
        desk.answer(found, table(("NAME", "TYPE", "VERSION", "CONTENT", "REMOTE"), rows) if rows else [])

    return worked(place, act)


def _all(connection: Any) -> list[dict[str, Any]]:
    from twisted_pulp.catalog import repositories

    return [_document(connection, row) for row in repositories.list(connection)]


def _document(connection: Any, row: Any) -> dict[str, Any]:
    from twisted_pulp.catalog import remotes
    from twisted_pulp.catalog import versions as numbered

    latest = numbered.latest(connection, row.id)
    remote = None if row.remote_id is None else remotes.by_id(connection, row.remote_id)
    return {
        "name": row.name,
        "type": row.type,
        "description": row.description,
        "remote": None if remote is None else remote.name,
        "version": None if latest is None else latest.number,
        "content": 0 if latest is None else latest.present,
        "retain": row.retain,
        "created": row.created,
    }


def shown(place: Place, name: str) -> int:
    """Show the repository *name*."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.repositories.get(name), _one, name)
        said = found | {"created": moment(found["created"])}
        desk.answer(found, facts(said.items()))

    return worked(place, act)


def _one(connection: Any, name: str) -> dict[str, Any]:
    from twisted_pulp.catalog import repositories

    return _document(connection, repositories.get(connection, name))


def versions(place: Place, name: str) -> int:
    """List the versions of the repository *name*."""

    async def act(desk: Desk) -> None:
        found = await desk.ask(lambda server: server.repositories.versions(name), _versions, name)
        rows = [(each["number"], moment(each["created"]), *(each[key] for key in _COUNTS)) for each in found]
        desk.answer(found, table(("VERSION", "CREATED", "ADDED", "REMOVED", "PRESENT"), rows) if rows else [])

    return worked(place, act)


_COUNTS = ("added", "removed", "present")


def _versions(connection: Any, name: str) -> list[dict[str, Any]]:
    from twisted_pulp.catalog import repositories
    from twisted_pulp.catalog import versions as numbered

    row = repositories.get(connection, name)
    keys = ("number", "created", *_COUNTS)
    return [{key: getattr(each, key) for key in keys} for each in numbered.list(connection, row.id)]


def content(place: Place, name: str, version: int | None, type: str | None) -> int:
    """List what is in version *version* of the repository *name*, by default the latest."""

    async def act(desk: Desk) -> None:
        if desk.server is not None:
            await _content_there(desk, desk.server, name, version, type)
            return
        from twisted_pulp.catalog import versions as numbered

        repository, number = await desk.data.catalog.read(_version, name, version)
        after, units = 0, desk.list()
        while number is not None:
            page = await desk.data.catalog.read(numbered.contents, repository, number, type, after, _PAGE)
            if not page:
                break
            for each in page:
                units.add(_unit(each), _words(each))
            after = page[-1].id

    return worked(place, act)


async def _content_there(desk: Desk, server: Any, name: str, version: int | None, type: str | None) -> None:
    number = (await server.repositories.get(name)).version if version is None else version
    units = desk.list()
    if number is None:
        return
    async for each in server.repositories.content(name, number, type):
        unit = {"type": each.type, "key": each.key, "place": each.place, **each.data}
        units.add(unit, "  ".join(map(str, (each.type, *each.key))))


def _row(connection: Any, name: str) -> Any:
    from twisted_pulp.catalog import repositories

    return repositories.get(connection, name)


def _version(connection: Any, name: str, number: int | None) -> tuple[int, int | None]:
    from twisted_pulp.catalog import repositories
    from twisted_pulp.catalog import versions as numbered

    row = repositories.get(connection, name)
    if number is not None:
        return row.id, numbered.get(connection, row.id, number).number
    latest = numbered.latest(connection, row.id)
    return row.id, None if latest is None else latest.number


def _unit(row: Any) -> dict[str, Any]:
    return {"type": row.type, "key": msgspec.json.decode(row.key), "place": row.place, **row.data}


def _words(row: Any) -> str:
    return "  ".join(map(str, (row.type, *msgspec.json.decode(row.key))))


def deleted(place: Place, name: str, version: int | None, wait: bool) -> int:
    """Delete the repository *name*, or only its version *version*."""

    async def act(desk: Desk) -> None:
        if desk.server is None:
            await _deleted_here(desk, name, version)
        elif version is None:
            await desk.server.repositories.delete(name)
        else:
            await desk.server.repositories.delete_version(name, version)
        what = f"repository {name}" if version is None else f"version {version} of repository {name}"
        desk.answer({"deleted": name, "version": version}, [f"deleted {what}"])

    return worked(place, act, write=True, wait=wait)


async def _deleted_here(desk: Desk, name: str, version: int | None) -> None:
    row = await desk.data.catalog.read(_row, name)
    lock = await desk.data.catalog.lock(f"repository-{row.id}")
    try:
        await desk.data.catalog.write(_delete, name, version)
    finally:
        await lock.release()


def _delete(connection: Any, name: str, version: int | None) -> None:
    from twisted_pulp.catalog import repositories
    from twisted_pulp.catalog import versions as numbered

    if version is None:
        repositories.delete(connection, name)
    else:
        numbered.delete(connection, repositories.get(connection, name).id, version)

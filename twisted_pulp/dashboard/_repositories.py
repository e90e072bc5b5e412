"""Repositories, their versions, and what those have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen
from sqlalchemy import Connection

from twisted_pulp.catalog import contents, remotes, repositories, versions
from twisted_pulp.dashboard._visit import LIMIT, Elsewhere, Page, Route, Unfit, Visit

__all__ = ["ROUTES"]


@frozen
class _Repository:
    """A repository, the name of its remote, and its newest version."""

    row: Any
    remote: str | None
    latest: Any


@frozen
class _Unit:
    """A unit: what it is called, and its files."""

    id: int
    type: str
    name: str
    files: list[Any]


def _remote_of(connection: Connection, row: Any) -> str | None:
    return None if row.remote_id is None else remotes.by_id(connection, row.remote_id).name


def _known(connection: Connection, row: Any) -> _Repository:
    return _Repository(row, _remote_of(connection, row), versions.latest(connection, row.id))


def _some(connection: Connection, after: str) -> list[_Repository]:
    return [_known(connection, row) for row in repositories.list(connection, after, LIMIT + 1)]


async def _list(visit: Visit) -> Page:
    after = visit.text("after")
    found = await visit.catalog.read(_some, after)
    following = found[LIMIT - 1].row.name if len(found) > LIMIT else None
    values = {"repositories": found[:LIMIT], "first": not after, "next": following, "link": visit.link}
    return Page("repositories.html", values)


def _one(connection: Connection, name: str) -> tuple[_Repository, list[Any]]:
    row = repositories.get(connection, name)
    return _known(connection, row), list(reversed(versions.list(connection, row.id)))


async def _show(visit: Visit, name: str) -> Page:
    repository, every = await visit.catalog.read(_one, name)
    before = visit.number("before")
    shown = [one for one in every if before is None or one.number < before]
    values = {"repository": repository, "versions": shown[:LIMIT], "first": before is None, "link": visit.link}
    return Page("repository.html", {**values, "next": shown[LIMIT - 1].number if len(shown) > LIMIT else None})


def _contents(connection: Connection, name: str, number: int, after: int) -> Any:
    row = repositories.get(connection, name)
    version = versions.get(connection, row.id, number)
    units = versions.contents(connection, row.id, number, after=after, limit=LIMIT + 1)
    files = contents.artifacts_of(connection, [unit.id for unit in units])
    counts = versions.counts(connection, row.id, number)
    return row, version, counts, [_Unit(unit.id, unit.type, _named(unit), files.get(unit.id, [])) for unit in units]


def _named(unit: Any) -> str:
    """Return what a unit is called: its place, or the words of its natural key."""
    if unit.place:
        return str(unit.place)
    try:
        key = msgspec.json.decode(unit.key)
    except msgspec.DecodeError:
        return str(unit.key)
    words = key.values() if isinstance(key, Mapping) else key if isinstance(key, list) else [key]
    return " ".join(map(str, words))


async def _version(visit: Visit, name: str, number: str) -> Page:
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise Unfit(404, "There is no such version.")
    after = visit.number("after") or 0
    row, version, counts, units = await visit.catalog.read(_contents, name, int(number), after)
    following = units[LIMIT - 1].id if len(units) > LIMIT else None
    values = {"repository": row, "version": version, "counts": counts, "units": units[:LIMIT]}
    return Page("version.html", {**values, "first": not after, "next": following, "link": visit.link})


async def _sync(visit: Visit, name: str) -> Elsewhere:
    repository, _ = await visit.catalog.read(_one, name)
    if repository.remote is None:
        raise Unfit(409, f"The repository {name} has no remote to sync from.")
    payload = {"repository": name, "remote": repository.remote, "mirror": False, "force": False, "keep_going": False}
    token = visit.session.token
    submitted = await visit.running.jobs.submit("sync", payload, remote=repository.remote, owner=token)
    return Elsewhere(f"/jobs/{submitted.job.uid}", "The sync is handed in.")


ROUTES = (
    Route("GET", ("repositories",), _list),
    Route("GET", ("repositories", "*"), _show),
    Route("GET", ("repositories", "*", "versions", "*"), _version),
    Route("POST", ("repositories", "*", "sync"), _sync, "write"),
)

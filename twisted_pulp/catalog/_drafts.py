"""Versions that are being made: they change `version_content` under a number that nobody sees yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Executable, bindparam, delete, exists, func, insert, null, select, update

from twisted_pulp.catalog._bulk import among, chunks, rows_of
from twisted_pulp.catalog._history import VersionRow, latest, retain, undo
from twisted_pulp.catalog._tables import content, repository, version, version_content, version_seen
from twisted_pulp.catalog.contents import AT_PLACES
from twisted_pulp.errors import DraftLost, NotInCatalog

__all__ = ["Draft", "abort", "add", "begin", "finish", "recover", "remove", "remove_unseen", "seen"]


@frozen
class Draft:
    """
    A version that is being made.

    :ivar number: what it will have when it is finished.
    :ivar base: the number of the version it is made from; 0: from nothing.
    """

    version_id: int
    repository_id: int
    number: int
    base: int


_ROW = version_content.c
_OF_DRAFT = _ROW.repository_id == bindparam("in_repository")
_CURRENT = _OF_DRAFT & _ROW.removed.is_(None)


def begin(connection: Connection, repository_id: int, now: float) -> Draft:
    """
    Begin a version of a repository, whose lock the caller holds: what an earlier one left behind is undone.

    :raises NotInCatalog: when there is no such repository.
    """
    locked = select(repository.c.next).where(repository.c.id == repository_id).with_for_update()
    number = connection.scalars(locked).one_or_none()
    if number is None:
        raise NotInCatalog("repository", repository_id)
    undo(connection, repository_id)
    base = latest(connection, repository_id)
    row = {"repository_id": repository_id, "number": number, "complete": False, "created": now}
    version_id = connection.scalars(insert(version).values(row).returning(version.c.id)).one()
    return Draft(version_id, repository_id, number, 0 if base is None else base.number)


def add(connection: Connection, draft: Draft, content_ids: Collection[int]) -> int:
    """
    Add units to the version, and return how many it did not have.

    Other units of the same type and place leave it; of several *content_ids* with one place the last is added.

    :raises DraftLost: when another version was begun since, or this one is finished or aborted.
    :raises NotInCatalog: when a unit is not there.
    """
    _live(connection, draft)
    return sum(_add(connection, draft, some) for some in chunks(content_ids))


def _add(connection: Connection, draft: Draft, content_ids: Sequence[int]) -> int:
    places, wanted = _places(connection, content_ids)
    others = _others(connection, places)
    rows = _rows(connection, draft, [*wanted, *others])
    out = [number for number in others if number in rows and rows[number] is None]
    if out:
        _take_out(connection, draft, out)
    back = [number for number in wanted if rows.get(number) is not None]
    if back:
        connection.execute(_PUT_BACK, {**_of(draft), "ids": back})
    new = [number for number in wanted if number not in rows]
    if new:
        connection.execute(_ADD, {**_of(draft), "ids": new})
    return len(back) + len(new)


def _places(connection: Connection, content_ids: Sequence[int]) -> tuple[dict[tuple[str, str], int], list[int]]:
    """Return which unit gets which place, by type and place, and all units that are to be added."""
    known = {number: (kind, place) for number, kind, place in rows_of(connection, _PLACES, {"ids": content_ids})}
    places: dict[tuple[str, str], int] = {}
    alone = set()
    for number in content_ids:
        if number not in known:
            raise NotInCatalog("content", number)
        kind, place = known[number]
        if place is None:
            alone.add(number)
        else:
            places[kind, place] = number
    return places, sorted(alone.union(places.values()))


_PLACES = select(content.c.id, content.c.type, content.c.place).where(among(content.c.id, "ids"))


def _others(connection: Connection, places: Mapping[tuple[str, str], int]) -> list[int]:
    """Return what else of the catalog has one of *places*, in whatever repository."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, place in places:
        by_kind[kind].append(place)
    found: list[int] = []
    for kind, some in by_kind.items():
        same = rows_of(connection, AT_PLACES, {"type": kind, "places": some})
        found += [number for number, place in same if places[kind, place] != number]
    return sorted(found)


def _rows(connection: Connection, draft: Draft, content_ids: list[int]) -> dict[int, int | None]:
    """Return of the units that the draft has None, of those that it took out its number; the others are not there."""
    # Not joined to content: a planner without statistics reads the whole repository for it.
    found: dict[int, int | None] = {}
    for some in chunks(content_ids):
        found |= dict(rows_of(connection, _STATE, {**_of(draft), "ids": some}))
    return found


_STATE = select(_ROW.content_id, _ROW.removed).where(
    _OF_DRAFT,
    among(_ROW.content_id, "ids"),
    # Removed by no version or by this one; with OR, SQLite looks for each by the index of removals.
    func.coalesce(_ROW.removed, bindparam("number")) == bindparam("number"),
)
_PUT_BACK = (
    update(version_content)
    .where(_OF_DRAFT, _ROW.removed == bindparam("number"), among(_ROW.content_id, "ids"))
    .values(removed=None)
)
_ADD = insert(version_content).from_select(
    ["repository_id", "content_id", "added"],
    select(
        bindparam("in_repository", type_=_ROW.repository_id.type),
        content.c.id,
        bindparam("number", type_=_ROW.added.type),
    )
    .where(among(content.c.id, "ids"))
    .order_by(content.c.id),
)


def seen(connection: Connection, draft: Draft, content_ids: Collection[int]) -> None:
    """
    Note that the upstream has these units, so that `remove_unseen` leaves them.

    :raises DraftLost: as `add` does.
    """
    _live(connection, draft)
    for some in chunks(content_ids):
        connection.execute(_seen(connection.dialect.name), {"in_version": draft.version_id, "ids": some})


@cache
def _seen(dialect: str) -> Executable:
    # Only the dialect that is needed is imported.
    insert_into = import_module(f"sqlalchemy.dialects.{dialect}").insert
    units = select(bindparam("in_version", type_=version.c.id.type), content.c.id)
    units = units.where(among(content.c.id, "ids")).order_by(content.c.id)
    into = insert_into(version_seen).from_select(["version_id", "content_id"], units)
    made: Executable = into.on_conflict_do_nothing()
    return made


def remove(connection: Connection, draft: Draft, content_ids: Collection[int]) -> int:
    """
    Remove units from the version, and return how many of them it had.

    :raises DraftLost: as `add` does.
    """
    _live(connection, draft)
    return sum(_take_out(connection, draft, some) for some in chunks(sorted({*content_ids})))


def _take_out(connection: Connection, draft: Draft, content_ids: Sequence[int]) -> int:
    values = {**_of(draft), "ids": content_ids}
    return sum(connection.execute(statement, values).rowcount for statement in (_FORGET, _REMOVE))


_FORGET = delete(version_content).where(_CURRENT, _ROW.added == bindparam("number"), among(_ROW.content_id, "ids"))
_REMOVE = update(version_content).where(_CURRENT, among(_ROW.content_id, "ids")).values(removed=bindparam("number"))


def remove_unseen(connection: Connection, draft: Draft) -> int:
    """
    Remove what the version has from its base and `seen` was not told of, and return how many units that are.

    :raises DraftLost: as `add` does.
    """
    _live(connection, draft)
    return connection.execute(_REMOVE_UNSEEN, {**_of(draft), "in_version": draft.version_id}).rowcount


_REMOVE_UNSEEN = (
    update(version_content)
    .where(
        _CURRENT,
        _ROW.added < bindparam("number"),
        ~exists().where(
            version_seen.c.version_id == bindparam("in_version"), version_seen.c.content_id == _ROW.content_id
        ),
    )
    .values(removed=bindparam("number"))
)


def finish(connection: Connection, draft: Draft, now: float, synced: Mapping[str, Any] | None) -> VersionRow | None:
    """
    Complete the version, and return it; or None, and nothing is left of it, when it is no different from its base.

    :param now: seconds since the epoch: when the version was made.
    :param synced: what this sync saw, for the next one; kept with the number of the latest version. None: nothing; if
        the content is another now, what an earlier sync saw is forgotten.
    :raises DraftLost: as `add` does.
    """
    _live(connection, draft)
    values = _of(draft)
    added = connection.scalars(_ADDED, values).one()
    removed = connection.scalars(_REMOVED, values).one()
    if synced is not None or added or removed:
        number = draft.number if added or removed else draft.base
        seen_now = null() if synced is None else {**synced, "version": number}
        connection.execute(update(repository).where(repository.c.id == draft.repository_id).values(synced=seen_now))
    if not added and not removed:
        undo(connection, draft.repository_id)
        return None
    base = latest(connection, draft.repository_id)
    present = added - removed + (0 if base is None else base.present)
    counts = {"added": added, "removed": removed, "present": present}
    complete = update(version).where(version.c.id == draft.version_id).values(complete=True, created=now, **counts)
    connection.execute(complete)
    connection.execute(delete(version_seen).where(version_seen.c.version_id == draft.version_id))
    following = update(repository).where(repository.c.id == draft.repository_id).values(next=draft.number + 1)
    connection.execute(following)
    retain(connection, draft.repository_id)
    return VersionRow(draft.version_id, draft.repository_id, draft.number, now, added, removed, present)


_ADDED = select(func.count()).where(_OF_DRAFT, _ROW.added == bindparam("number"))
_REMOVED = select(func.count()).where(_OF_DRAFT, _ROW.removed == bindparam("number"))


def abort(connection: Connection, draft: Draft) -> None:
    """Undo the version; nothing happens when it is gone or finished."""
    if _is_live(connection, draft):
        undo(connection, draft.repository_id)


def recover(connection: Connection, repository_id: int | None = None) -> int:
    """
    Undo the versions that nobody makes any more, since their processes died, and return how many they were.

    :param repository_id: only of this one, whose lock the caller holds; default all, whose locks the caller holds.
    """
    incomplete = select(version.c.repository_id).where(version.c.complete.is_(False)).distinct()
    if repository_id is not None:
        incomplete = incomplete.where(version.c.repository_id == repository_id)
    return sum(undo(connection, each) for each in sorted(connection.scalars(incomplete)))


def _of(draft: Draft) -> dict[str, Any]:
    return {"in_repository": draft.repository_id, "number": draft.number}


def _live(connection: Connection, draft: Draft) -> None:
    if not _is_live(connection, draft):
        raise DraftLost(draft.repository_id, draft.number)


def _is_live(connection: Connection, draft: Draft) -> bool:
    return connection.scalars(_LIVE, {"in_version": draft.version_id}).one_or_none() is not None


# Locked, so that nobody undoes the draft while this transaction adds to it.
_LIVE = (
    select(version.c.id).where(version.c.id == bindparam("in_version"), version.c.complete.is_(False)).with_for_update()
)

"""Content for tests, in as few words as they need."""

from __future__ import annotations

import json

from sqlalchemy import Connection

from twisted_pulp.catalog import contents


def unit(key: str, place: str | None = None, type: str = "file") -> contents.NewContent:
    """Return a unit to be saved."""
    return contents.NewContent(type, json.dumps([key]), place, {"name": key})


def saved(connection: Connection, *units: contents.NewContent, now: float = 1.0) -> list[int]:
    """Save *units* one by one, so that their numbers rise, and return these."""
    return [contents.save(connection, [each], now)[each.type, each.key] for each in units]


def some(connection: Connection, count: int) -> list[int]:
    """Save *count* units without places and return their numbers."""
    units = [unit(f"unit {number:05}") for number in range(count)]
    ids = contents.save(connection, units, 1.0)
    return [ids[each.type, each.key] for each in units]

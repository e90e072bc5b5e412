"""Who is logged in to the dashboard, on both databases."""

from __future__ import annotations

from typing import Any

from pytest_twisted import ensureDeferred
from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred, gatherResults

from twisted_pulp.catalog import Catalog, sessions, tokens
from twisted_pulp.catalog._cluster_tables import session

IDLE, LONGEST, MOST = 100.0, 1000.0, 4


def name(number: int) -> str:
    """Return the hash of a cookie."""
    return f"{number:064x}"


async def begin(catalog: Catalog, number: int, token: int, now: float) -> None:
    """Log somebody in."""
    await catalog.write(sessions.begin, name(number), token, now, IDLE, LONGEST, MOST)


async def left(catalog: Catalog) -> list[int]:
    """Return which sessions there are."""
    rows = await catalog.read(lambda connection: connection.scalars(select(session.c.hash)).all())
    return sorted(int(each, 16) for each in rows)


def token(connection: Connection) -> Any:
    """Make a token, and return its number."""
    return tokens.create(connection, f"t{len(tokens.list(connection))}", "read", 1.0)[0].id


@ensureDeferred
async def test_bounded(catalog: Catalog) -> None:
    """The one goes that was not used for longest, and with the next those that are over, or were at once too many."""
    mine = await catalog.write(token)
    for number in range(4):
        await begin(catalog, number, mine, 10.0 + number)
    await catalog.write(sessions.note, name(0), 20.0)
    await catalog.write(sessions.note, name(0), 5.0)
    await begin(catalog, 4, mine, 30.0)
    assert [0, 2, 3, 4] == await left(catalog)
    await begin(catalog, 5, mine, 115.0)
    assert [0, 4, 5] == await left(catalog)
    await gatherResults([Deferred.fromCoroutine(begin(catalog, number, mine, 120.0)) for number in range(6, 14)])
    await begin(catalog, 14, mine, 125.0)
    assert (MOST, True) == (len(found := await left(catalog)), 14 in found)
    await begin(catalog, 15, mine, 1200.0)
    assert [15] == await left(catalog)


@ensureDeferred
async def test_token(catalog: Catalog) -> None:
    """Sessions are gone with their token, and only those; words are kept once, until they were shown."""
    mine, theirs = await catalog.write(token), await catalog.write(token)
    await begin(catalog, 1, mine, 10.0)
    await begin(catalog, 2, theirs, 11.0)
    await catalog.write(sessions.say, name(2), "<b>\u2713", True)
    await catalog.write(tokens.delete, mine)
    assert None is await catalog.read(sessions.find, name(1))
    found = await catalog.read(sessions.find, name(2))
    assert (theirs, "t1", "read", None, 11.0, 11.0) == (
        *(found.token, found.name, found.scope, found.expires),
        *(found.created, found.used),
    )
    assert ("<b>\u2713", True, False) == (found.notice, found.good, name(2) in repr(found))
    await catalog.write(sessions.heard, name(2), "something else")
    assert found == await catalog.read(sessions.find, name(2))
    await catalog.write(sessions.heard, name(2), "<b>\u2713")
    assert None is (await catalog.read(sessions.find, name(2))).notice
    await catalog.write(sessions.end, name(2))
    assert [] == await left(catalog)

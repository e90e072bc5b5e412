"""Locks with names, on both databases."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
from pytest_twisted import async_yield_fixture
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from tests.integration.process import Start
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog, Lock
from twisted_pulp.errors import CatalogError

#: Seconds that a busy machine may keep everybody.
SLACK = 20


@async_yield_fixture
async def other(reactor: IReactor, database: str) -> AsyncIterator[Catalog]:
    """The same database, opened again, as another process has it."""
    opened = await Catalog.open(reactor, database)
    yield opened
    await opened.close()


async def soon(reactor: IReactor, d: Deferred[Lock]) -> None:
    """Give *d* the time in which a free lock would long have been given."""
    await deferLater(reactor, 0.2)
    assert not d.called


async def test_turns(catalog: Catalog, other: Catalog, reactor: IReactor) -> None:
    """Who has a lock keeps all others waiting until it is given back, then the next has it."""
    first = await catalog.lock("repository/a")
    second = other.lock("repository/a")
    await soon(reactor, second)
    assert await first.held()
    await first.release()
    await first.release()
    held = await second
    third = catalog.lock("repository/a")
    await soon(reactor, third)
    await held.release()
    await (await third).release()


async def test_order(catalog: Catalog) -> None:
    """In one process, locks are given in the order in which they were asked for."""
    given: list[int] = []
    first = await catalog.lock("a")
    waiting = [
        catalog.lock("a").addCallback(lambda lock, number=number: given.append(number) or lock) for number in range(5)
    ]
    await first.release()
    for each in waiting:
        await (await each).release()
    assert list(range(5)) == given


async def test_names(catalog: Catalog, other: Catalog) -> None:
    """Locks of different names, however strange, keep nobody waiting."""
    names = ["a", "b", "../a", "a/b", ".", "", "é" * 200]
    held = [await catalog.lock(name) for name in names]
    assert names == [lock.name for lock in held]
    for lock in held:
        await lock.release()
    for name in names:
        await (await other.lock(name)).release()


async def test_cancelled(catalog: Catalog, other: Catalog, reactor: IReactor) -> None:
    """Who waits may give up, in the same process and in another; the lock goes to the next."""
    first = await catalog.lock("a")
    here, there = catalog.lock("a"), other.lock("a")
    await soon(reactor, there)
    for waiting in (here, there):
        waiting.cancel()
        with pytest.raises(CancelledError):
            await waiting
    await first.release()
    await (await other.lock("a")).release()
    await (await catalog.lock("a")).release()


async def test_closed(catalog: Catalog, other: Catalog, reactor: IReactor) -> None:
    """Closing a catalog gives its locks back and ends its waiting; then there are none to have."""
    await other.lock("a")
    waiting = other.lock("a")
    await other.close()
    with pytest.raises(CancelledError):
        await waiting
    await (await catalog.lock("a")).release()
    with pytest.raises(CatalogError, match="closed"):
        other.lock("a")


HOLDER = """
import signal, sys
from twisted.internet import reactor
from twisted_pulp.catalog import Catalog
opening = Catalog.open(reactor, sys.argv[1]).addCallback(lambda catalog: catalog.lock("a"))
opening.addCallback(lambda lock: print("locked", flush=True))
reactor.run()
"""
WATCHING = """
import sys
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater
from twisted_pulp.catalog import Catalog

async def main():
    catalog = await Catalog.open(reactor, sys.argv[1], lease=2)
    lock = await catalog.lock("a")
    print("locked", flush=True)
    while await lock.held():
        await deferLater(reactor, 0.05)
    print("lost", flush=True)
    await lock.release()
    again = await catalog.lock("a")
    print("locked again", await again.held(), flush=True)

reactor.callWhenRunning(lambda: ensureDeferred(main()))
reactor.run()
"""


async def test_killed(catalog: Catalog, database: str, start_command: Start, reactor: IReactor) -> None:
    """The lock of a process that is killed is free."""
    holder = start_command(database, program=HOLDER)
    await holder.until(lambda: holder.lines)
    waiting = catalog.lock("a")
    await soon(reactor, waiting)
    holder.close()
    await (await waiting).release()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_paused(database: str, start_command: Start, reactor: IReactor) -> None:
    """The lock of a process that stands still is another's after a lease; once it wakes it knows, and waits for it."""
    holder = start_command(database, program=WATCHING)
    await holder.until(lambda: holder.lines)
    catalog = await Catalog.open(reactor, database, lease=2)
    try:
        waiting = catalog.lock("a")
        await soon(reactor, waiting)
        holder.send(signal.SIGSTOP)
        paused = reactor.seconds()
        lock = await waiting
        assert reactor.seconds() - paused < 2 + SLACK
        holder.send(signal.SIGCONT)
        await holder.until(lambda: "lost" in holder.lines)
        assert await lock.held()
        await lock.release()
        await holder.until(lambda: "locked again True" in holder.lines)
    finally:
        await catalog.close()

"""Several processes that connect to one host: together they have no more connections than one alone may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.integration.cluster import StartCluster
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Wait, ok
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog.shares import Share, due
from twisted_pulp.cluster import Shares
from twisted_pulp.http import Cap, ConnectionPool

pytestmark = pytest.mark.usefixtures("reactor")
KEY = ("host", 80)


@define(eq=False)
class Part:
    """One of several, whose clock the test moves."""

    clock: Clock
    pool: ConnectionPool
    shares: Shares
    cap: Cap = field(init=False)

    def begin(self, wanted: int = 0) -> None:
        """Connect to the host, with so many requests that are waiting."""
        pool: Any = self.pool
        self.cap = pool._hosts[KEY] = self.pool.paces.begun(KEY, Cap(8))
        for _ in range(wanted):
            self.cap.semaphore.acquire()

    async def settle(self) -> None:
        """Let what goes on with the catalog come to its end."""
        while self.shares._working:
            await self.shares._catalog.read(lambda connection: None)

    async def look(self, seconds: float = 0.5) -> int:
        """Look once more, and return the slots that it has then."""
        self.clock.advance(seconds)
        await self.settle()
        return self.shares.slots(KEY)


Parts = Callable[..., Part]


@async_yield_fixture
async def parts(catalog: Catalog) -> AsyncIterator[Parts]:
    """Make parts, of a host with 8 connections, with a lease of 6 seconds."""
    made: list[Part] = []

    def make(name: str, others: object = True, dead: Callable[[str], bool] = lambda holder: False) -> Part:
        clock = Clock()
        pool = ConnectionPool(clock, per_host=8)
        part = Part(clock, pool, Shares(clock, catalog, pool, name, lease=6.0, others=lambda: others, dead=dead))
        part.shares.start()
        made.append(part)
        return part

    yield make
    for part in made:
        await part.settle()
        await part.shares.close()


@ensureDeferred
async def test_alone(parts: Parts) -> None:
    """Nothing is connected to before it is leased; who is alone has all of it."""
    one = parts("one")
    one.begin(3)
    assert (0, True) == (one.cap.busy, one.cap.full)
    await one.settle()
    assert (8, 3) == (one.shares.slots(KEY), one.cap.busy)


@ensureDeferred
async def test_shared(parts: Parts) -> None:
    """Who comes later gets a part when it is free, and all of it when the other wants none any more."""
    one, two = parts("one"), parts("two")
    one.begin(20)
    await one.settle()
    for _ in range(8):
        one.cap.opened()
    two.begin(20)
    await two.settle()
    assert 0 == two.shares.slots(KEY)
    assert (4, 0) == (await one.look(), await two.look())  # they are open still
    for _ in range(5):
        one.cap.closed()
    assert (4, 4) == (await one.look(), await two.look())
    for _ in range(20):
        one.cap.semaphore.release()
    for _ in range(3):
        one.cap.closed()
    for _ in range(6):
        await one.look()
        await two.look()
    assert 8 == await two.look()
    assert one.shares.slots(KEY) == 0


@ensureDeferred
async def test_dead(parts: Parts) -> None:
    """What one had that says nothing any more is another's after a lease; when it wakes, it has none until it asks."""
    others: list[str] = []
    one, two = parts("one"), parts("two", others=others)
    one.begin(20)
    await one.settle()
    two.begin(20)
    await two.settle()
    for _ in range(11):
        assert 0 == await two.look()
    for _ in range(3):
        await two.look()
    assert 8 == two.shares.slots(KEY)
    others.append("one")
    assert 0 == await one.look()
    assert 4 == await two.look()


@ensureDeferred
async def test_known_dead(parts: Parts) -> None:
    """What one had of whom it is known that it is dead another has at once."""
    one, two = parts("one"), parts("two", dead="one".__eq__)
    one.begin(20)
    await one.settle()
    two.begin(20)
    await two.settle()
    await two.look()
    assert 8 == await two.look()


@ensureDeferred
async def test_left(parts: Parts, catalog: Catalog) -> None:
    """A host that is connected to no more is given back."""
    one, two = parts("one"), parts("two")
    one.begin()
    await one.settle()
    one.pool._hosts.clear()
    await one.look()
    two.begin(1)
    await two.settle()
    assert 8 == two.shares.slots(KEY)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=60), st.integers(1, 8))
def test_never_more(wishes: list[tuple[int, int]], limit: int) -> None:
    """Whatever is wanted in whatever order, the sum is never above the cap; in the end each has what is fair."""
    slots, wanted = [0] * 4, [0] * 4

    def turn(who: int) -> None:
        others = [Share("h", str(each), slots[each], wanted[each], 0) for each in range(4) if each != who]
        slots[who] = due(str(who), wanted[who], slots[who], others, limit, 0)
        assert sum(slots) <= limit

    for who, wish in wishes:
        wanted[who] = min(wish, limit)
        turn(who)
    for _ in range(3):
        for who in range(4):
            turn(who)
    fair = min(limit, sum(wanted))
    assert sum(min(*each) for each in zip(slots, wanted, strict=True)) == fair


@ensureDeferred
async def test_processes(start_cluster: StartCluster, start_scripted: StartScripted) -> None:
    """Three daemons that download from one host open no more connections than one alone may, and all get some."""
    server = await start_scripted()
    server.default = lambda request: (Wait(0.05), *ok(b"x" * 100))
    cluster = start_cluster(limits={"per_host": 4, "jobs": 1})
    members = await cluster.grow(3)

    for member in members:
        items = [{"url": server.url(f"/{member.name}/{number}")} for number in range(40)]
        await member.made("/api/v1/downloads", {"items": items})

    async def done() -> bool:
        jobs = (await members[0].document("/api/v1/downloads"))["items"]
        return all(each["state"] == "completed" for each in jobs)

    await cluster.until(lambda: Deferred.fromCoroutine(done()))
    assert 120 == len({each.path for each in server.requests})
    assert server.high_water <= 4

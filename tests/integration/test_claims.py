"""Claims of what is fetched, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.task import Clock

from twisted_pulp.catalog import Catalog
from twisted_pulp.cluster import Claims

LEASE = 6.0
Pair = tuple[Claims, Claims, set[str], Clock]


async def taken(claims: Claims, *names: str) -> set[str]:
    """Return which of *names* could be had."""
    mine, _ = await claims.take(names, lambda connection, names: None)
    return mine


@async_yield_fixture
async def pair(catalog: Catalog) -> AsyncIterator[Pair]:
    """Two of them, of which the second knows who is dead; and its clock."""
    dead: set[str] = set()
    clock = Clock()
    one = Claims(Clock(), catalog, "one", lease=LEASE)
    two = Claims(clock, catalog, "two", lease=LEASE, dead=dead.__contains__)
    yield one, two, dead, clock
    await one.close()
    await two.close()


@ensureDeferred
async def test_silent(pair: Pair) -> None:
    """What is another's is free when it is given back, or its holder has said nothing for a lease."""
    one, two, _, clock = pair
    assert {"a", "b"} == await taken(one, "a", "b")
    assert {"c"} == await taken(two, "a", "c")
    assert [] == await two.free(["a", "b"])
    await one.give(["b"])
    clock.advance(LEASE - 1)
    assert ["b"] == await two.free(["a", "b"])
    clock.advance(1)
    assert ["a", "b"] == await two.free(["a", "b"])
    assert {"a", "b"} == await taken(two, "a", "b")


@ensureDeferred
async def test_known_dead(pair: Pair) -> None:
    """What one has of whom it is known that it is dead is free at once."""
    one, two, dead, _ = pair
    assert {"a"} == await taken(one, "a")
    assert [] == await two.free(["a"])
    dead.add("one")
    assert ["a"] == await two.free(["a"])
    assert {"a"} == await taken(two, "a")

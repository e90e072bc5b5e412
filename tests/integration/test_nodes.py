"""The processes that share a catalog, on both databases."""

from __future__ import annotations

import os
from typing import Any

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog, nodes
from twisted_pulp.jobs import Nodes

LEASE = 6.0


def node(clock: Clock, catalog: Catalog, name: str, *roles: str, **more: Any) -> Nodes:
    """Return a node that was not started."""
    given: dict[str, Any] = {"reactor": clock, "catalog": catalog, "lease": LEASE, "version": "1.2.3"}
    return Nodes(name=name, roles=roles or ("worker",), **given | more)


async def seen(one: Nodes) -> list[tuple[str, bool]]:
    """Return what it sees: names, and whether they live."""
    return [(each.name, each.alive) for each in await one.all()]


async def passes(reactor: IReactor, clock: Clock, one: Nodes, seconds: float) -> None:
    """Let time pass for a node, and what it begins in it be done."""
    for _ in range(round(seconds)):
        clock.advance(1.0)
        while one._rounds.working is not None:
            await deferLater(reactor, 0.005)


@ensureDeferred
async def test_others(catalog: Catalog) -> None:
    """Nodes see each other once they have begun, and not any more when they have ended."""
    clock = Clock()
    one = node(clock, catalog, "one", "api", figures=lambda: {"jobs": 3})
    two = node(clock, catalog, "two", "worker", "content")
    await one.start(["http://one/"])
    assert () == one.others
    await two.start()
    assert ["one"] == [each.name for each in two.others]
    assert [("one", True), ("two", True)] == await seen(one)
    found = two.others[0]
    assert (("api",), ("http://one/",), {"jobs": 3}, os.getpid()) == (found.roles, found.urls, found.figures, found.pid)
    await two.tell()
    assert [1, 2] == [row.beat for row in await catalog.read(nodes.list)]
    assert (1, 1, 1) == tuple(one.count(role) for role in ("api", "worker", "content"))
    await two.stop()
    assert [("one", True)] == await seen(one)
    await one.stop()
    assert [] == await catalog.read(nodes.list)


@ensureDeferred
async def test_silent(reactor: IReactor, catalog: Catalog) -> None:
    """One that says nothing for a lease is dead, whatever the wall clocks say, and is forgotten much later."""
    clock, stopped = Clock(), Clock()
    changed: list[int] = []
    one = node(clock, catalog, "one", now=lambda: 1e9)
    two = node(stopped, catalog, "two", now=lambda: 5.0)
    await one.start()
    one.changed = lambda: changed.append(len(one.others))
    await two.start()
    await passes(reactor, clock, one, 3)
    assert ([1], ["two"]) == (changed, [each.name for each in one.others])
    await passes(reactor, clock, one, 5)
    assert [("one", True), ("two", False)] == await seen(one)
    assert ([1, 0], ()) == (changed, one.others)
    await passes(reactor, stopped, two, 2)  # it was only paused
    assert [("one", True), ("two", True)] == await seen(one)
    clock.advance(LEASE * 20)
    await passes(reactor, clock, one, 2)
    assert [("one", True)] == await seen(one)
    await two.stop()
    await one.stop()


@ensureDeferred
async def test_alone(catalog: Catalog) -> None:
    """Where there can be no others nothing is written."""
    one = node(Clock(), catalog, "one", shared=False)
    await one.start()
    assert [("one", True)] == await seen(one)
    assert [] == await catalog.read(nodes.list)
    await one.stop()


@ensureDeferred
async def test_restarted(catalog: Catalog) -> None:
    """A process in the place of a killed one is the same node; the old one's late word of its end is not heard."""
    clock = Clock()
    one = node(clock, catalog, "one", figures=lambda: {"jobs": 1})
    await one.start()
    again = node(clock, catalog, "one", figures=lambda: {"jobs": 2})
    await again.start()
    assert [2] == [row.figures["jobs"] for row in await catalog.read(nodes.list)]
    await catalog.write(nodes.leave, "one", os.getpid() + 1)
    assert 1 == len(await catalog.read(nodes.list))
    await one.stop()
    await again.stop()


@ensureDeferred
async def test_ends_while_it_looks(catalog: Catalog) -> None:
    """The end awaits what was begun."""
    clock = Clock()
    one = node(clock, catalog, "one")
    await one.start()
    clock.advance(LEASE / 3)
    ended: Deferred[None] = one.stop()
    await ended
    assert [] == await catalog.read(nodes.list)

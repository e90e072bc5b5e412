"""The processes that share a catalog, on both databases."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog, nodes
from twisted_pulp.jobs import Nodes, _nodes

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
    assert not one.dead("two")
    await passes(reactor, clock, one, 5)
    assert (True, False) == (one.dead("two"), one.dead("three"))
    assert [("one", True), ("two", False)] == await seen(one)
    assert ([1, 0], ()) == (changed, one.others)
    await passes(reactor, stopped, two, 2)  # it was only paused
    assert [("one", True), ("two", True)] == await seen(one)
    assert not one.dead("two")
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
async def test_sums(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of all are added up: those of this one as they are now, of others as they said last, unless silent."""
    monkeypatch.setattr(_nodes, "_FRESH", 4.0)  # less than from one beat to the next: nothing is said by itself here
    clock, stopped, jobs = Clock(), Clock(), {"jobs": 3.0, "bytes": 10.0}
    one = node(clock, catalog, "one", figures=lambda: jobs, lease=60.0)
    two = node(stopped, catalog, "two", figures=lambda: {"jobs": 2, "memory": 7})
    await two.start()
    assert {"jobs": 3, "bytes": 10} == one.sums()
    await one.start()
    assert {"jobs": 5, "bytes": 10, "memory": 7} == one.sums()
    jobs["jobs"] = 4
    assert 6 == one.sums()["jobs"]
    clock.advance(3.9)
    assert 6 == one.sums()["jobs"]
    clock.advance(0.1)
    assert ["two"] == [each.name for each in one.others]
    assert {"jobs": 4, "bytes": 10} == one.sums()
    await two.pulse(hear=False)
    await one.pulse(say=False)
    assert {"jobs": 6, "bytes": 10, "memory": 7} == one.sums()
    assert {"one": 1, "two": 2} == {row.name: row.beat for row in await catalog.read(nodes.list)}
    await two.stop()
    await one.stop()


@ensureDeferred
async def test_pulse_at_the_end(catalog: Catalog) -> None:
    """One that ends says nothing any more, also what it was just saying."""
    one = node(Clock(), catalog, "one")
    await one.pulse()
    assert [] == await catalog.read(nodes.list)
    await one.start()
    pulses = [one.pulse() for _ in range(5)]
    for each in pulses:
        each.addErrback(lambda why: why.trap(CancelledError) and None)
    await one.stop()
    assert [True] * 5 == [each.called for each in pulses]
    await one.pulse()
    assert [] == await catalog.read(nodes.list)


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

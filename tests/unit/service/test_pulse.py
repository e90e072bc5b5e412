"""What comes to all nodes: who says what, who asks, and how long that may take."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.leaks import LoggedErrors
from twisted_pulp.errors import CatalogError
from twisted_pulp.service._pulse import Pulse


@define(eq=False)
class Nodes:
    """Nodes of which this one is told when the test says so."""

    roles: tuple[str, ...] = ("worker",)
    others: tuple[str, ...] = ("other",)
    total: int = 0
    pulses: list[tuple[bool, bool]] = field(init=False, factory=list)
    answer: Any = field(init=False, default=None)

    def pulse(self, *, say: bool, hear: bool) -> Deferred[None]:
        self.pulses.append((say, hear))
        return succeed(None) if self.answer is None else self.answer

    def sums(self) -> dict[str, float]:
        return {"bytes_per_second": self.total, "downloads": 2}


@define(eq=False)
class World:
    """As much of a daemon as is asked."""

    nodes: Nodes
    own: int = 0
    running: int = 0
    reactor: Clock = field(factory=Clock)
    pulse: Pulse = field(init=False)

    def __attrs_post_init__(self) -> None:
        one: Any = self
        self.pulse = Pulse(one)

    @property
    def throughput(self) -> World:
        return self

    metrics = throughput

    def look(self) -> list[Any]:
        """Look once, and return what is found, once it is."""
        found: list[Any] = []
        Deferred.fromCoroutine(self.pulse()).addBoth(found.append)
        return found


@pytest.mark.parametrize(
    ("roles", "pulses"),
    [
        (("worker",), [(True, False), (True, False), (True, False)]),
        (("api",), [(False, True), (True, True), (True, True), (True, True), (False, True)]),
    ],
)
def test_rounds(roles: tuple[str, ...], pulses: list[tuple[bool, bool]]) -> None:
    """A node says its figures while something comes, and that it is over; one with the API asks for those of others."""
    world = World(Nodes(roles))
    for own, running in ((0, 0), (5, 0), (0, 1), (0, 0), (0, 0)):
        world.own, world.running = own, running
        assert [(0, 2)] == world.look()
    assert pulses == world.nodes.pulses


def test_alone() -> None:
    """Where nobody else is, nothing is said or asked."""
    world = World(Nodes(("api",), others=(), total=7), own=7)
    assert [(7, 2)] == world.look()
    assert [] == world.nodes.pulses


def test_slow() -> None:
    """While others do not answer, what they said last counts, and they are not asked again; nothing is left of that."""
    world = World(Nodes(("api",), total=7))
    answer: Deferred[None] = Deferred()
    world.nodes.answer = answer
    for _ in range(2):
        found = world.look()
        assert [] == found
        world.reactor.advance(1)
        assert [(7, 2)] == found
    found = world.look()
    world.nodes.total = 9
    answer.callback(None)
    assert [(9, 2)] == found
    assert 1 == len(world.nodes.pulses)
    world.look()
    assert 2 == len(world.nodes.pulses)
    assert [] == world.reactor.getDelayedCalls()


def test_cancelled() -> None:
    """Who does not want to know any more is told nothing, and nothing is left."""
    world = World(Nodes(("api",)))
    answer: Deferred[None] = Deferred()
    world.nodes.answer = answer
    looking = Deferred.fromCoroutine(world.pulse())
    looking.addErrback(lambda why: None)
    looking.cancel()
    assert [] == world.reactor.getDelayedCalls()
    answer.callback(None)


def test_failed(logged_errors: LoggedErrors) -> None:
    """What is not to be had counts as it was; a mistake of ours is logged."""
    for error, logged in ((CatalogError("away"), 0), (RuntimeError("ours"), 1)):
        world = World(Nodes(("api",), total=7))
        world.nodes.answer = Deferred()
        found = world.look()
        world.nodes.answer.errback(error)
        assert [(7, 2)] == found
        assert logged == len(logged_errors.flush(RuntimeError))

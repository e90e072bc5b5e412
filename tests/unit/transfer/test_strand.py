"""Tests for the bodies that fill one file side by side."""

from __future__ import annotations

from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred

from twisted_pulp.transfer._filling import Filled
from twisted_pulp.transfer._strand import Strands


@define
class Target:
    """What the strands fill; what it is to do waits until the test lets it."""

    asked: list[Deferred[Filled | None]] = field(factory=list)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Nothing."""

    def do(self, work: object, *arguments: object) -> Deferred[Filled | None]:
        """Note that something is to be done."""
        self.asked.append(Deferred())
        return self.asked[-1]


@define
class Partial:
    """The file."""

    def catch_up(self) -> None:
        """Nothing."""


@define
class Threads:
    """Much may wait."""

    high_water: int = 1 << 20


def test_catch_up() -> None:
    """What lies behind the front is hashed by one call at a time, and another follows where more lies there."""
    target = Target()
    parts = (target, Partial(), Threads(), lambda _: None, lambda: None, None)
    strands = Strands(*cast(Any, parts))
    strands.catch_up()
    strands.catch_up()
    assert 1 == len(target.asked)
    target.asked[0].callback((True, []))
    assert 2 == len(target.asked)
    target.asked[1].callback((False, []))
    assert 2 == len(target.asked)

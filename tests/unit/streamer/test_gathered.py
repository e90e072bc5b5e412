"""Questions to the catalog that are asked at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.unit.streamer.direct import DirectCatalog
from twisted_pulp.streamer._gathered import Gathered


def double(_: Any, number: int) -> int:
    """Answer a question."""
    if number < 0:
        raise ValueError(number)
    return number * 2


def result(d: Deferred[Any]) -> Any:
    """Return what *d* has, which may be a failure."""
    found: list[Any] = []
    d.addBoth(found.append)
    assert found
    return found[0]


@pytest.fixture
def catalog() -> Any:
    """Return one that answers when it is told to."""
    made = DirectCatalog()
    made.hold = True
    yield made
    made.engine.dispose()


def test_gathers_what_is_asked_while_it_reads(catalog: Any) -> None:
    """The first question is asked at once; those that come meanwhile are asked together, and each has its answer."""
    gathered = Gathered(catalog)
    asked = [gathered.read(double, number) for number in range(5)]
    assert ["double"] == catalog.reads
    catalog.release()
    assert ["double", "_answered"] == catalog.reads
    assert 0 == result(asked[0])
    assert not any(d.called for d in asked[1:])
    catalog.release()
    assert [2, 4, 6, 8] == [result(d) for d in asked[1:]]
    later = gathered.read(double, 9)
    catalog.release()
    assert 18 == result(later)
    assert ["double", "_answered", "double"] == catalog.reads


def test_answers_the_others_when_one_fails(catalog: Any) -> None:
    """A question that cannot be answered keeps nobody else from being answered."""
    gathered = Gathered(catalog)
    asked = [gathered.read(double, number) for number in (0, 1, -1, 2)]
    catalog.hold = False
    catalog.release()
    assert [0, 2, 4] == [result(asked[number]) for number in (0, 1, 3)]
    failure = result(asked[2])
    assert failure.check(ValueError)


def test_does_not_ask_for_those_who_have_gone(catalog: Any) -> None:
    """A question that was cancelled while it waited is not asked, and disturbs nobody when it was under way."""
    gathered = Gathered(catalog)
    under_way, waiting, other = (gathered.read(double, number) for number in (1, 2, 3))
    for each in (under_way, waiting):
        each.cancel()
        assert result(each).check(CancelledError)
    catalog.release()
    assert ["double", "double"] == catalog.reads
    catalog.release()
    assert 6 == result(other)


def test_asks_only_so_many_at_once(catalog: Any) -> None:
    """However many wait, a thread is not busy with all of them at once."""
    gathered = Gathered(catalog)
    asked = [gathered.read(double, number) for number in range(100)]
    for _ in range(3):
        catalog.release()
    assert ["double", "_answered", "_answered"] == catalog.reads
    assert [number * 2 for number in range(100)] == [result(d) for d in asked]


def test_gathers_a_turn(catalog: Any) -> None:
    """With a clock, what is asked in one turn of it is read together, also when nothing is being read."""
    clock = Clock()
    gathered = Gathered(catalog, clock=clock)
    asked = [gathered.read(double, number) for number in range(3)]
    assert [] == catalog.reads
    clock.advance(0)
    catalog.release()
    assert ["_answered"] == catalog.reads
    assert [0, 2, 4] == [result(d) for d in asked]


def test_answers_together(catalog: Any) -> None:
    """Who knows how to answer many at once is asked for several, and not for one."""
    asked: list[Any] = []

    def together(_: Any, questions: Any) -> list[int]:
        asked.append(list(questions))
        return [-number for (number,) in questions]

    gathered = Gathered(catalog, together)
    waiting = [gathered.read(double, number) for number in (1, 2, 3)]
    for _ in range(2):
        catalog.release()
    assert [2, -2, -3] == [result(d) for d in waiting]
    assert [[(2,), (3,)]] == asked

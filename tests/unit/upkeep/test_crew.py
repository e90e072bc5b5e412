"""A few workers for many items."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from twisted_pulp.upkeep._crew import cores, each


class Work:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.doing: dict[int, Deferred[None]] = {}
        self.ended: list[int] = []
        self.cancelled: list[int] = []

    async def do(self, item: int) -> None:
        self.doing[item] = Deferred()
        try:
            await self.doing[item]
        except CancelledError:
            self.cancelled.append(item)
            raise
        finally:
            del self.doing[item]
        self.ended.append(item)


def test_all() -> None:
    """Every item is done, so many at once, in the order in which they come."""
    work = Work()
    d = Deferred.fromCoroutine(each(range(5), work.do, 2))
    assert [0, 1] == list(work.doing)
    work.doing[1].callback(None)
    assert [0, 2] == list(work.doing)
    while work.doing:
        next(iter(work.doing.values())).callback(None)
    assert (None, {0, 1, 2, 3, 4}) == (d.result, set(work.ended))


def test_nothing() -> None:
    """Where nothing is to be done nothing is waited for."""
    assert Deferred.fromCoroutine(each([], Work().do, 3)).called


def test_failure() -> None:
    """The first failure cancels the others, is raised when they have ended, and nothing else is begun."""
    work = Work()
    d = Deferred.fromCoroutine(each(range(5), work.do, 2))
    work.doing[0].errback(ValueError("one"))
    assert [1] == work.cancelled
    with pytest.raises(ValueError, match="one"):
        d.result.raiseException()  # type: ignore[union-attr]
    d.addErrback(lambda _: None)
    assert ({}, []) == (work.doing, work.ended)


def test_failure_at_once() -> None:
    """A failure that comes at once lets no other worker begin."""
    seen: list[int] = []

    async def fail(item: int) -> None:
        seen.append(item)
        raise ValueError(item)

    d = Deferred.fromCoroutine(each(range(5), fail, 3))
    d.addErrback(lambda failure: failure.trap(ValueError))
    assert [0] == seen


def test_cancelled() -> None:
    """To cancel it cancels all that is being done."""
    work = Work()
    d = Deferred.fromCoroutine(each(range(5), work.do, 2))
    d.cancel()
    d.addErrback(lambda failure: failure.trap(CancelledError))
    assert ([0, 1], {}, [], True) == (work.cancelled, work.doing, work.ended, d.called)


def test_cores() -> None:
    """There is one processor at least."""
    assert cores() >= 1

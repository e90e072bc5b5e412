"""A budget: so many bytes and items at once, and no more."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock, deferLater

from twisted_pulp.errors import SettingsError
from twisted_pulp.stages import Admission, Budget


def place(budget: Budget, size: int | None) -> Admission:
    """Return a place that there is at once."""
    admitted = budget.admit(size)
    assert admitted.called
    return admitted.result  # type: ignore[return-value]


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "8"])
@pytest.mark.parametrize("name", ["bytes", "items"])
def test_limit(name: str, limit: object) -> None:
    """A limit is a whole number from 1, or None."""
    with pytest.raises(SettingsError, match=f"budget.{name}"):
        Budget(**{name: limit})  # type: ignore[arg-type]


def test_items() -> None:
    """Who would be one too many waits until another has gone."""
    budget = Budget(bytes=None, items=2)
    first, _ = place(budget, 1), place(budget, None)
    third = budget.admit(10**12)
    assert (False, 2) == (third.called, budget.used_items)
    first.release()
    assert (True, 2) == (third.called, budget.used_items)


def test_take() -> None:
    """Who does not wait gets a place if there is one, and never before those who wait."""
    budget = Budget(bytes=10, items=2)
    first = budget.take(8)
    assert first is not None
    assert (None, 1, 8) == (budget.take(3), budget.used_items, budget.used_bytes)
    waiting = budget.admit(3)
    assert None is budget.take(1)
    first.release()
    assert (True, 3) == (waiting.called, budget.used_bytes)
    assert budget.take(None) is not None
    assert None is budget.take(None)


def test_bytes() -> None:
    """What would be too much waits until there is room for it."""
    budget = Budget(bytes=10, items=None)
    first, second = place(budget, 6), place(budget, 4)
    third = budget.admit(5)
    second.release()
    assert (False, 6) == (third.called, budget.used_bytes)
    first.release()
    assert (True, 5) == (third.called, budget.used_bytes)


def test_oversized() -> None:
    """What is larger than the whole budget is let in when it is alone, and then it stays alone."""
    budget = Budget(bytes=10)
    first = place(budget, 1)
    oversized, next_one = budget.admit(11), budget.admit(1)
    assert (False, False) == (oversized.called, next_one.called)
    first.release()
    assert (True, False, 11) == (oversized.called, next_one.called, budget.used_bytes)
    oversized.result.release()
    assert (True, 1) == (next_one.called, budget.used_bytes)


def test_unknown_size() -> None:
    """What has no known size takes an item's place and no bytes, and gives it back."""
    budget = Budget(bytes=10, items=2)
    place(budget, 10)
    unknown = place(budget, None)
    assert (10, 2) == (budget.used_bytes, budget.used_items)
    waiting = budget.admit(None)
    assert not waiting.called
    unknown.release()
    assert (True, 10, 2) == (waiting.called, budget.used_bytes, budget.used_items)


def test_release_again() -> None:
    """A place is given back once, however often that is said."""
    budget = Budget()
    first, _ = place(budget, 3), place(budget, 4)
    first.release()
    first.release()
    assert (4, 1) == (budget.used_bytes, budget.used_items)


def test_order() -> None:
    """Nobody overtakes, not even who would fit: a large item would never come in."""
    budget = Budget(bytes=10)
    first = place(budget, 6)
    large, small = budget.admit(8), budget.admit(1)
    assert (False, False) == (large.called, small.called)
    first.release()
    assert (True, True) == (large.called, small.called)


def test_cancel() -> None:
    """Who no longer waits takes no place, and lets those behind go on."""
    budget = Budget(bytes=10)
    place(budget, 6)
    large, small, last = budget.admit(8), budget.admit(1), budget.admit(10)
    failed: list[Any] = []
    for each in (last, large):
        each.addErrback(failed.append)
        each.cancel()
    assert [CancelledError] * 2 == [failure.type for failure in failed]
    assert (True, 7, 2) == (small.called, budget.used_bytes, budget.used_items)


def test_depth() -> None:
    """Thousands who give their place back at once do not make the stack grow."""
    budget = Budget(items=1)
    first = place(budget, None)
    waiting = [budget.admit(None).addCallback(Admission.release) for _ in range(3000)]
    first.release()
    assert all(each.called for each in waiting)
    assert 0 == budget.used_items


def test_presses() -> None:
    """It presses when somebody waits while half of what is in flight is held."""
    budget = Budget(items=4)
    assert not budget.presses(4)
    places = [place(budget, None) for _ in range(4)]
    assert not budget.presses(4)
    waiting = budget.admit(None)
    assert [False, False, True, True, True] == [budget.presses(held) for held in range(5)]
    places[0].release()
    assert waiting.called
    assert not budget.presses(4)


def test_watch() -> None:
    """Watchers are told when somebody waits, and when others go while somebody waits, until they stop watching."""
    budget, told = Budget(bytes=10), []  # type: ignore[var-annotated]
    places = [place(budget, 5), place(budget, 5)]
    stop = budget.watch(lambda: told.append(budget.used_items))
    waiting = budget.admit(10)
    places[0].release()
    assert [2, 1] == told
    stop()
    budget.admit(1)
    assert [2, 1] == told
    places[1].release()
    assert waiting.called


def test_repr() -> None:
    """A budget says how full it is."""
    budget = Budget(bytes=10, items=1)
    place(budget, 4)
    budget.admit(4)
    assert "<Budget 1 of 1 items, 4 of 10 bytes, 1 waiting>" == repr(budget)


def test_limits_hold_at_every_instant(rng: random.Random, campaign_count: Callable[[int, int], int]) -> None:
    """Whoever comes, stays, fails and leaves: never too much at any instant, and in the end nothing."""
    for _ in range(campaign_count(100, 10_000)):
        clock = Clock()
        budget = Budget(rng.choice([None, 10]), rng.choice([None, 1, 3]))
        inside: list[int] = []
        ends = [_visit(clock, rng, budget, inside) for _ in range(40)]
        for _ in range(2000):
            clock.advance(0.05)
            if rng.random() < 0.05:
                rng.choice(ends).cancel()
        assert all(end.called for end in ends)
        assert (0, 0, []) == (budget.used_bytes, budget.used_items, inside)


def _visit(clock: Clock, rng: random.Random, budget: Budget, inside: list[int]) -> Deferred[None]:
    size = rng.choice([None, 0, 1, 4, 10, 25])

    async def visit() -> None:
        await deferLater(clock, rng.random() * 5)
        admission = await budget.admit(size)
        inside.append(size or 0)
        try:
            assert budget.items is None or len(inside) <= budget.items
            assert budget.bytes is None or sum(inside) <= budget.bytes or inside[1:] == [0] * (len(inside) - 1)
            assert (sum(inside), len(inside)) == (budget.used_bytes, budget.used_items)
            await (deferLater(clock, rng.random()) if rng.random() < 0.8 else succeed(None))
            if rng.random() < 0.2:
                raise OSError("at random")
        finally:
            inside.remove(size or 0)
            admission.release()

    end = Deferred.fromCoroutine(visit())
    end.addErrback(lambda failure: failure.trap(CancelledError, OSError) and None)
    return end

"""Batches: as many items as are worth it, and never a wait for what cannot come."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from twisted_pulp.stages import Budget, Channel, Content, DeclarativeContent
from twisted_pulp.stages._batches import Batches


def unit() -> DeclarativeContent:
    """Return a unit."""
    return DeclarativeContent(content=Content(type="test", key=("a",)))


@define(eq=False)
class Taking:
    """Somebody who takes batches from a channel of its own, as they come."""

    clock: Clock
    minsize: int = 5
    linger: float | None = 0.125
    capacity: int = 10
    budget: Budget | None = None
    channel: Channel = field(init=False)
    batches: list[list[Any]] = field(init=False, factory=list)
    done: Deferred[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channel = Channel(self.capacity)
        self.done = Deferred.fromCoroutine(self._take())

    def put(self, *items: Any) -> None:
        """Put *items* one by one."""
        for item in items:
            Deferred.fromCoroutine(self.channel.put(item))

    @property
    def idle(self) -> bool:
        """Whether it waits for items and for nothing else."""
        return not self.clock.getDelayedCalls()

    async def _take(self) -> None:
        batches = Batches(self.clock, self.channel, self.budget, self.minsize, self.linger)
        async for batch in batches.each():
            self.batches.append(batch)


@pytest.mark.parametrize("minsize", [0, -1])
def test_minsize(clock: Clock, minsize: int) -> None:
    """A batch of nothing is a mistake."""
    with pytest.raises(ValueError, match="batches of"):
        Batches(clock, Channel(), None, minsize, None)


def test_enough(clock: Clock) -> None:
    """A batch with enough items does not wait, and leaves no timer."""
    taking = Taking(clock)
    taking.put(0, 1, 2, 3)
    assert [] == taking.batches
    taking.put(4)
    assert ([[0, 1, 2, 3, 4]], True) == (taking.batches, taking.idle)


def test_more(clock: Clock) -> None:
    """A batch has all that is there, in order."""
    taking = Taking(clock)
    Deferred.fromCoroutine(taking.channel.put_all(range(8)))
    assert [list(range(8))] == taking.batches


def test_more_than_fits(clock: Clock) -> None:
    """Who wants more than the channel holds does not wait for it; what waited for room is in the next batch."""
    taking = Taking(clock, minsize=500, capacity=3, linger=None)
    Deferred.fromCoroutine(taking.channel.put_all(range(6)))
    assert [[0, 1, 2], [3, 4, 5]] == taking.batches


def test_sparse(clock: Clock) -> None:
    """A few items do not wait for more than a moment, whatever the stage before waits for."""
    taking = Taking(clock)
    taking.put(0)
    clock.advance(0.1)
    taking.put(1)
    assert [] == taking.batches
    clock.advance(0.025)
    assert ([[0, 1]], True) == (taking.batches, taking.idle)
    taking.put(2)
    clock.advance(0.125)
    assert [[0, 1], [2]] == taking.batches


def test_no_linger(clock: Clock) -> None:
    """With None only a full batch or the end counts."""
    taking = Taking(clock, linger=None)
    taking.put(0, 1)
    clock.advance(3600)
    assert [] == taking.batches
    taking.channel.close()
    assert ([[0, 1]], True) == (taking.batches, taking.done.called)


def test_end(clock: Clock) -> None:
    """What is there when nothing more comes is the last batch; without any there is none."""
    taking, empty = Taking(clock), Taking(clock)
    taking.put(0)
    taking.channel.close()
    empty.channel.close()
    assert ([[0]], [], True, True) == (taking.batches, empty.batches, taking.done.called, empty.done.called)
    assert taking.idle


def test_awaited_in_batch(clock: Clock) -> None:
    """A batch goes on at once when somebody awaits one of its units, be it the first or the last."""
    for at in range(3):
        taking, units = Taking(clock), [unit(), unit(), unit()]
        taking.put(*units)
        assert [] == taking.batches
        units[at].resolution()
        assert [units] == taking.batches
        assert taking.idle


def test_awaited_before(clock: Clock) -> None:
    """A unit that is awaited already when it comes takes those that are there with it."""
    taking, awaited, other = Taking(clock), unit(), unit()
    awaited.resolution()
    taking.put(other, awaited)
    assert [[other, awaited]] == taking.batches


def test_awaited_while_busy(clock: Clock) -> None:
    """A unit that is awaited while nobody reads goes on as soon as somebody does."""
    busy = Channel()
    awaited, other = unit(), unit()
    Deferred.fromCoroutine(busy.put_all([awaited, other]))
    awaited.resolution()
    batches: list[list[Any]] = []

    async def take() -> None:
        async for batch in Batches(clock, busy, None, 5, None).each():
            batches.append(batch)  # noqa: PERF401 -- seen before the end

    Deferred.fromCoroutine(take())
    assert [[awaited, other]] == batches


def test_awaited_after(clock: Clock) -> None:
    """Who awaits a unit that has left the batch does not disturb those that wait there now."""
    taking, gone = Taking(clock), unit()
    taking.put(gone)
    clock.advance(0.125)
    taking.put(unit())
    gone.resolution()
    assert [[gone]] == taking.batches
    clock.advance(0.125)
    assert 2 == len(taking.batches)


def test_budget_pressed(clock: Clock) -> None:
    """A batch that holds half of what is in flight goes on when somebody waits for room in the budget."""
    budget = Budget(items=4)
    for _ in range(4):
        budget.admit(None)
    taking = Taking(clock, budget=budget)
    taking.put(0, 1)
    assert [] == taking.batches
    budget.admit(None)
    assert ([[0, 1]], True) == (taking.batches, taking.idle)


def test_budget_pressed_before(clock: Clock) -> None:
    """A batch that begins while somebody waits goes on at once when it holds half of what is in flight."""
    budget, channel = Budget(items=2), Channel()
    for _ in range(3):
        budget.admit(None)
    Deferred.fromCoroutine(channel.put_all("ab"))
    batches: list[list[Any]] = []

    async def take() -> None:
        async for batch in Batches(clock, channel, budget, 5, None).each():
            batches.append(batch)  # noqa: PERF401 -- seen before the end

    Deferred.fromCoroutine(take())
    assert [["a", "b"]] == batches


def test_items_and_batches(clock: Clock) -> None:
    """Who takes single items first, and then batches, does not wait for those who wait for room."""
    channel = Channel(3)
    Deferred.fromCoroutine(channel.put_all(range(4)))
    taken: list[Any] = []

    async def take() -> None:
        async for item in channel.items():
            taken.append(item)
            break
        async for batch in Batches(clock, channel, None, 3, None).each():
            taken.append(batch)  # noqa: PERF401 -- seen before the end

    Deferred.fromCoroutine(take())
    assert [0, [1, 2, 3]] == taken


def test_budget_still_pressed(clock: Clock) -> None:
    """While somebody waits, a batch goes on once it holds half of what is in flight, by coming or by going."""
    budget = Budget(bytes=10)
    places = [budget.admit(2).result for _ in range(5)]
    budget.admit(9)
    taking = Taking(clock, budget=budget)
    taking.put(0, 1)
    assert [] == taking.batches
    taking.put(2)
    assert [[0, 1, 2]] == taking.batches
    taking.put(3)
    places[0].release()
    places[1].release()
    assert 1 == len(taking.batches)
    places[2].release()
    assert [3] == taking.batches[-1]


def test_cancel(clock: Clock) -> None:
    """A reader that is cancelled leaves the items where they are, and no timer; the budget tells it nothing more."""
    budget = Budget(items=1)
    budget.admit(None)
    taking = Taking(clock, budget=budget)
    taking.put(*range(2))
    failed: list[Any] = []
    taking.done.addErrback(failed.append)
    taking.done.cancel()
    assert failed[0].check(CancelledError)
    budget.admit(None)
    assert (2, True, []) == (len(taking.channel), taking.idle, taking.batches)


def test_two_readers(clock: Clock) -> None:
    """Of two who share the batches, one gets what is there, and the other waits on."""
    first = Taking(clock)
    others: list[list[Any]] = []

    async def take() -> None:
        async for batch in Batches(clock, first.channel, None, 5, 0.125).each():
            others.append(batch)  # noqa: PERF401 -- seen before the end

    second = Deferred.fromCoroutine(take())
    first.put(0, 1)
    clock.advance(0.125)
    assert [[0, 1]] == first.batches + others
    first.put(2)
    first.channel.close()
    taken = sorted(item for batch in first.batches + others for item in batch)
    assert ([0, 1, 2], True, True) == (taken, first.done.called, second.called)
    assert first.idle


@settings(max_examples=200)
@given(
    st.sampled_from([0.0, 0.125, None]),
    st.lists(st.sampled_from(["put", "several", "await", "press", "release", "wait"]), max_size=60),
)
def test_any_schedule(linger: float | None, steps: list[str]) -> None:
    """Whatever happens when: nothing is lost or overtakes, and nothing waits for longer than it may."""
    clock, budget = Clock(), Budget(items=3)
    taking = Taking(clock, linger=linger, budget=budget)
    units: list[DeclarativeContent] = []
    places = []
    begun, seen = 0.0, 0
    for step in steps:
        if step in ("put", "several"):
            new = [unit() for _ in range(1 if step == "put" else 3)]
            units += new
            Deferred.fromCoroutine(taking.channel.put_all(new))
        elif step == "await" and units:
            units[-1].resolution()
        elif step == "press":
            places.append(budget.admit(None))
        elif step == "release" and places:
            places.pop(0).result.release()
        elif step == "wait":
            clock.advance(0.0625)
        held = list(taking.channel.peek())
        if len(taking.batches) > seen or not held:
            begun, seen = clock.seconds(), len(taking.batches)
        assert linger is None or not held or clock.seconds() - begun <= linger
        assert len(held) < 5
        assert not any(each.awaited for each in held)
        assert not (held and budget.presses(len(held)))
    taking.channel.close()
    assert units == [each for batch in taking.batches for each in batch]
    assert taking.done.called
    assert taking.idle

"""One timer for everything that is watched."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.leaks import LoggedErrors
from twisted_pulp.http import Watch


class Sight:
    """Remembers when it was looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.looks: list[float] = []
        self.shifts: list[float] = []

    def look(self, now: float) -> None:
        assert now == self._clock.seconds()
        self.looks.append(round(now, 6))

    def shift(self, seconds: float) -> None:
        self.shifts.append(round(seconds, 6))


@pytest.fixture
def watch(clock: Clock) -> Watch:
    """A watch that looks every 0.1 s."""
    return Watch(clock)


def late(seconds: float) -> Exception:
    """Make the error of a limit."""
    return TimeoutError(seconds)


def collected(d: Deferred[Any]) -> list[Any]:
    """Return a list that gets what *d* comes to."""
    results: list[Any] = []
    d.addBoth(results.append)
    return results


def test_looks(watch: Watch, clock: Clock) -> None:
    """What is added is looked at every period, until it is discarded."""
    sight = Sight(clock)
    watch.add(sight)
    clock.pump([0.1] * 3)
    watch.discard(sight)
    clock.pump([0.1] * 3)
    assert [0.1, 0.2, 0.3] == sight.looks
    assert not sight.shifts


def test_period(clock: Clock) -> None:
    """The period can be chosen."""
    watch, sight = Watch(clock, 2.0), Sight(clock)
    watch.add(sight)
    clock.pump([1.0] * 5)
    assert [2, 4] == sight.looks


def test_one_timer(watch: Watch, clock: Clock) -> None:
    """However many things are watched, there is one timer; and none when there is nothing."""
    assert 0 == len(clock.getDelayedCalls())
    sights = [Sight(clock) for _ in range(100)]
    for sight in sights:
        watch.add(sight)
    assert 1 == len(clock.getDelayedCalls())
    for sight in sights:
        watch.discard(sight)
    clock.pump([0.1])
    assert 0 == len(clock.getDelayedCalls())


def test_goes_on_when_something_comes_again(watch: Watch, clock: Clock) -> None:
    """A watch that has stopped starts again."""
    first, second = Sight(clock), Sight(clock)
    watch.add(first)
    watch.discard(first)
    clock.pump([0.1, 10])
    watch.add(second)
    clock.pump([0.1])
    assert ([], [10.2]) == (first.looks, second.looks)
    assert not second.shifts


def test_changes_while_looking(watch: Watch, clock: Clock) -> None:
    """What is discarded in the middle of a look is not looked at any more, and what is added is from the next on."""
    second, third = Sight(clock), Sight(clock)

    class Meddling(Sight):
        def look(self, now: float) -> None:
            watch.discard(self)
            watch.discard(second)
            watch.add(third)

    watch.add(Meddling(clock))
    watch.add(second)
    clock.pump([0.1] * 2)
    assert ([], [0.2]) == (second.looks, third.looks)


def test_one_that_fails(watch: Watch, clock: Clock, logged_errors: LoggedErrors) -> None:
    """A thing that fails when it is looked at is logged, and the others are looked at all the same."""

    class Failing(Sight):
        def look(self, now: float) -> None:
            raise ZeroDivisionError

    sight = Sight(clock)
    watch.add(Failing(clock))
    watch.add(sight)
    clock.pump([0.1] * 2)
    assert [0.1, 0.2] == sight.looks
    assert 2 == len(logged_errors.flush(ZeroDivisionError))


def test_stop(watch: Watch, clock: Clock) -> None:
    """A watch that is stopped leaves nothing behind, and can be stopped again."""
    sight = Sight(clock)
    watch.add(sight)
    watch.stop()
    watch.stop()
    assert not clock.getDelayedCalls()
    clock.pump([0.1])
    assert not sight.looks


def test_sleep(watch: Watch, clock: Clock) -> None:
    """Time in which the process stood still is taken out of everything, before it is looked at."""
    sight = Sight(clock)
    watch.add(sight)
    clock.pump([0.1, 60.1, 0.1])
    assert [60.0] == sight.shifts
    assert [0.1, 60.2, 60.3] == sight.looks


def test_busy_reactor_is_no_sleep(watch: Watch, clock: Clock) -> None:
    """A turn of the reactor that takes long counts."""
    sight = Sight(clock)
    watch.add(sight)
    clock.pump([1.0])
    assert not sight.shifts


def test_limit(watch: Watch, clock: Clock) -> None:
    """A Deferred that takes too long is cancelled and fails with the error of the limit."""
    cancelled: list[Any] = []
    results = collected(watch.limit(Deferred(cancelled.append), 5, late))
    clock.pump([0.1] * 49)
    assert not results
    clock.pump([0.1] * 2)
    assert 1 == len(cancelled)
    assert results[0].check(TimeoutError)
    assert (5,) == results[0].value.args


@pytest.mark.parametrize("error", [CancelledError(), ConnectingCancelledError(None)])
def test_limit_of_what_fails_in_its_own_way(watch: Watch, clock: Clock, error: Exception) -> None:
    """However a Deferred says that it was cancelled, the error is that of the limit."""
    results = collected(watch.limit(Deferred(lambda d: d.errback(error)), 5, late))
    clock.advance(0.1)
    clock.pump([0.1] * 60)
    assert results[0].check(TimeoutError)


def test_limit_that_comes_too_late(watch: Watch, clock: Clock) -> None:
    """A Deferred that has its result all the same keeps it."""
    results = collected(watch.limit(Deferred(lambda d: d.callback("just in time")), 5, late))
    clock.pump([0.1] * 60)
    assert ["just in time"] == results


def test_limit_that_is_met(watch: Watch, clock: Clock) -> None:
    """A Deferred that is in time is left alone, whatever it comes to, and leaves nothing behind."""
    good: Deferred[str] = Deferred()
    bad: Deferred[str] = Deferred()
    results = [collected(watch.limit(good, 5, late)), collected(watch.limit(bad, 5, late))]
    good.callback("in time")
    bad.errback(ZeroDivisionError())
    assert ["in time"] == results[0]
    assert isinstance(results[1][0], Failure)
    assert results[1][0].check(ZeroDivisionError)
    clock.pump([0.1] * 100)
    assert not clock.getDelayedCalls()


def test_limit_that_a_caller_cancels(watch: Watch, clock: Clock) -> None:
    """Cancelling before the time is no timeout."""
    d = watch.limit(Deferred[None](), 5, late)
    results = collected(d)
    d.cancel()
    assert results[0].check(CancelledError)


def test_no_limit(watch: Watch, clock: Clock) -> None:
    """None is no limit, and what is over needs none."""
    results = collected(watch.limit(Deferred[None](), None, late))
    watch.limit(succeed(None), 5, late)
    clock.pump([0.1] * 1000)
    assert not results
    assert not clock.getDelayedCalls()


def test_limit_and_sleep(watch: Watch, clock: Clock) -> None:
    """Time in which the process stood still does not count against a limit."""
    results = collected(watch.limit(Deferred[None](), 5, late))
    clock.pump([0.1, 3600] + [0.1] * 45)
    assert not results
    clock.pump([0.1] * 5)
    assert results[0].check(TimeoutError)

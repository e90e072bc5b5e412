"""So much a second: exact, in order, and without bursts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from twisted_pulp.http._bucket import Bucket, settled, spend, turns


def bucket(clock: Clock, rate: float | None, slack: float = 0.0) -> Bucket:
    """Return a bucket with a rate."""
    made = Bucket(clock, slack)
    made.rate = rate
    return made


class Takers:
    """
    Takers of turns.

    :ivar times: name and time of each turn, in order.
    """

    def __init__(self, clock: Clock, *buckets: Bucket) -> None:
        self.clock, self.buckets = clock, buckets
        self.times: list[tuple[object, float]] = []

    def take(self, name: object, amount: float = 1) -> Deferred[None]:
        """Spend *amount* when it is *name*'s turn."""

        async def taking() -> None:
            await turns(self.buckets)
            self.times.append((name, round(self.clock.seconds(), 6)))
            spend(self.buckets, amount)

        d = Deferred.fromCoroutine(taking())
        d.addErrback(lambda why: why.trap(CancelledError) and None)
        return d

    def run(self, seconds: float, late: float = 0) -> None:
        """Let time pass; timers are *late* by so much."""
        end = self.clock.seconds() + seconds + 1e-9
        while calls := [call for call in self.clock.getDelayedCalls() if call.getTime() + late <= end]:
            self.clock.advance(max(0, calls[0].getTime() + late - self.clock.seconds()))
        self.clock.advance(max(0, end - self.clock.seconds()))

    @property
    def names(self) -> list[object]:
        """Who had a turn."""
        return [name for name, _ in self.times]


def test_twenty_at_ten(clock: Clock) -> None:
    """20 at 10 a second: the first at once, the last after 1.9 s, and one each tenth of a second between."""
    takers = Takers(clock, bucket(clock, 10))
    for number in range(20):
        takers.take(number)
    takers.run(3)
    assert [(number, pytest.approx(number / 10)) for number in range(20)] == takers.times
    assert not clock.getDelayedCalls()


def test_no_limit(clock: Clock) -> None:
    """Without a rate everybody has a turn at once, and nothing is counted."""
    free = bucket(clock, None)
    takers = Takers(clock, free)
    for number in range(5000):
        takers.take(number, 1e9)
    assert list(range(5000)) == takers.names
    assert free.idle
    assert float("inf") == free.slice
    assert free.settled() is None


def test_one_at_a_time(clock: Clock) -> None:
    """Who has a turn keeps all others waiting until it is given back, even if nothing was spent."""
    one = bucket(clock, 10)
    assert one.turn() is None
    told: list[str] = []
    for name in "ab":
        waiting = one.turn()
        assert waiting is not None
        waiting.addCallback(lambda _, name=name: told.append(name))
    clock.advance(10)
    assert ([], 2) == (told, one.waiting)
    one.leave()
    assert ["a"] == told
    one.leave()
    assert ["a", "b"] == told
    assert not one.idle
    one.leave()
    assert one.idle


def test_cancelled_leaves_the_queue(clock: Clock) -> None:
    """Who is cancelled is out of the queue at once, and costs the others nothing."""
    takers = Takers(clock, bucket(clock, 1))
    first, second, third = (takers.take(name) for name in "abc")
    second.cancel()
    assert 1 == takers.buckets[0].waiting
    takers.run(1)
    assert [("a", 0), ("c", 1)] == takers.times
    assert first.called
    assert third.called


def test_last_cancelled(clock: Clock) -> None:
    """When nobody waits any more there is no timer."""
    takers = Takers(clock, bucket(clock, 1))
    takers.take("a")
    takers.take("b").cancel()
    assert not clock.getDelayedCalls()


def test_cancelled_between_two(clock: Clock) -> None:
    """Who is cancelled while it waits for a second bucket gives the turn of the first back."""
    narrow, wide = bucket(clock, 10), bucket(clock, 1)
    both, other = Takers(clock, narrow, wide), Takers(clock, narrow)
    both.take("a")
    clock.advance(0.2)
    waiting = both.take("b")
    other.take("c")
    assert [] == other.names
    waiting.cancel()
    assert ["c"] == other.names


def test_narrow_before_wide(clock: Clock) -> None:
    """Who waits for a narrow limit keeps nobody waiting for a wide one."""
    narrow, wide = bucket(clock, 1), bucket(clock, 10)
    slow, fast = Takers(clock, narrow, wide), Takers(clock, wide)
    for number in range(2):
        slow.take(number)
    for number in range(5):
        fast.take(number)
    fast.run(0.55)
    assert 5 == len(fast.times)
    assert 1 == len(slow.times)
    fast.run(0.6)
    assert [0, 1] == slow.names


def test_equal_limits_do_not_add_up(clock: Clock) -> None:
    """Two limits of the same rate are as one, whatever the amounts."""
    takers = Takers(clock, bucket(clock, 10), bucket(clock, 10))
    for number in range(5):
        takers.take(number, 20)
    takers.run(9)
    assert [(number, pytest.approx(number * 2)) for number in range(5)] == takers.times


def test_faster(clock: Clock) -> None:
    """A new rate holds at once for who waits: what is left flows off faster."""
    takers = Takers(clock, bucket(clock, 1))
    takers.take("a", 10)
    takers.take("b")
    clock.advance(5)
    takers.buckets[0].rate = 10
    takers.run(0.5)
    assert [("a", 0), ("b", pytest.approx(5.5))] == takers.times


def test_slower(clock: Clock) -> None:
    """The same holds for a lower rate."""
    takers = Takers(clock, bucket(clock, 10))
    takers.take("a", 10)
    takers.take("b")
    clock.advance(0.5)
    takers.buckets[0].rate = 1
    takers.run(4.9)
    assert ["a"] == takers.names
    takers.run(0.2)
    assert ["a", "b"] == takers.names


def test_lifted(clock: Clock) -> None:
    """When a limit is lifted nobody waits; when it is set again, nothing of before counts."""
    takers = Takers(clock, bucket(clock, 1))
    for number in range(3000):
        takers.take(number, 100)
    ends = takers.buckets[0].settled()
    assert ends is not None
    takers.buckets[0].rate = None
    assert 3000 == len(takers.times)
    assert ends.called
    assert not clock.getDelayedCalls()
    takers.buckets[0].rate = 1
    takers.take("last")
    assert "last" == takers.names[-1]


def test_idle_time_is_not_saved(clock: Clock) -> None:
    """After a pause there is no burst."""
    takers = Takers(clock, bucket(clock, 10))
    takers.take("a")
    clock.advance(100)
    takers.take("b")
    takers.take("c")
    clock.advance(0.09)
    assert ["a", "b"] == takers.names
    clock.advance(0.01)
    assert ["a", "b", "c"] == takers.names


def test_set_just_now(clock: Clock) -> None:
    """Nor is there one after a limit was set."""
    one = bucket(clock, 100)
    clock.advance(0.05)
    takers = Takers(clock, one)
    for number in range(3):
        takers.take(number)
    assert [0] == takers.names


def test_late_timers_are_made_up_for(clock: Clock) -> None:
    """When timers are late by less than a tenth of a second, what was due by then goes with them, and no more."""
    takers = Takers(clock, bucket(clock, 100))
    for number in range(100):
        takers.take(number)
    takers.run(0.99, late=0.05)
    assert 95 <= len(takers.times) <= 100
    assert all(time >= number / 100 - 1e-5 for number, (_, time) in enumerate(takers.times))


def test_long_stops_are_not_made_up_for(clock: Clock) -> None:
    """When the process stood still for long, a tenth of a second is made up for, no more."""
    takers = Takers(clock, bucket(clock, 100))
    for number in range(100):
        takers.take(number)
    clock.advance(0.5)
    assert 10 <= len(takers.times) - 1 <= 11


def test_clock_set_back(clock: Clock) -> None:
    """A clock that is set back lets nobody through, and costs the time it was set back by, no more."""
    takers = Takers(clock, bucket(clock, 10))
    takers.take("a")
    clock.rightNow -= 5
    takers.take("b")
    assert ["a"] == takers.names
    takers.run(0.1)
    assert ["a", "b"] == takers.names


def test_tiny_rate(clock: Clock) -> None:
    """However slow the rate, no timer is longer than a reactor can bear."""
    takers = Takers(clock, bucket(clock, 1e-300))
    takers.take("a")
    d = takers.take("b")
    (call,) = clock.getDelayedCalls()
    assert 3600 == call.getTime()
    clock.advance(3600)
    assert ["a"] == takers.names
    d.cancel()


def test_slack(clock: Clock) -> None:
    """With slack, one need not wait for a little that others spent; with more one waits until it is all gone."""
    takers = Takers(clock, bucket(clock, 100, slack=0.05))
    for number in range(8):
        takers.take(number)
    assert [0, 1, 2, 3, 4, 5] == takers.names
    clock.advance(0.055)
    assert 6 == len(takers.times)
    clock.advance(0.005)
    assert 7 == len(takers.times)


def test_slice(clock: Clock) -> None:
    """A slice is a twentieth of a second."""
    assert 50 == bucket(clock, 1000).slice


def ended(going: Any) -> list[float]:
    """Return a list that gets the time when *going* ends."""
    told: list[float] = []
    clock, waiting = going
    Deferred.fromCoroutine(waiting).addCallbacks(lambda _: told.append(round(clock.seconds(), 6)), lambda _: None)
    return told


def test_settled(clock: Clock) -> None:
    """One is settled when what was spent so far has flowed off; what others spend later is theirs."""
    one, other = bucket(clock, 10), bucket(clock, 100)
    takers = Takers(clock, one)
    takers.take("a", 10)
    first = ended((clock, settled([one, other])))
    takers.take("b", 20)
    takers.run(1)
    second = ended((clock, settled([one])))
    takers.run(3)
    assert (["a", "b"], [1.0], [3.0]) == (takers.names, first, second)
    third = ended((clock, settled([one])))
    assert [4.0] == third


def test_settled_in_two(clock: Clock) -> None:
    """Where there are several buckets, the slowest says when."""
    one, other = bucket(clock, 10), bucket(clock, 5)
    spend([one, other], 10)
    told = ended((clock, settled([one, other])))
    Takers(clock).run(3)
    assert [2.0] == told


def test_settled_cancelled(clock: Clock) -> None:
    """Who is cancelled waits for none of the buckets any more."""
    one, other = bucket(clock, 10), bucket(clock, 5)
    spend([one, other], 10)
    d = Deferred.fromCoroutine(settled([one, other]))
    d.addErrback(lambda why: why.trap(CancelledError) and None)
    d.cancel()
    assert d.called
    assert not clock.getDelayedCalls()


def test_who_is_told_may_ask_again(clock: Clock) -> None:
    """Whoever has had a turn may ask for the next from within, and queues behind the others."""
    one = bucket(clock, 10)
    takers = Takers(clock, one)
    takers.take("a")
    takers.take("b").addCallback(lambda _: takers.take("b again"))
    takers.take("c")
    takers.run(1)
    assert ["a", "b", "c", "b again"] == takers.names


@given(
    rate=st.floats(0.5, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 0.4), st.integers(0, 3)), max_size=40),
    amounts=st.floats(0.01, 2.0),
)
@settings(deadline=None, max_examples=200)
def test_never_more(rate: float, steps: list[tuple[float, int]], amounts: float) -> None:
    """However requests and timers come, no span of time sees more than its rate, one amount and a tenth of a second."""
    clock = Clock()
    takers = Takers(clock, bucket(clock, rate))
    amount = amounts * rate
    going = []
    for seconds, number in steps:
        going += [takers.take("x", amount) for _ in range(number)]
        clock.advance(seconds)
    times = [time for _, time in takers.times]
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            spent = (last - first + 1) * amount
            assert spent <= rate * (times[last] - begin + 0.1 + 1e-4) + amount
    for d in going:
        d.cancel()
    assert not clock.getDelayedCalls()

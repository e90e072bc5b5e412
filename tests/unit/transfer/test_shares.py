"""Who fetches which part of a file."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from twisted_pulp.transfer._shares import Growth, Share, Shares
from twisted_pulp.transfer._spans import Spans

LENGTH = 400
_numbers = st.integers(0, 1000)
_ranges = st.lists(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)), max_size=4)


class SharesMachine(RuleBasedStateMachine):
    """Streams that begin, go on, break off, end and take from each other, in any order."""

    @initialize(done=_ranges, least=st.integers(2, 60), opened=st.booleans())
    def begin(self, done: list[tuple[int, int]], least: int, opened: bool) -> None:
        """Begin with what an earlier run has left."""
        self.done = Spans(done)
        self.shares = Shares(LENGTH, self.done, least)
        self.least = least
        start = self.done.reach(0)
        if opened and start < LENGTH:
            self.shares.open(start, LENGTH)

    def one(self, number: int) -> Share:
        return self.shares.active[number % len(self.shares.active)]

    @precondition(lambda self: self.shares.active)
    @rule(number=_numbers, size=st.integers(0, 80))
    def receive(self, number: int, size: int) -> None:
        """Bytes come."""
        share = self.one(number)
        size = min(size, share.left)
        self.done.add(share.at, share.at + size)
        share.at += size

    @precondition(lambda self: self.shares.active)
    @rule(number=_numbers)
    def drop(self, number: int) -> None:
        """A stream ends, at its end or before."""
        self.shares.drop(self.one(number))

    @precondition(lambda self: self.shares.active)
    @rule(number=_numbers, speed=st.floats(0, 100))
    def measure(self, number: int, speed: float) -> None:
        """A second passes."""
        self.one(number).measured(speed)

    @rule(speed=st.floats(0, 100))
    def take(self, speed: float) -> None:
        """Somebody is idle."""
        before = [(share, share.left) for share in self.shares.active]
        found = self.shares.take(speed)
        if found is None:
            assert not self.shares.gaps
            assert all(left < self.least for _, left in before)
            return
        share, robbed = found
        assert share.left
        assert (robbed is None) or not robbed.left

    @invariant()
    def each_byte_once(self) -> None:
        """Each byte is there, in one share, or in a gap."""
        pieces = [*self.done, *self.shares.gaps, *((each.at, each.end) for each in self.shares.active if each.left)]
        assert LENGTH == sum(end - start for start, end in pieces)
        assert [(0, LENGTH)] == list(Spans(pieces))
        assert all(share.start <= share.at <= share.end <= share.reach for share in self.shares.active)


def test_machine() -> None:
    """Each byte is in one share or in a gap, whatever is taken, fetched and given back."""
    run_state_machine_as_test(SharesMachine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))


def test_halves() -> None:
    """Who is idle gets half of the largest rest, until that is small."""
    shares = Shares(100, [], 30)
    first = shares.open(0, 100)
    second = shares.take(0.0)
    assert second is not None
    assert (50, 50, 100) == (first.end, second[0].start, second[0].end)
    first.at = 25
    third = shares.take(0.0)
    assert third is not None
    assert (75, 75, 100) == (second[0].end, third[0].start, third[0].end)
    assert None is shares.take(0.0)


def test_given_back() -> None:
    """What a stream leaves is for the one that leads there, if it was asked for that much, or is a gap."""
    shares = Shares(100, [], 2)
    first = shares.open(0, 100)
    second = shares.take(0.0)
    assert second is not None
    shares.drop(second[0])
    assert (100, False) == (first.end, bool(shares.gaps))
    shares.drop(first)
    assert [(0, 100)] == list(shares.gaps)


def test_gap_first() -> None:
    """A gap is taken before anything is divided; the first stream ends where there are bytes."""
    shares = Shares(100, [(40, 60)], 2)
    first = shares.open(0, 100)
    found = shares.take(0.0)
    assert found is not None
    assert (40, (60, 100)) == (first.end, (found[0].start, found[0].end))


def test_slow() -> None:
    """The end of a slow share is taken from it, twice at most; that of a fast one, or a young one, is not."""
    shares = Shares(100, [], 1000)
    slow = shares.open(0, 100)
    slow.measured(1.0)
    slow.measured(1.0)
    assert None is shares.take(50.0)
    slow.measured(1.0)
    assert None is shares.take(2.0)
    for taken in (1, 2):
        found = shares.take(50.0)
        assert found is not None
        share, robbed = found
        assert (slow, 0, taken) == (robbed, slow.left, share.taken)
        shares.drop(slow)
        slow = share
        for _ in range(3):
            slow.measured(0.0)
    assert None is shares.take(50.0)


def test_lent() -> None:
    """What is fetched again is neither divided nor taken, and is no gap when that fails."""
    shares = Shares(100, [(0, 100)], 2)
    assert not shares.left
    share = shares.lend(20, 80)
    assert (None, True) == (shares.take(1.0), shares.left)
    shares.drop(share)
    assert not shares.left


@pytest.mark.parametrize(
    ("most", "speeds", "levels"),
    [
        (1, [10, 20], [1, 1]),
        (8, [10, 20, 40, 80], [4, 8, 8, 8]),
        (8, [10, 11], [4, 4]),
        (8, [10, 20, 21, 90], [4, 8, 8, 8]),
        (64, [10, 20, 20, 90], [4, 8, 8, 8]),
        (6, [10, 20], [4, 6]),
    ],
)
def test_growth(most: int, speeds: list[float], levels: list[int]) -> None:
    """There are more streams as long as those that were added bring a tenth more each."""
    growth, found = Growth(most), []
    assert min(2, most) == growth.level
    for speed in speeds:
        growth.judge(speed)
        found.append(growth.level)
    assert levels == found


def test_growth_stops() -> None:
    """Where a request was refused there are no more, and not fewer than one."""
    growth = Growth(8)
    growth.stop()
    growth.judge(100)
    assert 2 == growth.level
    growth.stop(0)
    assert 1 == growth.level

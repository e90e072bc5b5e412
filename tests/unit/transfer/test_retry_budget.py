from __future__ import annotations

from twisted.internet.task import Clock

from twisted_pulp.download import Attempt, Source
from twisted_pulp.transfer import Traffic

ONE, OTHER = Source("http://one/"), Source("http://other/")
TRIED = (Attempt(ONE, 0.0, 503, 0, None),)


def allowed(traffic: Traffic, transfers: int) -> int:
    """Return how many of so many transfers, all of which fail, may try again."""
    count = 0
    for number in range(transfers):
        traffic.begin(number)
        count += traffic.may_retry(ONE, TRIED)
    return count


def test_budget(clock: Clock) -> None:
    """Where there are many transfers, a tenth of them may be tried again, and a few more."""
    traffic = Traffic(clock.seconds)
    traffic.budget = 0.1
    assert 1000 + 20 >= allowed(traffic, 10_000) >= 1000


def test_few(clock: Clock) -> None:
    """After a while a few may be tried again, whatever was before."""
    traffic = Traffic(clock.seconds)
    traffic.budget = 0.0
    assert 20 == allowed(traffic, 100)
    clock.advance(5)
    assert 5 == allowed(traffic, 100)
    clock.advance(1000)
    assert 20 == allowed(traffic, 100)


def test_other_source(clock: Clock) -> None:
    """To ask another source is no retry."""
    traffic = Traffic(clock.seconds)
    traffic.budget = 0.0
    assert 20 == allowed(traffic, 100)
    assert traffic.may_retry(OTHER, TRIED)


def test_none(clock: Clock) -> None:
    """Without a budget all may."""
    assert 1000 == allowed(Traffic(clock.seconds), 1000)

"""Tests for `tests.lag`."""

import pytest
from twisted.internet.task import Clock

from tests.lag import Lag


@pytest.fixture
def measured(clock: Clock) -> Lag:
    """A measurement that has begun."""
    begun = Lag(clock)
    begun.start()
    return begun


def test_idle(clock: Clock, measured: Lag) -> None:
    """A reactor that comes to its timers in time has no lag, however long the test lasts."""
    clock.pump([0.01] * 500)
    assert 0 <= measured.seconds < 1  # what this test computed


def test_late(clock: Clock, measured: Lag) -> None:
    """What it comes too late adds up."""
    clock.pump([2.01, 0.01, 3.01])
    assert 5 <= measured.seconds < 6


def test_late_now(clock: Clock, measured: Lag) -> None:
    """A timer whose turn is still to come counts too."""
    clock.rightNow += 4.01
    assert 4 <= measured.seconds < 5


def test_again(clock: Clock, measured: Lag) -> None:
    """A second start forgets what was before, and the end leaves no timer."""
    clock.advance(7)
    measured.stop()
    measured.start()
    assert measured.seconds < 1
    measured.stop()
    assert [] == clock.getDelayedCalls()

"""`use_monotonic_clock`: once, before anything is scheduled."""

from __future__ import annotations

import time

import pytest
from twisted.internet.task import Clock

from twisted_pulp.clock import use_monotonic_clock
from twisted_pulp.errors import SettingsError


def test_replaces() -> None:
    """The reactor's seconds become those of the monotonic clock."""
    clock = Clock()
    use_monotonic_clock(clock)
    assert time.monotonic is clock.seconds


def test_twice() -> None:
    """A second call changes nothing, even when calls are scheduled by then."""
    clock = Clock()
    use_monotonic_clock(clock)
    clock.callLater(1, lambda: None)
    use_monotonic_clock(clock)
    assert time.monotonic is clock.seconds


def test_too_late() -> None:
    """Once something is scheduled by the other clock, it is refused and nothing changes."""
    clock = Clock()
    clock.callLater(1, lambda: None)
    with pytest.raises(SettingsError, match="nothing is scheduled"):
        use_monotonic_clock(clock)
    assert 0.0 == clock.seconds()

"""The clock: timers that no change of the wall clock can stop or fire."""

from __future__ import annotations

import time
from typing import Any

from twisted_pulp.errors import SettingsError

__all__ = ["use_monotonic_clock"]


def use_monotonic_clock(reactor: Any) -> None:
    """
    Let *reactor*'s timers run on the monotonic clock, so that a jump of the wall clock neither stops nor fires one.

    Call it before anything is scheduled: times of the two clocks cannot be compared. A second call changes nothing.

    :param reactor: the reactor that will run.
    :raises SettingsError: when delayed calls exist already.
    """
    if reactor.seconds is time.monotonic:
        return
    if reactor.getDelayedCalls():
        raise SettingsError("reactor", reactor, "one on which nothing is scheduled yet")
    reactor.seconds = time.monotonic

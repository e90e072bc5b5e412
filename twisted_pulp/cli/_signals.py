"""Ctrl-C, and what a service manager sends instead."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from attrs import define, field

__all__ = ["Signals"]

#: Seconds after the first signal: a thread that hangs in the name service or on a disk must not keep the process.
_LAST = 0.95


@define(eq=False, repr=False)
class Signals:
    """
    Lets the first SIGINT or SIGTERM end everything in good order, and the second, or a second later, at once.

    :ivar stop: called by the reactor with the first signal's number.
    :ivar at_once: called before the process ends at once, wherever it is.
    :ivar received: the first signal's number, or None.
    """

    _reactor: Any
    _stop: Callable[[int], object]
    _at_once: Callable[[], object]
    received: int | None = field(init=False, default=None)

    def install(self) -> None:
        """Listen; not before the reactor runs, which would listen instead."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self._end(number)
        self.received = number
        # The reactor cannot wait for this: when it has stopped, threads are still joined.
        signal.signal(signal.SIGALRM, lambda *_: self._end(number))
        signal.setitimer(signal.ITIMER_REAL, _LAST)
        # Then they are joined, and soon the interpreter hears no signal any more: the alarm would kill it.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
        self._reactor.callFromThread(self._stop, number)

    def _end(self, number: int) -> NoReturn:
        self._at_once()
        os._exit(128 + number)

    @property
    def status(self) -> int | None:
        """The exit status that says so, or None."""
        return None if self.received is None else 128 + self.received

"""What a daemon does when it is told to end or to read its settings again."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from attrs import define, field

__all__ = ["DaemonSignals"]

#: Seconds beyond the grace period, and after the second signal: a thread that hangs must not keep the process.
_BEYOND, _LAST = 5.0, 0.95


@define(eq=False, repr=False)
class DaemonSignals:
    """
    Lets the first SIGTERM or SIGINT end everything in good order, the second one at once, and SIGHUP reload.

    :ivar stop: called with the first signal, wherever the process is.
    :ivar hurry: called by the reactor with the second one.
    :ivar reload: called by the reactor.
    """

    _reactor: Any
    _stop: Callable[[], object]
    _hurry: Callable[[], object]
    _reload: Callable[[], object]
    _received: int = field(init=False, default=0)

    def listen(self) -> None:
        """Listen from when the reactor runs, which would listen instead."""
        self._reactor.callWhenRunning(self._install)

    def _install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reload))

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._received += 1
        if self._received == 1:
            self._stop()
        elif self._received == 2:
            self._end_in(_LAST)
            self._reactor.callFromThread(self._hurry)
        else:
            self._end(number)

    def patience(self, grace: float) -> None:
        """End the process when it has not ended long after *grace* seconds; threads cannot be waited for longer."""
        if self._received == 1:
            self._end_in(grace + _BEYOND)

    def _end_in(self, seconds: float) -> None:
        signal.signal(signal.SIGALRM, lambda *_: self._end(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        # When threads are joined: soon the interpreter hears no signal any more, and the alarm would kill it.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)

    def _end(self, number: int) -> NoReturn:
        os._exit(128 + number)

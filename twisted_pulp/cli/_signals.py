"""Ctrl-C, and what a service manager sends instead."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from attrs import define, field

__all__ = ["Signals"]


@define(eq=False)
class Signals:
    """
    Lets the first SIGINT or SIGTERM end everything in good order, and the second at once.

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
            self._at_once()
            os._exit(128 + number)
        self.received = number
        self._reactor.callFromThread(self._stop, number)

    @property
    def status(self) -> int | None:
        """The exit status that says so, or None."""
        return None if self.received is None else 128 + self.received

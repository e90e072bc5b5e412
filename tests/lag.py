"""How much a busy machine delays this process, so that what waits for a timer can be timed on any machine."""

from __future__ import annotations

import time

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Lag"]

_STEP = 0.01


@define(eq=False)
class Lag:
    """
    Adds up what does not depend on the code's timers: how late the reactor comes to its own, and the time it works.

    A duration that is right on a machine without other work is at most that plus `seconds` on any other; one that is
    wrong because something waits for the wrong timer is not excused, for the reactor is idle meanwhile.
    """

    _reactor: IReactorTime
    _call: IDelayedCall | None = field(init=False, default=None)
    _late: float = field(init=False, default=0.0)
    _due: float = field(init=False, default=0.0)
    _worked: float = field(init=False, default=0.0)

    def start(self) -> None:
        """Begin, in the reactor's thread."""
        self._worked, self._late = time.thread_time(), 0.0
        self._wait()

    def stop(self) -> None:
        """End; no timer is left."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    @property
    def seconds(self) -> float:
        """By how much what happened since the start may have taken longer than on an idle machine."""
        return self._late + self._overdue() + time.thread_time() - self._worked

    def _overdue(self) -> float:
        return max(0.0, self._reactor.seconds() - self._due)

    def _wait(self) -> None:
        self._due = self._reactor.seconds() + _STEP
        self._call = self._reactor.callLater(_STEP, self._tick)

    def _tick(self) -> None:
        self._late += self._overdue()
        self._wait()

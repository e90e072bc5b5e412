"""One timer for everything that may be silent for too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["Watch", "Watched"]

T = TypeVar("T")
# Longer than any turn of the reactor: the process itself must have stood still.
_SLEPT = 1.0


class Watched(Protocol):
    """Something to look at."""

    def look(self, now: float) -> None:
        """Act if it is time; *now* is in seconds of the watch's clock."""

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which this process did not run."""


class Watch:
    """
    Look at many things a few times a second, instead of a timer for each.

    When the process stood still (stopped, suspended), that time is taken out of every deadline, so what arrived
    meanwhile is read before anything is given up.

    :param clock: whose seconds count.
    :param period: seconds between two looks; default 0.1.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, period: float = 0.1) -> None:
        self._clock, self._period = clock, period
        self._watched: dict[Watched, None] = {}
        self._call: IDelayedCall | None = None
        self._last = 0.0

    def add(self, watched: Watched) -> None:
        """Look at *watched* from now on."""
        self._watched[watched] = None
        if self._call is None:
            self._last = self._clock.seconds()
            self._call = self._clock.callLater(self._period, self._look)

    def discard(self, watched: Watched) -> None:
        """Look at *watched* no more."""
        self._watched.pop(watched, None)

    def _look(self) -> None:
        self._call = None
        now = self._clock.seconds()
        slept = now - self._last - self._period
        self._last = now
        for watched in list(self._watched):
            if watched in self._watched:
                if slept > _SLEPT:
                    watched.shift(slept)
                try:
                    watched.look(now)
                except Exception:
                    self._log.failure("a thing that is watched failed")
        if self._watched and self._call is None:
            self._call = self._clock.callLater(self._period, self._look)

    def stop(self) -> None:
        """Leave no timer behind."""
        self._watched.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def limit(self, d: Deferred[T], seconds: float | None, error: Callable[[float], Exception]) -> Deferred[T]:
        """
        Cancel *d* after *seconds*; it then fails with *error*(*seconds*).

        :param seconds: None is no limit.
        """
        if seconds is not None and not d.called:
            deadline = _Deadline(d, self._clock.seconds() + seconds)
            self.add(deadline)

            def over(result: T | Failure) -> T | Failure:
                self.discard(deadline)
                if deadline.passed and isinstance(result, Failure):  # endpoints have their own CancelledError
                    raise error(seconds)
                return result

            d.addBoth(over)
        return d


class _Deadline:
    __slots__ = ("_at", "_deferred", "passed")

    def __init__(self, deferred: Deferred[T], at: float) -> None:
        self._deferred, self._at = deferred, at
        self.passed = False

    def look(self, now: float) -> None:
        if now >= self._at and not self.passed:
            self.passed = True
            self._deferred.cancel()

    def shift(self, seconds: float) -> None:
        self._at += seconds

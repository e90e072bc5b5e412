"""How many bytes a second have come of late."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.live._feed import Feed
from twisted_pulp.live._metrics import Metrics

__all__ = ["Throughput"]

#: Seconds between two looks, and how many are remembered: five minutes.
EVERY, KEPT = 2.0, 150


class Throughput:
    """
    Look every two seconds how many bytes have come, and tell those who listen with an event "throughput".

    :param metrics: that count the bytes.
    :param feed: whose listeners are told.
    :param reactor: for time.
    :ivar samples: bytes a second, the newest last; those of other processes too, where there are any.
    :ivar own: bytes a second that came to this process, when it was last looked at.
    :ivar all: called after each look for bytes a second and downloads of all processes; None, the default: there is
        no other.
    """

    _log = Logger()

    def __init__(self, metrics: Metrics, feed: Feed, reactor: Any) -> None:
        self._metrics, self._feed, self._reactor = metrics, feed, reactor
        self.samples: deque[int] = deque(maxlen=KEPT)
        self.own = 0
        self.all: Callable[[], Awaitable[tuple[int, int]]] | None = None
        self._call: LoopingCall | None = None
        self._asking: Deferred[None] | None = None
        self._last = self._at = 0.0
        self._quiet = True

    @property
    def now(self) -> int:
        """Bytes a second, when it was last looked at."""
        return self.samples[-1] if self.samples else 0

    def start(self) -> None:
        """Begin to look; a second time does nothing."""
        if self._call is not None:
            return
        self._last, self._at = self._metrics.own, self._reactor.seconds()
        self._call = LoopingCall(self._look)
        self._call.clock = self._reactor
        self._call.start(EVERY, now=False).addErrback(lambda why: self._log.failure("nobody looks", why))

    def stop(self) -> None:
        """Look no more."""
        call, self._call = self._call, None
        if call is not None:
            call.stop()
        if self._asking is not None:
            self._asking.cancel()

    def _look(self) -> Deferred[None] | None:
        now, received = self._reactor.seconds(), self._metrics.own
        self.own = int((received - self._last) / max(now - self._at, 0.001))
        self._last, self._at = received, now
        if self.all is None:
            self._note(self.own, self._metrics.running)
            return None
        self._asking = Deferred.fromCoroutine(self._ask(self.all))
        return self._asking.addErrback(self._not_known).addBoth(self._asked)

    async def _ask(self, all_of_them: Callable[[], Awaitable[tuple[int, int]]]) -> None:
        self._note(*await all_of_them())

    def _not_known(self, why: Any) -> None:
        if not why.check(CancelledError):
            self._log.failure("it is not known how much comes to other processes", why)

    def _asked(self, _: object) -> None:
        self._asking = None

    def _note(self, rate: int, running: int) -> None:
        self.samples.append(rate)
        quiet = not rate and not running
        # A day of nothing is not told, but that it began is.
        if self._feed.listeners and not (quiet and self._quiet):
            self._feed.publish("throughput", {"bytes_per_second": rate, "downloads": running})
        self._quiet = quiet

"""How many bytes a second have come of late."""

from __future__ import annotations

from collections import deque
from typing import Any

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
    :ivar samples: bytes a second, the newest last.
    """

    _log = Logger()

    def __init__(self, metrics: Metrics, feed: Feed, reactor: Any) -> None:
        self._metrics, self._feed, self._reactor = metrics, feed, reactor
        self.samples: deque[int] = deque(maxlen=KEPT)
        self._call: LoopingCall | None = None
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
        self._last, self._at = self._metrics.received, self._reactor.seconds()
        self._call = LoopingCall(self._look)
        self._call.clock = self._reactor
        self._call.start(EVERY, now=False).addErrback(lambda why: self._log.failure("nobody looks", why))

    def stop(self) -> None:
        """Look no more."""
        call, self._call = self._call, None
        if call is not None:
            call.stop()

    def _look(self) -> None:
        now, received = self._reactor.seconds(), self._metrics.received
        rate = int((received - self._last) / max(now - self._at, 0.001))
        self._last, self._at = received, now
        self.samples.append(rate)
        running = self._metrics.running
        quiet = not rate and not running
        # A day of nothing is not told, but that it began is.
        if self._feed.listeners and not (quiet and self._quiet):
            self._feed.publish("throughput", {"bytes_per_second": rate, "downloads": running})
        self._quiet = quiet

"""How long a connection has been silent, and how slowly it speaks."""

from __future__ import annotations

from typing import Any

from twisted_pulp.errors import DownloadTimeout, HeadersTimeout, IdleTimeout, LowSpeed
from twisted_pulp.settings import Timeouts

__all__ = ["Silence"]

# A gap between two reads counts towards the low speed up to this part of its time: a stall is for the idle timeout.
_GAP = 6


class Silence:
    """
    Compare a connection's counters from one look to the next.

    It is told nothing by the connection, so that a byte costs nothing.
    """

    __slots__ = ("_flow", "_from", "_heard", "_mark", "_served", "_speaking")

    def __init__(self) -> None:
        self._served = self._heard = self._from = 0
        self._mark = self._flow = 0.0
        self._speaking = False

    def look(self, connection: Any, speaking: bool, now: float, timeouts: Timeouts) -> DownloadTimeout | None:
        """
        Return what is wrong, or None.

        :param connection: has `served`, `heard` and `paused`.
        :param speaking: whether the headers are here.
        :param now: seconds.
        """
        if connection.served != self._served or speaking != self._speaking:
            self._served, self._speaking, self._mark = connection.served, speaking, now
            self._heard = self._from = connection.heard
            self._flow = 0.0
            return None
        silent = now - self._mark
        if not speaking:
            if timeouts.headers is not None and silent >= timeouts.headers:
                return HeadersTimeout(seconds=timeouts.headers)
            return None
        if connection.heard != self._heard:
            self._heard, self._mark = connection.heard, now
            return self._slow(silent, timeouts)
        if connection.paused:  # it is we who do not read
            self._mark = now
        elif timeouts.idle is not None and silent >= timeouts.idle:
            return IdleTimeout(seconds=timeouts.idle)
        return None

    def _slow(self, gap: float, timeouts: Timeouts) -> LowSpeed | None:
        if timeouts.low_speed is None:
            return None
        self._flow += min(gap, timeouts.low_speed_time / _GAP)
        if self._flow < timeouts.low_speed_time:
            return None
        speed = (self._heard - self._from) / self._flow
        self._flow, self._from = 0.0, self._heard
        if speed >= timeouts.low_speed:
            return None
        return LowSpeed(
            seconds=timeouts.low_speed_time,
            detail=f"too slow: {speed:.0f} bytes/s over {timeouts.low_speed_time:g} s, below {timeouts.low_speed:g}",
        )

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which nobody could look."""
        self._mark += seconds

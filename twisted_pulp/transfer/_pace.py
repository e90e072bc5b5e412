"""How fast and how sound a host has been."""

from __future__ import annotations

import math

__all__ = ["Pace"]

# The weight of the newest.
_NEW = 0.3
# Bytes: less says more about distance than about speed.
_TELLING = 64 << 10


class Pace:
    """
    Averages in which the newest weighs most (EWMA).

    :ivar speed: bytes a second, or None while nothing large enough came.
    :ivar errors: from 0, none of late, to 1.
    """

    __slots__ = ("errors", "speed")

    def __init__(self) -> None:
        self.speed: float | None = None
        self.errors = 0.0

    def measured(self, size: int, seconds: float) -> None:
        """Note that *size* bytes came well in *seconds*."""
        self.errors *= 1 - _NEW
        if size < _TELLING or seconds <= 0:
            return
        speed = size / seconds
        self.speed = speed if self.speed is None else self.speed + _NEW * (speed - self.speed)

    def failed(self) -> None:
        """Note a failure that is the host's."""
        self.errors += _NEW * (1 - self.errors)

    def rank(self, unknown: float) -> int:
        """
        Return a number by which hosts are ordered, the best first.

        It is a whole one: hosts that differ by less than a factor of two are about as good as each other.

        :param unknown: the speed that is assumed while it is not known.
        """
        expected = (self.speed or unknown) * (1 - self.errors) ** 2
        return -round(math.log2(max(expected, 1.0)))

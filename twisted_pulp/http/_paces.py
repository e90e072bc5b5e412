"""How many requests at once each host bears, learnt from its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReactorTime

if TYPE_CHECKING:
    from twisted_pulp.http._caps import Cap

__all__ = ["Pace", "Paces"]

# Answers that must be good, one after another, before there is one request more at once.
_STEP = 20
# Seconds after which the answers to what was under way at a decrease are waited for no more,
_LATE = 60.0
# and after which a host that was not asked is as any other.
_LONG = 600.0
_MANY = 4096


class Pace:
    """
    Requests at once to one host: one more after many good answers, half as many after a bad one.

    :ivar allowed: that many now.
    :ivar heard: when the last answer came.
    """

    __slots__ = ("_good", "_old", "_since", "allowed", "heard")

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.heard = self._since = 0.0
        self._good = self._old = 0  # answers in a row; requests that were under way at the last decrease

    def note(self, well: bool | None, busy: int, now: float) -> None:
        """
        Count an answer.

        :param well: whether it was good; None when it says nothing of the host's load.
        :param busy: requests that are under way.
        """
        self.heard = now
        if self._old and now - self._since < _LATE:  # what was asked before the decrease says nothing new
            self._old -= 1
            return
        if well:
            self._good += 1
            if self._good >= _STEP:
                self._good = 0
                self.allowed += 1
        elif well is False:
            self._good, self._old, self._since = 0, busy, now
            self.allowed = max(1, min(self.allowed, busy + 1) // 2)

    def __repr__(self) -> str:
        return f"<Pace {self.allowed} at once, {self._good} of {_STEP} good answers>"


class Paces:
    """
    The hosts that are asked less than the cap allows.

    :param clock: whose seconds count.
    :param cap: requests at once that no host may exceed.
    :param caps: (host, port) -> the cap of each host that is connected to.
    :ivar lowered: (host, port) -> its pace.
    :ivar leased: called with each host that is connected to from now on, and its cap; None: nobody is.
    """

    def __init__(self, clock: IReactorTime, cap: int, caps: Mapping[object, Cap]) -> None:
        self._clock, self._cap, self._caps = clock, cap, caps
        self.lowered: dict[Any, Pace] = {}
        self.leased: Callable[[object, Cap], object] | None = None

    @property
    def caps(self) -> Mapping[object, Cap]:
        """(host, port) -> the cap of each host that is connected to."""
        return self._caps

    def begun(self, key: object, cap: Cap) -> Cap:
        """Return *cap*, that of a host from now on; it allows what was learnt of the host."""
        pace = self._of(key, self._clock.seconds()) if key in self.lowered else None
        if pace is not None:
            cap.allow(pace.allowed)
        if self.leased is not None:
            self.leased(key, cap)
        return cap

    def note(self, key: object, well: bool | None) -> None:
        """
        Count an answer, or what came instead of one.

        :param key: host and port.
        :param well: false when the host has enough: 429, 503, no answer in time, no connection; None: neither.
        """
        now, cap = self._clock.seconds(), self._caps.get(key)
        pace = self._of(key, now)
        if pace is None:
            if well is not False:
                return
            if len(self.lowered) >= _MANY:
                del self.lowered[next(iter(self.lowered))]
            pace = self.lowered[key] = Pace(self._cap)
        pace.note(well, 0 if cap is None else cap.busy, now)
        if pace.allowed >= self._cap:
            del self.lowered[key]
        if cap is not None:
            cap.allow(pace.allowed)

    def known(self) -> Iterator[tuple[tuple[str, int], int, float]]:
        """Give host and port, requests at once, and seconds since its last answer, of each host in `lowered`."""
        now = self._clock.seconds()
        for key in list(self.lowered):
            pace = self._of(key, now)
            if pace is not None:
                yield key, pace.allowed, now - pace.heard

    def remember(self, key: object, allowed: int, ago: float) -> None:
        """
        Go on with what was learnt in another process; what was learnt here stays.

        :param key: host and port.
        :param allowed: requests at once.
        :param ago: seconds since the last answer.
        """
        if key in self.lowered or not 1 <= allowed < self._cap or ago > _LONG or len(self.lowered) >= _MANY:
            return
        pace = self.lowered[key] = Pace(allowed)
        pace.heard = self._clock.seconds() - max(0.0, ago)
        if key in self._caps:
            self._caps[key].allow(allowed)

    def _of(self, key: object, now: float) -> Pace | None:
        pace = self.lowered.get(key)
        if pace is not None and now - pace.heard > _LONG:
            del self.lowered[key]
            if key in self._caps:
                self._caps[key].allow(self._cap)
            return None
        return pace

    def __repr__(self) -> str:
        return f"<Paces {self.lowered}>"

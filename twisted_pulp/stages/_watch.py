"""
Watch: a stage that waits for what never comes does not hold up its pipeline for ever.

What others do for a stage has limits of its own: downloads, the catalog and the storage end or fail. What a plugin
waits for may have none. Such a stage is told by this: it is neither waiting for items nor for room, nothing in the
pipeline moves, and nobody else is at something that will end. A busy one is looked at ten times before it is given up,
so that a process that slept is not taken for one that is stuck.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_pulp.stages._channel import Channel
from twisted_pulp.stages._stage import Stage

__all__ = ["Watch"]

_LOOKS = 10


@define(eq=False)
class Watch:
    """
    Look now and then whether a stage is stuck.

    :param stages: all of them.
    :param running: numbers of those that have not ended.
    :param signs: gives what differs while all is well.
    :param stuck: called with the stages that are, and for how long.
    """

    _reactor: IReactorTime
    _stages: Sequence[Stage]
    _running: Collection[int]
    _signs: Callable[[], object]
    _stuck: Callable[[Sequence[Stage], float], object]
    _interval: float = field(init=False, default=0.0)
    _last: object = field(init=False, default=None)
    _still: dict[int, int] = field(init=False, factory=dict)
    _call: IDelayedCall | None = field(init=False, default=None)

    def start(self) -> None:
        """
        Begin, if there is a stage whose patience ends.

        :raises ValueError: when one has no patience at all.
        """
        limits = [stage.patience for stage in self._stages if stage.patience is not None]
        if limits:
            if min(limits) <= 0:
                raise ValueError(f"a patience of {min(limits)} seconds")
            self._interval = min(limits) / _LOOKS
            self._later()

    def stop(self) -> None:
        """End."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _later(self) -> None:
        self._call = self._reactor.callLater(self._interval, self._look)

    def _look(self) -> None:
        self._later()
        busy = [at for at in self._running if self._stages[at]._busy()]
        signs = (self._signs(), [_sign(stage._wired().before) for stage in self._stages])
        before, self._last = self._last, signs
        if signs != before or any(self._stages[at].patience is None for at in busy):
            self._still.clear()
            return
        self._still = {at: self._still.get(at, 0) + 1 for at in busy}
        stuck = [stage for at, looks in self._still.items() if looks >= self._most(stage := self._stages[at])]
        if stuck:
            self._stuck(stuck, max(stage.patience or 0 for stage in stuck))

    def _most(self, stage: Stage) -> int:
        """Return how often *stage* is seen busy before it is stuck."""
        return round((stage.patience or 0) / self._interval)


def _sign(channel: Channel) -> tuple[int, int]:
    """Return what differs when an item was put or taken."""
    return len(channel), id(channel.peek()[0]) if len(channel) else 0

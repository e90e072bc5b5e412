"""
Batches: many items at once, without ever waiting for an item that cannot come.

A batch is what lies in the channel when it is ripe; nothing is taken out before, so that a reader that is cancelled
loses nothing. It is ripe when it has enough items, when nothing comes any more, when somebody awaits one of its units,
when others wait for the room in the budget that its items hold, and at the latest a moment after its first item came:
whatever the stages before may wait for, items that are there go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._channel import Channel
from twisted_pulp.stages._declarative import DeclarativeContent

__all__ = ["Batches"]


@define(eq=False)
class Batches:
    """
    Take the items of a channel in lists.

    :param reactor: its clock says when a batch has waited for long enough.
    :param budget: that presses for room, or None.
    :param minsize: items a batch has, unless it may not wait for so many; at most what the channel holds.
    :param linger: seconds that an item waits for others; None: as long as it takes.
    """

    _reactor: IReactorTime
    _channel: Channel
    _budget: Budget | None
    _minsize: int
    _linger: float | None
    _wanted: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self._minsize < 1:
            raise ValueError(f"batches of {self._minsize}")
        self._wanted = min(self._minsize, self._channel.capacity)

    async def each(self) -> AsyncIterator[list[Any]]:
        """Give one batch after the other, until the channel is closed and empty."""
        channel = self._channel
        while await channel.filled():
            channel.fill()
            if not self._ripe():
                await self._ripen()
            if batch := channel.take():
                yield batch

    def _ripe(self) -> bool:
        channel = self._channel
        if channel.closed or len(channel) >= self._wanted or self._pressed():
            return True
        return any(isinstance(item, DeclarativeContent) and item.awaited for item in channel.peek())

    def _pressed(self) -> bool:
        return self._budget is not None and self._budget.presses(len(self._channel))

    async def _ripen(self) -> None:
        reader = self._channel.wait(self._wanted)
        go_on = partial(self._channel.wake, reader)
        for item in self._channel.peek():
            _hold(item, go_on)
        reader.hurried = partial(self._hurried, go_on)
        timer = None if self._linger is None else self._reactor.callLater(self._linger, go_on)
        ignore = None if self._budget is None else self._budget.watch(partial(self._press, go_on))
        try:
            await reader.came
        finally:
            reader.hurried = None  # which knows the reader: a cycle
            if timer is not None and timer.active():
                timer.cancel()
            if ignore is not None:
                ignore()

    def _hurried(self, go_on: Callable[[], None], item: Any) -> bool:
        return _hold(item, go_on) or self._pressed()

    def _press(self, go_on: Callable[[], None]) -> None:
        if self._pressed():
            go_on()


def _hold(item: Any, go_on: Callable[[], None]) -> bool:
    """Let *go_on* be called when *item* is awaited; return whether it is already."""
    if not isinstance(item, DeclarativeContent):
        return False
    item.thaw = go_on
    return item.awaited

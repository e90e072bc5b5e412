"""
Channel: what one stage puts, in the order in which the next one takes it.

Nothing here goes through the reactor when there is room or an item: a put and a take are then two steps on a deque.
Who must wait does so on a Deferred. A putter that found no room goes on once half of the room is free, not at each free
place, so that two stages change places a few times for a thousand items and not a thousand times. Since a waiting
putter's item is moved by the channel itself, items keep the order in which `put` was called, however many put at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred

__all__ = ["Channel", "Reader"]


@define(eq=False)
class Reader:
    """
    Somebody who waits for items.

    :param wanted: so many let it go on.
    :param hurried: say of an item that came whether it lets the reader go on although there are fewer.
    """

    wanted: int
    hurried: Callable[[Any], bool] | None
    came: Deferred[None] = field(init=False)


class Channel:
    """
    A queue of bounded length that can be closed, from one stage to the next.

    :param capacity: items it holds at most, at least 1; more wait with those who put them.
    :raises ValueError: when *capacity* is less than 1.
    """

    __slots__ = ("_items", "_low", "_putters", "_readers", "_refusal", "capacity", "closed")

    def __init__(self, capacity: int = 500) -> None:
        if capacity < 1:
            raise ValueError(f"a channel for {capacity} items")
        self.capacity, self._low = capacity, capacity // 2
        self.closed = False
        self._items: deque[Any] = deque()
        self._putters: deque[tuple[Deferred[None], Any]] = deque()
        self._readers: deque[Reader] = deque()
        self._refusal: BaseException | None = None

    def __len__(self) -> int:
        """Return how many items can be taken at once."""
        return len(self._items)

    def offer(self, item: Any) -> bool:
        """
        Put *item* if there is room; return whether there was.

        :raises ValueError: when *item* is None.
        :raises RuntimeError: when the channel is closed, or its reader gone.
        """
        if item is None:
            raise ValueError("None is no item")
        if self._refusal is not None:
            raise self._refusal
        items = self._items
        if self._putters or len(items) >= self.capacity:
            return False
        items.append(item)
        if self._readers:
            self._came(item)
        return True

    async def put(self, item: Any) -> None:
        """
        Put *item*, once there is room.

        :raises ValueError: when *item* is None.
        :raises RuntimeError: when the channel is closed, or its reader gone.
        """
        if not self.offer(item):
            room: Deferred[None] = Deferred(self._left)
            self._putters.append((room, item))
            await room

    async def items(self) -> AsyncIterator[Any]:
        """Give one item after the other, until the channel is closed and empty; several may do so at once."""
        items = self._items
        while items or await self.filled():
            item = items.popleft()
            if self._putters:
                self._refill()
            yield item

    async def filled(self) -> bool:
        """Wait for an item; return whether there is one, which is so until the channel is closed and empty."""
        while not self._items:
            if isinstance(self._refusal, CancelledError):
                raise self._refusal
            if self.closed:
                return False
            await self.wait(1).came
        return True

    def wait(self, wanted: int, hurried: Callable[[Any], bool] | None = None) -> Reader:
        """Let somebody wait until *wanted* items are there, or the end, or an item that is *hurried*."""
        reader = Reader(wanted, hurried)
        reader.came = Deferred(lambda _: self._readers.remove(reader))
        self._readers.append(reader)
        return reader

    def wake(self, reader: Reader) -> None:
        """Let *reader* go on with what is there, if it still waits."""
        if reader in self._readers:
            self._readers.remove(reader)
            reader.came.callback(None)

    def fill(self) -> None:
        """Take as much as there is room for from those who wait to put."""
        while self._putters and len(self._items) < self.capacity:
            room, item = self._putters.popleft()
            self._items.append(item)
            room.callback(None)

    def take(self) -> list[Any]:
        """Take all items that are there."""
        taken = list(self._items)
        self._items.clear()
        self._refill()
        return taken

    def peek(self) -> tuple[Any, ...]:
        """Return the items that are there, without taking them."""
        return tuple(self._items)

    def close(self) -> None:
        """Say that nothing comes any more; what is there, and what waits for room, can still be taken."""
        if not self.closed:
            self.closed = True
            self._refusal = self._refusal or RuntimeError("put into a channel that is closed")
            self._wake_all()

    def desert(self, reason: str) -> None:
        """Say that nobody takes anything any more: `put` fails with a RuntimeError for that *reason*."""
        self._refusal = RuntimeError(reason)

    def abort(self) -> None:
        """Forget all items, and let `put` and reading fail with a CancelledError; who waits already is not told."""
        self._refusal = CancelledError()
        self._items.clear()

    def end(self) -> None:
        """Let those fail who still wait to put or to read, with a CancelledError."""
        self.abort()
        for waiting in [*(room for room, _ in self._putters), *(reader.came for reader in self._readers)]:
            waiting.cancel()

    def _came(self, item: Any) -> None:
        reader = self._readers[0]
        if len(self._items) >= reader.wanted or (reader.hurried is not None and reader.hurried(item)):
            self.wake(reader)

    def _refill(self) -> None:
        if len(self._items) <= self._low:
            self.fill()

    def _wake_all(self) -> None:
        for reader in list(self._readers):
            self.wake(reader)

    def _left(self, room: Deferred[None]) -> None:
        self._putters = deque(each for each in self._putters if each[0] is not room)

    def __repr__(self) -> str:
        closed = ", closed" if self.closed else ""
        return f"<Channel {len(self)} of {self.capacity}, {len(self._putters)} waiting to put{closed}>"

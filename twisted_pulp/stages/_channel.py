"""
Channel: what one stage puts, in the order in which the next one takes it.

Nothing here goes through the reactor when there is room or an item: a put and a take are then two steps on a deque.
Who must wait does so on a Deferred. A putter that found no room goes on once half of the room is free, not at each free
place, so that two stages change places a few times for a thousand items and not a thousand times. Since a waiting
putter's item is moved by the channel itself, items keep the order in which `put` was called, however many put at once.

Who is told goes on at once, inside the call that tells it. Therefore `fill` is no more than one loop, however often
those it tells come back to it: the stack must not grow with the number of those who wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred

__all__ = ["Channel", "Reader"]


@define(eq=False)
class Reader:
    """
    Somebody who waits for items.

    :param came: fires when it goes on.
    :param wanted: so many items let it go on.
    :ivar hurried: says of an item that came whether it lets the reader go on although there are fewer; or None.
    """

    came: Deferred[None]
    wanted: int
    hurried: Callable[[Any], bool] | None = field(default=None, init=False)


class Channel:
    """
    A queue of bounded length that can be closed, from one stage to the next.

    :param capacity: items it holds at most, at least 1; more wait with those who put them.
    :raises ValueError: when *capacity* is less than 1.
    """

    __slots__ = (
        "_aborted",
        "_filling",
        "_items",
        "_low",
        "_lost",
        "_putters",
        "_readers",
        "_refusal",
        "capacity",
        "closed",
    )

    def __init__(self, capacity: int = 500) -> None:
        if capacity < 1:
            raise ValueError(f"a channel for {capacity} items")
        self.capacity, self._low = capacity, capacity // 2
        self.closed = self._aborted = self._filling = False
        self._items: deque[Any] = deque()
        self._putters: deque[tuple[Deferred[None], Any]] = deque()
        self._readers: deque[Reader] = deque()
        self._lost: list[Any] = []
        self._refusal: Callable[[], BaseException] | None = None

    def __len__(self) -> int:
        """Return how many items can be taken at once."""
        return len(self._items)

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for items."""
        return bool(self._readers)

    @property
    def crowded(self) -> bool:
        """Whether somebody waits for room."""
        return bool(self._putters)

    def offer(self, item: Any) -> bool:
        """
        Put *item* if there is room; return whether there was.

        :raises ValueError: when *item* is None.
        :raises RuntimeError: when the channel is closed, or its reader gone.
        """
        if item is None:
            raise ValueError("None is no item")
        if self._refusal is not None:
            raise self._refusal()
        items = self._items
        if self._putters or len(items) >= self.capacity:
            return False
        items.append(item)
        if self._readers:
            self._came((item,))
        return True

    async def put(self, item: Any) -> None:
        """
        Put *item*, once there is room.

        :raises ValueError: when *item* is None.
        :raises RuntimeError: when the channel is closed, or its reader gone.
        """
        if not self.offer(item):
            room: Deferred[None] = Deferred(self._leave)
            self._putters.append((room, item))
            await room

    async def put_all(self, items: Sequence[Any]) -> None:
        """Put *items* in order, as `put` would each of them, but for less."""
        if any(item is None for item in items):
            raise ValueError("None is no item")
        at = 0
        while at < len(items):
            room = 0 if self._putters or self._refusal is not None else self.capacity - len(self._items)
            if room > 0:
                some = items[at : at + room]
                self._items.extend(some)
                if self._readers:
                    self._came(some)
                at += room
            else:
                await self.put(items[at])
                at += 1

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
            if self._aborted:
                raise CancelledError
            if self.closed:
                return False
            await self.wait(1).came
        return True

    def wait(self, wanted: int) -> Reader:
        """Return somebody who waits until *wanted* items are there, or nothing comes any more."""
        reader = Reader(Deferred(self._leave), wanted)
        self._readers.append(reader)
        return reader

    def wake(self, reader: Reader) -> None:
        """Let *reader* go on with what is there, if it still waits."""
        if reader in self._readers:
            self._readers.remove(reader)
            reader.came.callback(None)

    def fill(self) -> None:
        """Take as much as there is room for from those who wait to put."""
        if self._filling:
            return
        self._filling = True
        while self._putters and len(self._items) < self.capacity:
            room, item = self._putters.popleft()
            self._items.append(item)
            room.callback(None)
            if self._readers:
                self._came((item,))
        self._filling = False

    def take(self) -> list[Any]:
        """Take all items that are there."""
        taken = list(self._items)
        self._items.clear()
        self._refill()
        return taken

    def next(self) -> Any:
        """Take the first of the items that are there."""
        item = self._items.popleft()
        if self._putters:
            self._refill()
        return item

    def peek(self) -> Sequence[Any]:
        """Return the items that are there, without taking them."""
        return self._items

    def close(self) -> None:
        """Say that nothing comes any more; what is there, and what waits for room, can still be taken."""
        if not self.closed:
            self.closed = True
            self._refusal = self._refusal or partial(RuntimeError, "put into a channel that is closed")
            for reader in list(self._readers):
                self.wake(reader)

    def desert(self, reason: str) -> None:
        """Say that nobody takes anything any more: `put` fails with a RuntimeError for that *reason*."""
        self._refusal = partial(RuntimeError, reason)

    def abort(self) -> None:
        """Let `put` and reading fail with a CancelledError from now on; who waits already is not told."""
        self._aborted, self._refusal = True, CancelledError
        self._lost.extend(self._items)
        self._items.clear()

    def end(self) -> list[Any]:
        """Let those fail who still wait, and return the items that nobody will take."""
        self.abort()
        for waiting in [*(room for room, _ in self._putters), *(reader.came for reader in self._readers)]:
            waiting.cancel()
        lost, self._lost = self._lost, []
        return lost

    def _came(self, items: Sequence[Any]) -> None:
        for reader in list(self._readers):
            if not self._items:
                break
            hurried = reader.hurried
            if len(self._items) >= reader.wanted or (hurried is not None and any(map(hurried, items))):
                self.wake(reader)

    def _refill(self) -> None:
        if len(self._items) <= self._low:
            self.fill()

    def _leave(self, waiting: Deferred[None]) -> None:
        if self._aborted:
            self._lost.extend(item for room, item in self._putters if room is waiting)
        self._putters = deque(each for each in self._putters if each[0] is not waiting)
        self._readers = deque(each for each in self._readers if each.came is not waiting)

    def __repr__(self) -> str:
        closed = ", closed" if self.closed else ""
        return f"<Channel {len(self)} of {self.capacity}, {len(self._putters)} waiting to put{closed}>"

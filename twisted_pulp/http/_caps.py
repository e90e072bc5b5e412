"""A cap on connections: of a host, of a Remote, of everything."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, DeferredSemaphore

from twisted_pulp.errors import SettingsError

__all__ = ["Cap"]


class Cap:
    """
    So many connections at once, and no more.

    A token is a request in progress; tokens are given in the order they were asked for. Open connections are counted
    apart, since an idle one holds no token: when there is no room for a new one, the oldest idle one must go first.

    :param limit: connections, at least 1.
    :ivar open: connections that are being made, busy, idle or being closed.
    :ivar high: the most that were ever open.
    """

    __slots__ = ("_room", "high", "limit", "open", "semaphore")

    def __init__(self, limit: int) -> None:
        if type(limit) is not int or limit < 1:
            raise SettingsError("connections", limit, "a whole number from 1")
        self.limit = limit
        self.semaphore = DeferredSemaphore(limit)
        self.open = self.high = 0
        self._room: deque[Deferred[None]] = deque()

    @property
    def full(self) -> bool:
        """Whether no connection may be made now."""
        return self.open >= self.limit

    @property
    def unused(self) -> bool:
        """Whether nothing is open and nobody waits."""
        return not self.open and not self._room and self.semaphore.tokens == self.semaphore.limit

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires when a connection is gone; cancelling it leaves the queue."""
        d: Deferred[None] = Deferred(self._room.remove)
        self._room.append(d)
        return d

    def opened(self) -> None:
        """Count a connection that is about to be made."""
        self.open += 1
        if self.open > self.high:
            self.high = self.open

    def closed(self) -> None:
        """Count one less, and tell who waits longest."""
        self.open -= 1
        self.nudge()

    def nudge(self) -> None:
        """Tell who waits longest that there is room, if there is."""
        if self._room and self.open < self.limit:
            self._room.popleft().callback(None)

    def __repr__(self) -> str:
        busy = self.semaphore.limit - self.semaphore.tokens
        waiting = len(self.semaphore.waiting)
        return f"<Cap {busy} busy, {self.open} open of {self.limit}, {waiting} waiting>"

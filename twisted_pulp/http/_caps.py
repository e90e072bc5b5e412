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

    Fewer tokens than the limit may be given for a while: then the cap keeps the others itself.

    :param limit: connections, at least 1.
    :ivar ceiling: connections that may be made now: the limit, or less, where others have a part of it.
    :ivar open: connections that are being made, busy, idle or being closed.
    :ivar high: the most that were ever open.
    """

    __slots__ = ("_coming", "_kept", "_paced", "_room", "ceiling", "high", "limit", "open", "semaphore")

    def __init__(self, limit: int) -> None:
        if type(limit) is not int or limit < 1:
            raise SettingsError("connections", limit, "a whole number from 1")
        self.limit = self.ceiling = self._paced = limit
        self.semaphore = DeferredSemaphore(limit)
        self.open = self.high = 0
        self._room: deque[Deferred[None]] = deque()
        self._kept = 0  # tokens that are not given,
        self._coming: list[Deferred[DeferredSemaphore]] = []  # and such as will be kept once they come back

    @property
    def full(self) -> bool:
        """Whether no connection may be made now."""
        return self.open >= self.ceiling

    @property
    def unused(self) -> bool:
        """Whether nothing is open and nobody waits."""
        return not self.open and not self._room and self.semaphore.tokens + self._kept == self.semaphore.limit

    @property
    def busy(self) -> int:
        """Tokens that were given and are not back yet."""
        return self.semaphore.limit - self.semaphore.tokens - self._kept

    @property
    def allowed(self) -> int:
        """Tokens that may be given: the limit, or less."""
        return self.limit - self._kept - len(self._coming)

    @property
    def wanted(self) -> int:
        """Tokens that were given, or are waited for."""
        return self.busy + len(self.semaphore.waiting) - len(self._coming)

    def allow(self, number: int) -> None:
        """Give only *number* tokens from now on; those that were given already are kept when they come back."""
        self._paced = number
        self._share_out()

    def lease(self, number: int) -> None:
        """Make only *number* connections from now on, perhaps none, and give only as many tokens."""
        more, self.ceiling = number > self.ceiling, number
        self._share_out()
        for _ in range(len(self._room) if more else 0):
            self.nudge()

    def _share_out(self) -> None:
        number = min(self._paced, self.ceiling)
        while self.allowed > number:
            self._keep()
        while self.allowed < number and (self._coming or self._kept):
            self._give()

    def _keep(self) -> None:
        semaphore = self.semaphore
        if semaphore.tokens:
            semaphore.tokens -= 1
            self._kept += 1
            return
        coming: Deferred[DeferredSemaphore] = Deferred()
        coming.addCallback(self._came, coming)
        self._coming.append(coming)
        semaphore.waiting.insert(0, coming)

    def _came(self, _: object, coming: Deferred[DeferredSemaphore]) -> None:
        self._coming.remove(coming)
        self._kept += 1

    def _give(self) -> None:
        if self._coming:
            self.semaphore.waiting.remove(self._coming.pop())
        else:
            self._kept -= 1
            self.semaphore.release()

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
        if self._room and self.open < self.ceiling:
            self._room.popleft().callback(None)

    def __repr__(self) -> str:
        waiting = len(self.semaphore.waiting) - len(self._coming)
        fewer = "" if self.allowed == self.limit else f", {self.allowed} at once for now"
        return f"<Cap {self.busy} busy, {self.open} open of {self.limit}, {waiting} waiting{fewer}>"

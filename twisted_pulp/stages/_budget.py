"""Budget: how much may be under way at once, between the wish to download and the safe place in storage."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from twisted_pulp.errors import SettingsError

__all__ = ["Admission", "Budget"]


@define(eq=False)
class Admission:
    """
    A place in a `Budget`.

    :ivar size: bytes it takes; 0 when the size was not known.
    """

    _budget: Budget | None = field(repr=False)
    size: int

    def release(self) -> None:
        """Give it back; again is harmless."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget._give_back(self.size)


def _checked(name: str, limit: int | None) -> int | None:
    if limit is not None and (type(limit) is not int or limit < 1):
        raise SettingsError(name, limit, "a whole number from 1, or None for no limit")
    return limit


class Budget:
    """
    So many bytes and so many items in flight, and no more.

    Places are given in the order in which they were asked for. An item larger than the whole budget is let in when it
    is alone. One whose size is not known counts as an item and as no bytes.

    :param bytes: in flight at most; default 4 GiB; None: no limit.
    :param items: in flight at most; default 1,000; None: no limit.
    :ivar used_bytes: bytes in flight.
    :ivar used_items: items in flight.
    :raises SettingsError: when a limit is not a whole number from 1.
    """

    def __init__(self, bytes: int | None = 4 << 30, items: int | None = 1000) -> None:
        self.bytes, self.items = _checked("budget.bytes", bytes), _checked("budget.items", items)
        self.used_bytes = self.used_items = 0
        self._waiting: deque[tuple[Deferred[Admission], int]] = deque()
        self._letting = False
        self._watchers: list[Callable[[], None]] = []

    def take(self, size: int | None) -> Admission | None:
        """Return a place for *size* bytes, or for an unknown number; None when it would have to be waited for."""
        size = size or 0
        return self._taken(size) if not self._waiting and self._fits(size) else None

    def admit(self, size: int | None) -> Deferred[Admission]:
        """Return a Deferred that fires with a place for *size* bytes, or for an unknown number; it can be cancelled."""
        size = size or 0
        if not self._waiting and self._fits(size):
            return succeed(self._taken(size))
        waiting: Deferred[Admission] = Deferred(self._left)
        self._waiting.append((waiting, size))
        self._tell()
        return waiting

    def presses(self, held: int) -> bool:
        """Return whether somebody waits for a place while *held* items are half of what is in flight, or more."""
        return bool(self._waiting) and 2 * held >= self.used_items

    def watch(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call *watcher* whenever `presses` may have become true, until what this returns is called."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _fits(self, size: int) -> bool:
        if not self.used_items:
            return True
        if self.items is not None and self.used_items >= self.items:
            return False
        return self.bytes is None or not size or self.used_bytes + size <= self.bytes

    def _taken(self, size: int) -> Admission:
        self.used_bytes += size
        self.used_items += 1
        return Admission(self, size)

    def _give_back(self, size: int) -> None:
        self.used_bytes -= size
        self.used_items -= 1
        self._let_in()

    def _let_in(self) -> None:
        # Who is let in may give its place back at once: one loop for all, or the stack grows with those who wait.
        if self._letting:
            return
        self._letting = True
        while self._waiting and self._fits(self._waiting[0][1]):
            waiting, size = self._waiting.popleft()
            waiting.callback(self._taken(size))
        self._letting = False
        self._tell()

    def _tell(self) -> None:
        if self._waiting:
            for watcher in list(self._watchers):
                watcher()

    def _left(self, waiting: Deferred[Admission]) -> None:
        first = bool(self._waiting) and self._waiting[0][0] is waiting
        self._waiting = deque(each for each in self._waiting if each[0] is not waiting)
        if first:
            self._let_in()

    def __repr__(self) -> str:
        return (
            f"<Budget {self.used_items} of {self.items} items, {self.used_bytes} of {self.bytes} bytes, "
            f"{len(self._waiting)} waiting>"
        )

"""The events of late, and who listens to new ones."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice

from twisted.logger import Logger

from twisted_pulp.live._event import Event

__all__ = ["Feed"]


class Feed:
    """
    Tell everybody what happens, and those who were away what they have missed.

    The events of late are kept in memory, as many as both limits allow.

    :param size: events kept; default 10,000.
    :param room: bytes of events kept; default 8 MiB.
    :param epoch: told in the ids of events, so that those of another process are not taken for ours; default: random.
    """

    _log = Logger()

    def __init__(self, size: int = 10_000, *, room: int = 8 << 20, epoch: str | None = None) -> None:
        if size < 1:
            raise ValueError(f"{size} events cannot be kept")
        self._size, self._room = size, room
        self.epoch = secrets.token_hex(4) if epoch is None else epoch
        self._events: deque[Event] = deque()
        self._kept = self._last = 0
        self._listeners: dict[object, tuple[Callable[[Event], object], Callable[[], object]]] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<Feed {self.last}: {len(self._events)} events, {len(self._listeners)} listeners>"

    @property
    def last(self) -> str:
        """The id of the last event; what comes later is since then."""
        return f"{self.epoch}-{self._last}"

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, event: str, data: Mapping[str, object]) -> str:
        """
        Tell everybody of *event*, a word, and return its id.

        :param data: what there is to say: anything that JSON can; it must hold no secrets.
        """
        made = Event.of(self.epoch, self._last + 1, event, data)
        self._last += 1
        self._events.append(made)
        self._kept += len(made.json)
        while len(self._events) > self._size or (self._kept > self._room and len(self._events) > 1):
            self._kept -= len(self._events.popleft().json)
        for heard, _ in list(self._listeners.values()):
            try:
                heard(made)
            except Exception:  # others want to hear of it all the same
                self._log.failure("a listener failed")
        return made.id

    def since(self, last_id: str, limit: int | None = None) -> list[Event] | None:
        """
        Return what happened after the event *last_id*, oldest first.

        :param limit: the most to return; default None: all.
        :returns: None when it is not known any more what did, or *last_id* is not ours.
        """
        epoch, _, number = last_id.rpartition("-")
        if epoch != self.epoch or not (number.isascii() and number.isdigit()) or len(number) > 20:
            return None
        missed = self._last - int(number)
        if not 0 <= missed <= len(self._events):
            return None
        start = len(self._events) - missed
        return list(islice(self._events, start, None if limit is None else start + limit))

    def subscribe(
        self, heard: Callable[[Event], object], ended: Callable[[], object] = lambda: None
    ) -> Callable[[], None]:
        """
        Call *heard* with every event from now on, and *ended* when there will be no more.

        :returns: what ends that when it is called.
        """
        if self._closed:
            ended()
            return lambda: None
        listener = object()
        self._listeners[listener] = heard, ended

        def unsubscribe() -> None:
            self._listeners.pop(listener, None)

        return unsubscribe

    def close(self) -> None:
        """Tell all listeners that there will be no more events, and take no more listeners."""
        self._closed = True
        listeners, self._listeners = self._listeners, {}
        for _, ended in listeners.values():
            ended()

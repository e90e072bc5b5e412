"""Who is in: the connections of a site, their requests, and how they come to an end."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_pulp.service._log import IDS

__all__ = ["Door"]


#: Seconds in which a client that was waiting for nothing is to be gone.
_PATIENCE = 2.0


class Door:
    """
    Keeps count of a site's connections, and gives each request an id.

    :param site: whose connections they are; nobody may be connected yet.
    :param tracing: makes spans of requests; default None: nobody does.
    :ivar closing: whether each connection ends with what it is doing now.
    """

    def __init__(self, site: Any, tracing: Any = None) -> None:
        self.site, self.tracing, self.closing = site, tracing, False
        self.channels: set[Any] = set()
        self._empty: Deferred[None] | None = None
        self._late: Any = None
        self._next = map("{}-{:x}".format, itertools.repeat(secrets.token_hex(3)), itertools.count(1)).__next__
        site.door = self
        site.protocol = type("Channel", (_Channel, site.protocol), {})
        site.requestFactory = type("Request", (_Request, site.requestFactory), {})

    def __repr__(self) -> str:
        return f"<Door {len(self.channels)} connections, {self.busy} busy>"

    @property
    def busy(self) -> int:
        """Connections with a request that was not answered to its end."""
        return sum(bool(channel.requests) for channel in self.channels)

    def next_id(self) -> str:
        """Return an id that no other request has."""
        return self._next()

    def close(self) -> Deferred[None]:
        """End each connection when its request is answered, those without one now; fires when there are none."""
        self.closing = True
        self._empty = Deferred()
        idle = [channel for channel in self.channels if not channel.requests]
        for channel in list(self.channels):
            channel.persistent = False
            if not channel.requests:
                channel.loseConnection()
        if self.channels:
            self._late = self.site.reactor.callLater(_PATIENCE, self._cut, idle)
        else:
            self.left()
        return self._empty

    def _cut(self, idle: list[Any]) -> None:
        """End those who were told to go and do not: over TLS the client has a say in it."""
        for channel in self.channels.intersection(idle):
            channel.forceAbortClient()

    def abort(self) -> None:
        """End each connection now."""
        for channel in list(self.channels):
            channel.forceAbortClient()

    def left(self) -> None:
        """Somebody has left."""
        if self._empty is not None and not self.channels and not self._empty.called:
            if self._late is not None and self._late.active():
                self._late.cancel()
            self._empty.callback(None)


class _Channel:
    """What a door adds to a connection."""

    site: Any

    def connectionMade(self) -> None:
        self.site.door.channels.add(self)
        super().connectionMade()  # type: ignore[misc]

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)  # type: ignore[misc]
        self.site.door.channels.discard(self)
        self.site.door.left()

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        if self.site.door.closing:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))  # type: ignore[misc]


class _Request:
    """What a door adds to a request: an id, in all that is logged of it, and the time at which it came."""

    site: Any
    channel: Any
    began = 0.0
    identity = ""

    def process(self) -> None:
        site = self.channel.site
        self.identity, self.began = site.door.next_id(), site.reactor.seconds()
        copy_context().run(self._process, super().process)  # type: ignore[misc]

    def _process(self, process: Callable[[], None]) -> None:
        IDS.set({"request": self.identity})
        tracing = self.channel.site.door.tracing
        if tracing is not None:
            tracing.request(self)
        process()


def seconds_of(request: Any, clock: IReactorTime) -> float:
    """Return how long it took to answer *request*."""
    began: float = getattr(request, "began", 0.0)
    return clock.seconds() - began if began else 0.0

"""The bodies that nobody wants."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse

__all__ = ["discard", "refuse"]

# Reading this much is cheaper than a new connection; a server that sends more loses it.
_WORTH = 64 << 10


class _Discarder(Protocol):
    def __init__(self, ended: Deferred[None]) -> None:
        self._ended, self._left = ended, _WORTH

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.stop()

    def stop(self, _: object = None) -> None:
        transport: Any = self.transport
        transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._ended.called:
            self._ended.callback(None)


def discard(response: IResponse) -> Deferred[None]:
    """
    Read the body of *response* to its end and forget it; one that is large is broken off.

    :returns: a Deferred that fires when the connection is free or gone, and never fails by itself; to cancel it breaks
        the body off.
    """
    ended: Deferred[None] = Deferred(lambda _: discarder.stop())
    discarder = _Discarder(ended)
    response.deliverBody(discarder)
    return ended


class _Refuser(Protocol):
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.stopProducing()


def refuse(response: IResponse) -> None:
    """Take nothing of the body of *response*, and end its connection unless all of it has come."""
    response.deliverBody(_Refuser())

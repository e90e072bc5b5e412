"""The client's end of a request: how much it still has to take, and how it is cut off."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel

__all__ = ["STALLED", "Stall", "cut", "plain_socket"]

#: Seconds in which a client must take something of what it is sent.
STALLED = 60.0
_LOOKS = 4
_TIOCOUTQ = 0x5411 if sys.platform == "linux" else None


def cut(request: Any) -> None:
    """End the connection of *request* at once, so that its client sees that the body is not complete."""
    channel = getattr(request, "channel", None)
    if channel is None:  # it is finished, or the client has gone
        return
    abort = getattr(channel, "abortConnection", None) or getattr(channel.transport, "abortConnection", None)
    (abort or channel.loseConnection)()


def plain_socket(request: Any) -> Connection | None:
    """Return the transport of *request* if what is written to its socket goes to the client as it is."""
    channel = getattr(request, "channel", None)
    transport = channel.transport if isinstance(channel, HTTPChannel) else None
    return transport if isinstance(transport, Connection) and not transport.TLS else None


def _owed(request: Any) -> int | None:
    """Return how many bytes the kernel still has for the client, or None if it does not say."""
    transport = getattr(getattr(request, "channel", None), "transport", None)
    while transport is not None and not isinstance(transport, Connection):  # below TLS
        transport = getattr(transport, "transport", None)
    if transport is None or _TIOCOUTQ is None:
        return None
    from fcntl import ioctl

    count = array("i", [0])
    try:
        ioctl(transport.fileno(), _TIOCOUTQ, count)
    except (OSError, ValueError):  # it is closed
        return None
    return count[0]


@define(eq=False)
class Stall:
    """
    A watch on one request, whose client is cut off when it takes nothing for a while.

    What a slow client has taken is asked of the kernel: its buffer can be large enough to hide a minute's progress.

    :param idle: tells whether nothing is waiting to be sent; a client that has everything does not stall.
    """

    _request: Any
    _clock: IReactorTime
    _seconds: float = STALLED
    _idle: Callable[[], bool] = lambda: False
    stalled: bool = field(init=False, default=False)
    _seen: object = field(init=False, default=None)
    _since: float = field(init=False, default=0.0)
    _call: IDelayedCall | None = field(init=False, default=None)

    def start(self) -> None:
        """Begin."""
        self._seen, self._since = self._progress(), self._clock.seconds()
        self._call = self._clock.callLater(self._seconds / _LOOKS, self._look)

    def stop(self) -> None:
        """End; to be called once more is no harm."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _progress(self) -> object:
        return self._request.sentLength, _owed(self._request)

    def _look(self) -> None:
        self._call = None
        seen, now = self._progress(), self._clock.seconds()
        if seen != self._seen or (self._idle() and not seen[1]):  # type: ignore[index]
            self._seen, self._since = seen, now
        if now - self._since >= self._seconds:
            self.stalled = True
            cut(self._request)
        else:
            self._call = self._clock.callLater(self._seconds / _LOOKS, self._look)

"""The sending half of a connection: backpressure, and every way to end."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import sys
import termios

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.servers.reactor import IReactor, ISocket

_PIECE = 2**16  # a transport asks for a pause above this much


def unacknowledged(fd: int) -> int:
    """Count the bytes in the send queue of socket *fd* that the other side's kernel has not taken yet."""
    if sys.platform == "darwin":
        with socket.socket(fileno=os.dup(fd)) as same:
            return same.getsockopt(socket.SOL_SOCKET, 0x1024)  # SO_NWRITE
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.TIOCOUTQ, count)
    return count[0]


@implementer(IPushProducer)
class Stream(Protocol):
    """
    A connection to send on; receiving is left to who extends it.

    :ivar lost: fires when the connection is gone.
    :ivar sent: bytes given to the connection so far.
    """

    transport: ISocket

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._room: Deferred[None] | None = None
        self._paused = False
        self.lost: Deferred[None] = Deferred()
        self.sent = 0

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost.callback(None)

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        waiting, self._room = self._room, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        """Nothing to do: connectionLost follows."""

    # Sending

    async def send(self, data: bytes) -> None:
        """Send *data*; return when there is room for more."""
        for start in range(0, len(data), _PIECE):
            if self._paused:
                self._room = Deferred()
                await self._room
            piece = data[start : start + _PIECE]
            self.transport.write(piece)
            self.sent += len(piece)

    async def wait(self, seconds: float) -> None:
        """Do nothing for *seconds*."""
        await deferLater(self._reactor, seconds)

    async def reset(self, delivered: bool) -> None:
        """End with RST, when *delivered* only once the other side's kernel has every byte; never return."""
        if delivered:
            await self.delivered()
        self.transport.abortConnection()
        await self.gone()

    async def close(self) -> None:
        """End with FIN, over TLS after close_notify; never return."""
        self.transport.unregisterProducer()  # or TLS would wait for it
        self.transport.loseConnection()
        await self.gone()

    async def half_close(self) -> None:
        """Send FIN and keep reading; over TLS without close_notify."""
        await self.delivered()
        with socket.socket(fileno=os.dup(self.transport.fileno())) as same:
            same.shutdown(socket.SHUT_WR)

    async def gone(self) -> None:
        """Never return: whoever waits is cancelled when the connection is lost."""
        await Deferred()

    async def delivered(self) -> None:
        """Wait until the other side's kernel has all that was sent."""
        await self.wait(0)  # TLS collects small writes for one turn of the reactor
        while self.transport in self._reactor.getWriters() or unacknowledged(self.transport.fileno()):
            await self.wait(0.001)

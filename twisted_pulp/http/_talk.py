"""What is said to a proxy before a connection through it is ready, and the handing over of that connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from twisted_pulp.errors import ProtocolError
from twisted_pulp.http._line import Line

__all__ = ["Talk", "Talks"]


class Talk(Line):
    """
    Write to a proxy and wait for what it says; then let another protocol have the transport.

    There is never more than one read at a time, and what nobody reads is a few bytes: who talks reads on, or ends it.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self._heard = b""
        self._reading: Deferred[bytes] | None = None
        self._ended: Failure | None = None

    def say(self, data: bytes) -> None:
        """Write *data*."""
        self.transport.write(data)

    async def read(self) -> bytes:
        """Return what came, at least a byte; fails when the connection is lost."""
        if self._heard:
            data, self._heard = self._heard, b""
            return data
        if self._ended is not None:
            self._ended.raiseException()
        self._reading = Deferred()
        return await self._reading

    async def exactly(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        data = b""
        while len(data) < size:
            data += await self.read()
        self._heard = data[size:]
        return data[:size]

    def hand_over(self, factory: IProtocolFactory) -> IProtocol:
        """
        Return the protocol that *factory* makes, which has the transport from now on.

        :raises ProtocolError: when the proxy has said more than it was asked.
        """
        if self._heard:
            raise ProtocolError(detail="more came than was asked for")
        protocol: Any = factory.buildProtocol(self.transport.getPeer())
        protocol.makeConnection(self.transport)
        # The transport, whatever its kind, looks these up each time: nothing stands in between from here.
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        self.connectionLost = protocol.connectionLost  # type: ignore[method-assign]
        self.transport = None
        return protocol  # type: ignore[no-any-return]

    def dataReceived(self, data: bytes) -> None:
        """Give *data* to who waits for it."""
        reading, self._reading = self._reading, None
        if reading is None or reading.called:
            self._heard += data
        else:
            reading.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell who waits."""
        self._ended = reason
        reading, self._reading = self._reading, None
        super().connectionLost(reason)
        if reading is not None and not reading.called:
            reading.errback(reason)


class Talks(Factory):
    """Begin to talk."""

    noisy = False
    protocol = Talk

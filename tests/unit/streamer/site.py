"""A connection to a site, without a network."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_pulp.streamer import ContentSite


class Client:
    """
    The transport of a connection to a site, and what the client does.

    :ivar aborts: how often the server has cut it off.
    """

    def __init__(self, clock: Clock, resource: Any, **options: Any) -> None:
        self.resource = resource
        self.transport = StringTransport()
        self.transport.abortConnection = self._aborted  # type: ignore[method-assign]
        self.aborts = 0
        self.channel: Any = ContentSite(resource, clock, **options).buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def _aborted(self) -> None:
        self.aborts += 1
        self.transport.loseConnection()

    def send(self, data: bytes) -> None:
        """Send *data* at once."""
        self.channel.dataReceived(data)

    def get(self, path: str, *headers: str, method: str = "GET") -> None:
        """Send a request."""
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return bool(self.transport.disconnecting)

    @property
    def received(self) -> bytes:
        """All that came."""
        return self.transport.value()

    @property
    def body(self) -> bytes:
        """What came after the first headers."""
        return self.received.partition(b"\r\n\r\n")[2]

    def leave(self) -> None:
        """End the connection."""
        self.channel.stopProducing()
        self.channel.connectionLost(Failure(ConnectionDone()))

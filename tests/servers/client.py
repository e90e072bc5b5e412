"""A socket that keeps everything it hears, for tests of the servers themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from twisted.python.failure import Failure

from tests.servers.reactor import IReactor, ISocket


@define(eq=False)
class Socket(TwistedProtocol):
    """
    A client's connection.

    :ivar received: all bytes so far.
    :ivar times: the reactor's seconds at which bytes came.
    :ivar ended: why the connection was lost, None while it is open.
    """

    transport: ISocket = field(init=False)
    _reactor: IReactor
    received: bytearray = field(init=False, factory=bytearray)
    times: list[float] = field(init=False, factory=list)
    ended: BaseException | None = field(init=False, default=None)
    _waiting: list[Deferred[None]] = field(init=False, factory=list)

    @classmethod
    async def to(cls, reactor: IReactor, port: int) -> Socket:
        """Connect to *port* of 127.0.0.1."""
        client = cls(reactor)
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port, 5), client)
        return client

    def secure(self, ca_pem: bytes, host: str = "localhost", identity: PrivateCertificate | None = None) -> None:
        """Begin TLS as *host*'s client, trusting *ca_pem* only, with a certificate of one's own if given."""
        self.transport.startTLS(optionsForClientTLS(host, Certificate.loadPEM(ca_pem), identity))

    def send(self, data: bytes) -> None:
        """Send *data*."""
        self.transport.write(data)

    def get(self, path: str = "/", *headers: str, method: str = "GET") -> None:
        """Send a request."""
        self.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())

    async def heard(self, count: int) -> bytes:
        """Wait for *count* bytes in all, or the end, and give what there is."""
        while len(self.received) < count and self.ended is None:
            await self._changed()
        return bytes(self.received)

    async def heard_all(self) -> bytes:
        """Wait for the end of the connection and give all that came."""
        while self.ended is None:
            await self._changed()
        return bytes(self.received)

    async def answer(self) -> bytes:
        """Wait for a response with a Content-Length, give its body and forget it."""
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            await self._changed()
        head = bytes(self.received[:end]).lower()
        length = int(head.partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0])
        await self.heard(end + 4 + length)
        body = bytes(self.received[end + 4 : end + 4 + length])
        del self.received[: end + 4 + length]
        return body

    async def leave(self) -> None:
        """End the connection, if it has not ended, and wait until it is gone."""
        if self.ended is None:
            self.transport.abortConnection()
        await self.heard_all()

    def pause(self) -> None:
        """Read nothing."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self.transport.resumeProducing()

    async def _changed(self) -> None:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        await waiting

    def _fire(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.times.append(self._reactor.seconds())
        self._fire()

    def connectionLost(self, reason: Failure | None = None) -> None:
        assert reason is not None
        self.ended = reason.value
        self._fire()


class Listening(Protocol):
    """A server, as far as a client is concerned."""

    port: int


Connect = Callable[[Listening], Awaitable[Socket]]

"""A network in memory: hosts that accept connections when the test says so, and count them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_pulp.http import Cap
from twisted_pulp.settings import Timeouts


class Socket(StringTransport):
    """
    One connection; when it is ended, that shows at the next turn, as in a real reactor.

    :ivar protocol: the client's.
    :ivar host: the server.
    """

    def __init__(self, network: Network, host: str, protocol: Any) -> None:
        super().__init__(lenient=True)  # type: ignore[no-untyped-call]
        self._network, self.host, self.protocol = network, host, protocol

    def abortConnection(self) -> None:
        super().abortConnection()  # type: ignore[no-untyped-call]
        self._network.later(self, ConnectionAborted())

    def loseConnection(self) -> None:
        super().loseConnection()  # type: ignore[no-untyped-call]
        self._network.later(self, ConnectionDone())

    @property
    def sent(self) -> bytes:
        """What the client wrote."""
        return bytes(super().value())  # type: ignore[no-untyped-call]

    def say(self, data: bytes) -> None:
        """Let the server send *data*."""
        if not self.disconnected:
            self.protocol.dataReceived(data)

    def lose(self, error: Exception | None = None) -> None:
        """Let the server end the connection."""
        self._network.gone(self, ConnectionDone() if error is None else error)


@define(eq=False)
class Endpoint:
    """
    How to reach *host*, as one Remote wants it.

    :ivar attempts: those that neither succeeded nor failed yet, oldest first.
    :ivar shaking: those that have a socket, but no result yet.
    """

    network: Network
    host: str
    key: object
    host_key: object
    cap: Cap | None = None
    timeouts: Timeouts | None = None
    attempts: list[tuple[IProtocolFactory, Deferred[Any]]] = field(factory=list)
    shaking: list[tuple[Socket, Deferred[Any]]] = field(factory=list)

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred(self._cancelled)
        attempt = (factory, answer)
        self.attempts.append(attempt)
        self.network.count()
        if self.network.prompt:
            self.accept()
        return attempt[1]

    def _cancelled(self, answer: Deferred[Any]) -> None:
        self.attempts[:] = [attempt for attempt in self.attempts if attempt[1] is not answer]
        for socket, each in self.shaking:
            if each is answer:
                socket.abortConnection()
        self.shaking[:] = [pair for pair in self.shaking if pair[1] is not answer]

    def accept(self) -> Socket:
        """Let the oldest attempt succeed."""
        factory, answer = self.attempts.pop(0)
        socket = self.established(factory)
        answer.callback(socket.protocol)
        return socket

    def refuse(self, error: Exception | None = None) -> None:
        """Let the oldest attempt fail."""
        self.attempts.pop(0)[1].errback(ConnectError() if error is None else error)

    def shake(self) -> Socket:
        """Let the oldest attempt get a socket; its handshake begins."""
        factory, answer = self.attempts.pop(0)
        socket = self.established(factory)
        self.shaking.append((socket, answer))
        return socket

    def shaken(self, error: Exception | None = None) -> None:
        """Let the oldest handshake end, with *error* or well."""
        socket, answer = self.shaking.pop(0)
        if error is None:
            answer.callback(socket.protocol)
        else:
            answer.errback(error)

    def established(self, factory: IProtocolFactory) -> Socket:
        """Make a connection, about which nobody is told yet."""
        protocol: Any = factory.buildProtocol(IPv4Address("TCP", self.host, 80))
        socket = Socket(self.network, self.host, protocol)
        self.network.sockets.append(socket)
        self.network.count()
        protocol.makeConnection(socket)
        return socket


class Network:
    """
    All hosts there are.

    :ivar prompt: whether hosts accept connections at once; default true.
    :ivar sockets: the connections that are open now, oldest first.
    :ivar high: the most connections, attempts included, there ever were: to each host, and in all under "".
    """

    def __init__(self) -> None:
        self.prompt = True
        self.sockets: list[Socket] = []
        self.endpoints: list[Endpoint] = []
        self.high: Counter[str] = Counter()
        self._later: dict[Socket, Exception] = {}

    def endpoint(
        self, host: str, kind: str = "http", cap: Cap | None = None, timeouts: Timeouts | None = None
    ) -> Endpoint:
        """Return a new way to *host*; connections of one *kind* may stand in for each other."""
        endpoint = Endpoint(self, host, (kind, host), host, cap, timeouts)
        self.endpoints.append(endpoint)
        return endpoint

    def count(self) -> None:
        """Note how many connections there are."""
        hosts = [socket.host for socket in self.sockets]
        hosts += [endpoint.host for endpoint in self.endpoints for _ in endpoint.attempts]
        for host, number in [*Counter(hosts).items(), ("", len(hosts))]:
            self.high[host] = max(self.high[host], number)

    def to(self, host: str) -> list[Socket]:
        """Return the connections to *host* that are open now, oldest first."""
        return [socket for socket in self.sockets if socket.host == host]

    def later(self, socket: Socket, error: Exception) -> None:
        """End *socket* at the next turn."""
        if socket in self.sockets:
            self._later.setdefault(socket, error)

    def turn(self) -> None:
        """Let all that was ended be gone, and all that this leads to."""
        while self._later:
            socket, error = self._later.popitem()
            self.gone(socket, error)

    def gone(self, socket: Socket, error: Exception) -> None:
        """Let *socket* be gone now."""
        if socket in self.sockets:
            self._later.pop(socket, None)
            self.sockets.remove(socket)
            socket.protocol.connectionLost(Failure(error))

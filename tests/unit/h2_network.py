"""The network in memory, with hosts that speak HTTP/2 where they and the client want it."""

from __future__ import annotations

from typing import Any

from attrs import define
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IProtocolFactory

from tests.unit.h2_wire import Server
from tests.unit.network import Endpoint, Network, Socket
from tests.unit.test_pool import World


class H2Socket(Socket):
    """
    A connection over TLS; `speaks` is what was agreed on.

    :ivar server: the other end, if that is HTTP/2.
    """

    def __init__(self, network: Network, host: str, protocol: Any, speaks: bytes | None) -> None:
        super().__init__(network, host, protocol)
        self.negotiatedProtocol = speaks
        self.server = Server()

    @property
    def wrappedProtocol(self) -> Any:
        """The client's protocol, as TLS calls it."""
        return self.protocol

    @wrappedProtocol.setter
    def wrappedProtocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def serve(self) -> int:
        """Let the server hear what the client sent; return how many streams it has now."""
        data = self.value()
        self.clear()
        self.server.hear(data)
        return self.server.h2.open_inbound_streams

    def answer(self, *numbers: int) -> None:
        """Answer these requests."""
        for number in numbers:
            self.say(self.server.answer(number, b"hi"))


@define(eq=False)
class H2Endpoint(Endpoint):
    """
    How to reach *host*, where HTTP/2 is wanted.

    :ivar speaks: what the server chooses.
    """

    http2: bool = True
    speaks: bytes | None = b"h2"

    def established(self, factory: IProtocolFactory) -> H2Socket:
        """Make a connection, about which nobody is told yet."""
        protocol: Any = factory.buildProtocol(IPv4Address("TCP", self.host, 443))
        socket = H2Socket(self.network, self.host, protocol, self.speaks)
        self.network.sockets.append(socket)
        self.network.count()
        protocol.makeConnection(socket)
        return socket


class H2World(World):
    """A network, a pool, and a clock, whose turns servers hear."""

    def endpoint(self, host: str, cap: Any = None, timeouts: Any = None, **more: Any) -> H2Endpoint:
        """Return a new way to *host*."""
        made = H2Endpoint(self.network, host, ("h2", host), host, cap, timeouts, **more)
        self.network.endpoints.append(made)
        return made

    def to(self, host: str) -> list[Any]:
        """Return the connections to *host*."""
        return [socket for socket in self.network.sockets if socket.host == host]

    def turn(self) -> None:
        """Let a turn of the reactor end, servers hear what was sent, and what was ended be gone."""
        self.clock.advance(0)
        for socket in list(self.network.sockets):
            if isinstance(socket, H2Socket) and socket.negotiatedProtocol == b"h2" and not socket.disconnected:
                socket.serve()
        self.network.turn()
        self.clock.advance(0)

"""What must not be reached: a canary that listens at 127.0.0.1 and ::1, and names that lead there."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

from attrs import define, field
from pytest_twisted import async_yield_fixture
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol

from tests.servers.fixtures import in_time
from tests.servers.reactor import IReactor

__all__ = ["Canary", "Names", "at", "canary"]


@define(eq=False)
class Canary(Factory):
    """
    What must not be reached.

    :ivar port: the same at every address.
    :ivar hits: connections so far.
    """

    noisy = False
    port: int = 0
    hits: int = 0
    _listening: list[IListeningPort] = field(factory=list)

    def listen(self, reactor: IReactor) -> None:
        """Listen at each loopback address of this machine."""
        first = reactor.listenTCP(0, self, interface="127.0.0.1")
        self.port = first.getHost().port  # type: ignore[attr-defined]
        self._listening.append(first)
        if socket.has_ipv6:
            self._listening.append(reactor.listenTCP(self.port, self, interface="::1"))

    async def close(self) -> None:
        """Stop."""
        for each in self._listening:
            stopped = each.stopListening()
            if stopped is not None:
                await stopped

    def buildProtocol(self, addr: object) -> Protocol:
        """Count a hit, and answer."""
        self.hits += 1
        return Singing()


class Singing(Protocol):
    """Answers whatever it is asked."""

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n!")  # type: ignore[union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]


class Names:
    """A resolver that has the same addresses for every name."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def lookup(self, host: str, port: int) -> Deferred[Any]:
        """Answer at once."""
        return succeed([(IPv6Address if ":" in each else IPv4Address)("TCP", each, port) for each in self._addresses])


@async_yield_fixture
async def canary(reactor: IReactor) -> AsyncIterator[Canary]:
    """What must not be reached."""
    made = Canary()
    made.listen(reactor)
    yield made
    await in_time(reactor, made.close())


def at(url: str, port: int) -> str:
    """Return *url*, of the web and without a port, at *port*."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host}:{port}{slash}{path}"

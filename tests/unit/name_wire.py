"""Name servers in memory: what they are asked is for the test to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.names import dns

Server = tuple[str, int]


@define(eq=False)
class Port:
    """
    A UDP port.

    :ivar to: the server that it is connected to.
    :ivar sent: what was written.
    """

    reactor: UDPReactor
    protocol: Any
    interface: str
    to: Server | None = None
    sent: list[bytes] = field(factory=list)
    open: bool = True

    def connect(self, host: str, port: int) -> None:
        """Note where to."""
        if self.reactor.unreachable:
            raise self.reactor.unreachable
        self.to = host, port

    def write(self, data: bytes) -> None:
        """Note what."""
        self.sent.append(data)

    def stopListening(self) -> None:
        """Close."""
        self.open = False

    @property
    def question(self) -> dns.Message:
        """What was asked."""
        message = dns.Message()
        message.fromStr(self.sent[0])
        return message

    def say(self, *records: Any, change: Callable[[dns.Message], object] = lambda _: None, **fields: Any) -> None:
        """Answer with *records*, and with what *change* does to the message."""
        self.protocol.datagramReceived(answer(self.question, *records, change=change, **fields), self.to)


def answer(
    question: dns.Message, *records: Any, change: Callable[[dns.Message], object] = lambda _: None, **fields: Any
) -> bytes:
    """Return the bytes of an answer to *question*."""
    message = dns.Message(question.id, answer=1, **fields)
    message.queries = list(question.queries)
    name = question.queries[0].name.name
    message.answers = [dns.RRHeader(name, each.TYPE, dns.IN, 60, each) for each in records]
    change(message)
    return message.toStr()


class UDPReactor(MemoryReactorClock):
    """
    A reactor in memory with UDP.

    :ivar ports: all there ever were.
    :ivar unreachable: an error for who wants to connect.
    :ivar exhausted: an error for who wants a port.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[Port] = []
        self.unreachable: Exception | None = None
        self.exhausted: Exception | None = None

    def listenUDP(self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> Port:
        """Open a port."""
        assert 0 == port  # the system is to choose
        if self.exhausted:
            raise self.exhausted
        self.ports.append(Port(self, protocol, interface))
        return self.ports[-1]

    @property
    def open(self) -> list[Port]:
        """The ports that are open."""
        return [port for port in self.ports if port.open]

    def asked(self, server: str | None = None, kind: int | None = None) -> list[Port]:
        """Return the ports that are open to *server*, for a question of a *kind*."""
        return [
            port
            for port in self.open
            if server in (None, (port.to or ("",))[0]) and kind in (None, port.question.queries[0].type)
        ]

    def stream(self) -> StringTransport:
        """Accept the newest connection."""
        transport = StringTransport()
        self.protocol: Any = self.tcpClients[-1][2].buildProtocol(None)
        self.protocol.makeConnection(transport)
        return transport

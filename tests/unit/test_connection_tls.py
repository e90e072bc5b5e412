"""Connections over TLS, in memory: how they are secured, and how they end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web._newclient import Request as StockRequest
from twisted.web.http_headers import Headers

from tests.servers.tls import Authority
from tests.unit.wire import OK, Asked, Body, Wire, ok
from twisted_pulp.http._records import RecordsFactory
from twisted_pulp.http._trust import Trust
from twisted_pulp.settings import TLS


class Secured(Wire):
    """
    A client's connection to a server, in memory, handshake and all.

    :ivar server: writes what the client is to hear.
    :ivar raw: the client's transport below TLS.
    """

    def __init__(self, tls: Authority, protocol: Any = None) -> None:
        super().__init__()
        if protocol is not None:
            self.connection = protocol
        trust = Trust(TLS(ca_cert=str(tls.ca_file), platform_trust=False))
        self.clock = clock = Clock()
        client = RecordsFactory(
            trust.creatorForNetloc(b"localhost", 443), True, Factory.forProtocol(lambda: self.connection), clock
        ).buildProtocol(None)
        server = TLSMemoryBIOFactory(tls.server(), False, Factory.forProtocol(Protocol), clock).buildProtocol(None)
        assert client is not None
        assert server is not None
        self.raw, self.server_raw = FakeTransport(client, False), FakeTransport(server, True)
        server.makeConnection(self.server_raw)
        client.makeConnection(self.raw)
        self._pump = IOPump(client, server, self.raw, self.server_raw, False, clock)
        self.server = server
        self.flush()

    def flush(self) -> None:
        """Let everything arrive."""
        self._pump.flush()

    def hear(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.server.write(piece)
            self.flush()


@pytest.fixture
def wire(tls: Authority) -> Secured:
    """A connection that is ready."""
    return Secured(tls)


def test_secured(wire: Secured) -> None:
    """Who waits for the handshake is told when it is over."""
    told: list[None] = []
    wire.connection.secured.addCallback(told.append)
    assert [None] == told


def test_not_secured() -> None:
    """Who waits for a handshake that never ends is told when the connection is lost."""
    wire = Wire()
    told: list[object] = []
    wire.connection.secured.addErrback(told.append)
    wire.lose()
    assert 1 == len(told)


def test_secured_twice() -> None:
    """A second handshake, and one after the end, are nobody's business."""
    wire = Wire()
    told: list[object] = []
    wire.connection.secured.addCallback(told.append)
    wire.connection.handshakeCompleted()
    wire.connection.handshakeCompleted()
    wire.lose()
    assert [None] == told


def test_response(wire: Secured) -> None:
    """Requests and responses pass, one after the other, and large reads are those of the transport below TLS."""
    asked = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n")
    assert "bufferSize" in vars(wire.raw)
    wire.hear(b"a" * 300_000)
    assert (200, b"a" * 300_000, "ResponseDone") == asked.outcome
    assert "bufferSize" not in vars(wire.raw)
    assert (200, b"hi", "ResponseDone") == wire.ask(None, ok(b"hi")).outcome


def test_read_by(wire: Secured) -> None:
    """What is encrypted does not come in larger pieces, whoever wants them."""
    asked = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n")
    asked.response.read_by(1 << 20)
    assert 256 << 10 == wire.raw.bufferSize


def test_closed_without_waiting(wire: Secured) -> None:
    """A connection that is done closes its socket at once, whether or not the server agrees to end TLS."""
    asked = wire.ask()
    wire.server.write(ok(b"hi", b"Connection: close"))
    wire.clock.advance(0)
    wire.raw.bufferReceived(wire.server_raw.getOutBuffer())
    assert (200, b"hi", "ResponseDone") == asked.outcome
    assert wire.raw.disconnecting


class Losing(Body):
    """Ends its connection at the first byte, as people do."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.loseConnection()


def test_given_up(wire: Secured) -> None:
    """A body that is given up gets nothing more (trap 6)."""
    asked = wire.ask(None, OK + b"Content-Length: 100000\r\n\r\n", b"a" * 40_000, b"a" * 60_000, body=Losing())
    assert (40_000, "ResponseFailed") == (len(asked.body.received), asked.body.end)


def test_stock_reads_on(tls: Authority) -> None:
    """Twisted's own connection reads the rest of a body that was given up, and calls it done (trap 6)."""
    wire = Secured(tls, HTTP11ClientProtocol())
    request: Any = StockRequest(b"GET", b"/", Headers({b"Host": [b"localhost"]}), None)
    asked = wire.ask(request, OK + b"Content-Length: 100000\r\n\r\n", b"a" * 100_000, body=Losing())
    assert (100_000, "ResponseDone") == (len(asked.body.received), asked.body.end)


def ended(wire: Secured, clean: bool) -> Asked:
    """Let the server end a body without a length, with or without a word."""
    asked = wire.ask(None, OK + b"\r\nhello")
    if clean:
        wire.server.loseConnection()
    else:
        wire.server_raw.loseConnection()
    wire.flush()
    return asked


def test_end_by_the_connection(wire: Secured) -> None:
    """A body without a length ends where the server ends TLS."""
    assert (200, b"hello", "PotentialDataLoss") == ended(wire, clean=True).outcome


def test_truncated(wire: Secured) -> None:
    """A connection that breaks without the end of TLS may have been cut by anybody: the body has failed."""
    asked = ended(wire, clean=False)
    assert (200, b"hello", "ResponseFailed") == asked.outcome
    assert ["ConnectionLost", "_DataLoss"] == asked.reasons


def test_aborted_by_us(wire: Secured) -> None:
    """The pool can end a connection and is told when it is gone."""
    over: list[object] = []
    wire.connection.abort().addBoth(over.append)
    wire.flush()
    assert [None] == over
    assert not any(isinstance(each, Failure) for each in over)


class Counting(Body):
    """Counts what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[int] = []

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.pieces.append(len(data))


def test_records_together(wire: Secured) -> None:
    """All records of one read arrive in one call: Twisted makes one for each."""
    body = Counting()
    wire.ask(None, OK + b"Content-Length: 100000\r\n\r\n", body=body)
    wire.hear(b"a" * 100_000)
    assert [100_000] == body.pieces


def test_ended_already(wire: Secured) -> None:
    """What still arrives after the end of TLS, before the socket is closed, is nobody's."""
    asked = wire.ask(None, OK + b"\r\nhello")
    wire.server.loseConnection()
    wire.raw.bufferReceived(wire.server_raw.getOutBuffer())
    wire.raw.bufferReceived(b"\x17\x03\x03\x00\x01a")
    wire.flush()
    assert (200, b"hello", "PotentialDataLoss") == asked.outcome

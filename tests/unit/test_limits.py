"""How large a body may be."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.web._newclient import Response as StockResponse
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IResponse
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import CHUNKED, OK, Body, ok
from twisted_pulp.errors import TooLarge
from twisted_pulp.http import LimitAgent


def ask(answering: Answering, limit: int = 10, method: bytes = b"GET") -> Any:
    """Ask with a limit, and return what it came to."""
    return outcome(LimitAgent(answering, limit).request(method, b"http://a.test/"))


def delivered(response: Any) -> Body:
    """Deliver the body of *response*."""
    body = Body()
    response.deliverBody(body)
    return body


def test_interface() -> None:
    """It is an agent, and so are its responses responses."""
    assert verifyObject(IAgent, LimitAgent(Answering(), 10))
    assert verifyObject(IResponse, ask(Answering(CHUNKED)))


@pytest.mark.parametrize("size", [0, 10])
def test_within(size: int) -> None:
    """A body of the limit is not too large."""
    body = delivered(ask(Answering(ok(b"x" * size))))
    assert (b"x" * size, "ResponseDone") == (body.received, body.end)


def test_too_large_from_the_start() -> None:
    """A length that is too large fails the request before a byte, and ends the connection (B2)."""
    answering = Answering(OK + b"Content-Length: 11\r\n\r\n")
    error = ask(answering)
    assert isinstance(error, TooLarge)
    assert 10 == error.limit
    assert "11 bytes, more than the 10 allowed" == error.detail
    assert answering.wires[0].aborted


def test_head() -> None:
    """The answer to HEAD has no body, however large it would be."""
    assert 200 == ask(Answering(OK + b"Content-Length: 11\r\n\r\n"), method=b"HEAD").code


def test_unknown_length_within() -> None:
    """A body of unknown length may have as much."""
    response = ask(Answering(CHUNKED + b"a\r\n0123456789\r\n0\r\n\r\n"))
    assert UNKNOWN_LENGTH is response.length
    assert {"transfer-encoding": "chunked"} == dict(response.fields)
    body = delivered(response)
    assert (b"0123456789", "ResponseDone") == (body.received, body.end)


def test_unknown_length_beyond() -> None:
    """The first byte too many ends the body and its connection, and is not delivered."""
    answering = Answering(CHUNKED + b"5\r\n01234\r\n")
    body = delivered(ask(answering))
    answering.wires[0].hear(b"5\r\n56789\r\n")
    assert not answering.wires[0].aborted
    answering.wires[0].hear(b"1\r\n!\r\n")
    assert answering.wires[0].aborted
    answering.wires[0].connection.dataReceived(b"1\r\n!\r\n")  # what TLS had read already
    answering.wires[0].lose(ConnectionLost())
    assert (b"0123456789", "TooLarge") == (body.received, body.end)


def test_unknown_length_beyond_at_once() -> None:
    """The same holds for a body that has come whole."""
    body = delivered(ask(Answering(CHUNKED + b"b\r\n0123456789!\r\n0\r\n\r\n")))
    assert (b"", "TooLarge") == (body.received, body.end)
    assert "larger than the 10 bytes allowed" == body.ends[0].value.detail  # type: ignore[union-attr]


def test_other_ends() -> None:
    """Other ends are handed on."""
    answering = Answering(OK + b"\r\nhello")
    body = delivered(ask(answering))
    answering.wires[0].lose(ConnectionDone())
    assert (b"hello", "PotentialDataLoss") == (body.received, body.end)


def test_other_peoples_responses() -> None:
    """A response of Twisted's own is limited too, and its headers can be read as ours can."""
    transport: Any = StringTransport()
    stock = StockResponse._construct((b"HTTP", 1, 1), 200, b"OK", Headers({b"X": [b"y", b"z"]}), transport, None)

    class Stock(Answering):
        def request(self, *args: object) -> Any:
            return succeed(stock)

    response = outcome(LimitAgent(Stock(), 10).request(b"GET", b"http://a.test/"))
    assert {"x": "y, z"} == dict(response.fields)
    body = delivered(response)
    stock._bodyDataReceived(b"0123456789!")
    assert b"" == body.received
    assert "stopped" == transport.producerState


def test_pausing() -> None:
    """A limited body pauses, resumes and stops as any other."""
    answering = Answering(CHUNKED)
    body = delivered(ask(answering))
    body.producer.pauseProducing()
    assert "paused" == answering.wires[0].transport.producerState
    body.producer.resumeProducing()
    assert "producing" == answering.wires[0].transport.producerState
    body.producer.stopProducing()
    assert answering.wires[0].aborted

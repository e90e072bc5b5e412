"""How a body reaches its protocol: when it is delivered, paused, given up."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import AlreadyCalledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, readBody

from tests.leaks import LoggedErrors
from tests.unit.wire import CHUNKED, OK, Asked, Body, Wire, ok

HEAD = OK + b"Content-Length: 6\r\n\r\n"
LARGE_HEAD = OK + b"Content-Length: 600000\r\n\r\n"


class Broken(Body):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where

    def makeConnection(self, transport: ITransport) -> None:
        super().makeConnection(transport)  # type: ignore[no-untyped-call]
        self._perhaps("makeConnection")

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self._perhaps("dataReceived")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._perhaps("connectionLost")

    def _perhaps(self, where: str) -> None:
        if where == self._where:
            raise ZeroDivisionError


class Stopping(Body):
    """Gives up at the first byte."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.stopProducing()


class Pausing(Body):
    """Pauses at each read."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.pauseProducing()


def paused(wire: Wire) -> bool:
    """Return whether the transport was told to read no more."""
    return str(wire.transport.producerState) == "paused"


@pytest.mark.parametrize(
    "head", [HEAD, HEAD + b"ab", CHUNKED, CHUNKED + b"2\r\nab\r\n", OK + b"\r\n", LARGE_HEAD + b"ab"]
)
def test_nobody_to_deliver_to(head: bytes) -> None:
    """While a body has nowhere to go, nothing more is read."""
    wire = Wire()
    asked = wire.ask(None, head, deliver=False)
    assert paused(wire)
    asked.response.deliverBody(asked.body)
    assert not paused(wire)


def test_delivered_late() -> None:
    """What came before deliverBody, and all that comes after it, arrives in order."""
    wire = Wire()
    asked = wire.ask(None, HEAD + b"ab", b"cd", deliver=False)  # over TLS one more read may come
    asked.response.deliverBody(asked.body)
    wire.hear(b"ef")
    assert (200, b"abcdef", "ResponseDone") == asked.outcome


def test_delivered_after_the_end() -> None:
    """A whole body is delivered whenever it is asked for, and its connection is not kept waiting."""
    wire = Wire()
    asked = wire.ask(None, ok(b"abcdef"), deliver=False)
    assert [wire.connection] == wire.idle
    wire.lose()
    asked.response.deliverBody(asked.body)
    assert (200, b"abcdef", "ResponseDone") == asked.outcome


def test_delivered_after_a_failure() -> None:
    """A body that was cut short before deliverBody says so then."""
    wire = Wire()
    asked = wire.ask(None, HEAD + b"ab", deliver=False)
    wire.lose(ConnectionLost())
    assert not asked.body.ends
    asked.response.deliverBody(asked.body)
    assert (200, b"ab", "ResponseFailed") == asked.outcome


def test_taken() -> None:
    """A whole body can be taken without a protocol, once, in place of deliverBody."""
    wire = Wire()
    response = wire.ask(None, ok(b"abcdef"), deliver=False).response
    body, reason = response.take()
    assert b"abcdef" == body
    assert reason.check(ResponseDone)
    with pytest.raises(RuntimeError):
        response.take()
    with pytest.raises(RuntimeError):
        response.deliverBody(Body())


def test_delivered_once() -> None:
    """A second deliverBody is a mistake of the caller's, and harms nothing."""
    wire = Wire()
    asked = wire.ask(None, HEAD)
    with pytest.raises(RuntimeError):
        asked.response.deliverBody(Body())
    wire.hear(b"abcdef")
    assert (200, b"abcdef", "ResponseDone") == asked.outcome


def test_read_body(logged_errors: LoggedErrors) -> None:
    """Twisted's readBody works, and cancelling it ends the connection."""
    wire = Wire()
    asked = wire.ask(None, HEAD, deliver=False)
    read: list[Any] = []
    readBody(asked.response).addBoth(read.append)
    wire.hear(b"abcdef")
    asked = wire.ask(None, HEAD, deliver=False)
    cancelled = readBody(asked.response)
    cancelled.addBoth(read.append)
    cancelled.cancel()
    assert wire.aborted
    wire.lose()
    assert b"abcdef" == read[0]
    assert isinstance(read[1], Failure)
    # Its protocol fires a Deferred that the cancelling has fired already.
    assert 1 == len(logged_errors.flush(AlreadyCalledError))


@pytest.mark.parametrize("head", [HEAD, OK + b"Content-Length: 600000\r\n\r\n" + b"x" * 599_994, CHUNKED + b"6\r\n"])
def test_pause_and_resume(head: bytes) -> None:
    """Pausing a body pauses its connection, and what still arrives is delivered."""
    wire = Wire()
    asked = wire.ask(None, head)
    asked.body.producer.pauseProducing()
    assert paused(wire)
    wire.hear(b"ab")
    assert asked.body.received.endswith(b"ab")
    asked.body.producer.resumeProducing()
    assert not paused(wire)
    wire.hear(b"cdef")
    assert asked.body.received.endswith(b"abcdef")


def test_pause_and_resume_are_told_once() -> None:
    """The transport is told neither pause nor resume twice."""
    told: list[str] = []

    class Telling(StringTransport):
        def pauseProducing(self) -> None:
            told.append("pause")

        def resumeProducing(self) -> None:
            told.append("resume")

    wire = Wire(Telling())  # type: ignore[no-untyped-call]
    asked = wire.ask(None, HEAD)
    for name in ("pause", "pause", "resume", "resume", "pause", "resume"):
        getattr(asked.body.producer, f"{name}Producing")()
    # The first pair is that of the headers, which came before deliverBody was called.
    assert ["pause", "resume", "pause", "resume"] == told[-4:]
    assert told == ["pause", "resume"] * (len(told) // 2)


def test_paused_before_delivery() -> None:
    """A response that was paused before deliverBody stays so until it is resumed."""
    wire = Wire()
    asked = wire.ask(None, HEAD, deliver=False)
    asked.response.pauseProducing()
    asked.response.deliverBody(asked.body)
    assert paused(wire)
    asked.response.resumeProducing()
    assert not paused(wire)


def test_resumed_before_delivery() -> None:
    """Resuming a body that has nowhere to go yet reads nothing."""
    wire = Wire()
    asked = wire.ask(None, HEAD, deliver=False)
    asked.response.resumeProducing()
    assert paused(wire)


def test_paused_at_the_last_byte() -> None:
    """A connection is not paused any more when the next request may use it, whatever its last body wanted."""
    wire = Wire()
    asked = wire.ask(None, HEAD, b"abcdef", body=Pausing())
    assert (200, b"abcdef", "ResponseDone") == asked.outcome
    assert [wire.connection] == wire.idle
    assert not paused(wire)


def test_paused_at_the_last_byte_before_closing() -> None:
    """The same holds for a connection that is closed, so that it sees its end."""
    wire = Wire()
    asked = wire.ask(None, OK + b"Connection: close\r\nContent-Length: 6\r\n\r\n", b"abcdef", body=Pausing())
    assert (200, b"abcdef", "ResponseDone") == asked.outcome
    assert wire.closed
    assert not paused(wire)


def test_producing_after_the_end() -> None:
    """A response that is over takes orders, and does nothing: the connection is somebody else's now."""
    wire = Wire()
    asked = wire.ask(None, ok(b"hi"))
    following = wire.ask(None, HEAD)
    for order in ("pauseProducing", "resumeProducing", "stopProducing", "loseConnection", "abortConnection"):
        getattr(asked.response, order)()
    assert not paused(wire)
    assert not wire.closed
    wire.hear(b"abcdef")
    assert (200, b"abcdef", "ResponseDone") == following.outcome


@pytest.mark.parametrize("order", ["stopProducing", "loseConnection", "abortConnection"])
def test_given_up(order: str) -> None:
    """Whichever way a body is given up, its connection is ended at once, and the body fails when it is gone."""
    wire = Wire()
    asked = wire.ask(None, HEAD + b"ab")
    getattr(asked.body.producer, order)()
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert (200, b"ab", "ResponseFailed") == asked.outcome


@pytest.mark.parametrize("pieces", [[HEAD, b"abcdef"], [LARGE_HEAD, b"a" * 600_000], [OK + b"\r\n", b"abcdef"]])
def test_given_up_while_receiving(pieces: list[bytes]) -> None:
    """A connection that was given up in dataReceived is never used again, even if that was the last byte."""
    wire = Wire()
    asked = wire.ask(None, *pieces, body=Stopping())
    assert wire.aborted
    assert not wire.idle
    assert ("RequestNotSent",) == wire.ask().outcome
    wire.lose(ConnectionLost())
    assert 1 == len(asked.body.ends)


def test_given_up_while_delivering() -> None:
    """The same holds in deliverBody itself."""
    wire = Wire()
    asked = wire.ask(None, HEAD + b"ab", deliver=False)
    body = Stopping()
    asked.response.deliverBody(body)
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert (b"ab", "ResponseFailed") == (body.received, body.end)


@pytest.mark.parametrize("pieces", [[HEAD, b"ab", b"cdef"], [LARGE_HEAD, b"a" * 600_000], [CHUNKED, b"2\r\nab\r\n"]])
def test_protocol_that_raises(pieces: list[bytes]) -> None:
    """A body whose protocol raises fails with that, and its connection is ended."""
    wire = Wire()
    asked = wire.ask(None, *pieces, body=Broken("dataReceived"))
    assert "ResponseFailed" == asked.body.end
    assert ["ZeroDivisionError", "_DataLoss"] == asked.reasons
    assert wire.aborted
    assert not wire.idle


@pytest.mark.parametrize("where", ["makeConnection", "dataReceived"])
def test_protocol_that_raises_when_delivered(where: str) -> None:
    """Who delivers a body to a protocol that raises gets that, and the connection is not left paused for ever."""
    wire = Wire()
    asked = wire.ask(None, HEAD + b"ab", deliver=False)
    body = Broken(where)
    with pytest.raises(ZeroDivisionError):
        asked.response.deliverBody(body)
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert "ResponseFailed" == body.end


@pytest.mark.parametrize("late", [False, True])
def test_protocol_that_raises_at_the_end(late: bool, logged_errors: LoggedErrors) -> None:
    """A protocol that raises at the end of its body keeps its connection neither from others nor from its end."""
    wire = Wire()
    body = Broken("connectionLost")
    asked = wire.ask(None, HEAD, deliver=False)
    if not late:
        asked.response.deliverBody(body)
    wire.hear(b"abcdef")
    if late:
        asked.response.deliverBody(body)
    assert "ResponseDone" == body.end
    assert (200, b"next", "ResponseDone") == wire.ask(None, ok(b"next")).outcome
    broken = wire.ask(None, HEAD, body=Broken("connectionLost"))
    wire.lose(ConnectionLost())
    assert "ResponseFailed" == broken.body.end
    assert [wire.connection] == wire.lost
    assert 2 == len(logged_errors.flush(ZeroDivisionError))


def test_protocol_that_raises_after_the_end(logged_errors: LoggedErrors) -> None:
    """A protocol that ends its response and then raises is only logged."""
    wire = Wire()

    class Ending(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            wire.lose(ConnectionLost())
            raise ZeroDivisionError

    asked = wire.ask(None, HEAD, b"ab", body=Ending())
    assert (200, b"ab", "ResponseFailed") == asked.outcome
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


@pytest.mark.parametrize("where", ["makeConnection", "dataReceived"])
def test_connection_lost_while_delivering(where: str) -> None:
    """A body whose connection is lost in the middle of deliverBody ends once, and gets nothing after that."""
    wire = Wire()

    class Losing(Body):
        def makeConnection(self, transport: ITransport) -> None:
            super().makeConnection(transport)  # type: ignore[no-untyped-call]
            if where == "makeConnection":
                wire.lose(ConnectionLost())

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if where == "dataReceived":
                wire.lose(ConnectionLost())

    asked = wire.ask(None, HEAD + b"ab", deliver=False)
    body = Losing()
    asked.response.deliverBody(body)
    assert (b"" if where == "makeConnection" else b"ab", "ResponseFailed") == (body.received, body.end)


def test_connection_lost_before_the_first_piece() -> None:
    """A body whose connection is lost as soon as its headers are known gets nothing after its end."""
    wire = Wire()
    asked = wire.ask(deliver=False)

    def lose(response: Any) -> None:
        response.deliverBody(asked.body)
        wire.lose(ConnectionLost())

    asked.deferred.addCallback(lambda _: lose(asked.response))
    wire.hear(HEAD + b"ab")
    assert (200, b"", "ResponseFailed") == asked.outcome


def test_whole_body_delivered_in_the_callback() -> None:
    """A body that came whole with its headers is delivered in the middle of the callback."""
    seen: list[tuple[bytes, str]] = []
    wire = Wire()
    asked = wire.ask()
    asked.deferred.addCallback(lambda _: seen.append((asked.body.received, asked.body.end)))
    wire.hear(ok(b"hi"))
    assert [(b"hi", "ResponseDone")] == seen


def test_next_request_from_the_end_of_a_body() -> None:
    """The end of a body is a good place to make the next request."""
    wire = Wire()
    following: list[Asked] = []

    class Asking(Body):
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            super().connectionLost(reason)
            following.append(wire.ask())

    wire.ask(None, HEAD, b"abcdef", body=Asking())
    wire.hear(ok(b"next"))
    assert (200, b"next", "ResponseDone") == following[0].outcome


def test_previous_response() -> None:
    """A response remembers the one before it."""
    wire = Wire()
    first, second = wire.ask(None, ok(b"")), wire.ask(None, ok(b""))
    second.response.setPreviousResponse(first.response)
    assert first.response is second.response.previousResponse
    assert first.response.previousResponse is None


def test_whole() -> None:
    """A response knows whether all of it has come."""
    wire = Wire()
    asked = wire.ask(None, HEAD, deliver=False)
    assert not asked.response.whole
    wire.hear(b"abcdef")
    assert asked.response.whole
    asked = wire.ask(None, HEAD)
    wire.lose(ConnectionDone())
    assert "ResponseFailed" == asked.body.end

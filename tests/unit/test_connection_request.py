"""Requests in progress: written, cancelled, given up, timed out."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer, ITransport
from twisted.web._newclient import Request as StockRequest
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from tests.leaks import LoggedErrors
from tests.unit.wire import OK, Wire, get, ok
from twisted_pulp.http import HTTPConnection
from twisted_pulp.settings import Timeouts


@implementer(IBodyProducer)
class Producer:
    """A body that is written when the test says so."""

    def __init__(self, length: object = 4) -> None:
        self.length = length
        self.stopped = 0

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        self.consumer = consumer
        self.done: Deferred[None] = Deferred()
        return self.done

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        self.stopped += 1

    def finish(self) -> None:
        """Write the body."""
        self.consumer.write(b"body")
        self.done.callback(None)


class Written:
    """A request whose writing ends as the test says."""

    method, persistent, bodyProducer = b"GET", True, None

    def __init__(self, writing: Deferred[None] | None) -> None:
        self._writing = writing
        self.stopped = False

    def writeTo(self, transport: ITransport) -> Deferred[None] | None:
        transport.write(b"request")
        return self._writing

    def stopWriting(self) -> None:
        self.stopped = True


def post(producer: Producer) -> StockRequest:
    """Return one of Twisted's requests with a body."""
    headers = Headers({b"Host": [b"host.test"]})
    return StockRequest(b"POST", b"/path", headers, producer, persistent=True)


@pytest.mark.parametrize("writing", [None, succeed(None)])
def test_written_at_once(writing: Deferred[None] | None) -> None:
    """A request that is written when it is made waits for its response."""
    wire = Wire()
    wire.ask(Written(writing))
    assert "WAITING" == wire.connection.state


@pytest.mark.parametrize("length", [4, UNKNOWN_LENGTH])
def test_body_is_written(length: object) -> None:
    """A request with a body is written, and its response read, as with any other connection of Twisted's."""
    wire, producer = Wire(), Producer(length)
    asked = wire.ask(post(producer))
    assert "TRANSMITTING" == wire.connection.state
    producer.finish()
    assert b"body" in wire.sent
    wire.hear(ok(b"hi"))
    assert (200, b"hi", "ResponseDone") == asked.outcome
    assert [wire.connection] == wire.idle


@pytest.mark.parametrize(
    "request_", [Written(fail(ZeroDivisionError())), type("", (), {"writeTo": lambda *_: 1 // 0})()]
)
def test_writing_that_fails(request_: object) -> None:
    """A request that cannot be written fails with the reason, and ends the connection."""
    wire = Wire()
    asked = wire.ask(request_)
    assert (("RequestGenerationFailed",), ["ZeroDivisionError"]) == (asked.outcome, asked.reasons)
    assert wire.aborted
    wire.lose()
    assert (1, [wire.connection]) == (asked.fired, wire.lost)


def test_response_before_the_request_is_written() -> None:
    """A response that is whole before its request is counts, but the connection is closed."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), ok(b"no, thanks"))
    assert (200, b"no, thanks", "ResponseDone") == asked.outcome
    assert ([], True) == (wire.idle, wire.closed)
    producer.finish()
    wire.lose()
    assert [wire.connection] == wire.lost


def test_part_of_a_response_before_the_request_is_written() -> None:
    """Of a response that comes early no more is read until its request is written."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), OK + b"Content-Length: 6\r\n\r\nabc")
    assert asked.response is None
    assert "paused" == wire.transport.producerState
    producer.finish()
    wire.hear(b"def")
    assert (200, b"abcdef", "ResponseDone") == asked.outcome


def test_interim_response_before_the_request_is_written() -> None:
    """An interim response stops nothing."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), b"HTTP/1.1 100 Continue\r\n\r\n")
    producer.finish()
    wire.hear(ok(b"hi"))
    assert (200, b"hi", "ResponseDone") == asked.outcome


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\nwhat"])
def test_garbage_before_the_request_is_written(data: bytes) -> None:
    """What is no response fails the request in the middle of its body too, and stops the body."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), data)
    assert (("ResponseFailed",), ["ParseError"]) == (asked.outcome, asked.reasons)
    assert wire.aborted
    assert 1 == producer.stopped
    wire.lose(ConnectionLost())
    assert (1, [wire.connection]) == (asked.fired, wire.lost)


@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_lost_before_the_request_is_written(interim: bytes) -> None:
    """A connection that is lost in the middle of a request's body fails the request, and stops the body."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), *([interim] if interim else []))
    wire.lose(ConnectionLost())
    assert (("RequestTransmissionFailed",), ["ConnectionLost"]) == (asked.outcome, asked.reasons)
    assert 1 == producer.stopped
    assert [wire.connection] == wire.lost


@pytest.mark.parametrize("late", ["result", "failure"])
def test_writing_that_ends_after_the_connection(late: str, logged_errors: LoggedErrors) -> None:
    """What becomes of the writing after the connection was lost changes nothing; a failure is logged."""
    writing: Deferred[None] = Deferred()
    wire, request = Wire(), Written(writing)
    asked = wire.ask(request)
    wire.lose(ConnectionLost())
    assert request.stopped
    if late == "failure":
        writing.errback(ZeroDivisionError())
        assert 1 == len(logged_errors.flush(ZeroDivisionError))
    else:
        writing.callback(None)
    assert 1 == asked.fired
    assert "CONNECTION_LOST" == wire.connection.state


def test_cancelled_before_the_response() -> None:
    """Cancelling a request ends its connection at once."""
    wire = Wire()
    asked = wire.ask()
    asked.deferred.cancel()
    assert (("ResponseNeverReceived",), ["CancelledError"]) == (asked.outcome, asked.reasons)
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert (1, [wire.connection]) == (asked.fired, wire.lost)


def test_cancelled_in_the_headers() -> None:
    """Cancelling a request in the middle of its headers is no different."""
    wire = Wire()
    asked = wire.ask(None, OK)
    asked.deferred.cancel()
    assert (("ResponseFailed",), ["CancelledError"]) == (asked.outcome, asked.reasons)
    assert wire.aborted


@pytest.mark.parametrize("data", [b"", OK, OK + b"Content-Length: 6\r\n\r\nabc"])
def test_cancelled_while_writing(data: bytes) -> None:
    """Cancelling a request that is being written cancels the writing."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer), *([data] if data else []))
    asked.deferred.cancel()
    assert (("RequestGenerationFailed",), ["CancelledError"]) == (asked.outcome, asked.reasons)
    assert wire.aborted
    wire.lose(ConnectionLost())
    assert (1, [wire.connection]) == (asked.fired, wire.lost)


def test_cancelled_after_the_response() -> None:
    """Cancelling a request that has its response changes nothing."""
    wire = Wire()
    asked = wire.ask(None, OK + b"Content-Length: 6\r\n\r\nabc")
    asked.deferred.cancel()
    wire.hear(b"def")
    assert (200, b"abcdef", "ResponseDone") == asked.outcome


@pytest.mark.parametrize("data", [[], [OK], [OK + b"\r\n"], [ok(b"abc")[:-1]]])
def test_abort(data: list[bytes]) -> None:
    """Aborting fails what is in progress, even a body that ends with its connection, and says when it is over."""
    wire = Wire()
    over: list[object] = []
    asked = wire.ask(None, *data)
    wire.connection.abort().addCallback(over.append)
    wire.connection.abort().addCallback(over.append)
    assert wire.aborted
    assert not over
    wire.lose()
    assert "ConnectionAborted" == asked.reasons[0]
    assert [None, None] == over


def test_abort_while_writing() -> None:
    """Aborting stops the body of a request."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer))
    wire.connection.abort()
    wire.lose()
    assert ["ConnectionAborted"] == asked.reasons
    assert 1 == producer.stopped


def test_abort_when_idle() -> None:
    """Aborting needs no request."""
    wire = Wire()
    over: list[object] = []
    wire.connection.abort().addCallback(over.append)
    assert not wire.connection.idle
    wire.lose()
    assert [None] == over


def test_abort_after_the_end() -> None:
    """Aborting a lost connection is over at once."""
    wire = Wire()
    over: list[object] = []
    wire.lose()
    wire.connection.abort().addCallback(over.append)
    assert [None] == over


def test_without_anybody_to_tell() -> None:
    """A connection needs nobody to give it to."""
    wire = Wire()
    wire.connection = HTTPConnection()
    wire.connection.makeConnection(wire.transport)  # type: ignore[no-untyped-call]
    assert (200, b"hi", "ResponseDone") == wire.ask(None, ok(b"hi")).outcome
    wire.lose()
    assert "CONNECTION_LOST" == wire.connection.state


@pytest.mark.parametrize(
    ("expected", "data"),
    [("HeadersTimeout", []), ("HeadersTimeout", [OK]), ("IdleTimeout", [OK + b"Content-Length: 6\r\n\r\nabc"])],
)
def test_silence(expected: str, data: list[bytes]) -> None:
    """A request that nothing is heard of for too long fails with the timeout, and its connection is ended."""
    wire = Wire()
    asked = wire.ask(None, *data)
    wire.connection.timeouts = Timeouts(headers=10, idle=5)
    wire.connection.look(0)
    wire.connection.look(4)
    assert not wire.aborted
    wire.connection.look(10)
    assert expected == asked.reasons[0]
    assert wire.aborted


def test_silence_while_writing() -> None:
    """Headers are waited for from the start of the request; a body that takes longer is stopped."""
    wire, producer = Wire(), Producer()
    asked = wire.ask(post(producer))
    wire.connection.timeouts = Timeouts(headers=10)
    wire.connection.look(0)
    wire.connection.look(10)
    assert (("ResponseNeverReceived",), ["HeadersTimeout"]) == (asked.outcome, asked.reasons)
    assert 1 == producer.stopped
    wire.lose(ConnectionLost())
    assert [wire.connection] == wire.lost


def test_silence_of_nobody() -> None:
    """A connection without a request, or without timeouts, may be silent for ever."""
    wire = Wire()
    wire.connection.timeouts = Timeouts(headers=10)
    for now in (0, 1000):
        wire.connection.look(now)
    wire.connection.timeouts = None
    wire.ask(get())
    for now in (2000, 3000):
        wire.connection.look(now)
    assert not wire.closed


def test_silence_while_the_process_slept() -> None:
    """Time in which nobody could look does not count."""
    wire = Wire()
    wire.ask()
    wire.connection.timeouts = Timeouts(headers=10)
    wire.connection.look(0)
    wire.connection.shift(3600)
    wire.connection.look(3609)
    assert not wire.aborted
    wire.connection.look(3610)
    assert wire.aborted

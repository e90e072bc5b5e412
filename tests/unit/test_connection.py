"""What a connection takes for a response, and whether it may be used again."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface.verify import verifyObject

from tests.leaks import LoggedErrors
from tests.unit.wire import CHUNKED, OK, Wire, get, ok
from twisted_pulp.http import HTTPConnection

LARGE = 256 << 10


def test_request() -> None:
    """A request is written in one piece."""
    wire = Wire()
    wire.ask()
    assert b"GET /path HTTP/1.1\r\nHost: host.test\r\n\r\n" == wire.sent


def test_response() -> None:
    """A response has what IResponse promises."""
    asked = Wire().ask(None, ok(b"hi", b"X-Foo: bar", b"X-Foo: baz", b"Connection: keep-alive"))
    response = asked.response
    assert verifyObject(IResponse, response)
    assert verifyObject(IPushProducer, response)
    assert ((b"HTTP", 1, 1), 200, b"OK", 2) == (response.version, response.code, response.phrase, response.length)
    assert [(b"X-Foo", [b"bar", b"baz"])] == list(response.headers.getAllRawHeaders())
    assert {"x-foo": "bar, baz", "connection": "keep-alive", "content-length": "2"} == dict(response.fields)
    assert b"http://host.test/path" == response.request.absoluteURI
    assert (200, b"hi", "ResponseDone") == asked.outcome


def test_next_request() -> None:
    """When a response has come whole, the connection takes another request, with nothing left of the first."""
    wire = Wire()
    first = wire.ask(None, ok(b"one", b"X: y"))
    assert [wire.connection] == wire.idle
    second = wire.ask(None, CHUNKED + b"3\r\ntwo\r\n0\r\n\r\n")
    assert (200, b"one", "ResponseDone") == first.outcome
    assert (200, b"two", "ResponseDone") == second.outcome
    assert {"transfer-encoding": "chunked"} == dict(second.response.fields)
    assert 2 == wire.connection.served


def test_free_before_anybody_hears() -> None:
    """The connection is given back before the Deferred fires and before the body's end is told."""
    wire = Wire()
    heard: list[tuple[str, int]] = []
    asked = wire.ask(deliver=False)
    asked.deferred.addCallback(lambda _: heard.append(("response", len(wire.idle))))
    wire.hear(ok(b"hi"))
    asked = wire.ask()
    asked.body.connectionLost = lambda reason: heard.append(("end", len(wire.idle)))  # type: ignore[method-assign,assignment,misc]
    wire.hear(OK + b"Content-Length: 2\r\n\r\n", b"hi")
    assert [("response", 1), ("end", 2)] == heard


def test_one_at_a_time() -> None:
    """While a request is in progress there cannot be another."""
    wire = Wire()
    wire.ask()
    assert ("RequestNotSent",) == wire.ask().outcome


def test_not_after_the_end() -> None:
    """A lost connection takes no request, and writes nothing."""
    wire = Wire()
    wire.lose()
    assert ("RequestNotSent",) == wire.ask().outcome
    assert b"" == wire.sent


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (ok(b"hi", b"Connection: close"), b"GET"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"GET"),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            b"GET",
        ),
        # bytes after the response
        (ok(b"hi") + b"X", b"GET"),
        (ok(b"hi") + b"\r\n", b"GET"),
        (ok(b"hi") + ok(b"again"), b"GET"),
        (ok(b"hi", b"Connection: close") + b"X", b"GET"),
        (ok(b"") + b"HT", b"GET"),
        (CHUNKED + b"2\r\nhi\r\n0\r\n\r\nX", b"GET"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi", b"GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi", b"GET"),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"GET"),
        # a body sent to HEAD all the same
        (ok(b"hi"), b"HEAD"),
        (ok(b"") + b"X", b"HEAD"),
        (OK + b"\r\nhi", b"HEAD"),
        (CHUNKED + b"2\r\nhi\r\n0\r\n\r\n", b"HEAD"),
        (CHUNKED + b"0\r\n\r\n", b"HEAD"),
        (CHUNKED + b"2\r\n", b"HEAD"),
        (CHUNKED + b"what", b"HEAD"),
    ],
)
def test_never_used_again(data: bytes, method: bytes) -> None:
    """A response counts when it is whole, but the connection is closed if the server may go on with anything else."""
    wire = Wire()
    asked = wire.ask(None, data, method=method)
    assert "ResponseDone" == asked.body.end
    assert asked.body.received == (b"" if asked.response.length == 0 else b"hi")
    assert ([], True) == (wire.idle, wire.closed)
    assert ("RequestNotSent",) == wire.ask().outcome


@pytest.mark.parametrize(
    ("expected", "data", "method"),
    [
        (b"", OK + b"Content-Length: 5\r\n\r\n", b"HEAD"),
        (b"", OK + b"Content-Length: 5000000\r\n\r\n", b"HEAD"),
        (b"", b"HTTP/1.1 204 No Content\r\n\r\n", b"GET"),
        (b"", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"GET"),
        (b"hi", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", b"GET"),
        (b"hi", CHUNKED + b"2;name=value\r\nhi\r\n0\r\nTrailer: yes\r\n\r\n", b"GET"),
        (b"hi", ok(b"hi", b"Upgrade: h2c", b"Connection: upgrade"), b"GET"),
        (b"hi", b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hi"), b"GET"),
        (b"", ok(b""), b"GET"),
    ],
)
def test_used_again(expected: bytes, data: bytes, method: bytes) -> None:
    """What ends where it must leaves the connection to the next request, in one read or byte by byte."""
    for pieces in ([data], [data[n : n + 1] for n in range(len(data))]):
        wire = Wire()
        asked = wire.ask(None, *pieces, method=method)
        assert (expected, "ResponseDone") == (asked.body.received, asked.body.end)
        assert [wire.connection] == wire.idle
        assert (200, b"next", "ResponseDone") == wire.ask(None, ok(b"next")).outcome


def test_head_keeps_the_length() -> None:
    """The answer to HEAD says how long the body would be, but has none."""
    asked = Wire().ask(None, OK + b"Content-Length: 5\r\n\r\n", method=b"HEAD")
    assert 0 == asked.response.length
    assert [b"5"] == asked.response.headers.getRawHeaders(b"Content-Length")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"<html>hello</html>",
        b"HTTP/1.1 099 What\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 1 OK\r\n\r\n",
        b"HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 100 + b" OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 21,
        b"HTTP/1.1 199 What\r\nContent-Length: 3\r\n\r\nabc" + ok(b"hi"),
        OK + b"X: a\0b\r\n\r\n",
        OK + b"X: a\rb\r\n\r\n",
        OK + b"X: a\r\n b\r\n\r\n",
        OK + b"X: a\nY: b\r\n\r\n",
        OK[:-2] + b"\nX: a\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b" X: a\r\n\r\n",
        OK + b"X : a\r\n\r\n",
        OK + b": a\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Content-Length: +5\r\n\r\nhello",
        OK + b"Content-Length: 5,5\r\n\r\nhello",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Content-Length: 0x5\r\n\r\nhello",
        OK + b"Content-Length:\r\n\r\nhello",
        OK + b"Content-Length: 18446744073709551616\r\n\r\nhello",
        OK + b"Content-Length: 9223372036854775808\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: quantum\r\n\r\n",
        OK + b"X: " + b"y" * (101 << 10) + b"\r\n\r\n",
        OK + b"X: y\r\n" * 6000 + b"\r\n",
        OK + (b"X: " + b"y" * 997 + b"\r\n") * 410 + b"\r\n",
    ],
)
def test_refused(data: bytes) -> None:
    """What is no response fails the request, and ends the connection at once."""
    wire = Wire()
    asked = wire.ask(None, *[data[n : n + 65536] for n in range(0, len(data), 65536)])
    assert ("ResponseFailed",) == asked.outcome
    assert ["ParseError"] == asked.reasons
    assert ([], True) == (wire.idle, wire.aborted)
    wire.lose(ConnectionLost())
    assert (1, [wire.connection]) == (asked.fired, wire.lost)


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 Ver\x00y\r\n", OK + b"X: y\r\n"])
def test_lost_in_the_headers(data: bytes) -> None:
    """A connection that is lost in the middle of the headers fails the request with the reason."""
    wire = Wire()
    asked = wire.ask(None, data)
    wire.lose(ConnectionLost())
    assert ("ResponseFailed",) == asked.outcome


def test_lost_before_a_byte() -> None:
    """A connection that is lost before the first byte is told from one that broke later."""
    wire = Wire()
    asked = wire.ask()
    wire.lose()
    assert (("ResponseNeverReceived",), ["ConnectionDone"]) == (asked.outcome, asked.reasons)


def test_large_headers_before_a_slow_body() -> None:
    """Headers of 200 KiB pass, also where no byte of the body comes with their end."""
    wire = Wire()
    asked = wire.ask(None, OK, *[b"X: " + b"y" * 50_000 + b"\r\n"] * 4, b"Transfer-Encoding: chunked\r\n\r\n")
    wire.hear(b"2\r\n", b"hi\r\n", b"0\r\n\r\n")
    assert (200, b"hi", "ResponseDone") == asked.outcome


@pytest.mark.parametrize("flood", [b"2;" + b"x" * 60_000, b"2\r\nhi\r\n0\r\n" + b"X: y\r\n" * 10_000])
def test_flood_beside_the_body(flood: bytes) -> None:
    """Chunk extensions and trailers without end are refused after 64 KiB."""
    wire = Wire()
    asked = wire.ask(None, CHUNKED, flood, b"x" * 60_000 if flood[1:2] == b";" else b"X: y\r\n" * 11_000)
    assert "ResponseFailed" == asked.body.end
    assert "ParseError" in asked.reasons
    assert wire.aborted


@pytest.mark.parametrize("state", ["idle", "closing"])
def test_bytes_nobody_asked_for(state: str) -> None:
    """Bytes without a request end the connection at once, and it takes no request any more."""
    wire = Wire()
    if state == "closing":
        wire.ask(None, ok(b"hi", b"Connection: close"))
    wire.hear(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert wire.aborted
    assert not wire.connection.idle
    assert ("RequestNotSent",) == wire.ask().outcome


def test_not_persistent() -> None:
    """A request that is not persistent closes its connection."""
    wire = Wire()
    asked = wire.ask(get(persistent=False), ok(b"hi"))
    assert b"Connection: close\r\n" in wire.sent
    assert (200, b"hi", "ResponseDone") == asked.outcome
    assert ([], True) == (wire.idle, wire.closed)


@pytest.mark.parametrize(
    ("expected", "head"),
    [
        (True, OK + b"Content-Length: 1000000\r\n\r\n"),
        (True, CHUNKED),
        (True, OK + b"\r\n"),
        (False, OK + b"Content-Length: 1000\r\n\r\n"),
        (False, OK + b"Content-Length: %d\r\n\r\n" % LARGE),
    ],
)
def test_large_reads(expected: bool, head: bytes) -> None:
    """Only bodies that are large, or may be, are read in large pieces."""
    wire = Wire()
    wire.ask(None, head)
    assert expected == ("bufferSize" in vars(wire.transport))


def test_large_reads_end_with_the_body() -> None:
    """After a large body the connection reads as little as before."""
    wire = Wire()
    asked = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n" + b"a" * 100_000, b"a" * 100_000, b"a" * 100_000)
    assert (200, b"a" * 300_000, "ResponseDone") == asked.outcome
    assert "bufferSize" not in vars(wire.transport)
    assert [wire.connection] == wire.idle
    assert (200, b"next", "ResponseDone") == wire.ask(None, ok(b"next")).outcome


@pytest.mark.parametrize(("length", "expected"), [(300_000, 1 << 20), (1000, None)])
def test_read_by(length: int, expected: int | None) -> None:
    """Who gets a large body may have it in larger pieces, for as long as it comes."""
    wire = Wire()
    response = wire.ask(None, OK + b"Content-Length: %d\r\n\r\n" % length).response
    response.read_by(1 << 20)
    assert expected == vars(wire.transport).get("bufferSize")
    response.read_by(None)
    assert (None if expected is None else LARGE) == vars(wire.transport).get("bufferSize")
    wire.hear(b"a" * length)
    response.read_by(1 << 20)
    assert "bufferSize" not in vars(wire.transport)


def test_read_by_another() -> None:
    """A response that has ended has no say in how the next is read."""
    wire = Wire()
    first = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n")
    wire.connection.read_by(object(), 1 << 20)
    assert LARGE == wire.transport.bufferSize  # type: ignore[attr-defined]
    wire.hear(b"a" * 300_000)
    second = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n")
    first.response.read_by(1 << 20)
    assert LARGE == wire.transport.bufferSize  # type: ignore[attr-defined]
    second.response.read_by(1 << 20)
    assert 1 << 20 == wire.transport.bufferSize  # type: ignore[attr-defined]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives back what it gets again at once")
def test_memory_is_kept() -> None:
    """Large reads, one after another, use memory that the process has."""
    program = (
        "import resource\n"
        "from twisted_pulp.http._line import _keep_memory\n"
        "_keep_memory()\n"
        "faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(100):\n"
        "    reads = [b'a' * 262144 for _ in range(8)]\n"
        "    del reads\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)\n"
    )
    faults = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout)
    assert 10_000 > faults  # of 51,200 pages


def test_bytes_after_a_large_body() -> None:
    """Bytes behind a large body are not part of it, and end the connection."""
    wire = Wire()
    asked = wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n", b"a" * 299_999, b"aHTTP/1.1 200 OK\r\n")
    assert (200, b"a" * 300_000, "ResponseDone") == asked.outcome
    assert ([], True) == (wire.idle, wire.closed)


def test_heard() -> None:
    """Bytes of bodies are counted, over all responses that came in more than one read."""
    wire = Wire()
    wire.ask(None, OK + b"Content-Length: 5\r\n\r\nab", b"cde")
    wire.ask(None, OK + b"Content-Length: 300000\r\n\r\n", b"a" * 300_000)
    assert 300_005 == wire.connection.heard


def test_end_by_the_connection() -> None:
    """A body without a length ends with the connection, and is marked as perhaps not whole."""
    wire = Wire()
    asked = wire.ask(None, OK + b"\r\nhel", b"lo")
    assert UNKNOWN_LENGTH is asked.response.length
    wire.lose(ConnectionDone())
    assert (200, b"hello", "PotentialDataLoss") == asked.outcome
    assert [wire.connection] == wire.lost


def test_reset_is_no_end() -> None:
    """A body without a length that a reset breaks off has failed."""
    wire = Wire()
    asked = wire.ask(None, OK + b"\r\nhello")
    wire.lose(ConnectionLost())
    assert (200, b"hello", "ResponseFailed") == asked.outcome
    assert ["ConnectionLost", "_DataLoss"] == asked.reasons


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\n\r\n",
        OK + b"Content-Length: 5\r\n\r\nhi",
        OK + b"Content-Length: 300000\r\n\r\nhi",
        CHUNKED,
        CHUNKED + b"5",
        CHUNKED + b"5\r\nhi",
        CHUNKED + b"2\r\nhi",
        CHUNKED + b"2\r\nhi\r\n",
        CHUNKED + b"2\r\nhi\r\n0",
        CHUNKED + b"2\r\nhi\r\n0\r\n",
        CHUNKED + b"2\r\nhi\r\n0\r\n\r",
        CHUNKED + b"2\r\nhi\r\n0\r\nTrailer: yes\r\n",
    ],
)
def test_cut_short(data: bytes) -> None:
    """A body that ends before its end has failed, however orderly the connection was closed."""
    wire = Wire()
    asked = wire.ask(None, data)
    wire.lose(ConnectionDone())
    assert "ResponseFailed" == asked.body.end
    assert ["ConnectionDone", "_DataLoss"] == asked.reasons
    error: Any = asked.body.ends[0].value
    assert asked.response is error.response


@pytest.mark.parametrize(
    "chunk",
    [
        b"5\nhello\n",
        b"5\r\nhelloX",
        b"0x5\r\n",
        b"-5\r\n",
        b"+5\r\n",
        b"10000000000000000\r\n",
        b"5 \r\n",
        b"\r\n",
        b"5;\0\r\n",
    ],
)
def test_broken_chunks(chunk: bytes) -> None:
    """Chunks are taken to the letter."""
    wire = Wire()
    asked = wire.ask(None, CHUNKED + chunk)
    assert "ResponseFailed" == asked.body.end
    assert ["ParseError", "_DataLoss"] == asked.reasons
    assert wire.aborted


def test_pool_that_fails(logged_errors: LoggedErrors) -> None:
    """A connection that nobody takes back is ended, and the response is none the worse."""
    wire = Wire()
    wire.connection = HTTPConnection(lambda _: 1 // 0)
    wire.connection.makeConnection(wire.transport)  # type: ignore[no-untyped-call]
    asked = wire.ask(None, ok(b"hi"))
    assert (200, b"hi", "ResponseDone") == asked.outcome
    assert wire.aborted
    assert 1 == len(logged_errors.flush(ZeroDivisionError))

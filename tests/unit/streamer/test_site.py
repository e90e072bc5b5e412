"""Connections of clients that nobody knows, on a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tests.unit.streamer.site import Client
from twisted_pulp.streamer import ContentSite
from twisted_pulp.streamer._channel import BODY

CLOSE = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Answers(Resource):
    """Answers every request with its path, at once or when it is told to."""

    isLeaf = True

    def __init__(self, late: bool = False, size: int = 0) -> None:
        super().__init__()
        self.late, self.size = late, size
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:
        self.requests.append(request)
        if self.late:
            return NOT_DONE_YET
        request.setHeader(b"Content-Length", b"%d" % (len(request.path) + self.size))
        return request.path + bytes(self.size)


def client_of(clock: Clock, resource: Resource | None = None, **options: Any) -> Client:
    """Return a client of a site with *resource*."""
    return Client(clock, resource or Answers(), **options)


def test_headers(clock: Clock) -> None:
    """Headers that come in drops do not win time."""
    client = client_of(clock)
    for byte in (GET[:-2] + b"X: aaaaaa")[:30]:
        assert not client.closed
        client.send(bytes([byte]))
        clock.advance(1)
    assert client.closed
    client.leave()
    assert [] == clock.getDelayedCalls()


def test_silence(clock: Clock) -> None:
    """Who connects has thirty seconds to ask."""
    client = client_of(clock)
    clock.advance(29)
    assert not client.closed
    clock.advance(1)
    assert client.closed
    client.leave()


def test_idle(clock: Clock) -> None:
    """Between requests there are sixty seconds, and then thirty again."""
    client = client_of(clock)
    for _ in range(3):
        client.send(GET)
        clock.advance(59)
    client.send(b"G")
    clock.advance(29)
    client.send(GET[1:])
    assert 4 == client.transport.value().count(b"200 OK")
    clock.advance(59)
    assert not client.closed
    clock.advance(1)
    assert client.closed
    client.leave()


def test_body(clock: Clock) -> None:
    """A body that comes in drops does not win time either."""
    client = client_of(clock)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    for _ in range(59):
        clock.advance(1)
        client.send(b"x")
    assert not client.closed
    clock.advance(1)
    assert client.closed
    client.leave()


def test_answer_takes_time(clock: Clock) -> None:
    """While an answer is on its way, nothing is timed here."""
    client = client_of(clock, Answers(late=True))
    client.send(GET)
    clock.advance(3600)
    assert not client.closed
    client.resource.requests[0].finish()
    clock.advance(59)
    assert not client.closed
    client.leave()


def test_own_times(clock: Clock) -> None:
    """All three are settings."""
    client = client_of(clock, headers_time=2, body_time=5, idle_time=9)
    client.send(GET)
    clock.advance(8)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
    clock.advance(4)
    assert not client.closed
    clock.advance(1)
    assert client.closed
    client.leave()


def test_does_not_take_refusal(clock: Clock) -> None:
    """Who is refused and does not go is cut off."""
    client = client_of(clock)
    client.send(b"nonsense\r\n")
    assert b"HTTP/1.1 400 Bad Request\r\n" + CLOSE == client.transport.value()
    clock.advance(29)
    assert 0 == client.aborts
    clock.advance(1)
    assert 1 == client.aborts
    client.leave()
    assert [] == clock.getDelayedCalls()


def test_dropped(clock: Clock) -> None:
    """A body is thrown away up to a limit, whether its length is said or not."""
    client = client_of(clock)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BODY + bytes(BODY))
    assert 1 == len(client.resource.requests)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"1\r\nx\r\n" * BODY)
    assert not client.closed
    client.send(b"1\r\nx\r\n")
    assert client.closed
    assert client.transport.value().endswith(b" 413 Request Entity Too Large\r\n" + CLOSE)
    client.leave()


def test_flood(clock: Clock) -> None:
    """A client that asks and takes nothing has one answer too many waiting for it at most, and then all in order."""
    client = client_of(clock, Answers(size=1000))
    client.send(GET * 2)
    client.channel.pauseProducing()  # the transport is full
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(100)))
    assert ("paused", 2) == (client.transport.producerState, len(client.resource.requests))
    client.channel.resumeProducing()
    assert ("producing", 102) == (client.transport.producerState, len(client.resource.requests))
    assert [b"/%d" % n for n in range(100)] == [each.path for each in client.resource.requests[2:]]
    client.leave()


def test_flood_meanwhile(clock: Clock) -> None:
    """What is asked for while an answer is made waits, and a client that asks for much is not read."""
    client = client_of(clock, Answers(late=True))
    client.send(GET)
    client.send(GET * 1000)
    assert ("paused", 1) == (client.transport.producerState, len(client.resource.requests))
    client.channel.pauseProducing()
    client.channel.resumeProducing()
    assert "paused" == client.transport.producerState
    client.resource.requests[0].finish()
    assert ("paused", 2) == (client.transport.producerState, len(client.resource.requests))
    client.leave()


def test_failure(clock: Clock, logged_errors: Any) -> None:
    """A resource that fails shows no traceback."""

    class Fails(Resource):
        isLeaf = True

        def render(self, request: Any) -> Any:
            raise ZeroDivisionError("a secret")

    client = client_of(clock, Fails())
    client.send(GET)
    assert b"500" in client.transport.value()
    assert b"secret" not in client.transport.value()
    assert 1 == len(logged_errors.flush(ZeroDivisionError))
    client.leave()


def test_protocols(clock: Clock) -> None:
    """By ALPN nothing but HTTP/1.1 is offered."""
    assert [b"http/1.1"] == ContentSite(Answers(), clock).acceptableProtocols()


def test_expect(clock: Clock) -> None:
    """Who waits for leave to send a body is told so, unless it is too long."""
    client = client_of(clock)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.transport.value().startswith(b"HTTP/1.1 100 Continue")
    client.send(b"abcGET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n")
    assert (1, 1) == (client.transport.value().count(b"200 OK"), client.transport.value().count(b" 413 "))
    client.leave()


_PIECES = st.sampled_from(
    [
        *(
            b"GET / HTTP/1.1\r\n",
            b"Host: a\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"Content-Length: 3\r\n",
            b"abc",
            b"0\r\n",
        ),
        *(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"X: y\r\n", b"\t", b":", b"\0", b"\xff", GET, b"POST "),
    ]
)


@given(st.lists(_PIECES | st.binary(max_size=9), max_size=40), st.integers(1, 50))
def test_anything(pieces: list[bytes], step: int) -> None:
    """Whatever comes, and in whatever portions, is answered or refused, and nothing is left over."""
    clock, data = Clock(), b"".join(pieces)
    whole, stepped = client_of(clock), client_of(clock)
    whole.send(data)
    for start in range(0, len(data), step):
        stepped.send(data[start : start + step])
    for client in (whole, stepped):
        assert client.transport.value().count(b"200 OK") == len(client.resource.requests)
        assert (b" 400 " in client.transport.value() or b" 413 " in client.transport.value()) <= client.closed
    assert _without_dates(whole) == _without_dates(stepped)
    for client in (whole, stepped):
        client.leave()
    assert [] == clock.getDelayedCalls()


def _without_dates(client: Client) -> list[bytes]:
    return [line for line in client.transport.value().split(b"\r\n") if not line.startswith(b"Date: ")]


@pytest.mark.parametrize("path", [b"http://h", b"http://h:80?q", b"HTTPS://h/a?b"])
def test_whole_urls(clock: Clock, path: bytes) -> None:
    """Of a target that is a whole URL the path counts."""
    client = client_of(clock)
    client.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    [request] = client.resource.requests
    assert request.path == (b"/a" if b"/a" in path else b"/")
    client.leave()

"""Answers that are sent in one piece."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tests.unit.streamer.site import Client
from twisted_pulp.streamer._answer import Answer
from twisted_pulp.streamer._body import send_all
from twisted_pulp.streamer._ranges import Span

HEADERS = ((b"Content-Type", b"text/plain"), (b"Content-Length", b"5"))


class Holding(Resource):
    """Holds every request until the test answers it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:
        self.requests.append(request)
        return NOT_DONE_YET


def asked(clock: Clock, *headers: str, method: str = "GET") -> tuple[Client, Any]:
    """Return a client, and its request."""
    client = Client(clock, Holding())
    client.get("/", *headers, method=method)
    return client, client.resource.requests[0]


def lines(received: bytes) -> tuple[bytes, set[bytes], bytes]:
    """Return the status line, the headers and the body, without what tells the time."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.split(b"\r\n")
    return first, {each for each in rest if not each.startswith(b"Date:")}, body


def test_same_as_in_pieces(clock: Clock) -> None:
    """One piece says what a status, headers and a body say one after another, and the connection lives on."""
    client, request = asked(clock)
    request.setHeader(b"Cache-Status", b"ours")
    request.setHeader(b"Content-Type", b"not/this")
    assert request.send_whole(200, HEADERS, b"bytes")
    other, slowly = asked(clock)
    slowly.setHeader(b"Cache-Status", b"ours")
    for name, value in HEADERS:
        slowly.setHeader(name, value)
    slowly.write(b"bytes")
    slowly.finish()
    assert lines(other.received) == lines(client.received)
    assert (200, 5, 1) == (request.code, request.sentLength, request.finished)
    client.get("/again")
    assert 2 == len(client.resource.requests)
    for each in (client, other):
        each.leave()


def test_close(clock: Clock) -> None:
    """A client that wants no other answer has its connection ended."""
    client, request = asked(clock, "Connection: close")
    assert request.send_whole(200, HEADERS, b"bytes")
    assert (True, b"bytes") == (client.closed, client.body)
    assert b"Connection: close" in lines(client.received)[1]
    client.leave()


def spoilt(request: Any) -> None:
    """Let a header have two lines, which nobody can give by the usual way."""
    request.responseHeaders._rawHeaders[b"X"] = [b"a\r\nb"]


@pytest.mark.parametrize(
    "change",
    [
        lambda request: request.write(b""),
        lambda request: request.addCookie("a", "b"),
        lambda request: request.setETag(b"tag"),
        spoilt,
    ],
)
def test_not_possible(clock: Clock, change: Any) -> None:
    """What is more than a status, headers and a body goes the usual way."""
    client, request = asked(clock)
    change(request)
    before = client.received
    assert not request.send_whole(200, HEADERS, b"bytes")
    assert before == client.received
    client.leave()


def test_nobody_there(clock: Clock) -> None:
    """A client that has gone, and one that wants headers only, are not answered in one piece."""
    client, request = asked(clock)
    client.leave()
    assert not request.send_whole(200, HEADERS, b"bytes")
    client, request = asked(clock, method="HEAD")
    assert not request.send_whole(200, HEADERS, b"bytes")
    client.leave()


@pytest.mark.parametrize("whole", [True, False])
def test_parts(clock: Clock, whole: bool) -> None:
    """Parts, and what stands between them, are sent in order by either way."""
    client, request = asked(clock)
    if not whole:
        request.send_whole = None
    send_all(request, Answer(206, HEADERS, (b"<", Span(1, 2), b"|", Span(4, 4))), b"abcdef")
    assert b"<bc|e" == client.body
    client.leave()


class Socket:
    """Takes so many bytes of what it is sent, or fails."""

    def __init__(self, room: int | None) -> None:
        self.room, self.sent = room, b""

    def send(self, data: bytes) -> int:
        if self.room is None:
            raise BlockingIOError(errno.EAGAIN, "later")
        self.sent += data[: self.room]
        return min(self.room, len(data))


class Plain(Connection):
    """A plain connection, without a network."""

    def __init__(self, room: int | None) -> None:
        self.socket, self.connected, self.written = Socket(room), 1, b""
        self._tempDataBuffer: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written += data


@pytest.mark.parametrize(("room", "left"), [(100, b""), (2, b"cd"), (0, b"abcd"), (None, b"abcd")])
def test_at_once(clock: Clock, room: int | None, left: bytes) -> None:
    """The socket gets what it takes at once, and the reactor sends the rest."""
    client, _ = asked(clock)
    usual, client.channel.transport = client.channel.transport, Plain(room)
    client.channel.send_now(b"abcd")
    transport = client.channel.transport
    assert (b"abcd", left) == (transport.socket.sent + transport.written, transport.written)
    client.channel.transport = usual
    client.leave()


@pytest.mark.parametrize("change", [{"disconnecting": True}, {"connected": 0}, {"TLS": True}, {"dataBuffer": b"x"}])
def test_not_at_once(clock: Clock, change: dict[str, Any]) -> None:
    """What must not overtake anything, or goes over TLS, does not go to the socket."""
    client, _ = asked(clock)
    usual, transport = client.channel.transport, Plain(100)
    client.channel.transport = transport
    vars(transport).update(change)
    client.channel.send_now(b"abcd")
    assert (b"", b"abcd") == (transport.socket.sent, transport.written)
    client.channel.transport = usual
    client.leave()

"""Requests that are sent together, at the end of the reactor's turn."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, ECONNRESET
from typing import Any

import pytest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.tcp import Client
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web._newclient import RequestNotSent, ResponseNeverReceived

from tests.leaks import LoggedErrors
from tests.unit.wire import ok
from twisted_pulp.http import HTTPConnection
from twisted_pulp.http._outbox import Outbox
from twisted_pulp.http._request import Request

WIRE = b"GET /path HTTP/1.1\r\nHost: host.test\r\n\r\n"


class Sender:
    """Remembers what it was to send."""

    def __init__(self, outbox: Outbox | None = None, error: Exception | None = None) -> None:
        self.sent: list[bytes] = []
        self.given_up = False
        self._outbox, self._error = outbox, error

    def send(self, data: bytes) -> None:
        """Send *data*, and post it once more."""
        if self._error is not None:
            raise self._error
        self.sent.append(data)
        if self._outbox is not None:
            self._outbox.post(self, data + b"!")

    def give_up(self) -> None:
        """Be ended."""
        self.given_up = True


def test_together(clock: Clock) -> None:
    """What is posted in one turn of the reactor is sent in the next, all of it at once."""
    outbox, a, b = Outbox(clock), Sender(), Sender()
    outbox.post(a, b"1")
    outbox.post(b, b"2")
    outbox.post(a, b"3")
    assert ([], 1) == (a.sent, len(clock.getDelayedCalls()))
    clock.advance(0)
    assert ([b"1", b"3"], [b"2"]) == (a.sent, b.sent)


class Turns:
    """A reactor that does in a turn what was wanted in the one before; a Clock does what is due until nothing is."""

    def __init__(self) -> None:
        self._wanted: list[Callable[[], object]] = []

    def callLater(self, delay: float, f: Callable[[], object]) -> None:
        """Call *f* in the next turn."""
        assert 0 == delay
        self._wanted.append(f)

    def turn(self) -> None:
        """Do what was wanted so far."""
        wanted, self._wanted = self._wanted, []
        for f in wanted:
            f()


def test_turn_by_turn() -> None:
    """What is posted while others are being sent waits for the turn after that."""
    reactor = Turns()
    outbox = Outbox(reactor)  # type: ignore[arg-type]
    sender = Sender(outbox)
    outbox.post(sender, b"a")
    reactor.turn()
    assert [b"a"] == sender.sent
    reactor.turn()
    assert [b"a", b"a!"] == sender.sent


def test_failure(clock: Clock, logged_errors: LoggedErrors) -> None:
    """A request that cannot be sent ends its own connection, and no other waits for it."""
    outbox, broken, well = Outbox(clock), Sender(error=ValueError("broken")), Sender()
    outbox.post(broken, b"1")
    outbox.post(well, b"2")
    clock.advance(0)
    assert (True, [b"2"], False) == (broken.given_up, well.sent, well.given_up)
    assert 1 == len(logged_errors.flush(ValueError))


class Socket(Client):
    """
    A socket that takes some bytes at once.

    :ivar taken: so many, or the error it has.
    :ivar socket: itself.
    :ivar sent: what it took.
    :ivar asked: how often the reactor was asked to look when it takes more.
    """

    def __init__(self, taken: int | Exception = 1000) -> None:
        FileDescriptor.__init__(self, None)  # type: ignore[arg-type]
        self.taken, self.sent, self.asked = taken, b"", 0
        self.connected, self.aborted, self.socket = 1, False, self

    def send(self, data: bytes) -> int:
        """Take some."""
        if isinstance(self.taken, Exception):
            raise self.taken
        self.sent += data[: self.taken]
        return min(self.taken, len(data))

    def startWriting(self) -> None:
        """Ask."""
        self.asked += 1

    def stopWriting(self) -> None:
        """Ask no more."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing."""

    def abortConnection(self) -> None:
        """End."""
        self.aborted = True

    @property
    def left(self) -> bytes:
        """What waits for the reactor."""
        return self.dataBuffer[self.offset :] + b"".join(self._tempDataBuffer)


class Secured(TLSMemoryBIOProtocol):
    """TLS that hides nothing."""

    def __init__(self, socket: Socket) -> None:
        self.transport: Any = socket

    def write(self, data: bytes) -> None:
        """Gather, as Twisted's transport does."""
        raise AssertionError("gathered once more")

    def _write(self, data: bytes) -> None:
        self.transport.write(data)

    def abortConnection(self) -> None:
        """End."""
        self.transport.abortConnection()


class Line:
    """A connection over a socket, and a request that waits in its outbox."""

    def __init__(self, clock: Clock, socket: Socket, secure: bool = False) -> None:
        self.idle: list[Any] = []
        self.socket = socket
        self.connection = HTTPConnection(self.idle.append, None, Outbox(clock))
        self.connection.makeConnection(Secured(socket) if secure else socket)  # type: ignore[no-untyped-call]
        self.results: list[Any] = []
        self.request: Deferred[Any] = self.connection.request(
            Request(b"GET", b"/path", None, b"host.test", b"http://host.test/path", True)
        )
        self.request.addBoth(self.results.append)


@pytest.mark.parametrize("secure", [False, True])
def test_request(clock: Clock, secure: bool) -> None:
    """A request is sent at the end of the turn, without asking the reactor when; its answer is heard."""
    line = Line(clock, Socket(), secure)
    assert (b"", "QUEUED") == (line.socket.sent, line.connection.state)
    clock.advance(0)
    assert (WIRE, b"", 0) == (line.socket.sent, line.socket.left, line.socket.asked)
    line.connection.dataReceived(ok(b"hi"))
    assert ([200], [line.connection]) == ([response.code for response in line.results], line.idle)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("taken", [9, 0, BlockingIOError(EAGAIN, "busy"), ConnectionResetError(ECONNRESET, "reset")])
def test_busy_socket(clock: Clock, taken: int | Exception, secure: bool) -> None:
    """What a socket does not take, or does not take any more, waits for the reactor, which knows what to do."""
    line = Line(clock, Socket(taken), secure)
    clock.advance(0)
    assert WIRE == line.socket.sent + line.socket.left
    assert (taken if isinstance(taken, int) else 0) == len(line.socket.sent)
    assert line.socket.asked


def test_behind_what_waits(clock: Clock) -> None:
    """A request goes behind what the socket has not taken yet."""
    line = Line(clock, Socket())
    line.socket.write(b"earlier")
    clock.advance(0)
    assert (b"", b"earlier" + WIRE) == (line.socket.sent, line.socket.left)


def test_ending(clock: Clock) -> None:
    """A socket that is to end when all is written is the reactor's to write."""
    line = Line(clock, Socket(), secure=True)
    line.socket.disconnecting = True
    clock.advance(0)
    assert (b"", WIRE, 1) == (line.socket.sent, line.socket.left, line.socket.asked)


def test_given_up(clock: Clock) -> None:
    """A request that was given up before it was sent is not sent."""
    line = Line(clock, Socket())
    line.request.cancel()
    clock.advance(0)
    assert (b"", b"", True) == (line.socket.sent, line.socket.left, line.socket.aborted)
    assert [ResponseNeverReceived] == [failure.type for failure in line.results]


def test_answered_too_early(clock: Clock) -> None:
    """What comes before a request was sent is no answer to it: nothing is sent, and another connection may be."""
    line = Line(clock, Socket())
    line.connection.dataReceived(ok(b"poison"))
    clock.advance(0)
    assert (b"", b"", True) == (line.socket.sent, line.socket.left, line.socket.aborted)
    assert [RequestNotSent] == [failure.type for failure in line.results]
    assert not line.idle

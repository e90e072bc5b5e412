"""One connection in memory: what it is asked, what it hears, and what became of that."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from twisted_pulp.http import HTTPConnection
from twisted_pulp.http._request import Request

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def ok(body: bytes, *headers: bytes) -> bytes:
    """Return a whole response of known length."""
    return b"\r\n".join([OK[:-2], *headers, b"Content-Length: %d" % len(body), b"", body])


def get(method: bytes = b"GET", persistent: bool = True, headers: Headers | None = None) -> Request:
    """Return a request without a body."""
    return Request(method, b"/path", headers, b"host.test", b"http://host.test/path", persistent)


class Body(Protocol):
    """
    Collects a body.

    :ivar received: its bytes so far.
    :ivar ends: the reasons why it ended; there must never be two.
    """

    def __init__(self) -> None:
        self.received = b""
        self.ends: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ends.append(reason)

    @property
    def end(self) -> str:
        """The name of what ended it, "" when nothing did."""
        assert 2 > len(self.ends)
        return type(self.ends[0].value).__name__ if self.ends else ""

    @property
    def producer(self) -> Any:
        """What it may pause, resume and stop."""
        return self.transport


class Asked:
    """
    One request.

    :ivar response: what came, or None.
    :ivar failure: why nothing came, or None.
    :ivar body: gets the body, unless it was asked for later.
    """

    def __init__(self, wire: Wire, request: Any, deliver: bool = True, body: Body | None = None) -> None:
        self.response: Any = None
        self.failure: Any = None
        self.body = Body() if body is None else body
        self.fired = 0
        self._deliver = deliver
        self.deferred = wire.connection.request(request)
        self.deferred.addCallbacks(self._answered, self._failed)

    def _answered(self, response: Any) -> None:
        self.fired += 1
        self.response = response
        if self._deliver:
            response.deliverBody(self.body)

    def _failed(self, failure: Failure) -> None:
        self.fired += 1
        self.failure = failure

    @property
    def reasons(self) -> list[str]:
        """The names of the reasons inside the failure of the request, or of its body."""
        failure: Any = self.failure or self.body.ends[0]
        return [reason.type.__name__ for reason in failure.value.reasons]

    @property
    def outcome(self) -> tuple[object, ...]:
        """What this came to, to compare."""
        if self.failure is not None:
            return (self.failure.type.__name__,)
        if self.response is None:
            return ()
        return self.response.code, self.body.received, self.body.end


class Wire:
    """
    A connection over a transport that only remembers.

    :ivar idle: the connection, once for each time it could take another request.
    :ivar lost: the connection, once it was lost.
    """

    def __init__(self, transport: StringTransport | None = None) -> None:
        self.idle: list[HTTPConnection] = []
        self.lost: list[HTTPConnection] = []
        self.transport = StringTransport() if transport is None else transport
        self.connection = HTTPConnection(self.idle.append, self.lost.append)
        self.connection.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def ask(
        self,
        request: Any = None,
        *pieces: bytes,
        method: bytes = b"GET",
        deliver: bool = True,
        body: Body | None = None,
    ) -> Asked:
        """Make a request, and hear *pieces*."""
        asked = Asked(self, get(method) if request is None else request, deliver, body)
        self.hear(*pieces)
        return asked

    def hear(self, *pieces: bytes) -> None:
        """Receive *pieces*, as far as a transport would hand them on."""
        for piece in pieces:
            if not self.aborted:
                self.connection.dataReceived(piece)

    def lose(self, error: Exception | None = None) -> None:
        """Lose the connection."""
        self.connection.connectionLost(Failure(ConnectionDone() if error is None else error))

    @property
    def sent(self) -> bytes:
        """What was written."""
        return bytes(self.transport.value())

    @property
    def aborted(self) -> bool:
        """Whether it was ended at once."""
        return self.transport.disconnected

    @property
    def closed(self) -> bool:
        """Whether it was ended, one way or the other."""
        return self.transport.disconnecting

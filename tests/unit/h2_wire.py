"""An HTTP/2 connection in memory, and the server at its other end, which does what the test says."""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from hyperframe.frame import Frame
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.unit.wire import Asked, Body, get
from twisted_pulp.http import Cap
from twisted_pulp.http._h2_connection import Multiplexed
from twisted_pulp.http._outbox import Outbox
from twisted_pulp.settings import Timeouts

OK = [(":status", "200")]


def ok(length: int, *fields: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a response of known length."""
    return [*OK, ("content-length", str(length)), *fields]


class Server:
    """
    The other end: h2's own server side, which checks nothing of what it is told to send.

    :ivar heard: what came, as h2 tells it.
    """

    def __init__(self) -> None:
        self.h2 = H2Connection(
            H2Configuration(client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.h2.initiate_connection()
        self.heard: list[Any] = []

    def hear(self, data: bytes) -> list[Any]:
        """Take in what the client sent; return what that was."""
        events = self.h2.receive_data(data) if data else []
        self.heard += events
        return events

    @property
    def requests(self) -> list[dict[bytes, bytes]]:
        """What was asked, oldest first."""
        return [dict(event.headers) for event in self.heard if isinstance(event, RequestReceived)]

    def every(self, kind: type) -> list[Any]:
        """Return what came of this kind."""
        return [event for event in self.heard if isinstance(event, kind)]

    def say(self) -> bytes:
        """Return what it has to send."""
        return self.h2.data_to_send()

    def answer(self, number: int, body: bytes | None = b"", fields: Any = None) -> bytes:
        """Return a whole response; None is no body."""
        self.h2.send_headers(number, ok(len(body or b"")) if fields is None else fields, end_stream=body is None)
        if body is not None:
            self.data(number, body, end=True)
        return self.say()

    def data(self, number: int, body: bytes, end: bool = False) -> None:
        """Send *body* in frames."""
        pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)] or [b""]
        for piece in pieces:
            self.h2.send_data(number, piece, end_stream=end and piece is pieces[-1])


class H2Wire:
    """
    A connection over a transport that only remembers.

    :ivar server: its other end.
    :ivar lost: the connection, once it was lost.
    """

    def __init__(self, timeouts: Timeouts | None = None) -> None:
        self.clock, self.server, self.timeouts = Clock(), Server(), timeouts
        self.lost: list[Multiplexed] = []
        self.transport = StringTransport()
        self.connection = Multiplexed(self.lost.append, Outbox(self.clock))
        self.connection.caps = (Cap(1),)
        self.connection.makeConnection(self.transport)  # type: ignore[no-untyped-call]
        self.turn()

    def ask(self, request: Any = None, *, method: bytes = b"GET", deliver: bool = True, body: Any = None) -> Asked:
        """Make a request; it is sent at the end of the turn."""
        return Asked(self, get(method) if request is None else request, deliver, Body() if body is None else body)  # type: ignore[arg-type]

    def asked(self, **options: Any) -> Asked:
        """Make a request, and let the server have it."""
        asked = self.ask(**options)
        self.turn()
        return asked

    def turn(self) -> list[Any]:
        """Let a turn of the reactor end; return what the server hears of it."""
        self.clock.advance(0)
        data = self.transport.value()
        self.transport.clear()
        return self.server.hear(data)

    def hear(self, data: bytes | Frame) -> None:
        """Receive *data*, and let the turn end."""
        self.connection.dataReceived(data if isinstance(data, bytes) else data.serialize())
        self.turn()

    def answer(self, number: int, *args: Any) -> None:
        """Let the server answer."""
        self.hear(self.server.answer(number, *args))

    def lose(self, error: Exception | None = None) -> None:
        """Lose the connection."""
        self.connection.connectionLost(Failure(ConnectionDone() if error is None else error))

    @property
    def aborted(self) -> bool:
        """Whether it was ended at once."""
        return self.transport.disconnected

    @property
    def closed(self) -> bool:
        """Whether it was ended, one way or the other."""
        return self.transport.disconnecting

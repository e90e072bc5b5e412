"""
A raw HTTP server that answers with exactly the bytes, pauses and endings it is told.

Use the ``scripted`` fixture::

    scripted.on(b"/file", [cut(ok(body), 100), ranged(body)])
    ... scripted.url("/file") ...
    assert 2 == len(scripted.requests)

The first request for ``/file`` gets 100 bytes of body and a reset, each later one the last answer.
Paths without answers get what ``scripted.default`` chooses, 404 at first.
After the steps of an answer the connection stays open for the next request, unless a step ended it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort, IOpenSSLContextFactory
from twisted.internet.protocol import ServerFactory

from tests.servers.answers import chunked, cut, ok, ranged, status
from tests.servers.connection import Connection
from tests.servers.reactor import IReactor
from tests.servers.steps import (
    Answer,
    Close,
    Forever,
    HalfClose,
    Hear,
    Request,
    Reset,
    Send,
    SendSlowly,
    Stall,
    Step,
    Steps,
    Until,
    Wait,
)

__all__ = [
    "Answer",
    "Close",
    "Forever",
    "HalfClose",
    "Hear",
    "Request",
    "Reset",
    "Scripted",
    "Send",
    "SendSlowly",
    "Stall",
    "Step",
    "Steps",
    "Until",
    "Wait",
    "chunked",
    "cut",
    "ok",
    "ranged",
    "status",
]


def _not_found(request: Request) -> Steps:
    return status(404)


def _nothing(number: int) -> Steps:
    return ()


@define(eq=False)
class Scripted(ServerFactory):
    """
    A server that follows scripts.

    :ivar tls: secures each connection, after its greeting; None for plain HTTP.
    :ivar default: chooses the steps for requests without an answer of `on`.
    :ivar greeting: chooses steps for a new connection (by its number) before any request and before TLS:
        stall or break a handshake here.
    :ivar requests: every request whose head and body were complete, in order.
    :ivar accepted: connections accepted so far.
    :ivar live: connections open now.
    :ivar high_water: the most connections that were open at once.
    :ivar bytes_sent: what scripts sent so far, before encryption.
    """

    reactor: IReactor
    tls: IOpenSSLContextFactory | None = None
    default: Callable[[Request], Steps] = _not_found
    greeting: Callable[[int], Steps] = _nothing

    requests: list[Request] = field(init=False, factory=list)
    accepted: int = field(init=False, default=0)
    high_water: int = field(init=False, default=0)

    _answers: dict[bytes, list[Answer]] = field(init=False, factory=dict)
    _live: set[Connection] = field(init=False, factory=set)
    _sent_by_lost: int = field(init=False, default=0)
    _listening: IListeningPort | None = field(init=False, default=None)
    port: int = field(init=False, default=0)

    def listen(self, interface: str = "127.0.0.1", port: int = 0) -> None:
        """Start to accept connections on *port*, 0 for any that is free."""
        self._listening = self.reactor.listenTCP(port, self, backlog=1024, interface=interface)
        self.port = self._listening.getHost().port  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Stop accepting, reset what is open, and return when all of it is gone."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)
        self.drop()
        await gatherResults([connection.lost for connection in self._live])

    def drop(self) -> None:
        """Reset every open connection."""
        for connection in self._live:
            connection.transport.abortConnection()

    @property
    def bytes_sent(self) -> int:
        return self._sent_by_lost + sum(connection.sent for connection in self._live)

    @property
    def live(self) -> int:
        return len(self._live)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Give the URL of *path* on this server."""
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}{path}"

    def on(self, path: bytes, answers: Sequence[Answer]) -> None:
        """
        Answer the first request for *path* with the first of *answers* and so on; the last one repeats.

        :param path: a request target, or one without its query.
        """
        if not answers:
            raise ValueError("a path needs at least one answer")
        self._answers[path] = list(answers)

    def asked(self, path: bytes) -> list[Request]:
        """Give the requests there were for *path*."""
        return [request for request in self.requests if path in (request.target, request.path)]

    # For connections

    def answer(self, request: Request) -> Steps:
        """Choose the steps for *request*."""
        answers = self._answers.get(request.target) or self._answers.get(request.path)
        if answers is None:
            return self.default(request)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(request) if callable(answer) else answer

    def left(self, connection: Connection) -> None:
        """Count *connection* out."""
        self._live.discard(connection)
        self._sent_by_lost += connection.sent

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        connection = Connection(self, self.accepted)
        self.accepted += 1
        self._live.add(connection)
        self.high_water = max(self.high_water, len(self._live))
        return connection

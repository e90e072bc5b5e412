"""A request to a resource over a transport in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Transport(StringTransport):
    """A client's connection, that knows whether it was aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed here."""


class Asking:
    """A client who asks a function of a request, or a resource, at /."""

    def __init__(self, answer: Any) -> None:
        self.clock = Clock()
        root = answer if isinstance(answer, Resource) else _Calling(answer)
        site = Site(root, reactor=self.clock)  # type: ignore[no-untyped-call]
        self.channel: Any = site.buildProtocol(None)  # type: ignore[no-untyped-call]
        self.channel.callLater = self.clock.callLater
        self.transport = Transport()
        self.channel.makeConnection(self.transport)

    def ask(self, method: bytes = b"GET", **headers: str) -> None:
        """Send a request; the underscores of the headers' names are hyphens."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.channel.dataReceived(method + b" / HTTP/1.1\r\nHost: test\r\n" + lines.encode() + b"\r\n")

    def leave(self) -> None:
        """Be gone."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        self.channel.connectionLost(Failure(ConnectionDone()))

    @property
    def head(self) -> str:
        """The head of the answer."""
        return self.transport.value().partition(b"\r\n\r\n")[0].decode()

    @property
    def body(self) -> str:
        """What has come of the answer's body."""
        text = self.transport.value().partition(b"\r\n\r\n")[2]
        if "Transfer-Encoding: chunked" not in self.head:
            return text.decode()
        found = b""
        while text:
            size, _, text = text.partition(b"\r\n")
            found, text = found + text[: int(size, 16)], text[int(size, 16) + 2 :]
        return found.decode()


class _Calling(Resource):
    isLeaf = True

    def __init__(self, answer: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def render(self, request: Any) -> int:
        self._answer(request)
        return NOT_DONE_YET

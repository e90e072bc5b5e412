"""The server's end of one connection, and the script that runs on it."""

from __future__ import annotations

import typing
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from tests.servers.reactor import IReactor
from tests.servers.steps import Request, Steps
from tests.servers.stream import Stream

_log = Logger()


class Server(typing.Protocol):
    """What a connection asks of the server that accepted it."""

    reactor: IReactor
    tls: IOpenSSLContextFactory | None
    greeting: Callable[[int], Steps]
    requests: list[Request]

    def answer(self, request: Request) -> Steps:
        """Choose the steps for *request*."""

    def left(self, connection: Connection) -> None:
        """Count *connection* out."""


class Connection(Stream):
    """One accepted connection and the script that runs on it; a `Wire`."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__(server.reactor)
        self._server = server
        self._number = number
        self._received = bytearray()
        self._more: Deferred[None] | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._failed)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        waiting, self._more = self._more, None
        if waiting is not None:
            waiting.callback(None)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._running.cancel()
        self._server.left(self)
        super().connectionLost(reason)

    async def heard(self, count: int) -> None:
        """Wait until *count* bytes came that no request has used yet."""
        while len(self._received) < count:
            self._more = Deferred()
            await self._more

    # The script

    async def _run(self) -> None:
        server = self._server
        await self._perform(server.greeting(self._number))
        if server.tls is not None:
            self._secure_with(server.tls)
        index = 0
        while True:
            request = await self._request(index)
            server.requests.append(request)
            await self._perform(server.answer(request))
            index += 1

    async def _perform(self, steps: Steps) -> None:
        for step in steps:
            await step.perform(self)

    def _secure_with(self, context: IOpenSSLContextFactory) -> None:
        early = bytes(self._received)
        self._received.clear()
        self.transport.startTLS(context)  # type: ignore[arg-type]  # the older interface does too
        if early:  # the client's hello came while the greeting ran
            self.transport.protocol.dataReceived(early)  # type: ignore[attr-defined]

    async def _request(self, index: int) -> Request:
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self.heard(len(self._received) + 1)
        at = self._reactor.seconds()
        first, *lines = bytes(self._received[:end]).split(b"\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(b":") for line in lines))
        method, target, version = first.split(b" ", 2)
        length = int(next((value for name, value in headers if name.lower() == b"content-length"), 0))
        await self.heard(end + 4 + length)
        body = bytes(self._received[end + 4 : end + 4 + length])
        del self._received[: end + 4 + length]
        peer = self.transport.getPeer()
        return Request(
            method=method,
            target=target,
            version=version,
            headers=headers,
            body=body,
            peer=(peer.host, peer.port),
            time=at,
            connection=self._number,
            index=index,
            number=len(self._server.requests),
        )

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, CancelledError):
            return  # the client has left
        _log.failure("A script failed", failure)
        self.transport.abortConnection()

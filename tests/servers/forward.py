"""A step of a scripted server that lets another server answer: between them, requests can be counted and spoilt."""

from __future__ import annotations

from attrs import frozen

from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.servers.steps import Request, Wire

__all__ = ["Forward"]


@frozen
class Forward:
    """
    Ask the server at *port* of 127.0.0.1 the same, in the same words, and send on what it says; then end.

    :ivar most: bytes of the answer that are sent on before the connection is reset; None: all, and it is closed.
    :ivar silent: whether nothing of it is sent on, for a step that answers something else.
    """

    reactor: IReactor
    port: int
    request: Request
    most: int | None = None
    silent: bool = False

    async def perform(self, wire: Wire) -> None:
        request = self.request
        kept = [pair for pair in request.headers if pair[0].lower() != b"connection"]
        lines = [b"%s %s HTTP/1.1" % (request.method, request.target), *(b"%s: %s" % pair for pair in kept)]
        server = await Socket.to(self.reactor, self.port)
        server.send(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + request.body)
        said = await server.heard_all()
        if self.silent:
            return
        await wire.send(said[: self.most])
        if self.most is None:
            await wire.close()
        else:
            await wire.reset(True)

"""The steps a scripted server can be told to take, and the request it takes them for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

Headers = Sequence[tuple[bytes, bytes]]


@frozen(kw_only=True)
class Request:
    """
    A request as it came, byte for byte.

    :ivar time: the reactor's seconds when its head was complete.
    :ivar connection: the connection's number, from 0 in order of acceptance.
    :ivar index: the request's number on that connection, from 0.
    :ivar number: the request's number on the server, from 0.
    :ivar peer: the client's host and port.
    """

    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    peer: tuple[str, int]
    time: float
    connection: int
    index: int
    number: int

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    def header(self, name: bytes) -> bytes | None:
        """Give the first value of the header *name* (in any case), or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: bytes) -> list[bytes]:
        """Give every value of the header *name* (in any case), in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Wire(Protocol):
    """The server's end of one connection, as a step sees it."""

    async def send(self, data: bytes) -> None:
        """Send *data*; return when there is room for more."""

    async def wait(self, seconds: float) -> None:
        """Do nothing for *seconds*."""

    async def heard(self, count: int) -> None:
        """Wait until *count* bytes came that no request has used yet."""

    async def reset(self, delivered: bool) -> None:
        """End with RST, when *delivered* only once the client's kernel has every byte."""

    async def close(self) -> None:
        """End with FIN; over TLS, after close_notify."""

    async def half_close(self) -> None:
        """Send FIN and keep reading; over TLS without close_notify, as a truncation does."""

    async def gone(self) -> None:
        """Never return: the script ends when the client leaves."""


class Step(Protocol):
    """One thing a script does; any object with this method is one."""

    async def perform(self, wire: Wire) -> None:
        """Do it, and return when the next step may begin."""


Steps = Sequence[Step]
#: What a path is answered with: fixed steps, or a function that chooses them.
Answer = Steps | Callable[[Request], Steps]


@frozen
class Send:
    """Send bytes as fast as the client takes them."""

    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")

    async def perform(self, wire: Wire) -> None:
        await wire.send(self.data)


@frozen
class SendSlowly:
    """Send bytes *chunk* at a time with *delay* seconds after each."""

    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")
    chunk: int = 1
    delay: float = 0.01

    async def perform(self, wire: Wire) -> None:
        for start in range(0, len(self.data), self.chunk):
            await wire.send(self.data[start : start + self.chunk])
            await wire.wait(self.delay)


@frozen
class Wait:
    """Do nothing for some seconds."""

    seconds: float

    async def perform(self, wire: Wire) -> None:
        await wire.wait(self.seconds)


@frozen
class Until:
    """Do nothing until the test fires a Deferred, whose result is left alone."""

    event: Deferred[None]

    async def perform(self, wire: Wire) -> None:
        waiting: Deferred[None] = Deferred()

        def fire(result: None) -> None:
            if not waiting.called:  # cancelled, when the client has left
                waiting.callback(None)

        self.event.addCallback(fire)
        await waiting


@frozen
class Hear:
    """Wait for *count* bytes from the client beyond the request, or in TLS before the handshake."""

    count: int = 1

    async def perform(self, wire: Wire) -> None:
        await wire.heard(self.count)


@frozen
class Reset:
    """
    End the connection with RST.

    Everything sent before is delivered first; with ``delivered=False`` the kernel drops what is still on its way.
    """

    delivered: bool = True

    async def perform(self, wire: Wire) -> None:
        await wire.reset(self.delivered)


@frozen
class Close:
    """End the connection with FIN; over TLS, after close_notify."""

    async def perform(self, wire: Wire) -> None:
        await wire.close()


@frozen
class HalfClose:
    """
    Send FIN and go on reading; add `Stall` to never close.

    Over TLS the FIN comes without close_notify: exactly what an attacker who truncates can do.
    """

    async def perform(self, wire: Wire) -> None:
        await wire.half_close()


@frozen
class Stall:
    """Send nothing more until the client leaves."""

    async def perform(self, wire: Wire) -> None:
        await wire.gone()


@frozen
class Forever:
    """Send *chunk* again and again until the client leaves or, if given, *cap* bytes are sent."""

    chunk: bytes = field(repr=lambda data: f"<{len(data)} bytes>")
    cap: int | None = None

    async def perform(self, wire: Wire) -> None:
        sent = 0
        while self.cap is None or sent < self.cap:
            piece = self.chunk if self.cap is None else self.chunk[: self.cap - sent]
            await wire.send(piece)
            await wire.wait(0)  # others live in this reactor too
            sent += len(piece)

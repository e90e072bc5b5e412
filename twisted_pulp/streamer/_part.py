"""One part of an artifact, on its way into the file that grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_pulp.download import Download
from twisted_pulp.errors import ResumeRefused, Truncated
from twisted_pulp.http import fields_of, refuse
from twisted_pulp.transfer._ask import request_headers
from twisted_pulp.transfer._range import Version, check_part, part_headers

__all__ = ["Part"]

# Bytes that are written together, and that may wait for the disk.
_BATCH, _MOST = 256 << 10, 512 << 10


class Part(Protocol):
    """
    One part of an artifact, on its way into the file that grows.

    :param flight: whose artifact it is; its first response is here.
    :param first: the first byte.
    :param end: the byte behind the last.
    :param grown: called when more of it can be read.
    :ivar written: the end of the bytes that can be read.
    :ivar stopped: whether nobody wants it any more.
    """

    def __init__(self, flight: Any, first: int, end: int, grown: Callable[[], object]) -> None:
        self._flight, self.first, self.end, self._tell = flight, first, end, grown
        self.written = self._received = first
        self.stopped = self._paused = False
        self._pieces: list[bytes] = []
        self._gathered = self._writing = 0
        self._over: Failure | None = None
        self._done: Deferred[None] = Deferred(lambda _: self._break_off())

    def __repr__(self) -> str:
        return f"<Part {self.first}-{self.end} up to {self.written}>"

    async def fetch(self, downloader: Any) -> None:
        """
        Fetch it, to its end or until the transfer has come as far; to cancel it breaks it off.

        :raises PulpError: when it cannot be had.
        """
        flight = self._flight
        head = flight.head.result
        source, version = head.source, Version.of(head.source, head.headers, None)
        ranged = part_headers(self.first, self.end, version.validator)
        headers = request_headers(Download(flight.wanted.sources), source, None, ranged)
        agent = downloader.agent if source.remote is None else downloader.context.agent(source.remote)
        response = await agent.request(b"GET", source.url.encode("ascii"), headers)
        try:
            fields = fields_of(response)
            check_part(source.url, response.code, fields, self.first, self.end, flight.length, version.validator)
        except BaseException:
            refuse(response)
            raise
        response.deliverBody(self)
        await self._done

    def dataReceived(self, data: bytes) -> None:
        """Take *data*, unless the transfer has brought it meanwhile."""
        self._received += len(data)
        if self.stopped or self._received > self.end or self._flight.written >= self._received:
            self._break_off()
            return
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= _BATCH:
            self._flush()
            self._balance()

    def _break_off(self) -> None:
        transport: Any = self.transport
        if transport is not None and self._over is None:
            transport.stopProducing()

    def _flush(self) -> None:
        if self._writing or not self._pieces or self.stopped:
            return
        pieces, self._pieces = self._pieces, []
        self._writing, self._gathered = self._gathered, 0
        putting = self._flight.body.put(self.written, pieces)
        putting.addCallbacks(self._landed, self._failed)

    def _landed(self, _: object) -> None:
        if self.stopped:
            return
        self.written += self._writing
        self._writing = 0
        self._tell()
        if self._gathered >= _BATCH or self._over is not None:
            self._flush()
        self._balance()
        self._finish()

    def _failed(self, why: Failure) -> None:
        self._writing = 0
        self._break_off()
        self._fire(why)

    def _balance(self) -> None:
        """Let the upstream wait for the disk."""
        transport: Any = self.transport
        too_much = self._writing + self._gathered >= _MOST
        if too_much != self._paused and self._over is None:
            self._paused = too_much
            if too_much:
                transport.pauseProducing()
            else:
                transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Write the rest."""
        self._over = reason
        self._flush()
        self._finish()

    def _finish(self) -> None:
        if self._over is None or self._writing or (self._pieces and not self.stopped):
            return
        flight = self._flight
        if self.stopped or self.written == self.end or flight.written >= self.written:
            self._fire(None)
        elif self._received > self.end:
            self._fire(Failure(ResumeRefused(flight.head.result.source.url, "more bytes than were asked for")))
        else:
            error = Truncated(flight.head.result.source.url, self.written, self.end)
            self._fire(Failure(error))

    def _fire(self, result: Any) -> None:
        if not self._done.called:
            self._done.callback(result)

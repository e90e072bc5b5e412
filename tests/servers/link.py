"""One connection through a fault proxy: its two ends, and the flow each way."""

from __future__ import annotations

import random
import typing
from collections import deque

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.servers.reactor import IReactor
from tests.servers.stream import Stream
from tests.servers.toxics import Toxics

_log = Logger()
_HIGH_WATER = 2**20
_TICK = 0.01


class Proxy(typing.Protocol):
    """What a link asks of the proxy that accepted it."""

    reactor: IReactor
    upstream: int
    rng: random.Random
    to_client: Toxics
    to_server: Toxics

    def left(self, link: Link) -> None:
        """Count *link* out."""


@implementer(IHalfCloseableProtocol)
class End(Stream):
    """One of the two connections of a link: what it receives waits to be read, with its time of arrival."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.proxy.reactor)
        self._link = link
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued = 0
        self._ended = False
        self._more: Deferred[None] | None = None
        self.reset_by_peer = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self._link.opened(self)

    def dataReceived(self, data: bytes) -> None:
        self._queue.append((self._reactor.seconds(), data))
        self._queued += len(data)
        if self._queued > _HIGH_WATER:
            self.transport.pauseProducing()
        self._wake()

    def readConnectionLost(self) -> None:
        self._ended = True
        self._wake()

    def writeConnectionLost(self) -> None:
        """Nothing to do: who half-closed knows."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        self.reset_by_peer = not self._ended
        self.readConnectionLost()
        self._link.broken(self)

    async def read(self) -> tuple[float, bytes] | None:
        """Give the next bytes with the time they came, or None at the end of the stream."""
        while not self._queue:
            if self._ended:
                return None
            self._more = Deferred()
            await self._more
        arrived, data = self._queue.popleft()
        was_full, self._queued = self._queued > _HIGH_WATER, self._queued - len(data)
        if was_full and self._queued <= _HIGH_WATER:
            self.transport.resumeProducing()
        return arrived, data

    def _wake(self) -> None:
        waiting, self._more = self._more, None
        if waiting is not None:
            waiting.callback(None)


class Flow:
    """Carries the bytes of one direction of a link, as its toxics say."""

    def __init__(self, link: Link, source: End, sink: End, toxics: Toxics) -> None:
        self._link = link
        self._source = source
        self._sink = sink
        self._toxics = toxics
        self._rng = link.proxy.rng
        self._drawn = toxics.drawn_reset(self._rng)
        self._stalled = False
        self._free_at = 0.0
        self._passed = 0

    async def run(self) -> None:
        """Carry everything up to the end of the stream, then pass that on."""
        while (arrival := await self._source.read()) is not None:
            arrived, data = arrival
            await self._until(self._toxics.departure(arrived, self._rng))
            if await self._cut():
                return
            while data:
                piece, data = self._piece(data)
                await self._sink.send(piece)
                self._passed += len(piece)
                await self._pace(len(piece))
                if await self._cut():
                    return
        await self._sink.wait(self._toxics.close_delay)
        if self._source.reset_by_peer:
            await self._sink.delivered()
            self._link.reset()
        else:
            await self._sink.half_close()

    def _piece(self, data: bytes) -> tuple[bytes, bytes]:
        """Part *data* where the next fault may be due."""
        toxics = self._toxics
        sizes = [len(data)]
        sizes += [mark - self._passed for mark in self._marks() if mark is not None and mark > self._passed]
        if toxics.slice is not None:
            sizes.append(toxics.slice)
        if toxics.bandwidth is not None:
            sizes.append(max(1, int(toxics.bandwidth * _TICK)))
        size = min(sizes)
        return data[:size], data[size:]

    def _marks(self) -> list[int | None]:
        toxics = self._toxics
        return [None if self._stalled else toxics.stall_after, toxics.reset_after, self._drawn, toxics.truncate_after]

    async def _pace(self, size: int) -> None:
        toxics = self._toxics
        now = self._link.proxy.reactor.seconds()
        if toxics.bandwidth is not None:
            self._free_at = max(self._free_at, now - _TICK) + size / toxics.bandwidth
            await self._until(self._free_at)
        if toxics.slice_delay:
            await self._sink.wait(toxics.slice_delay)

    async def _cut(self) -> bool:
        """Stall, reset or truncate if it is time to; tell whether the stream is over."""
        stall, reset, drawn, truncate = (mark is not None and self._passed >= mark for mark in self._marks())
        if stall:
            await self._stall()
        if reset or drawn:
            await self._sink.delivered()
            self._link.reset()
        elif truncate:
            await self._sink.half_close()
            self._source.transport.abortConnection()
        return reset or drawn or truncate

    async def _stall(self) -> None:
        self._stalled = True
        toxics = self._toxics
        started = self._link.proxy.reactor.seconds()
        while toxics.stall_after is not None:
            if toxics.stall_for is not None and self._link.proxy.reactor.seconds() - started >= toxics.stall_for:
                break
            await self._sink.wait(_TICK)

    async def _until(self, at: float) -> None:
        left = at - self._link.proxy.reactor.seconds()
        if left > 0:
            await self._sink.wait(left)


class Link:
    """A client's connection, the one to the upstream made for it, and a flow each way."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client = End(self)
        self.server = End(self)
        self.over: Deferred[None] = Deferred()
        self._flows: dict[End, Deferred[None]] = {}  # by where they carry to
        self._connecting: Deferred[Stream] | None = None
        self._gone: set[End] = set()

    def opened(self, end: End) -> None:
        """Connect to the upstream when the client is there, then let the bytes flow."""
        if end is self.client:
            upstream = TCP4ClientEndpoint(self.proxy.reactor, "127.0.0.1", self.proxy.upstream, 5)
            self._connecting = connectProtocol(upstream, self.server)  # type: ignore[no-untyped-call]
            self._connecting.addErrback(self._unreachable)
            return
        proxy = self.proxy
        for flow, sink in (
            (Flow(self, self.client, self.server, proxy.to_server), self.server),
            (Flow(self, self.server, self.client, proxy.to_client), self.client),
        ):
            self._flows[sink] = Deferred.fromCoroutine(flow.run()).addErrback(self._stopped)
        gatherResults(self._flows.values()).addCallback(self._close)

    def broken(self, end: End) -> None:
        """Stop what flows towards *end*, which is lost."""
        self._gone.add(end)
        if end in self._flows:
            self._flows[end].cancel()
        elif self._connecting is not None:
            self._connecting.cancel()
        if self._gone == {self.client, self.server} or not self._flows:
            self.proxy.left(self)
            self.over.callback(None)

    def reset(self) -> None:
        """Reset both connections."""
        for end in (self.client, self.server):
            if end.connected and end not in self._gone:
                end.transport.abortConnection()

    def _close(self, _: object) -> None:
        for end in (self.client, self.server):
            if end not in self._gone:
                end.transport.unregisterProducer()
                end.transport.loseConnection()

    def _stopped(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("A flow failed", failure)
            self.reset()

    def _unreachable(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError | ConnectError | ConnectingCancelledError):
            _log.failure("The upstream could not be reached", failure)
        self.reset()

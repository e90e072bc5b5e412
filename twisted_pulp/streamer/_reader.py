"""A client that reads an artifact while it comes."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.errors import SizeMismatch
from twisted_pulp.streamer._client import Stall, cut
from twisted_pulp.streamer._flight import Flight
from twisted_pulp.streamer._ranges import Span

__all__ = ["Reader"]

# Bytes given to the transport at once, which has up to as many waiting already.
_CHUNK = 128 << 10


@implementer(IPushProducer)
class Reader:
    """
    A client that reads an artifact while it comes, at its own pace.

    The last byte of what it asked for, and what would follow that, is kept back until all of the artifact is verified.
    If that fails the connection is cut.

    :param clock: tells for how long the client has taken nothing.
    :ivar gone: whether the client has gone.
    :ivar at: the first byte that it wants yet.
    :ivar reach: the end of the last byte that it was given.
    """

    def __init__(self, request: Any, clock: IReactorTime) -> None:
        self._request, self._clock = request, clock
        self._flight: Flight | None = None
        self._pieces: deque[bytes | Span] = deque()
        self._last: Span | None = None
        self._ahead = self._early = self._pumping = self._paused = self._registered = self._over = False
        self._size: int | None = None
        self._held = b""
        self._waiting: Deferred[None] | None = None
        self._error: BaseException | None = None
        self.gone = False
        self.at = 0
        self.reach = 0
        request.notifyFinish().addErrback(self._gone)

    async def ready(self, flight: Flight) -> bool:
        """
        Wait until the first byte may be sent; return whether the client is still there.

        :raises PulpError: when there will be none.
        """
        self._waiting = flight.ready.wait()
        try:
            await self._waiting
        except CancelledError:
            if not self.gone:
                raise
        finally:
            self._waiting = None
        return not self.gone

    def send(
        self, flight: Flight, pieces: Sequence[bytes | Span], size: int | None, *, early: bool = False
    ) -> Deferred[None]:
        """
        Send *pieces* of the artifact of *flight*, to the end of the request.

        :param size: of the artifact, as the client was told.
        :param early: whether nothing is kept back.
        :returns: a Deferred that fires when the client has all, or has gone. It fails when it was cut; when nothing had
            been sent by then, the connection is left open. To cancel it leaves the client with what it has.
        """
        # Whoever gets all of it in one piece needs none of these.
        self._stall = Stall(self._request, self._clock, idle=lambda: not self._paused)
        self._done: Deferred[None] = Deferred(lambda _: self._end())
        self._flight, self._size, self._early = flight, size, early
        self._pieces.extend(pieces)
        self._last = next((piece for piece in reversed(pieces) if isinstance(piece, Span)), None)
        self._next_span()
        if self._error is not None:  # meanwhile
            self.cut(self._error)
            return self._done
        channel = getattr(self._request, "channel", None)
        # Of a pipelined request's predecessor there may be bytes yet; nobody is told twice to pause.
        self._paused = bool(getattr(channel, "_waitingForTransport", False))
        self._request.registerProducer(self, True)
        self._registered = True
        self._pump()
        if not self._over:
            self._stall.start()
        return self._done

    def _next_span(self) -> None:
        self._ahead = False
        if self._pieces and isinstance(self._pieces[0], Span):
            self.at = self._pieces[0].first

    # IReader
    def look(self) -> None:
        """Go on, if the client wants more."""
        if self._registered:
            self._pump()

    def cut(self, error: BaseException) -> None:
        """Break the response off, unless all of it went out; whoever waits for it is told *error*."""
        if self._over:
            return
        self._error = error
        if self._flight is None:  # it has not come to sending yet
            return
        self._end()
        if self._request.startedWriting:
            cut(self._request)
        self._done.errback(Failure(error))

    # IPushProducer
    def pauseProducing(self) -> None:
        """Give no more for now."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:
        """The client has gone."""
        self._gone(None)

    # the bytes
    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self._paused and not self._over and self._step():
                pass
        except Exception as error:
            self.cut(error)
        finally:
            self._pumping = False

    def _step(self) -> bool:
        """Send some of it; return whether that was possible."""
        if not self._pieces:
            self._finish()
            return False
        piece = self._pieces[0]
        if isinstance(piece, bytes):
            self._request.write(piece)
            self._pop()
            return True
        return self._read(piece)

    def _read(self, span: Span) -> bool:
        flight = self._flight
        assert flight is not None
        end = span.last + 1 if span.last is not None else flight.length if flight.verified else None
        free = flight.verified or self._early or span is not self._last
        if flight.verified and self._size not in (None, flight.length):
            raise SizeMismatch(flight.wanted.sources[0].url, self._size or 0, flight.length or 0)
        if self._held:
            return self._release() if free else False
        at, limit = self.at, self._limit(flight, end, free)
        if at < limit:
            self._give(flight, flight.ahead.read(at, min(_CHUNK, limit - at)))
            return True
        if at == end:
            self._pop()
            return True
        if end is not None and at < end - (not free):
            self._ahead = flight.ahead.want(at, end) or self._ahead
            return at < self._limit(flight, end, free)
        if not free and flight.body.forgets and end is not None and at == end - 1 < flight.written:
            self._hold(flight)
        return False

    def _limit(self, flight: Flight, end: int | None, free: bool) -> int:
        """Return where the bytes end that may be given now; without being *free*, the last one may not."""
        # Only who asked for what is far ahead is given parts that the transfer has not brought yet.
        here = flight.ahead.end_of(self.at) if self._ahead else flight.written
        limit = here if end is None else min(here, end)
        return limit if free else min(limit, (here if end is None else end) - 1)

    def _give(self, flight: Flight, data: bytes) -> None:
        self.at += len(data)
        self.reach = max(self.reach, self.at)
        self._request.write(data)
        flight.body.trim()

    def _hold(self, flight: Flight) -> None:
        """Take the last byte, so that what follows it can pass."""
        self._held = flight.body.read(self.at, 1)
        self.at, self.reach = sys.maxsize, max(self.reach, self.at + 1)
        flight.body.trim()

    def _release(self) -> bool:
        held, self._held = self._held, b""
        self._request.write(held)
        self._pop()
        return True

    def _pop(self) -> None:
        self._pieces.popleft()
        self._next_span()

    # the end
    def _finish(self) -> None:
        self._end()
        self._request.finish()
        self._done.callback(None)

    def _gone(self, _: object) -> None:
        self.gone = True
        if self._waiting is not None:
            self._waiting.cancel()
        elif self._flight is not None and not self._over:
            self._end()
            self._done.callback(None)

    def _end(self) -> None:
        self._over = True
        self._stall.stop()
        if self._registered:
            self._registered = False
            self._request.unregisterProducer()
        self._pieces.clear()
        if self._flight is not None:
            self._flight.detach(self)

"""Events as a response that does not end: server-sent events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import PulpError
from twisted_pulp.live._event import Event
from twisted_pulp.live._feed import Feed

__all__ = ["EventStreams"]

# Seconds: between comments that show that we are still there, until a client that takes nothing is cut off, and for
# which events are gathered, so that a burst of them is one write.
_HEARTBEAT, _STALLED, _GATHERED = 15.0, 60.0, 0.05
# Seconds from one look whether a client may still listen to the next.
_ASKED = 15.0
# Events that are written before we look whether the client takes them.
_AT_ONCE = 64
_FULL = b"Too many listen already.\n"


class EventStreams:
    """
    Answer requests with what happens, until they leave.

    Nothing is kept for a client: one that is slow is told from the feed when it takes more, and one that has missed
    what the feed has forgotten gets an event ``reset`` and starts again from now.

    :param feed: what happens.
    :param reactor: for time.
    :param most: clients at once; others are answered 503. Default 100.
    """

    def __init__(self, feed: Feed, reactor: Any, *, most: int = 100) -> None:
        self._feed, self._reactor, self._most = feed, reactor, most
        self._open: set[_Stream] = set()

    def __repr__(self) -> str:
        return f"<EventStreams {len(self._open)} open>"

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def full(self) -> bool:
        """Whether no more may listen."""
        return len(self._open) >= self._most

    def serve(
        self,
        request: Any,
        last_id: str | None = None,
        *,
        wanted: Callable[[Event], bool] = lambda event: True,
        lasts: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """
        Answer *request*, which is allowed to, and never ends by itself; return `NOT_DONE_YET` after it.

        :param last_id: the last event that the client has heard of; default: what its header Last-Event-ID says, or
            none: it hears of what happens from now on.
        :param wanted: whether it is to hear of an event.
        :param lasts: asked now and then whether it may still listen; the answer ends when it may not. Default: it may.
        """
        if self.full:
            request.setResponseCode(503)
            request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
            request.setHeader(b"Retry-After", b"10")
            request.write(_FULL)
            request.finish()
            return
        if last_id is None:
            last_id = (request.getHeader(b"Last-Event-ID") or b"").decode("latin-1") or None
        stream = _Stream(request, self._feed, self._reactor, wanted, self._open, self._feed.last, lasts)
        self._open.add(stream)
        stream.start(last_id)


@implementer(IPushProducer)
@define(eq=False)
class _Stream:
    """One client."""

    _log = Logger()

    _request: Any
    _feed: Feed
    _reactor: Any
    _wanted: Callable[[Event], bool]
    _all: set[_Stream]
    _at: str  # the last event that it has heard of, or was not to
    _lasts: Callable[[], Awaitable[bool]] | None
    _paused: bool = field(init=False, default=False)
    _over: bool = field(init=False, default=False)
    _unsubscribe: Callable[[], None] = field(init=False, default=lambda: None)
    _flushing: Any = field(init=False, default=None)  # the timer of events that are being gathered,
    _timer: Any = field(init=False, default=None)  # of the next heartbeat, or of the end of our patience,
    _asking: Any = field(init=False, default=None)  # and of the next look whether it may still listen

    def start(self, last_id: str | None) -> None:
        request = self._request
        headers = request.responseHeaders
        headers.setRawHeaders(b"Content-Type", [b"text/event-stream; charset=utf-8"])
        headers.setRawHeaders(b"Cache-Control", [b"no-store"])
        headers.setRawHeaders(b"X-Accel-Buffering", [b"no"])  # nginx would gather what is to come at once
        request.notifyFinish().addBoth(lambda _: self._left())
        if request.method == b"HEAD":
            request.finish()
            return
        channel: Any = getattr(request, "channel", None)
        if hasattr(channel, "setTimeout"):
            channel.setTimeout(None)  # what watches it is here
        request.registerProducer(self, True)
        request.write(b"retry: 2000\n\n")
        if last_id is not None:
            self._at = last_id
        self._unsubscribe = self._feed.subscribe(self._heard, self.end)
        self._ask_later()
        self._pump()

    def _ask_later(self) -> None:
        if self._lasts is not None and not self._over:
            self._asking = self._reactor.callLater(_ASKED, self._ask)

    def _ask(self) -> None:
        self._asking = None
        d = Deferred.fromCoroutine(self._asked())
        d.addErrback(lambda why: self._log.failure("it is not known whether somebody may still listen", why))

    async def _asked(self) -> None:
        assert self._lasts is not None
        try:
            lasts = await self._lasts()
        except PulpError:  # nobody could have ended it either
            lasts = True
        if lasts:
            self._ask_later()
        else:
            self.end()

    def _heard(self, _: Event) -> None:
        if self._flushing is None and not self._paused:
            self._flushing = self._reactor.callLater(_GATHERED, self._gathered)

    def _gathered(self) -> None:
        self._flushing = None
        self._pump()

    def _pump(self) -> None:
        """Write what it has not heard of while it takes it."""
        while not self._paused and not self._over:
            events = self._feed.since(self._at, _AT_ONCE)
            if events is None:
                self._at = self._feed.last
                self._write(b"id: %b\nevent: reset\ndata: {}\n\n" % self._at.encode())
                continue
            if not events:
                break
            self._at = events[-1].id
            text = b"".join(event.wire for event in events if self._wanted(event))
            if text:
                self._write(text)
        self._wait()

    def _write(self, text: bytes) -> None:
        self._request.write(text)

    def _wait(self) -> None:
        if self._over:
            return
        if self._timer is not None:
            self._timer.cancel()
        seconds, then = (_STALLED, self._cut) if self._paused else (_HEARTBEAT, self._beat)
        self._timer = self._reactor.callLater(seconds, then)

    def _beat(self) -> None:
        self._timer = None
        self._write(b": still here\n\n")
        self._pump()

    def _cut(self) -> None:
        self._timer = None
        self._request.transport.abortConnection()

    # IPushProducer, for the client's connection
    def pauseProducing(self) -> None:
        """Write no more for now."""
        self._paused = True
        self._wait()

    def resumeProducing(self) -> None:
        """Go on with what has happened meanwhile."""
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:
        """Write no more."""
        self._left()

    def end(self) -> None:
        """End the response: there is nothing more to tell."""
        if not self._over:
            self._left()
            self._request.unregisterProducer()
            self._request.finish()

    def _left(self) -> None:
        self._over = True
        self._all.discard(self)
        self._unsubscribe()
        for timer in (self._flushing, self._timer, self._asking):
            if timer is not None:
                timer.cancel()
        self._flushing = self._timer = self._asking = None

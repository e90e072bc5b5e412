"""One HTTP/2 connection: many requests at once on one transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ConnectionAborted, ParseError, RequestGenerationFailed, RequestNotSent
from zope.interface import implementer

from twisted_pulp.http._h2_fields import asked
from twisted_pulp.http._h2_session import LOAN, Session
from twisted_pulp.http._h2_stream import Stream
from twisted_pulp.http._lane import Counted
from twisted_pulp.http._line import Line
from twisted_pulp.http._outbox import Outbox

if TYPE_CHECKING:
    from twisted_pulp.http._h2_share import Share

__all__ = ["Multiplexed"]

# A connection takes no more streams after this number; nobody gets so far.
_LAST = 1 << 30
_TALKING = ("QUIESCENT", "GOING")


@implementer(IPushProducer)
class _Brake:
    """Read nothing from a server that does not read: answers to its pings would pile up."""

    def __init__(self, connection: Multiplexed) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        self._connection.pause()

    def resumeProducing(self) -> None:
        self._connection.go_on()

    def stopProducing(self) -> None:
        """Nothing: the connection hears of it."""


class Multiplexed(Counted, Line):
    """
    Make requests next to each other; how it all goes on is decided at the end of each turn of the reactor.

    :ivar held: bytes that wait for consumers.
    :ivar share: who gives its streams away, or None while it is idle.
    """

    share: Share | None = None

    def __init__(self, lost: Callable[[Any], object], outbox: Outbox) -> None:
        super().__init__(lost)
        self._outbox, self._session = outbox, Session()
        self.held = self._read = self._seen = 0
        self._quiet = 0.0
        self._woken: dict[Stream, None] = {}
        self._posted = False

    # For who makes requests

    @property
    def busy(self) -> int:
        """Streams that are under way."""
        return len(self._session.streams)

    @property
    def answers(self) -> int:
        """Responses that came whole."""
        return self._session.answers

    @property
    def idle(self) -> bool:
        """Whether it can take requests, and has none."""
        return self.lasts and not self._session.streams

    @property
    def lasts(self) -> bool:
        """Whether it can take requests, if not now."""
        return self._state == "QUIESCENT"

    @property
    def room(self) -> bool:
        """Whether it can take a request now."""
        return self.lasts and self.share is not None and self.busy < self._session.most

    @property
    def starves(self) -> bool:
        """Whether the server allows no stream, though it keeps the connection."""
        return self.lasts and not self._session.most

    @property
    def withholding(self) -> bool:
        """Whether the server may not send all it could, because of consumers that are paused, or of itself."""
        return self.paused or self.held > LOAN

    def seat(self, pool: Any, endpoint: Any) -> Any:
        """Return what makes one request; the tokens are here already."""
        wide: Any = self.lane
        share = wide.share(self.caps)
        share.admit(self)
        return share.at(self, endpoint)

    def request(self, request: Any, timeouts: Any = None) -> Deferred[Any]:
        """
        Send *request* at the end of this turn of the reactor, without a body.

        :param timeouts: for it; default None: those of the connection.
        :returns: a Deferred of the response, once its headers are here; to cancel it ends the stream alone.
        """
        if request.bodyProducer is not None:
            return fail(Failure(RequestNotSent()))
        try:
            fields = asked(request)
        except ValueError:
            return fail(Failure(RequestGenerationFailed([Failure()])))
        number = self._session.ask(fields)
        stream = self._session.streams[number] = Stream(self, number, request, timeouts or self.timeouts)
        self.served += 1
        if not request.persistent or number > _LAST:
            self._retire()
        self.post()
        return stream.deferred

    # The transport

    def connectionMade(self) -> None:
        """Say how we want to be served."""
        super().connectionMade()
        self._read_much()
        self.transport.registerProducer(_Brake(self), True)
        self.post()

    def dataReceived(self, data: bytes) -> None:
        """Take in what the server sent."""
        if self._state not in _TALKING:
            return
        self._read += len(data)
        try:
            self._session.hear(data)
        except Exception:
            self._broken(self._session.culprit)
            return
        if self._session.going:
            self._retire()
        for stream in self._touched():
            stream.advance()
        self.post()

    def _touched(self) -> list[Stream]:
        touched = list(self._session.touched)
        self._session.touched.clear()
        return touched

    def _broken(self, culprit: Stream | None) -> None:
        """End everything because of what was just raised; the other streams may be asked for again."""
        why = Failure()
        if why.check(ProtocolError):
            why = Failure(ParseError(str(why.value), b""))
        self._state = "ENDED"
        self._abort_transport()
        for stream in self._taken():
            stream.fail(why if culprit is None or stream is culprit else Failure(ConnectionAborted()))

    def _taken(self) -> list[Stream]:
        """Return all streams, which are none of ours any more; those that came whole are heard first."""
        touched, streams = self._touched(), self._session.streams
        for stream in touched:
            if stream.number not in streams:
                stream.advance()
        left = list(streams.values())
        streams.clear()
        return left

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what was in progress."""
        if self._state == "ABORTING":
            reason = Failure(ConnectionAborted())
        self._state = "CONNECTION_LOST"
        for stream in self._taken():
            stream.fail(reason)
        super().connectionLost(reason)
        share, self.share = self.share, None
        if share is not None:
            share.gone(self)

    def give_up(self, reason: Failure | None = None) -> None:
        """End the connection now."""
        self._state = "ENDED"
        self._abort_transport()

    def go_on(self) -> None:
        """Read on."""
        if self.paused:
            self._resume_transport()

    # For the streams

    def credit(self, stream: Stream, taken: int) -> int:
        """Let the server send *taken* bytes more on *stream*, if it is worth it; return how many it may."""
        return self._session.credit(stream.number, taken)

    def reset(self, stream: Stream, code: ErrorCodes) -> None:
        """End *stream* on our side."""
        if self._session.reset(stream.number, code):
            self.post()

    def wake(self, stream: Stream) -> None:
        """Have *stream* go on at the end of this turn."""
        self._woken[stream] = None
        self.post()

    # The end of a turn

    def post(self) -> None:
        """Send what there is to send, and give away what is free, at the end of this turn."""
        if not self._posted:
            self._posted = True
            self._outbox.post(self, b"")

    def send(self, _: bytes) -> None:
        """Let streams go on, then send all that is to be sent after this turn."""
        self._posted = False
        while self._woken:
            woken, self._woken = self._woken, {}
            for stream in woken:
                stream.flush()
        if self._state not in _TALKING:
            return
        self._session.refill(self.held)
        data = self._session.outgoing()
        if data:
            self.transport.write(data)
        if self._state == "GOING" and not self.busy:
            self._state = "FINISHED"
            self.transport.unregisterProducer()
            self._close()
        if self.share is not None:
            self.share.freed(self)

    def _retire(self) -> None:
        """Take no more requests, and end when the last is answered."""
        if self.lasts:
            self._state = "GOING"
            self.post()

    # For the watch

    def look(self, now: float) -> None:
        """End the streams that have been silent for too long, and be used no more if everything was."""
        if self._read != self._seen:
            self._seen, self._quiet = self._read, now
        for stream in list(self._session.streams.values()):
            seconds = stream.look(now)
            if seconds is not None and now - self._quiet >= seconds:
                self._retire()
        if self.share is not None:
            self.share.starved(self, now)

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which this process did not run."""
        self._quiet += seconds
        for stream in self._session.streams.values():
            stream.shift(seconds)

"""
One request and its response, among others on one connection.

What the server sends is only noted down while it is read; `advance` then acts on it. Application code runs from there,
and at the end of a turn of the reactor (`flush`), never from within a call of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from h2.errors import ErrorCodes
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web._newclient import (
    ConnectionAborted,
    ParseError,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import _DataLoss
from twisted.web.iweb import UNKNOWN_LENGTH

from twisted_pulp.errors import Truncated
from twisted_pulp.http._h2_fields import answered, body_length, checked
from twisted_pulp.http._response import Response
from twisted_pulp.http._silence import Silence
from twisted_pulp.settings import Timeouts

if TYPE_CHECKING:
    from twisted_pulp.http._h2_connection import Multiplexed

__all__ = ["Stream"]

_INTERIM = 20
_HTTP2 = (b"HTTP", 2, 0)
_done = Failure._withoutTraceback(ResponseDone("Response body fully received"))


class Stream:
    """
    A request that was sent.

    :ivar number: of the stream.
    :ivar deferred: of the response; to cancel it ends the stream alone.
    :ivar heard: bytes of body so far.
    :ivar error: why there will be no more, or None.
    """

    __slots__ = (
        "_bodiless",
        "_connection",
        "_head",
        "_held",
        "_interim",
        "_length",
        "_pieces",
        "_request",
        "_response",
        "_silence",
        "_taken",
        "_timeouts",
        "_waiting",
        "_whole",
        "deferred",
        "error",
        "heard",
        "number",
    )
    served = 1  # for `Silence`, which looks after one request here

    def __init__(self, connection: Multiplexed, number: int, request: Any, timeouts: Timeouts | None) -> None:
        self._connection, self.number, self._request, self._timeouts = connection, number, request, timeouts
        self.deferred: Deferred[Any] = Deferred(self._cancelled)
        self._waiting: Deferred[Any] | None = self.deferred
        self._silence = Silence()
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._response: Response | None = None
        self._pieces: list[bytes] = []
        self._length: Any = UNKNOWN_LENGTH
        self._held, self._bodiless, self._whole = True, False, False
        self._interim = self._taken = self.heard = 0
        self.error: Failure | None = None

    @property
    def answered(self) -> bool:
        """Whether anything was heard of the response."""
        return self._head is not None

    @property
    def paused(self) -> bool:
        """Whether it is we who keep the server from sending."""
        return self._held or self._connection.withholding

    # What the server sends

    def headers(self, given: Any) -> None:
        """Note the header of the response."""
        try:
            status, pairs = self._head = answered(given)
            self._length, possible = body_length(self._request.method, status, pairs)
            self._bodiless = not possible
        except ParseError:
            self._wrong(Failure())

    def interim(self, given: Any) -> None:
        """Forget an interim response, but not how many there were."""
        self._interim += 1
        try:
            status = answered(given)[0]
            if status == 101 or self._interim > _INTERIM:
                raise ParseError(f"status {status} was not asked for, or more than {_INTERIM} interim responses", b"")
        except ParseError:
            self._wrong(Failure())

    def trailers(self, given: Any) -> None:
        """Check trailers, which must not be taken for headers (RFC 9110 section 6.5.1), and forget them."""
        try:
            checked(given)
        except ParseError:
            self._wrong(Failure())

    def data(self, data: bytes, padding: int) -> None:
        """Note a piece of the body."""
        self._taken += padding
        if not data:
            return
        self.heard += len(data)
        if self._bodiless:
            self._wrong(Failure(ParseError("a body where there must be none", data[:100])))
        elif self._length is not UNKNOWN_LENGTH and self.heard > self._length:
            self._wrong(Failure(ParseError("more body than its Content-Length", b"")))
        else:
            self._pieces.append(data)
            self._connection.held += len(data)

    def ended(self) -> None:
        """Note that the response is over."""
        self._whole = True
        length = self._length
        if self.error is None and length is not UNKNOWN_LENGTH and self.heard < length:
            self.error = Failure(Truncated(received=self.heard, expected=length))

    def _wrong(self, why: Failure) -> None:
        self.error = why
        self._connection.reset(self, ErrorCodes.PROTOCOL_ERROR)

    # What becomes of it

    def advance(self) -> None:
        """Act on what was noted."""
        waiting, head = self._waiting, self._head
        if waiting is None:
            self.flush()
        elif self.error is not None:
            self.fail(self.error)
        elif head is not None:
            self._waiting = None
            if self._whole:
                response = self._made(head, self._take())
                response.ended(_done)
            else:
                self._response = response = self._made(head, b"")
            waiting.callback(response)

    def _made(self, head: tuple[int, list[tuple[bytes, bytes]]], body: bytes) -> Response:
        return Response(self, self._request, _HTTP2, head[0], b"", self._length, head[1], body)

    def _take(self) -> bytes:
        """Return the pieces of the body as one, and let the server send as much."""
        pieces, self._pieces = self._pieces, []
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._connection.held -= len(data)
        self._taken += len(data)
        if not self._whole:
            self._taken -= self._connection.credit(self, self._taken)
        return data

    def flush(self) -> None:
        """Hand on what is here, and say how it ended, unless the protocol wants to wait."""
        response = self._response
        if response is None:
            return
        if self._pieces and not self._held:
            try:
                response.data_received(self._take())
            except BaseException:
                self.give_up(Failure())
                return
        if self._pieces or self._response is None:  # the protocol may have done anything
            return
        if self.error is not None:
            self.fail(self.error)
        elif self._whole and not self._held:
            self._response = None
            response.ended(_done)

    def fail(self, reason: Failure) -> None:
        """Tell who waits, whoever that is, that it came to nothing."""
        waiting, response = self._waiting, self._response
        self._waiting = self._response = None
        self.error = reason
        self._drop()
        if response is not None:
            response.ended(Failure(ResponseFailed([reason, Failure(_DataLoss())], response)))
        elif waiting is not None:
            kind: Any = ResponseFailed if self.answered else ResponseNeverReceived
            waiting.errback(Failure(kind([reason])))

    def _drop(self) -> None:
        self._connection.held -= sum(map(len, self._pieces))
        self._pieces = []

    def look(self, now: float) -> float | None:
        """End it if it has been silent for too long; return for how many seconds then, else None."""
        if self._timeouts is None:
            return None
        error = self._silence.look(self, self.answered, now, self._timeouts)
        if error is None:
            return None
        self.give_up(Failure(error))
        return error.seconds

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which this process did not run."""
        self._silence.shift(seconds)

    # For the response

    def pause(self) -> None:
        """Hand on nothing for now; the server may fill the stream's window, and no more."""
        self._held = True

    def resume(self, response: Any) -> None:
        """Go on, at the end of this turn."""
        self._held = False
        self._connection.wake(self)

    def read_by(self, response: Any, size: int | None) -> None:
        """Nothing: all streams are read together."""

    def give_up(self, reason: Failure | None = None) -> None:
        """End the stream, not the connection; without *reason* who waits is told at the end of this turn."""
        self._connection.reset(self, ErrorCodes.CANCEL)
        if reason is not None:
            self.fail(reason)
            return
        self._drop()
        self.error = Failure(ConnectionAborted())
        self._connection.wake(self)

    def _cancelled(self, _: object) -> None:
        self.give_up(Failure(CancelledError()))

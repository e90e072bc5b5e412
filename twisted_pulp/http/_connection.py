"""
One HTTP/1.1 connection, on llhttp.

While the parser runs, what it finds is only noted down; `_advance` then acts on it, so no application code ever runs
inside the parser. A response that has come whole gives its connection back before anybody hears of it, so the next
request can use it at once. Bodies of known length go past the parser altogether. Failures are those that Agent's users
know: ResponseFailed, ResponseNeverReceived and so on, around the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import (
    ConnectionAborted,
    ParseError,
    RequestGenerationFailed,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss, _DataLoss
from twisted.web.iweb import UNKNOWN_LENGTH

from twisted_pulp.http._head import HTTP11, Head
from twisted_pulp.http._line import LARGE, Line
from twisted_pulp.http._outbox import Outbox
from twisted_pulp.http._quick import at_a_glance
from twisted_pulp.http._request import Request
from twisted_pulp.http._response import Response

__all__ = ["HTTPConnection"]

_done = Failure._withoutTraceback(ResponseDone("Response body fully received"))


class HTTPConnection(Line):
    """Make requests one after another on one transport."""

    _log = Logger()
    _parser: Any = None
    _response: Response | None = None
    _waiting: Deferred[Any] | None = None
    _writing: Deferred[None] | None = None
    _keep = _spoke = _extra = _by_end = False
    _left = 0  # what is to come of a body of known length, once the parser is out of the way

    def __init__(
        self,
        quiescent: Callable[[HTTPConnection], object] = lambda connection: None,
        lost: Callable[[HTTPConnection], object] | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """
        :param quiescent: called when the connection can take another request.
        :param lost: called once, when it is no more.
        :param outbox: sends requests together; default None: each is sent for itself.
        """
        super().__init__(lost)
        self._outbox = outbox
        self._quiescent = quiescent
        self._head = Head()

    def request(self, request: Any) -> Deferred[Response]:
        """
        Send *request*, which has `method`, `writeTo(transport)`, `persistent` and `bodyProducer` as Twisted's has.

        :returns: a Deferred of the response, once its headers are here; to cancel it ends the connection.
        """
        if self._state != "QUIESCENT":
            return fail(Failure(RequestNotSent()))
        self._request = request
        self._spoke = self._extra = False
        self.served += 1
        d: Deferred[Any] = Deferred(self._cancelled)
        self._waiting = d
        if self._outbox is not None and self._at_once and type(request) is Request:
            self._state = "QUEUED"
            self._outbox.post(self, request.wire())
            return d
        self._state = "TRANSMITTING"
        try:
            writing = request.writeTo(self.transport)
        except BaseException:
            writing = fail()
        if writing is None or (writing.called and writing.result is None):
            self._state = "WAITING"
        else:
            self._writing = writing
            writing.addCallbacks(self._written, self._unwritten)
        return d

    def _written(self, _: object) -> None:
        self._writing = None
        if self._state == "TRANSMITTING":
            self._state = "WAITING"
            if self._spoke and self._head.complete:
                self._advance(None)

    def _unwritten(self, why: Failure) -> None:
        self._writing = None
        if self._state != "TRANSMITTING":
            self._log.failure("the body of a request failed after its response", failure=why)
            return
        self._abort_transport()
        self._fail(why, RequestGenerationFailed)

    def _cancelled(self, _: object) -> None:
        if self._state == "TRANSMITTING" and self._writing is not None:
            self._writing.cancel()
        else:
            self.give_up(Failure(CancelledError()))

    def dataReceived(self, data: bytes) -> None:
        """Take in what the server sent."""
        if self._left:
            self._body_received(data)
            return
        if self._request is None or self._state == "QUEUED":
            # Nobody asked: whatever it is, it must never be taken for the answer to the next request.
            self._unasked()
            return
        if not self._spoke:
            if self._state == "WAITING" and self._request.method == b"GET":
                glance = at_a_glance(data)
                if glance is not None:
                    self._answered(*glance)
                    return
            self._parser = self._head.begin(self._parser)
            self._spoke = True
        head, error = self._head, None
        head.read = len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as why:
            # What came is not shown: there may be cookies in it.
            error = ParseError(str(why.__context__ or why), b"")
        if head.whole and (error is not None or head.followed(data)):
            error, self._extra = None, True
        if not head.body and not head.whole:  # head, trailers, chunk extensions
            error = error or head.too_much(len(data))
        self._advance(error)

    def _unasked(self) -> None:
        self._state = "UNASKED" if self._state == "QUIESCENT" else self._state
        self._abort_transport()
        if self._request is not None:
            self._fail(Failure(ParseError("bytes that nobody asked for", b"")), RequestNotSent)

    def _answered(self, phrase: bytes, lines: bytes, body: bytes) -> None:
        """Hand over a response that came whole; the parser has not seen it, and is where it was."""
        self._spoke = self._keep = True
        response = Response(self, self._request, HTTP11, 200, phrase, len(body), lines, body)
        waiting, self._waiting = self._waiting, None
        self._finish(response)
        waiting.callback(response)  # type: ignore[union-attr]

    def _body_received(self, data: bytes) -> None:
        response, size = self._response, len(data)
        assert response is not None
        self._left -= size
        self.heard += size
        if self._left <= 0:
            self._parser, self._left, over = None, 0, -self._left
            if over:
                data, self._extra = data[:-over], True
            if self._delivered(response, data):
                self._finish(response)
        else:
            self._delivered(response, data)

    def _delivered(self, response: Response, piece: bytes) -> bool:
        """Hand *piece* on, and return whether *response* is still in progress."""
        try:
            response.data_received(piece)
        except BaseException:
            if self._response is response:
                self.give_up(Failure())
            else:
                self._log.failure("a body's protocol raised after its response had ended")
            return False
        return self._response is response

    def _advance(self, error: ParseError | None) -> None:
        head, response = self._head, self._response
        if response is None:
            if not head.complete or (self._state == "TRANSMITTING" and not head.whole):
                if error is not None:
                    self.give_up(Failure(error))
                elif head.complete:
                    self.pause()
                return
            try:
                response = self._begin()
            except ParseError:
                self.give_up(Failure())
                return
            waiting, self._waiting = self._waiting, None
            if head.whole:
                response.data_received(head.take_body())
                self._finish(response)
                waiting.callback(response)  # type: ignore[union-attr]
                return
            self._response = response
            waiting.callback(response)  # type: ignore[union-attr]
            if self._response is not response:
                return
        if head.body:
            piece = head.take_body()
            self.heard += len(piece)
            if not self._delivered(response, piece):
                return
        if head.whole:
            self._finish(response)
        elif error is not None:
            self.give_up(Failure(error))
        elif not response.delivered:
            self.pause()

    def _begin(self) -> Response:
        request, head = self._request, self._head
        length, chunked = head.framing(self._parser, request.method)
        self._keep = head.keep_alive
        if head.bodiless:
            # llhttp would wait for a body that is not to come: go on with a new parser (there is no HEAD mode). What it
            # made of bytes that came all the same shows, except chunks without data yet: those are never trusted.
            self._extra = self._extra or chunked or bool(head.body)
            head.body.clear()
            self._parser = None
        self._by_end = length is UNKNOWN_LENGTH and not chunked
        if not head.whole and (length is UNKNOWN_LENGTH or length > LARGE):
            self._read_much()
            if length is not UNKNOWN_LENGTH:
                self._left = length - head.body_size
        return Response(self, request, head.version, head.status, head.phrase, length, head.pairs)

    def _finish(self, response: Response) -> None:
        request, self._request, self._response = self._request, None, None
        response._connection = None
        if self._reads_much:
            self._read_little()
        if self.paused:
            self._resume_transport()
        if self._keep and request.persistent and self._state == "WAITING" and not self._extra:
            self._state = "QUIESCENT"
            try:
                self._quiescent(self)
            except BaseException:
                self._log.failure("a pool failed to take its connection back")
                self._abort_transport()
        elif self._state == "TRANSMITTING":
            self._state = "TRANSMITTING_AFTER_RECEIVING_RESPONSE"
            self.transport.loseConnection()  # once the rest of the request is written
        else:
            self._state = "FINISHED"
            self._close()
        response.ended(_done)

    def give_up(self, reason: Failure | None = None) -> None:
        """End the connection now; the request in progress fails with *reason*, or with that of the lost connection."""
        self._keep = False
        self._abort_transport()
        if reason is not None:
            self._fail(reason)

    def _fail(self, reason: Failure, kind: type[Exception] | None = None) -> None:
        request, response, waiting = self._request, self._response, self._waiting
        self._request = self._response = self._waiting = None
        self._left, self._state = 0, "ENDED"
        if response is not None:
            response.ended(Failure(ResponseFailed([reason, Failure(_DataLoss())], response)))
        else:
            assert waiting is not None
            kind = kind or (ResponseFailed if self._spoke else ResponseNeverReceived)
            waiting.errback(Failure(kind([reason])))
        if self._writing is not None:
            request.stopWriting()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what was in progress."""
        state, self._state = self._state, "CONNECTION_LOST"
        self._parser = None
        response = self._response
        if response is not None and self._by_end and state != "ABORTING" and reason.check(ConnectionDone):
            self._request = self._response = None
            response.ended(Failure(PotentialDataLoss()))
        elif self._request is not None:
            if state == "ABORTING":
                reason = Failure(ConnectionAborted())
            self._fail(reason, RequestTransmissionFailed if state == "TRANSMITTING" else None)
        super().connectionLost(reason)

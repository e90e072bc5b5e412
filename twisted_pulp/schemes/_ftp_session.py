"""
One login, which fetches one file after the other.

A request is a conversation, up to the reply that says that the file is coming: a coroutine. From then on two things may
happen in any order, the end of the data connection and the last reply; a transfer is whole when both are good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IResponse

from twisted_pulp.errors import ConnectionLost
from twisted_pulp.http._kept import Kept
from twisted_pulp.http._lane import Counted
from twisted_pulp.http._silence import Silence
from twisted_pulp.schemes._ftp_asking import Asking
from twisted_pulp.schemes._ftp_body import excess, refused, verdict
from twisted_pulp.schemes._ftp_control import Control
from twisted_pulp.schemes._ftp_data import Data
from twisted_pulp.schemes._ftp_replies import Reply
from twisted_pulp.schemes._ftp_request import FTPRequest, Plan
from twisted_pulp.schemes._ftp_response import FTPResponse
from twisted_pulp.schemes._ftp_talk import Server
from twisted_pulp.schemes._ftp_words import Refusal

__all__ = ["FTPSession"]

# Seconds in which what is on its way may still come after a transfer was broken off.
_GRACE = 1.0
_LOST = "CONNECTION_LOST"
_GONE = (_LOST, "ABORTING")


class FTPSession(Counted, Control):
    """
    A connection of the pool that speaks FTP.

    :param endpoint: has `login`, `creator`, `dialer`, `watch`, `second` and `now`.
    :param quiescent: called with it when it can take another request.
    :param lost: called with it, once, when nothing of it is left.
    :ivar timeouts: those of the request in progress, or None.
    :ivar ready: whether it is logged in.
    :ivar server: what the server can do.
    :ivar heard: bytes of data so far, in all.
    """

    timeouts: Any = None
    heard = 0
    _request: FTPRequest | None = None
    _answered: Deferred[IResponse] | None = None  # who asked, until there is a response
    _running: Deferred[Any] | None = None  # the conversation
    _response: FTPResponse | None = None  # while its body comes
    _plan: Plan = None  # type: ignore[assignment]  # as long as there is a response
    _data: Data | None = None
    _last: Reply | None = None  # that says what became of the transfer
    _broken = 0.0  # since when it is known that the transfer was broken off
    _early = b""  # of the body, before there is a response
    _asking: Asking = None  # type: ignore[assignment]  # as long as there is a request
    _kept = _waits = _told = False
    ready = False

    def __init__(self, endpoint: Any, quiescent: Callable[[Any], object], lost: Callable[[Any], object]) -> None:
        super().__init__()
        self._endpoint, self._quiescent, self._lost = endpoint, quiescent, lost
        self._silence, self.server = Silence(), Server()
        self._aborts: list[Deferred[None]] = []
        self._datas: set[Data] = set()  # that are not gone
        self._state = "QUIESCENT"

    @property
    def state(self) -> str:
        """QUIESCENT when a request can be made, CONNECTION_LOST when none can; other names are for people."""
        return self._state

    @property
    def idle(self) -> bool:
        """Whether a request can be made."""
        return self._state == "QUIESCENT"

    def seat(self, pool: Any, endpoint: Any) -> Any:
        """Return what makes a request on it: once more on another, if it has served before."""
        return Kept(pool, self, endpoint) if self.ready else self  # type: ignore[arg-type]  # as good as one

    @property
    def paused(self) -> bool:
        """Whether it is we who do not read."""
        return self._data is not None and self._data.paused

    # the conversation
    def request(self, request: FTPRequest) -> Deferred[IResponse]:
        """Return a Deferred of the response; to cancel it ends the connection."""
        answered: Deferred[IResponse] = Deferred(lambda _: self.give_up(Failure(CancelledError())))
        self._state, self._request, self._answered = "ASKING", request, answered
        self._kept, self.answers = self.ready, 0
        self.served += 1
        self._asking = asking = Asking(self, self._endpoint, request)
        self._running = Deferred.fromCoroutine(asking.answer())
        self._running.addCallbacks(self._hand_over, self._refuse)
        return answered

    async def elsewhere(self, d: Deferred[Any]) -> Any:
        """Wait for something that the server has no part in, and that has its own limit."""
        self._waits = True
        try:
            return await d
        finally:
            self._waits = False
            self.served += 1

    def receives_over(self, data: Data) -> None:
        """Let *data* be where the body will come from."""
        self._data = data
        self._datas.add(data)

    def _hand_over(self, response: FTPResponse) -> None:
        self._running, self._plan, self._last = None, self._asking.plan, self._asking.last
        answered, self._answered = self._answered, None
        assert answered is not None  # who gives up cancels the conversation
        if self._data is None:
            self._become_idle()
        else:
            self._state, self._response = "RECEIVING", response
            early, self._early = self._early, b""
            self._take(self._data, early)
        answered.callback(response)
        self._settle()

    def _refuse(self, why: Failure) -> None:
        self._running = None
        answered, request, refusal = self._answered, self._request, why.value
        if answered is None or request is None:  # nobody asks any more
            return
        if not isinstance(refusal, Refusal):
            self.give_up(why)
            return
        if self._kept and self.answers == 1 and refusal.code == 421:  # said while it was idle
            self.give_up(Failure(ResponseNeverReceived([Failure(ConnectionDone())])))
            return
        self._answered = None
        self._drop_data()
        if self.ready and not self._asking.rested and refusal.code != 421:
            self._become_idle()
        else:
            self.give_up()
        answered.callback(FTPResponse(request, refused(refusal)))

    def _become_idle(self) -> None:
        self._request = None
        if self._pending:
            self.give_up()
        elif self._state not in _GONE:
            self._state = "QUIESCENT"
            self._quiescent(self)

    # the body
    def piece(self, data: Data, piece: bytes) -> None:
        """Take in *piece* of the body."""
        if data is not self._data:
            return
        self.heard += len(piece)
        if self._response is None:  # TLS had more behind its handshake
            self._early += piece
        else:
            self._take(data, piece)

    def _take(self, data: Data, piece: bytes) -> None:
        response, plan = self._response, self._plan
        over = 0 if plan.length is None else data.received - plan.length
        if over > 0:
            piece = piece[:-over]
        try:
            if piece and response is not None:
                response.data_received(piece)
        except BaseException:  # the protocol may raise anything
            self.give_up(Failure())
        if response is None or response is not self._response:
            return
        if plan.cut and over >= 0:  # how the server takes it that we want no more is not worth to wait for
            self._response = None
            self.give_up()
            response.ended(Failure(ResponseDone("the range was received")))
        elif over > 0:
            self.give_up(Failure(excess(self._url, plan, data.received)))

    def data_over(self, data: Data) -> None:
        """The connection of *data* is gone."""
        self._datas.discard(data)
        if data is self._data:
            self._settle()
        self._if_gone()

    def unasked(self) -> None:
        """See what a reply is about that nobody waits for."""
        if self._state == "QUIESCENT":
            self.give_up()
        else:
            self._settle()

    def _settle(self, patient: bool = True) -> None:
        """End the body if it is known how; *patient* as for `verdict`."""
        response, data = self._response, self._data
        if response is None or data is None:
            return
        while self._last is None and self._pending:
            reply = self._pending.popleft()
            self._last = None if reply.kind == 1 else reply
        silent = self._state == _LOST
        outcome = verdict(self._url, self._plan, data, self._last, silent=silent, patient=patient)
        if outcome == "whole":
            self._response = self._data = self._last = None
            self._become_idle()
            response.ended(Failure(ResponseDone("the server says that this is all")))
        elif outcome is not None:
            self.give_up(Failure(outcome))

    @property
    def _url(self) -> str:
        return "" if self._request is None else self._request.absoluteURI.decode("latin-1")

    # the end
    def look(self, now: float) -> None:
        """End the request in progress if the server has been silent for too long."""
        busy = self._answered is not None or self._response is not None
        if busy and not self._waits and self.timeouts is not None:
            speaking = self._response is not None and self._data is not None and self._data.reason is None
            error = self._silence.look(self, speaking, now, self.timeouts)
            if error is not None:
                self.give_up(Failure(error))
        if self._last is not None and self._last.kind != 2:
            self._broken = self._broken or now
            if now - self._broken >= _GRACE:
                self._settle(patient=False)

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which this process did not run."""
        self._silence.shift(seconds)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what cannot go on: a transfer of which the last reply is here can."""
        self._state = _LOST
        if self.secured is not None and not self.secured.called:
            self.secured.errback(reason)
        if self._response is None:
            died: Exception = ConnectionLost(detail="the server closed the control connection")
            if self._kept and not self.answers:
                died = ResponseNeverReceived([Failure(ConnectionDone())])
            self._end(Failure(died))
        else:
            self._settle()
        self._if_gone()

    def give_up(self, reason: Failure | None = None) -> None:
        """End at once; *reason* is for who waits."""
        if self._state != _LOST:
            self._state = "ABORTING"
            self.transport.abortConnection()
        self._end(Failure(ConnectionAborted()) if reason is None else reason)

    def abort(self) -> Deferred[None]:
        """End the connections, and say when they have ended."""
        if self._told:
            return succeed(None)
        d: Deferred[None] = Deferred()
        self._aborts.append(d)
        self.give_up()
        return d

    def _end(self, why: Failure) -> None:
        answered, running, response = self._answered, self._running, self._response
        self._answered = self._running = self._response = None
        self._drop_data()
        if running is not None:
            running.cancel()
        if answered is not None and not answered.called:
            answered.errback(why)
        if response is not None:
            response.ended(Failure(ResponseFailed([why])))

    def _drop_data(self) -> None:
        data, self._data, self._last, self._early = self._data, None, None, b""
        self._broken = 0.0
        if data is not None:
            data.abort()

    def _if_gone(self) -> None:
        if self._state == _LOST and not self._datas and not self._told:
            self._told = True
            self._lost(self)
            for d in self._aborts:
                d.callback(None)

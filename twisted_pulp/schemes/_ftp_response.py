"""The response with a file's bytes, as they come over a data connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from twisted_pulp.headers import Fields
from twisted_pulp.schemes._ftp_request import FTPRequest, Plan

__all__ = ["FTPResponse"]

_log = Logger()


@implementer(IResponse, IPushProducer)
class FTPResponse:
    """
    What came of a request, and the transport of the protocol that gets the body.

    :param session: that receives the body, and can `give_up`; None when there is no body.
    :param data: where it comes from.
    :ivar fields: every header.
    """

    version = (b"FTP", 1, 0)
    disconnecting = False
    previousResponse: IResponse | None = None
    _protocol: Any = None
    _delivered = _held = False

    def __init__(self, request: FTPRequest, plan: Plan, session: Any = None, data: Any = None) -> None:
        self.request, self.code, self.phrase = request, plan.code, plan.phrase.encode("ascii")
        self.length: Any = UNKNOWN_LENGTH if plan.length is None else plan.length
        self.fields, self.headers = Fields(plan.pairs), Headers()
        for name, value in plan.pairs:
            self.headers.addRawHeader(name, value)
        self._session, self._data = session, data
        self._pieces: list[bytes] = []
        self._reason = None if session is not None else Failure(ResponseDone("there is no body"))

    def setPreviousResponse(self, response: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """
        Give the body to *protocol*, once.

        :raises RuntimeError: the second time.
        """
        if self._delivered:
            raise RuntimeError("the body of this response was already delivered")
        self._delivered, self._protocol = True, protocol
        try:
            protocol.makeConnection(self)  # type: ignore[arg-type]  # an IPushProducer is all a body gets
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                self.data_received(piece)
        except BaseException:
            self.stopProducing()
            raise
        if self._reason is not None:
            self.ended(self._reason)
        elif not self._held:
            self._data.resume()

    def data_received(self, piece: bytes) -> None:
        """Take in *piece* of the body."""
        if not self._delivered:
            self._pieces.append(piece)
        elif self._protocol is not None:
            self._protocol.dataReceived(piece)

    def ended(self, reason: Failure) -> None:
        """No more will come: say so, once."""
        self._session, self._reason = None, reason
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            try:
                protocol.connectionLost(reason)
            except BaseException:  # it must not keep the connection from its pool
                _log.failure("a body's protocol raised at the end of the body")

    # IPushProducer, for the protocol
    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._held = True
        if self._session is not None:
            self._data.pause()

    def resumeProducing(self) -> None:
        """Read on."""
        self._held = False
        if self._session is not None and self._delivered:
            self._data.resume()

    def stopProducing(self) -> None:
        """Give the rest of the body up, and the connections with it."""
        self._held = True
        if self._session is not None:
            self._session.give_up()

    loseConnection = abortConnection = stopProducing

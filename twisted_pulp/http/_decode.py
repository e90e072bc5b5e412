"""The agent that undoes content codings: for metadata, never for artifacts."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import ConnectionLost, ProtocolError, PulpError, TooLarge, Truncated
from twisted_pulp.http._codings import IDENTITY, KNOWN, SLACK, Codings
from twisted_pulp.http._discard import refuse
from twisted_pulp.http._errors import translated
from twisted_pulp.http._fields import fields_of

__all__ = ["DecodeAgent"]

# curl and urllib3 stop there too.
_MANY = 5


@implementer(IAgent)
class DecodeAgent:
    """
    Ask for gzip, and undo the codings of what comes: gzip and deflate, up to five on top of each other.

    A response with another coding, or with a length that is too large already, fails the request. Everything else that
    goes wrong ends the body, always with an error of ours: `TooLarge` beyond the limit and for a bomb, `ProtocolError`
    for a broken coding, `Truncated` for one without an end.

    :param agent: that makes the requests.
    :param limit: bytes of a decoded body; None is no limit.
    """

    def __init__(self, agent: IAgent, limit: int | None) -> None:
        self._agent, self._limit = agent, limit

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; an Accept-Encoding of the caller's is replaced."""
        headers = Headers() if headers is None else headers.copy()
        headers.setRawHeaders(b"Accept-Encoding", [b"gzip"])
        d = self._agent.request(method, uri, headers, bodyProducer)
        return d if method == b"HEAD" else d.addCallback(self._decoded, uri)

    def _decoded(self, response: Any, uri: bytes) -> Any:
        if response.code == 204 or response.code == 304:
            return response
        request = getattr(response, "request", None)
        url = (uri if request is None else request.absoluteURI).decode("latin-1")
        codings = _codings_of(response)
        error = _refusal(url, codings, response.length, self._limit)
        if error is not None:
            refuse(response)
            raise error
        return _DecodedResponse(response, [coding for coding in codings if coding != IDENTITY], self._limit, url)


def _codings_of(response: IResponse) -> list[bytes]:
    named = b",".join(fields_of(response).every(b"content-encoding")).split(b",")
    return [coding for coding in (name.strip(b" \t").lower() for name in named) if coding]


def _refusal(url: str, codings: list[bytes], length: Any, limit: int | None) -> PulpError | None:
    if len(codings) > _MANY:
        return ProtocolError(url, f"{len(codings)} content codings, more than the {_MANY} allowed")
    for coding in codings:
        if coding not in KNOWN:
            return ProtocolError(url, f"the content coding {coding[:50].decode('latin-1')!r} was not asked for")
    if limit is not None and length is not UNKNOWN_LENGTH and length > limit + (SLACK if codings else 0):
        return TooLarge(url, limit, f"{length} bytes, more than the {limit} that max_metadata_size allows")
    return None


@implementer(IResponse)
class _DecodedResponse:
    """A response without its codings."""

    def __init__(self, original: Any, codings: list[bytes], limit: int | None, url: str) -> None:
        self._original, self._codings, self._limit, self._url = original, codings, limit, url
        self.version, self.code, self.phrase = original.version, original.code, original.phrase
        self.request, self.previousResponse = getattr(original, "request", None), original.previousResponse
        self.headers, self.length = original.headers.copy(), original.length
        self.headers.removeHeader(b"Content-Encoding")
        if codings:
            self.headers.removeHeader(b"Content-Length")
            self.length = UNKNOWN_LENGTH

    def setPreviousResponse(self, response: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = response

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the decoded body to *protocol*, once."""
        length = self._original.length
        codings = Codings(self._codings, self._limit)
        self._original.deliverBody(_Body(protocol, codings, self._url, None if length is UNKNOWN_LENGTH else length))


@implementer(IPushProducer)
class _Body(Protocol):
    """Decode a body for *protocol*, and stand between it and the transport."""

    disconnecting = False
    _busy = False  # in the middle of decoding: whoever calls back meanwhile leaves the rest to that
    _held = False  # the protocol wants no more for now,
    _paused = False  # and the transport was told so
    _stopped = False
    _ended = False
    _failure: Failure | None = None
    _reason: Failure | None = None

    def __init__(self, protocol: Any, codings: Codings, url: str, length: int | None) -> None:
        self._protocol, self._codings, self._url, self._length = protocol, codings, url, length

    def connectionMade(self) -> None:
        self._below: Any = self.transport
        self._protocol.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        if not self._stopped:
            self._codings.add(data)
            self._go_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._reason = reason
        self._go_on()

    def _go_on(self) -> None:
        if self._busy or self._ended:
            return
        self._busy = True
        try:
            self._decode()
        except BaseException:  # the protocol may raise anything
            self._failure = Failure()
            self._stop()
        self._busy = False
        if self._held:
            return
        if self._reason is not None:
            self._ended = True
            self._protocol.connectionLost(self._end(self._reason))
        elif self._paused and not self._stopped:
            self._paused = False
            self._below.resumeProducing()

    def _decode(self) -> None:
        while not self._held and not self._stopped:
            piece = self._codings.read()
            if not piece:
                return
            self._protocol.dataReceived(piece)

    def _end(self, reason: Failure) -> Failure:
        if self._failure is not None:
            if isinstance(self._failure.value, PulpError):
                translated(self._failure, self._url)  # gives it the URL
            return self._failure
        if not reason.check(ResponseDone, PotentialDataLoss):
            error = translated(reason, self._url)
            return Failure(self._truncated(self._length) if type(error) is Truncated else error)
        if self._stopped:
            return Failure(ConnectionLost(self._url, "the rest of the body was given up"))
        if not self._codings.whole:
            return Failure(self._truncated(None))
        return reason

    def _truncated(self, length: int | None) -> Truncated:
        return Truncated(self._url, self._codings.taken, length)

    def _stop(self) -> None:
        first, self._stopped, self._held = not self._stopped, True, False
        if first and self._reason is None:
            self._below.stopProducing()

    # IPushProducer, for the protocol
    def pauseProducing(self) -> None:
        """Decode no more for now."""
        if self._stopped or self._ended:
            return
        self._held = True
        if not self._paused and self._reason is None:
            self._paused = True
            self._below.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on with what is here, then read on."""
        self._held = False
        self._go_on()

    def stopProducing(self) -> None:
        """Give the rest of the body up."""
        self._stop()
        self._go_on()

    loseConnection = abortConnection = stopProducing

"""A response whose body is handed on as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse
from zope.interface import implementer

from twisted_pulp.headers import Fields

__all__ = ["Response"]

_log = Logger()


class _Source(Protocol):
    """Where a body comes from: a connection, or a stream of one."""

    def pause(self) -> None: ...

    def resume(self, response: Any) -> None: ...

    def read_by(self, response: Any, size: int | None) -> None: ...

    def give_up(self) -> None: ...


# What describes this one connection rather than the response (RFC 9110 section 7.6.1); IResponse leaves them out.
_CONTROL = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailers",
        b"transfer-encoding",
        b"upgrade",
    }
)


@implementer(IResponse, IPushProducer)
class Response:
    """
    What came back, and the transport of the protocol that gets its body.

    :ivar version: (b"HTTP", 1, 0 or 1).
    :ivar code: the status.
    :ivar phrase: the words behind the status.
    :ivar length: bytes of the body, or UNKNOWN_LENGTH.
    :ivar request: what was asked.
    :ivar previousResponse: the redirect that led here, or None.
    :ivar fields: every header, as `Fields`.
    """

    __slots__ = (
        "_buffer",
        "_connection",
        "_delivered",
        "_headers",
        "_held",
        "_protocol",
        "_reason",
        "code",
        "fields",
        "length",
        "phrase",
        "previousResponse",
        "request",
        "version",
    )
    disconnecting = False

    def __init__(
        self,
        connection: _Source,
        request: Any,
        version: tuple[bytes, int, int],
        code: int,
        phrase: bytes,
        length: Any,
        pairs: Sequence[tuple[bytes, bytes]] | bytes,
        body: bytes = b"",
    ) -> None:
        self._connection: _Source | None = connection
        self.request, self.version, self.code = request, version, code
        self.phrase, self.length, self.fields = phrase, length, Fields(pairs)
        self.previousResponse: IResponse | None = None
        self._headers: Headers | None = None
        self._protocol: Any = None
        self._reason: Failure | None = None
        self._buffer = body
        self._delivered = self._held = False

    @property
    def headers(self) -> Headers:
        """The headers without those of the connection, as IResponse wants them."""
        headers = self._headers
        if headers is None:
            headers = self._headers = Headers()
            head = self.request.method == b"HEAD"
            for name, value in self.fields.pairs():
                lower = name.lower()
                if lower not in _CONTROL or (head and lower == b"content-length"):
                    headers.addRawHeader(name, value.strip(b" \t"))
        return headers

    @property
    def whole(self) -> bool:
        """Whether all of the body has come."""
        return self._connection is None and self._reason is not None

    def take(self) -> tuple[bytes, Failure | None]:
        """
        Return the body, all of which has come, and why it ended: what `deliverBody` does, without a protocol.

        :raises RuntimeError: when the body was already delivered.
        """
        if self._delivered:
            raise RuntimeError("the body of this response was already delivered")
        self._delivered = True
        body, self._buffer = self._buffer, b""
        return body, self._reason

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
            piece, self._buffer = self._buffer, b""
            if piece and self._protocol is not None:
                protocol.dataReceived(piece)
        except BaseException:
            self.stopProducing()  # nobody else would ever read on
            raise
        if self._reason is not None:
            self.ended(self._reason)
        elif self._connection is not None and not self._held:
            self._connection.resume(self)

    def data_received(self, piece: bytes) -> None:
        """Take in *piece* of the body."""
        if self._delivered:
            self._protocol.dataReceived(piece)
        else:
            self._buffer += piece

    def ended(self, reason: Failure) -> None:
        """No more will come: say so, once."""
        self._connection, self._reason = None, reason
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            try:
                protocol.connectionLost(reason)
            except BaseException:  # it must not keep the connection from its pool
                _log.failure("a body's protocol raised at the end of the body")

    @property
    def delivered(self) -> bool:
        """Whether the body has somewhere to go."""
        return self._delivered

    # IPushProducer, for the protocol
    def pauseProducing(self) -> None:
        """Read no more for now."""
        self._held = True
        if self._connection is not None:
            self._connection.pause()

    def resumeProducing(self) -> None:
        """Read on."""
        self._held = False
        if self._connection is not None and self._delivered:
            self._connection.resume(self)

    def read_by(self, size: int | None) -> None:
        """Let up to *size* bytes come at a time, if that can be; None: as many as usual."""
        if self._connection is not None:
            self._connection.read_by(self, size)

    def stopProducing(self) -> None:
        """Give the rest of the body up, and the connection with it: even over TLS nothing more is read."""
        self._held = True
        if self._connection is not None:
            self._connection.give_up()

    loseConnection = abortConnection = stopProducing

"""A request without a body, written in one piece."""

from __future__ import annotations

from msgspec import Struct
from twisted.internet.interfaces import ITransport
from twisted.web.http_headers import Headers
from twisted.web.iweb import IClientRequest
from zope.interface import implementer

__all__ = ["FixedHeaders", "Request"]


def _block(headers: Headers) -> bytes:
    return (
        b"".join(name + b": " + value + b"\r\n" for name, values in headers.getAllRawHeaders() for value in values)
        + b"\r\n"
    )


class FixedHeaders(Headers):
    """Headers that will not change, and how they look on the wire. Not for requests with a Host of their own."""

    __slots__ = ("block",)

    def __init__(self, raw: dict[bytes, list[bytes]]) -> None:
        super().__init__(raw)
        self.block = _block(self)

    def copy(self) -> Headers:
        """Return headers that may change."""
        return Headers(dict(self.getAllRawHeaders()))


@implementer(IClientRequest)
class Request(Struct, eq=False):
    """
    What is asked.

    :ivar method: GET or HEAD.
    :ivar uri: of what, without the origin.
    :ivar absoluteURI: of what.
    :ivar persistent: whether the connection is to be kept.
    """

    method: bytes
    uri: bytes
    _given: Headers | None
    _host: bytes
    absoluteURI: bytes
    persistent: bool
    bodyProducer = None

    @property
    def headers(self) -> Headers:
        """The headers sent."""
        headers = Headers() if self._given is None else self._given.copy()
        if not headers.hasHeader(b"Host"):
            headers.addRawHeader(b"Host", self._host)
        return headers

    def wire(self) -> bytes:
        """Return how it looks on the wire."""
        given = self._given
        close = b"" if self.persistent else b"Connection: close\r\n"
        if type(given) is FixedHeaders:
            return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b" % (self.method, self.uri, self._host, close, given.block)
        host = b"" if given is not None and given.hasHeader(b"Host") else b"Host: %b\r\n" % self._host
        block = b"\r\n" if given is None else _block(given)
        return b"%b %b HTTP/1.1\r\n%b%b%b" % (self.method, self.uri, host, close, block)

    def writeTo(self, transport: ITransport) -> None:
        """Write everything at once."""
        transport.write(self.wire())

    def stopWriting(self) -> None:
        """Nothing: it was written at once."""

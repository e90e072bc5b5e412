"""What the parser found: noted down while it runs, judged afterwards."""

from __future__ import annotations

from typing import Any

from httptools import HttpResponseParser
from twisted.web._newclient import ParseError
from twisted.web.iweb import UNKNOWN_LENGTH

__all__ = ["HTTP11", "Head"]

# curl's limits; a server that needs more does not exist.
_BYTES, _LINES, _LINE, _INTERIM = 300 << 10, 5000, 100 << 10, 20
# Bytes of trailers and chunk extensions between two bytes of body.
_QUIET = 64 << 10
HTTP11 = (b"HTTP", 1, 1)
_VERSIONS = {"1.1": HTTP11, "1.0": (b"HTTP", 1, 0)}
_LARGEST = (1 << 63) - 1
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class Head:
    """
    The notes on one response, and the rules that llhttp leaves to us.

    :ivar complete: whether the headers of the final response are here.
    :ivar whole: whether all of the response is.
    :ivar keep_alive: whether the server goes on after it.
    :ivar body: pieces of the body not yet taken.
    :ivar pairs: header names and values.
    :ivar trailers: names and values that came behind the body.
    :ivar read: bytes of the latest read; to be set before the parser gets them.
    :ivar bodiless: whether no body may follow, whatever the headers say (RFC 9112 section 6.3).
    """

    __slots__ = (
        "_allowed",
        "_interim",
        "_overhead",
        "_parser",
        "bodiless",
        "body",
        "chunked",
        "complete",
        "keep_alive",
        "on_body",
        "pairs",
        "phrase",
        "read",
        "status",
        "trailers",
        "version",
        "whole",
    )

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.on_body = self.body.append  # llhttp calls it without a detour through Python
        self._parser: Any = None
        self.read = 0

    def begin(self, parser: Any) -> Any:
        """Forget the last response; return *parser*, or a new one if it is None."""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.phrase = b""
        self.status = self._interim = self._overhead = 0
        self._allowed = _BYTES
        self.complete = self.whole = self.bodiless = self.keep_alive = self.chunked = False
        self.body.clear()
        if parser is None:
            parser = HttpResponseParser(self)
        self._parser = parser
        return parser

    # llhttp's side
    def on_message_begin(self) -> None:
        """Refuse a second response."""
        if self.whole:
            raise ValueError("bytes after the response")

    def on_status(self, phrase: bytes) -> None:
        """Note the words behind the status; they may come in pieces."""
        self.phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header, or a trailer, which must not be taken for one (RFC 9110 section 6.5.1)."""
        (self.trailers if self.complete else self.pairs).append((name, value))

    def on_headers_complete(self) -> None:
        """Tell an interim response from the final one."""
        self.status = status = self._parser.get_status_code()
        if status >= 200:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()
        elif status < 100 or status == 101:
            raise ValueError(f"status {status} was not asked for")
        elif status > 103 and any(name.lower() in _FRAMING for name, _ in self.pairs):
            # llhttp would take what follows for a body, and put it before that of the final response.
            raise ValueError(f"an interim response {status} with a body")

    def on_message_complete(self) -> None:
        """Note the end, or forget an interim response (RFC 9110 section 15.2)."""
        if self.status >= 200:
            self.whole = True
            return
        self._interim += 1
        if self._interim > _INTERIM:
            raise ValueError(f"more than {_INTERIM} interim responses")
        self.pairs = []
        self.phrase = b""

    def on_chunk_header(self) -> None:
        """Note that the body comes in chunks."""
        self.chunked = True

    # the connection's side
    def followed(self, data: bytes) -> bool:
        """Return whether *data*, the latest read, goes on behind a body of known length, if only by an empty line."""
        return not self.chunked and bool(self.body) and not data.endswith(self.body[-1])

    @property
    def body_size(self) -> int:
        """Bytes of body not yet taken."""
        return sum(map(len, self.body))

    def take_body(self) -> bytes:
        """Return the pieces of the body as one, and forget them."""
        body = self.body
        self._overhead = 0
        piece = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        return piece

    def too_much(self, size: int) -> ParseError | None:
        """Count *size* bytes that were no body, and return what is wrong with so many."""
        self._overhead += size
        if self._overhead > self._allowed:
            return ParseError("more headers, trailers or chunk extensions than allowed", b"")
        if len(self.pairs) + len(self.trailers) > _LINES:
            return ParseError(f"more than {_LINES} headers", b"")
        return None

    def framing(self, parser: Any, method: bytes) -> tuple[Any, bool]:
        """
        Decide where the body ends (RFC 9112 section 6.3).

        :returns: its length or UNKNOWN_LENGTH, and whether it is chunked.
        :raises ParseError: on what llhttp lets pass and nobody may send.
        """
        version = _VERSIONS.get(parser.get_http_version())
        if version is None:
            raise ParseError(f"HTTP/{parser.get_http_version()} is not spoken here", b"")
        self.version, pairs = version, self.pairs
        if len(pairs) > _LINES:
            raise ParseError(f"more than {_LINES} headers", b"")
        if self._overhead or self.read > _LINE:  # only then can one be as long as that
            longest = max(pairs, key=lambda pair: len(pair[0]) + len(pair[1]), default=(b"", b""))
            if len(longest[0]) + len(longest[1]) > _LINE:
                raise ParseError(f"a header of more than {_LINE} bytes", b"")
        self._overhead, self._allowed = 0, _QUIET
        length: Any = UNKNOWN_LENGTH
        chunked = False
        for name, value in pairs:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                length = self._length(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                if value.strip(b" \t").lower() != b"chunked" or chunked:
                    raise ParseError("a transfer coding other than chunked", value[:100])
                chunked = True
        if self.status > 599:
            raise ParseError(f"{self.status} is no status", b"")
        if chunked and version[2] == 0:  # faulty framing (RFC 9112 section 6.1)
            self.keep_alive = False
        self.bodiless = method == b"HEAD"
        if self.bodiless:
            self.whole, length = True, 0
        elif self.status == 204 or self.status == 304:
            length = 0
        return length, chunked

    @staticmethod
    def _length(value: bytes) -> int:
        text = value.strip(b" \t")
        if not text.isdigit() or len(text) > 19 or int(text) > _LARGEST:
            raise ParseError("a Content-Length that is none", value[:100])
        return int(text)

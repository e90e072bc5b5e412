"""Several ranges in one body: multipart/byteranges (RFC 9110 section 14.6)."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex

from twisted_pulp.streamer._ranges import Span

__all__ = ["content_range", "new_boundary", "pieces_of"]


def new_boundary() -> bytes:
    """Return a boundary that nobody can have put into a body."""
    return token_hex(16).encode()


def content_range(span: Span, size: int) -> bytes:
    """Return the value of Content-Range for *span*."""
    return f"bytes {span.first}-{span.last}/{size}".encode()


def pieces_of(spans: Sequence[Span], size: int, kind: bytes, boundary: bytes) -> tuple[bytes | Span, ...]:
    """
    Return what a multipart body consists of: bytes that are sent as they are, and spans in between.

    :param kind: the media type of each part.
    """
    pieces: list[bytes | Span] = []
    before = b""
    for span in spans:
        head = b"--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n"
        pieces += [before + head % (boundary, kind, content_range(span, size)), span]
        before = b"\r\n"
    return (*pieces, b"\r\n--%s--\r\n" % boundary)

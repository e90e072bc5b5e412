"""What stands in the header blocks of HTTP/2: of requests, and of responses (RFC 9113 section 8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hpack import NeverIndexedHeaderTuple
from twisted.web._newclient import ParseError
from twisted.web.iweb import UNKNOWN_LENGTH

__all__ = ["BLOCK", "LINES", "answered", "asked", "body_length", "checked"]

#: The limits of HTTP/1.1's header blocks: bytes of a block, and its lines.
BLOCK, LINES = 300 << 10, 5000
_LINE = 100 << 10
_LARGEST = (1 << 63) - 1

_name = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_value = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_status = re.compile(rb"[1-5][0-9][0-9]").fullmatch

# What only means something to one connection of HTTP/1.1.
_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"})
# Everything else may be a secret, and is kept out of the compressor's memory (RFC 7541 section 7.1).
_PUBLIC = frozenset(
    {b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"range", b"if-none-match", b"if-modified-since"}
)


def asked(request: Any) -> list[Any]:
    """
    Return the fields of *request*, which has `method`, `uri` and `headers` as Twisted's has.

    :raises ValueError: when a name or value would not be one line.
    """
    authority, fields = b"", []
    for given, values in request.headers.getAllRawHeaders():
        name = given.lower()
        if name == b"host":
            authority = values[0]
        elif name not in _CONNECTION:
            kind = tuple if name in _PUBLIC else _secret
            fields += [kind((name, value.strip(b" \t"))) for value in values]
    for name, value in (*fields, (b"host", authority), (b"path", request.uri)):
        if not _name(name) or not _value(value):
            raise ValueError("a header that is not one line")
    first = [(b":method", request.method), (b":scheme", b"https"), (b":authority", authority)]
    return [*first, _secret((b":path", request.uri)), *fields]


def _secret(pair: tuple[bytes, bytes]) -> Any:
    return NeverIndexedHeaderTuple(*pair)


def answered(given: Sequence[Any]) -> tuple[int, list[tuple[bytes, bytes]]]:
    """
    Return the status and the header fields of a response.

    :raises ParseError: when they are not what may be sent (RFC 9113 section 8.2), or more than is allowed.
    """
    if not given or given[0][0] != b":status" or not _status(given[0][1]):
        raise ParseError("a response without a status", b"")
    return int(given[0][1]), checked(given[1:])


def checked(given: Sequence[Any]) -> list[tuple[bytes, bytes]]:
    """
    Return *given* header fields, or trailers, as they may be shown to anybody.

    :raises ParseError: as `answered`.
    """
    if len(given) > LINES:
        raise ParseError(f"more than {LINES} headers", b"")
    size, pairs = 0, []
    for name, value in given:
        long = len(name) + len(value)
        size += long + 4  # a colon, a space, and the end of the line
        if long > _LINE:
            raise ParseError(f"a header of more than {_LINE} bytes", name[:100])
        if not _name(name) or not _value(value):
            raise ParseError("a header that is none", name[:100])
        if name in _CONNECTION:
            raise ParseError("a header of HTTP/1.1's connections", name)
        pairs.append((name, value))
    if size > BLOCK:
        raise ParseError("more headers, trailers or chunk extensions than allowed", b"")
    return pairs


def body_length(method: bytes, status: int, pairs: Sequence[tuple[bytes, bytes]]) -> tuple[Any, bool]:
    """
    Return the length of a response's body, or UNKNOWN_LENGTH, and whether there can be one.

    :raises ParseError: when the server says two things, or nonsense.
    """
    lengths = [value.strip(b" \t") for name, value in pairs if name == b"content-length"]
    if len(lengths) > 1:
        raise ParseError("more than one Content-Length", b"")
    if lengths and (not lengths[0].isdigit() or len(lengths[0]) > 19 or int(lengths[0]) > _LARGEST):
        raise ParseError("a Content-Length that is none", lengths[0][:100])
    if method == b"HEAD" or status in (204, 304):
        return 0, False
    return (int(lengths[0]) if lengths else UNKNOWN_LENGTH), True

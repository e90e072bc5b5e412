"""
The answer that nearly every request gets, understood at a glance: a 200 of known length that comes in one read.

Whatever is not exactly that is the parser's business; so is everything that could be read in two ways. What passes here
is what the parser would make of it (tests/unit/test_quick.py).
"""

from __future__ import annotations

import re

__all__ = ["at_a_glance"]

# Visible characters, spaces and tabs: no control character passes, so no line can hide in another (RFC 9112 2.2).
_head = re.compile(
    rb"HTTP/1\.1 200 ([\t\x20-\x7e\x80-\xff]*+)\r"
    rb"(\n(?:[!#-'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n){1,100}+)\r\n"
).match
# Everything that has a say in where the body ends, or what becomes of the connection; in lower case.
_says = re.compile(
    rb"\n(content-length|transfer-encoding|connection|proxy-connection|keep-alive|upgrade|trailer):[ \t]*([^\r]*)"
).findall
_HARMLESS = (b"connection", b"keep-alive")
# With more it is not worth a glance.
_LARGEST = 256 << 10


def at_a_glance(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """
    Return the phrase, the lines of the headers, and the body of the answer that *data* is, all of it and nothing else.

    None: it may be anything; ask the parser.
    """
    match = _head(data)
    if match is None:
        return None
    phrase, lines = match.groups()
    length = None
    for name, value in _says(lines.lower()):
        if name == b"content-length" and length is None and value.isdigit() and len(value) < 7:
            length = int(value)
        elif name != b"keep-alive" and (name, value.strip(b" \t")) != _HARMLESS:
            return None
    end = match.end()
    if length is None or length > _LARGEST or len(data) - end != length:
        return None
    return phrase, lines[1:], data[end:]

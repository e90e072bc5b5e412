"""Tests for `twisted_pulp.http._quick`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from httptools import HttpParserError, HttpParserUpgrade
from hypothesis import event, given
from hypothesis import strategies as st

from twisted_pulp.headers import Fields
from twisted_pulp.http._head import Head
from twisted_pulp.http._quick import at_a_glance

PLAIN = b'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\nConnection: keep-alive\r\nETag: "a"\r\n\r\nhi'


def test_plain() -> None:
    """A whole 200 of known length is understood."""
    glance = at_a_glance(PLAIN)
    assert glance is not None
    phrase, lines, body = glance
    assert (b"OK", b"hi") == (phrase, body)
    assert {"server": "x", "content-length": "2", "connection": "keep-alive", "etag": '"a"'} == dict(Fields(lines))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/1.2"),
        (b"200 OK", b"200"),
        (b"200 OK", b"206 OK"),
        (b"200 OK", b"204 OK"),
        (b"200 OK", b"2000 OK"),
        (b"Length: 2", b"Length: 3"),
        (b"Length: 2", b"Length: 1"),
        (b"Length: 2", b"Length: +2"),
        (b"Length: 2", b"Length: 2, 2"),
        (b"Length: 2", b"Length: 2\r\nContent-Length: 2"),
        (b"Length: 2", b"Length: 2\r\nTransfer-Encoding: chunked"),
        (b"Length: 2", b"Length: 2\r\nTrailer: x"),
        (b"Content-Length: 2\r\n", b""),
        (b"Content-Length: 2\r\n", b"content-length : 2\r\n"),
        (b"keep-alive", b"close"),
        (b"keep-alive", b"keep-alive, close"),
        (b"keep-alive", b"upgrade\r\nUpgrade: h2c"),
        (b"Server: x", b"Server: \0"),
        (b"Server: x", b"Server: x\rX: y"),
        (b"Server: x", b"Server: x\nX: y"),
        (b"Server: x", b"Server: x\r\n folded"),
        (b"Server: x", b"Server x"),
        (b"Server: x", b"Ser ver: x"),
        (b"Server: x", b": x"),
        (b"hi", b"hi\r\n"),
        (b"hi", b"hiHTTP/1.1 200 OK\r\n"),
        (b"\r\n\r\nhi", b"\n\nhi"),
        (b"HTTP", b"\r\nHTTP"),
    ],
)
def test_left_to_the_parser(old: bytes, new: bytes) -> None:
    """What is not exactly that is left to the parser."""
    assert old in PLAIN
    assert None is at_a_glance(PLAIN.replace(old, new))


_NAMES = st.sampled_from(
    [
        b"Content-Length",
        b"content-length",
        b"Connection",
        b"Transfer-Encoding",
        b"X-A",
        b"Keep-Alive",
        b"Upgrade",
        b"TE",
    ]
) | st.binary(max_size=4)
_VALUES = st.sampled_from([b"0", b"2", b"5", b" 2 ", b"\t2", b"keep-alive", b"close", b"chunked", b"x y"]) | st.binary(
    max_size=6
)
_LINES = st.lists(
    st.tuples(_NAMES, st.sampled_from([b":", b": ", b" : ", b""]), _VALUES, st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
)


@given(
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n"] * 5 + [b"HTTP/1.1 200 \r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 404 No\r\n"]
    ),
    _LINES,
    st.binary(max_size=6),
    st.integers(0, 3),
)
def test_as_the_parser(first: bytes, lines: list[tuple[bytes, ...]], body: bytes, place: int) -> None:
    """Whatever is understood here, the parser understands in the same way, and goes on after it."""
    lines.insert(place, (b"Content-Length", b": ", b"%d" % len(body), b"\r\n"))
    data = first + b"".join(b"".join(line) for line in lines) + b"\r\n" + body
    glance = at_a_glance(data)
    event(f"understood: {glance is not None}")
    if glance is None:
        return
    head = Head()
    head.read = len(data)
    parser = head.begin(None)
    with suppress(HttpParserError, HttpParserUpgrade):
        parser.feed_data(data)
    assert head.whole
    assert (len(glance[2]), False) == head.framing(parser, b"GET")
    assert head.keep_alive
    assert not head.followed(data)
    assert (head.phrase, b"".join(head.body)) == (glance[0], glance[2])
    assert dict(Fields(head.pairs)) == dict(Fields(glance[1]))

"""Whatever a server sends, and however it is sliced."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.unit.wire import Asked, Wire, get, ok

_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 199 What\r\n\r\nHTTP/1.1 206 Partial Content\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"HTTP/1.1 404 Not Found\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 600 \r\n",
        b"HTTP/2.0 200 OK\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n",
    ]
)
_HEADERS = st.sampled_from(
    [
        b"Content-Length: 0\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 50\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        b"X-Empty:\r\n",
        b"X-Folded: a\r\n b\r\n",
        b"Set-Cookie: a=b\r\n",
        b"no colon\r\n",
    ]
)
_BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"hello" * 10,
        b"hello and more",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;name=value\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: yes\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ffffffffffffffff1\r\n",
    ]
)


@st.composite
def _responses(draw: st.DrawFn) -> bytes:
    """Something like a response, perhaps with a few bytes changed."""
    headers = b"".join(draw(st.lists(_HEADERS, max_size=3)))
    data = bytearray(draw(_LINES) + headers + b"\r\n" + draw(_BODIES))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.sampled_from(b"\0\r\n \t:;,0159aH\xff"))
    return bytes(data[: draw(st.sampled_from([len(data), draw(st.integers(0, len(data)))]))])


_BYTES = st.one_of(_responses(), st.binary(max_size=200))


def sliced(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut *data* at each of *cuts*."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        yield data[start:end]


def told(data: bytes, cuts: list[int], method: bytes, clean: bool, later: bool) -> Asked:
    """Ask for something, hear *data* in pieces, lose the connection; the body may be wanted only at the end."""
    wire = Wire()
    asked = wire.ask(None, *sliced(data, cuts), method=method, deliver=not later)
    wire.lose(ConnectionDone() if clean else ConnectionLost())
    if later and asked.response is not None:
        asked.response.deliverBody(asked.body)
    assert 1 == asked.fired
    assert asked.response is None or 1 == len(asked.body.ends)
    assert [wire.connection] == wire.lost
    assert 2 > len(wire.idle)
    return asked


@settings(max_examples=1000, deadline=None)
@given(
    _BYTES,
    st.lists(st.integers(0, 1000), max_size=20),
    st.sampled_from([b"GET", b"HEAD"]),
    st.booleans(),
    st.booleans(),
)
def test_any_bytes_in_any_slices(data: bytes, cuts: list[int], method: bytes, clean: bool, later: bool) -> None:
    """A request and its body each end exactly once, and what they come to does not depend on how the bytes came."""
    whole = told(data, [], method, clean, later)
    assert whole.outcome == told(data, cuts, method, clean, later).outcome
    assert whole.outcome == told(data, list(range(len(data))), method, clean, False).outcome


@settings(max_examples=300, deadline=None)
@given(_BYTES, st.lists(st.integers(0, 1000), max_size=20), st.sampled_from([b"GET", b"HEAD"]))
def test_never_mixed(data: bytes, cuts: list[int], method: bytes) -> None:
    """No byte that came before a request was made is ever part of its response."""
    wire = Wire()
    wire.ask(None, *sliced(data, cuts), method=method)
    if wire.connection.idle:
        following = wire.ask(get(), ok(b"mine"))
        assert (200, b"mine", "ResponseDone") == following.outcome
        assert {"content-length": "4"} == dict(following.response.fields)

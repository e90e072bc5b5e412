"""What the parser notes down, and the rules that llhttp leaves to us."""

from __future__ import annotations

from typing import Any

import pytest
from httptools import HttpParserError
from twisted.web._newclient import ParseError
from twisted.web.iweb import UNKNOWN_LENGTH

from tests.unit.wire import CHUNKED, OK, ok
from twisted_pulp.http._head import Head


def read(data: bytes, head: Head | None = None, parser: Any = None) -> tuple[Head, Any]:
    """Parse *data* as the answer to one request; return the notes and the parser."""
    head = Head() if head is None else head
    parser = head.begin(parser)
    head.read = len(data)
    parser.feed_data(data)
    return head, parser


def framing(data: bytes, method: bytes = b"GET") -> tuple[Any, bool]:
    """Return the length and whether it is chunked."""
    head, parser = read(data)
    return head.framing(parser, method)


@pytest.mark.parametrize(
    ("expected", "data", "method"),
    [
        ((2, False), ok(b"hi"), b"GET"),
        ((0, False), ok(b""), b"GET"),
        ((5, False), OK + b"Content-Length: \t5 \t\r\n\r\n", b"GET"),
        ((2**63 - 1, False), OK + b"Content-Length: 9223372036854775807\r\n\r\n", b"GET"),
        ((UNKNOWN_LENGTH, True), CHUNKED, b"GET"),
        ((UNKNOWN_LENGTH, True), OK + b"transfer-encoding: \tCHUNKED \r\n\r\n", b"GET"),
        ((UNKNOWN_LENGTH, False), OK + b"\r\n", b"GET"),
        ((0, False), OK + b"Content-Length: 5\r\n\r\n", b"HEAD"),
        ((0, True), CHUNKED, b"HEAD"),
        ((0, False), b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"GET"),
        ((0, False), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"GET"),
    ],
)
def test_framing(expected: tuple[object, bool], data: bytes, method: bytes) -> None:
    """The end of a body is where RFC 9112 section 6.3 says."""
    assert expected == framing(data, method)


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 9223372036854775808",
        b"Content-Length: 18446744073709551615",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: quantum",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    ],
)
def test_framing_left_to_us(header: bytes) -> None:
    """Framing that llhttp accepts and nobody may send is refused."""
    with pytest.raises(ParseError):
        framing(OK + header + b"\r\n\r\n")


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_versions(version: bytes) -> None:
    """Versions that llhttp accepts and we do not speak are refused."""
    with pytest.raises(ParseError):
        framing(b"HTTP/%b 200 OK\r\nContent-Length: 0\r\n\r\n" % version)


@pytest.mark.parametrize(("expected", "version"), [((b"HTTP", 1, 0), b"1.0"), ((b"HTTP", 1, 1), b"1.1")])
def test_version(expected: tuple[object, ...], version: bytes) -> None:
    """The version is noted as Twisted writes it."""
    head, parser = read(b"HTTP/%b 200 OK\r\nContent-Length: 0\r\n\r\n" % version)
    head.framing(parser, b"GET")
    assert expected == head.version


def test_status_above_599() -> None:
    """A status of 600 and above is none."""
    with pytest.raises(ParseError):
        framing(b"HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        (True, ok(b"hi")),
        (False, ok(b"hi", b"Connection: close")),
        (True, CHUNKED),
        (False, OK + b"\r\n"),
        (False, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"),
        (True, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n"),
        (False, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
def test_keep_alive(expected: bool, data: bytes) -> None:
    """A connection goes on by default in HTTP/1.1, on request in HTTP/1.0, and never after faulty framing."""
    head, parser = read(data)
    head.framing(parser, b"GET")
    assert expected == head.keep_alive


def test_interim_responses_are_forgotten() -> None:
    """Nothing of an interim response is left in the final one."""
    head, _ = read(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"hi", b"X: y"))
    assert (200, b"OK", [(b"X", b"y"), (b"Content-Length", b"2")]) == (head.status, head.phrase, head.pairs)
    assert b"hi" == head.take_body()


def test_interim_responses_up_to_twenty() -> None:
    """Twenty interim responses are read over."""
    head, _ = read(b"HTTP/1.1 100 Continue\r\n\r\n" * 20 + ok(b"hi"))
    assert head.whole


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 21,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 099 What\r\n\r\n",
        b"HTTP/1.1 199 What\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 150 What\r\nTransfer-Encoding: chunked\r\n\r\n",
        ok(b"hi") + ok(b"again"),
    ],
)
def test_never_asked_for(data: bytes) -> None:
    """What cannot answer the request stops the parser."""
    with pytest.raises(HttpParserError):
        read(data)


@pytest.mark.parametrize("status", [100, 102, 103])
def test_interim_length_means_nothing(status: int) -> None:
    """An interim response has no body, even if it says so."""
    head, _ = read(b"HTTP/1.1 %d What\r\nContent-Length: 3\r\n\r\n" % status + ok(b"hi"))
    assert head.whole
    assert b"hi" == head.take_body()


def test_unknown_interim_response() -> None:
    """An interim response that nobody knows is read over (RFC 9110 section 15.2)."""
    head, _ = read(b"HTTP/1.1 199 What\r\nX: y\r\n\r\n" + ok(b"hi"))
    assert head.whole


def test_trailers_are_no_headers() -> None:
    """A trailer is kept apart (RFC 9110 section 6.5.1)."""
    head, _ = read(CHUNKED + b"2\r\nhi\r\n0\r\nSet-Cookie: stolen\r\nX: y\r\n\r\n")
    assert [(b"Transfer-Encoding", b"chunked")] == head.pairs
    assert (b"Set-Cookie", b"stolen") in head.trailers
    assert head.whole


def test_trailers_do_not_reach_the_next_response() -> None:
    """A trailer is not among the headers of the next response either."""
    head, parser = read(CHUNKED + b"2\r\nhi\r\n0\r\nSet-Cookie: stolen\r\n\r\n")
    read(ok(b"", b"X: y"), head, parser)
    assert [(b"X", b"y"), (b"Content-Length", b"0")] == head.pairs


def test_phrase_in_pieces() -> None:
    """The words behind the status may come in pieces."""
    head = Head()
    parser = head.begin(None)
    for piece in (b"HTTP/1.1 200 Ver", b"y w", b"ell\r\n\r\n"):
        parser.feed_data(piece)
    assert b"Very well" == head.phrase


def test_body() -> None:
    """The pieces of the body are taken as one, and then forgotten."""
    head, parser = read(ok(b"abcdef")[:-4])
    parser.feed_data(b"cd")
    assert 4 == head.body_size
    assert b"abcd" == head.take_body()
    assert b"" == head.take_body()


def test_longest_header() -> None:
    """A header of 18 KiB passes, and of 100 KiB."""
    for size in (18 << 10, (100 << 10) - 1):
        assert (0, False) == framing(ok(b"", b"X: " + b"y" * size))


def test_header_too_long() -> None:
    """A header of more than 100 KiB is refused, in one read or in several."""
    data = ok(b"", b"X: " + b"y" * (100 << 10))
    with pytest.raises(ParseError):
        framing(data)
    head, parser = read(data[:60_000])
    head.too_much(60_000)
    head.read = len(data) - 60_000
    parser.feed_data(data[60_000:])
    with pytest.raises(ParseError):
        head.framing(parser, b"GET")


def test_most_headers() -> None:
    """5,000 headers pass."""
    assert (0, False) == framing(ok(b"", *[b"X: y"] * 4999))


def test_too_many_headers() -> None:
    """More than 5,000 headers are refused, however they are read."""
    with pytest.raises(ParseError):
        framing(ok(b"", *[b"X: y"] * 5000))
    head, _ = read(OK + b"X: y\r\n" * 5002)
    assert head.too_much(1) is not None


def test_too_many_trailers() -> None:
    """Trailers count as headers do."""
    head, _ = read(CHUNKED + b"0\r\n" + b"X: y\r\n" * 5001)
    assert head.too_much(1) is not None


def test_headers_may_have_300_kib() -> None:
    """All headers together may have 300 KiB and not a byte more, interim ones included."""
    head, parser = read(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert head.too_much(200 << 10) is None
    parser.feed_data(OK)
    assert head.too_much(100 << 10) is None
    assert head.too_much(1) is not None


def test_headers_do_not_count_against_the_body() -> None:
    """Between large headers and the first byte of a body there may be as much as between other bytes."""
    head, parser = read(CHUNKED)
    assert head.too_much(299 << 10) is None
    head.framing(parser, b"GET")
    assert head.too_much(64 << 10) is None
    assert head.too_much(1) is not None


def test_body_makes_up_for_overhead() -> None:
    """Overhead counts from the last byte of body on."""
    head, parser = read(CHUNKED)
    head.framing(parser, b"GET")
    assert head.too_much(60 << 10) is None
    parser.feed_data(b"2\r\nhi\r\n")
    assert b"hi" == head.take_body()
    assert head.too_much(60 << 10) is None

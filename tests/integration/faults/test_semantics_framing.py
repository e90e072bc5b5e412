"""Rows 37 to 39 and 43: answers that are framed wrongly, or are hardly HTTP."""

from __future__ import annotations

import random

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.scripted import Close, Forever, Scripted, Send, Stall, Step, ok
from twisted_pulp import Retry
from twisted_pulp.errors import ConnectionLost, DownloadError, ProtocolError, Unproven

BODY = random.Random(7).randbytes(16)
NEVER = quick(retry=Retry(retries=0))
CHUNKS = b"10\r\n" + BODY + b"\r\n0\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + b"e" * 16

_LENGTH = b"Content-Length: "
_CODING = b"Transfer-Encoding: "
#: Header lines, body, and the failure; None is a success with exactly BODY.
_FRAMINGS: dict[str, tuple[bytes, bytes, type[DownloadError] | None]] = {
    "right": (_LENGTH + b"16", BODY, None),
    "zeros before": (_LENGTH + b"0016", BODY, None),
    "spaces around": (_LENGTH + b"  16  ", BODY, None),
    "twice": (_LENGTH + b"16\r\n" + _LENGTH + b"16", BODY, ProtocolError),
    "different": (_LENGTH + b"16\r\n" + _LENGTH + b"5", BODY, ProtocolError),
    "list": (_LENGTH + b"16,16", BODY, ProtocolError),
    "plus": (_LENGTH + b"+16", BODY, ProtocolError),
    "minus": (_LENGTH + b"-1", BODY, ProtocolError),
    "hex": (_LENGTH + b"0x10", BODY, ProtocolError),
    "point": (_LENGTH + b"16.0", BODY, ProtocolError),
    "inner space": (_LENGTH + b"1 6", BODY, ProtocolError),
    "empty": (_LENGTH, BODY, ProtocolError),
    "2^63": (_LENGTH + b"9223372036854775808", BODY, ProtocolError),
    "2^64": (_LENGTH + b"18446744073709551616", BODY, ProtocolError),
    "2^64 + 16": (_LENGTH + b"18446744073709551632", BODY, ProtocolError),
    "space before colon": (b"Content-Length : 16", BODY, ProtocolError),
    "length and coding": (_LENGTH + b"16\r\n" + _CODING + b"chunked", CHUNKS, ProtocolError),
    "coding and length": (_CODING + b"chunked\r\n" + _LENGTH + b"16", CHUNKS, ProtocolError),
    "chunked": (_CODING + b"chunked", CHUNKS, None),
    "in capitals": (_CODING + b"CHUNKED", CHUNKS, None),
    "gzip, chunked": (_CODING + b"gzip, chunked", CHUNKS, ProtocolError),
    "gzip": (_CODING + b"gzip", CHUNKS, ProtocolError),
    "chunked, gzip": (_CODING + b"chunked, gzip", CHUNKS, ProtocolError),
    "chunked twice": (_CODING + b"chunked\r\n" + _CODING + b"chunked", CHUNKS, ProtocolError),
    "unknown coding": (_CODING + b"x", CHUNKS, ProtocolError),
    "identity": (_CODING + b"identity", BODY, ProtocolError),
    "chunk size empty": (_CODING + b"chunked", b"\r\n" + CHUNKS, ProtocolError),
    "chunk size negative": (_CODING + b"chunked", b"-10\r\n" + BODY + b"\r\n0\r\n\r\n", ProtocolError),
    "chunk size 0x": (_CODING + b"chunked", b"0x10\r\n" + BODY + b"\r\n0\r\n\r\n", ProtocolError),
    "chunk size 2^64": (_CODING + b"chunked", b"10000000000000010\r\n" + BODY + b"\r\n0\r\n\r\n", ProtocolError),
    "chunk too long": (_CODING + b"chunked", b"f\r\n" + BODY + b"\r\n0\r\n\r\n", ProtocolError),
    "chunk without CR": (_CODING + b"chunked", b"10\n" + BODY + b"\n0\n\n", ProtocolError),
}


@pytest.mark.parametrize("case", _FRAMINGS)
@ensureDeferred
async def test_row_37_framing(fetcher: Fetcher, scripted: Scripted, case: str) -> None:
    """Row 37: lengths and codings that are none, or two, end the connection; nothing is taken for the file."""
    lines, body, kind = _FRAMINGS[case]
    scripted.on(b"/file", [(Send(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n" + body),)])
    scripted.on(b"/next", [ok(BODY)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=NEVER)
    assert (kind or type(None)) is type(report.error)
    following = await fetcher.fetch(scripted.url("/next"), BODY, name="next", proven=False, remote=NEVER)
    assert following.error is None
    if kind is not None:
        assert 1 == scripted.requests[-1].connection  # the first one is of no use any more


_L = b"\r\nContent-Length: 16\r\n\r\n"
_HEADS: dict[str, tuple[bytes, type[DownloadError] | None]] = {
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 16\n\n", ProtocolError),
    "obs-fold": (b"HTTP/1.1 200 OK\r\nA: b\r\n c" + _L, ProtocolError),
    "fold with tab": (b"HTTP/1.1 200 OK\r\nA: b\r\n\tc" + _L, ProtocolError),
    "leading space": (b"HTTP/1.1 200 OK\r\n A: b" + _L, ProtocolError),
    "NUL in value": (b"HTTP/1.1 200 OK\r\nA: b\0c" + _L, ProtocolError),
    "NUL in name": (b"HTTP/1.1 200 OK\r\nA\0: b" + _L, ProtocolError),
    "bare CR in value": (b"HTTP/1.1 200 OK\r\nA: b\rc" + _L, ProtocolError),
    "no colon": (b"HTTP/1.1 200 OK\r\nA b" + _L, ProtocolError),
    "no name": (b"HTTP/1.1 200 OK\r\n: b" + _L, ProtocolError),
    "space in name": (b"HTTP/1.1 200 OK\r\nA b: c" + _L, ProtocolError),
    "empty value": (b"HTTP/1.1 200 OK\r\nA:" + _L, None),
    "Latin-1 value": (b"HTTP/1.1 200 OK\r\nA: \xfc" + _L, None),
    "no phrase": (b"HTTP/1.1 200" + _L, None),
    "long phrase": (b"HTTP/1.1 200 " + b"O" * 1000 + _L, None),
    "18 KiB line": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 18_432 + _L, None),
    "100 KiB line": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * (100 << 10) + _L, ProtocolError),
    "200 KiB headers": (
        b"HTTP/1.1 200 OK" + b"".join(b"\r\nA%d: %s" % (n, b"b" * 1000) for n in range(200)) + _L,
        None,
    ),
    "400 KiB headers": (
        b"HTTP/1.1 200 OK" + b"".join(b"\r\nA%d: %s" % (n, b"b" * 1000) for n in range(400)) + _L,
        ProtocolError,
    ),
    "4,900 headers": (b"HTTP/1.1 200 OK" + b"\r\nA: b" * 4_900 + _L, None),
    "6,000 headers": (b"HTTP/1.1 200 OK" + b"\r\nA: b" * 6_000 + _L, ProtocolError),
    "status 99": (b"HTTP/1.1 099 Odd" + _L, ProtocolError),
    "status -200": (b"HTTP/1.1 -200 Odd" + _L, ProtocolError),
    "status 1": (b"HTTP/1.1 1 Odd" + _L, ProtocolError),
    "status of 100 digits": (b"HTTP/1.1 " + b"2" * 100 + b" Odd" + _L, ProtocolError),
    "status 600": (b"HTTP/1.1 600 Odd" + _L, ProtocolError),
    "status in letters": (b"HTTP/1.1 abc Odd" + _L, ProtocolError),
}


@pytest.mark.parametrize("case", _HEADS)
@ensureDeferred
async def test_row_38_head(fetcher: Fetcher, scripted: Scripted, case: str) -> None:
    """Row 38, T4, T6: lines that are none are protocol errors, not tried again; long ones are fine up to the limits."""
    data, kind = _HEADS[case]
    scripted.on(b"/file", [(Send(data + BODY),)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False)
    assert (kind or type(None)) is type(report.error)
    assert 1 == len(scripted.requests)


_INTERIM = b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n"
_RIGHT = head(200, [(b"Content-Length", b"16")]) + BODY


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (_INTERIM % 100, None),
        (_INTERIM % 103 * 20, None),
        (_INTERIM % 100 * 10 + _INTERIM % 102 * 10, None),
        (_INTERIM % 103 * 21, ProtocolError),
        (_INTERIM % 100 * 10_000, ProtocolError),
        (_INTERIM % 101, ProtocolError),
        (b"HTTP/1.1 103 Hints\r\nContent-Length: 16\r\n\r\n" + b"e" * 16, ProtocolError),
    ],
    ids=["100", "103 x 20", "mixed x 20", "103 x 21", "flood", "101", "with a body"],
)
@ensureDeferred
async def test_row_39_interim(
    fetcher: Fetcher, scripted: Scripted, before: bytes, kind: type[DownloadError] | None
) -> None:
    """Row 39: up to 20 interim answers are ignored; more, a switch of protocols, or one with a body are an error."""
    scripted.on(b"/file", [(Send(before + _RIGHT),)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=NEVER)
    assert (kind or type(None)) is type(report.error)


@pytest.mark.parametrize("code", [204, 304])
@ensureDeferred
async def test_row_39_no_body(fetcher: Fetcher, scripted: Scripted, code: int) -> None:
    """Row 39: 204 and 304 have no body, whatever follows; it is not the answer to the next request."""
    scripted.on(b"/file", [(Send(head(code, [(b"Content-Length", b"16")]) + EVIL),)])
    scripted.on(b"/next", [ok(BODY)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=NEVER)
    assert isinstance(report.error, ProtocolError)
    following = await fetcher.fetch(scripted.url("/next"), BODY, name="next", proven=False, remote=NEVER)
    assert following.error is None
    assert [0, 1] == [request.connection for request in scripted.requests]


@pytest.mark.parametrize("more", [BODY, EVIL, b""])
@ensureDeferred
async def test_row_39_head_with_body(fetchers: Fetchers, scripted: Scripted, more: bytes) -> None:
    """Row 39: a body in answer to HEAD is not read, and ends the connection; without one it is used again."""
    scripted.on(b"/file", [(Send(head(200, [(b"Content-Length", b"16")]) + more),)])
    scripted.on(b"/next", [ok(BODY)])
    fetcher = fetchers()
    downloader = fetcher.context.downloader(NEVER)
    report = await downloader.head(scripted.url("/file"))
    assert 16 == report.size
    following = await fetcher.fetch(scripted.url("/next"), BODY, name="next", proven=False, remote=NEVER)
    assert following.error is None
    assert [0, 1 if more else 0] == [request.connection for request in scripted.requests]


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((Send(BODY), Close()), ProtocolError),  # HTTP/0.9
        ((Send(b"<html>" * 100), Close()), ProtocolError),
        ((Send(b"HTTP/0.9 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),), ProtocolError),
        ((Send(b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\nConnection: keep-alive\r\n\r\n" + BODY),), None),
        ((Send(b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),), None),
        ((Send(b"HTTP/1.0 200 OK\r\n\r\n" + BODY), Close()), Unproven),
        ((Send(b"HTTP/1.2 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),), ProtocolError),
        ((Send(b"HTTP/2.0 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),), ProtocolError),
        ((Send(b"HTTP/2 200 \r\nContent-Length: 16\r\n\r\n" + BODY),), ProtocolError),
        ((Send(b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0d\0\4\0\0\xff\xff\0\5\0\0@\0"), Stall()), ProtocolError),
        ((Send(b"SSH-2.0-OpenSSH\r\n"), Stall()), ProtocolError),
        ((Send(b"ICY 200 OK\r\nContent-Length: 16\r\n\r\n" + BODY),), ProtocolError),
        ((Close(),), ConnectionLost),
        ((Send(b"HTTP/1.1 200 OK\r\nContent-Len"), Close()), ConnectionLost),
    ],
)
@ensureDeferred
async def test_row_43_versions(
    fetcher: Fetcher, scripted: Scripted, steps: tuple[Step, ...], kind: type[DownloadError] | None, lag: Lag
) -> None:
    """Row 43: HTTP/1.1 and 1.0 are spoken; 0.9, 2, and other protocols are typed errors, and at once."""
    scripted.on(b"/file", [steps])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=NEVER)
    assert (kind or type(None)) is type(report.error)
    assert report.finished - report.started < 0.5 + lag.seconds


@pytest.mark.parametrize("keep", [True, False])
@ensureDeferred
async def test_row_43_keep_alive(fetcher: Fetcher, scripted: Scripted, keep: bool) -> None:
    """Row 43: an HTTP/1.0 connection is used again only when the server says that it may be."""
    more = b"Connection: keep-alive\r\n" if keep else b""
    scripted.on(b"/file", [(Send(b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n" + more + b"\r\n" + BODY),)])
    for name in ("one", "two"):
        report = await fetcher.fetch(scripted.url("/file"), BODY, name=name, remote=NEVER)
        assert report.error is None
    assert [0, 0 if keep else 1] == [request.connection for request in scripted.requests]


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (head(200, [(b"Transfer-Encoding", b"chunked")]) + b"1;", b"x" * 65_536),
        (head(200, [(b"Transfer-Encoding", b"chunked")]) + b"1\r\nx\r\n0\r\n", b"A: b\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 10_000),
        (b"", _INTERIM % 103 * 1000),
        (b"HTTP/1.1 200 ", b"O" * 65_536),
    ],
    ids=["extension", "trailers", "headers", "interim", "phrase"],
)
@ensureDeferred
async def test_b3_endless(fetcher: Fetcher, scripted: Scripted, first: bytes, again: bytes) -> None:
    """B3: endless headers, interim answers, trailers and chunk extensions are cut off at their limits."""
    scripted.on(b"/file", [(Send(first), Forever(again, 50 << 20))])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=NEVER)
    assert isinstance(report.error, ProtocolError)
    assert scripted.bytes_sent < 8 << 20  # what the kernel's buffers took, not what was read

"""Tests for `tests.servers.answers`: a plain socket sees each byte."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from tests.servers.client import Connect, Socket
from tests.servers.scripted import (
    Close,
    Reset,
    Scripted,
    Send,
    SendSlowly,
    Step,
    Steps,
    Wait,
    chunked,
    cut,
    ok,
    ranged,
    status,
)


@ensureDeferred
async def test_chunked(scripted: Scripted, connect: Connect) -> None:
    """A chunked answer has pieces, extensions and trailers as told."""
    scripted.on(b"/", [[*chunked(b"abcde", 2, [(b"T", b"1")], b";x=y"), Close()]])
    client = await connect(scripted)
    client.get()
    expected = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    assert expected == await client.heard_all()


@ensureDeferred
async def test_chunked_without_end(scripted: Scripted, connect: Connect) -> None:
    """A chunked answer can lack its last chunk."""
    scripted.on(b"/", [[*chunked(b"abcde", end=False), Close()]])
    client = await connect(scripted)
    client.get()
    assert (await client.heard_all()).endswith(b"\r\n\r\n5\r\nabcde\r\n")


@pytest.mark.parametrize(
    ("answer", "n", "expected"),
    [
        (ok(b"abc"), 0, b""),
        (ok(b"abc"), 2, b"ab"),
        (ok(b"abc"), 9, b"abc"),
        (ok(b"abc", length=False), 9, b"abc"),
        ((Send(b"HTTP/1.1 200 OK\r\n"), Send(b"A: b\r\n\r\nabc"), Send(b"def")), 4, b"abcd"),
        ((Send(b"HTTP/1.1 200 OK\r\n\r\n"), Wait(0.01), SendSlowly(b"abcdef", 1, 0.001)), 3, b"abc"),
        (chunked(b"abc"), 5, b"3\r\nab"),
    ],
)
@pytest.mark.parametrize(("how", "end"), [(Reset(), ConnectionLost), (Close(), ConnectionDone)])
@ensureDeferred
async def test_cut(
    scripted: Scripted, connect: Connect, answer: Steps, n: int, expected: bytes, how: Step, end: type
) -> None:
    """A cut answer has its whole head and n bytes of body, then ends as told."""
    scripted.on(b"/", [cut(answer, n, how)])
    client = await connect(scripted)
    client.get()
    head, _, body = (await client.heard_all()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert expected == body
    assert end is type(client.ended)


@ensureDeferred
async def test_cut_chosen(scripted: Scripted, connect: Connect) -> None:
    """An answer that is chosen per request can be cut too."""
    scripted.on(b"/", [cut(ranged(b"abcdef"), 2, Close())])
    client = await connect(scripted)
    client.get("/", "Range: bytes=3-")
    assert (await client.heard_all()).endswith(b"\r\n\r\nde")


_DATE = "Sat, 01 Jan 2000 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "code", "content_range", "expected"),
    [
        ([], 200, None, b"0123456789"),
        (["Range: bytes=2-4"], 206, b"bytes 2-4/10", b"234"),
        (["Range: bytes=7-"], 206, b"bytes 7-9/10", b"789"),
        (["Range: bytes=7-99"], 206, b"bytes 7-9/10", b"789"),
        (["Range: bytes=-3"], 206, b"bytes 7-9/10", b"789"),
        (["Range: bytes=-99"], 206, b"bytes 0-9/10", b"0123456789"),
        (["Range: bytes=10-"], 416, b"bytes */10", b""),
        (["Range: bytes=-0"], 416, b"bytes */10", b""),
        (["Range: bytes=4-2"], 200, None, b"0123456789"),
        (["Range: bytes=0-1,3-4"], 200, None, b"0123456789"),
        (["Range: lines=0-1"], 200, None, b"0123456789"),
        (["Range: bytes=2-", 'If-Range: "v1"'], 206, b"bytes 2-9/10", b"23456789"),
        (["Range: bytes=2-", 'If-Range: "v0"'], 200, None, b"0123456789"),
        (["Range: bytes=2-", f"If-Range: {_DATE}"], 206, b"bytes 2-9/10", b"23456789"),
        (["Range: bytes=2-", "If-Range: Sat, 01 Jan 2000 00:00:01 GMT"], 200, None, b"0123456789"),
    ],
)
@ensureDeferred
async def test_ranged(
    scripted: Scripted,
    connect: Connect,
    headers: list[str],
    code: int,
    content_range: bytes | None,
    expected: bytes,
) -> None:
    """Ranges and If-Range are answered as RFC 9110 says."""
    scripted.on(b"/", [ranged(b"0123456789", b'"v1"', _DATE.encode())])
    client = await connect(scripted)
    client.get("/", *headers, "X-Last: yes")
    await client.heard(12)
    head = bytes(client.received).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 %d " % code)
    assert (content_range or b"") == head.partition(b"\r\nContent-Range: ")[2].partition(b"\r\n")[0]
    assert expected == await client.answer()


@ensureDeferred
async def test_ranged_weak(scripted: Scripted, connect: Connect) -> None:
    """A weak ETag never allows a part."""
    scripted.on(b"/", [ranged(b"0123456789", b'W/"v1"')])
    client = await connect(scripted)
    client.get("/", "Range: bytes=2-", 'If-Range: W/"v1"')
    assert await client.answer() == b"0123456789"


@pytest.mark.parametrize("header", ['If-None-Match: "v1"', f"If-Modified-Since: {_DATE}", 'If-None-Match: "a", W/"v1"'])
@ensureDeferred
async def test_ranged_unchanged(scripted: Scripted, connect: Connect, header: str) -> None:
    """A validator that still holds gives 304 without a body."""
    scripted.on(b"/", [ranged(b"0123456789", b'"v1"', _DATE.encode()), status(200, body=b"next")])
    client = await connect(scripted)
    client.get("/", header)
    client.get("/")
    answers = await _until(client, b"next")
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"304", b"200"]


async def _until(client: Socket, end: bytes) -> bytes:
    while not client.received.endswith(end):
        await client.heard(len(client.received) + 1)
    return bytes(client.received)


@ensureDeferred
async def test_ranged_head(scripted: Scripted, connect: Connect) -> None:
    """HEAD gets the headers of GET and no body."""
    scripted.on(b"/", [ranged(b"0123456789"), [Send(b"!"), Close()]])
    client = await connect(scripted)
    client.get("/", method="HEAD")
    client.get("/")
    assert (await client.heard_all()).endswith(b"\r\nContent-Length: 10\r\n\r\n!")

"""Requests that two readers could take for different ones, or that are none: refused, or answered once."""

from __future__ import annotations

import re

import pytest
import pytest_twisted

from tests.integration.stored import StartSite, start_site

__all__ = ["start_site"]

HOST = b"Host: a\r\n"
#: Follows each payload: whoever takes a payload for shorter or longer than it is answers this wrongly.
NEXT = b"GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def get(*lines: bytes, body: bytes = b"", first: bytes = b"GET /first HTTP/1.1\r\n", host: bytes = HOST) -> bytes:
    """Return a request."""
    return first + host + b"".join(lines) + b"\r\n" + body


REFUSED = {
    # lengths
    "length and chunks": get(b"Content-Length: 4\r\n", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and length": get(CHUNKED, b"Content-Length: 5\r\n", body=b"0\r\n\r\n"),
    "two lengths": get(b"Content-Length: 0\r\n", b"Content-Length: 38\r\n", body=SMUGGLED),
    "the same length twice": get(b"Content-Length: 3\r\nContent-Length: 3\r\n", body=b"abc"),
    "a list of lengths": get(b"Content-Length: 3, 3\r\n", body=b"abc"),
    "a length with a sign": get(b"Content-Length: +3\r\n", body=b"abc"),
    "a negative length": get(b"Content-Length: -1\r\n"),
    "a length in hex": get(b"Content-Length: 0x3\r\n", body=b"abc"),
    "a length with a dot": get(b"Content-Length: 3.0\r\n", body=b"abc"),
    "a length with an underscore": get(b"Content-Length: 1_0\r\n", body=b"abcdefghij"),
    "an empty length": get(b"Content-Length:\r\n"),
    "a length in other digits": get("Content-Length: \u0663\r\n".encode(), body=b"abc"),
    "a length of 5000 digits": get(b"Content-Length: " + b"1" * 5000 + b"\r\n"),
    "too long a body": get(b"Content-Length: 70000\r\n"),
    # codings
    "a coding in disguise": get(b"Transfer-Encoding: xchunked\r\n", body=b"0\r\n\r\n"),
    "a coding after another": get(b"Transfer-Encoding: gzip, chunked\r\n", body=b"0\r\n\r\n"),
    "chunks twice": get(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "a list of chunks": get(b"Transfer-Encoding: chunked, chunked\r\n", body=b"0\r\n\r\n"),
    "identity": get(b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", body=b"abc"),
    "identity alone": get(b"Transfer-Encoding: identity\r\n"),
    "chunks, then identity": get(CHUNKED, b"Transfer-Encoding: identity\r\n", body=b"0\r\n\r\n"),
    "an empty coding": get(b"Transfer-Encoding:\r\n"),
    "quoted chunks": get(b'Transfer-Encoding: "chunked"\r\n', body=b"0\r\n\r\n"),
    "chunks with a vertical tab": get(b"Transfer-Encoding: \x0bchunked\r\n", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": get(CHUNKED, first=b"GET /first HTTP/1.0\r\n", body=b"0\r\n\r\n"),
    # names and lines
    "a space before the colon": get(b"Content-Length : 3\r\n", body=b"abc"),
    "a tab before the colon": get(b"Transfer-Encoding\t: chunked\r\n", body=b"0\r\n\r\n"),
    "a folded line": get(b"X: a\r\n b\r\n"),
    "a folded coding": get(b"Transfer-Encoding:\r\n chunked\r\n", body=b"0\r\n\r\n"),
    "a folded line with a tab": get(b"X: a\r\n\tContent-Length: 3\r\n", body=b"abc"),
    "a first header that is folded": get(b"", host=b" Host: a\r\n"),
    "no colon": get(b"Content-Length\r\n"),
    "no name": get(b": 3\r\n"),
    "a NUL in a name": get(b"Content-\0Length: 3\r\n", body=b"abc"),
    "a NUL in a value": get(b"X: a\0b\r\n"),
    "a CR in a value": get(b"X: a\rContent-Length: 3\r\n", body=b"abc"),
    "an LF in a value": get(b"X: a\nContent-Length: 3\r\n", body=b"abc"),
    "lines of LF only": b"GET /first HTTP/1.1\nHost: a\n\n",
    "a header that ends with LF": get(b"X: a\n"),
    "an end of LF only": b"GET /first HTTP/1.1\r\nHost: a\r\n\n",
    "many headers": get(*(b"X%d: 1\r\n" % n for n in range(600))),
    "much header": get(b"X: " + b"a" * 20_000 + b"\r\n"),
    # targets, methods, versions, hosts
    "no host": get(host=b""),
    "two hosts": get(b"Host: b\r\n"),
    "a host with a path": get(host=b"Host: a/b\r\n"),
    "a host with a user": get(host=b"Host: u@a\r\n"),
    "a host with a space": get(host=b"Host: a b\r\n"),
    "a fragment": get(first=b"GET /first#/smuggled HTTP/1.1\r\n"),
    "no slash": get(first=b"GET first HTTP/1.1\r\n"),
    "another scheme": get(first=b"GET ftp://a/first HTTP/1.1\r\n"),
    "an authority": get(first=b"CONNECT a:443 HTTP/1.1\r\n"),
    "a space in the target": get(first=b"GET /first /second HTTP/1.1\r\n"),
    "a tab in the first line": get(first=b"GET\t/first\tHTTP/1.1\r\n"),
    "a NUL in the target": get(first=b"GET /fir\0st HTTP/1.1\r\n"),
    "a CR in the first line": get(first=b"GET /first\rHTTP/1.1\r\n"),
    "no version": get(first=b"GET /first\r\n"),
    "HTTP/0.9": b"GET /first\r\n\r\n",
    "HTTP/1.2": get(first=b"GET /first HTTP/1.2\r\n"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a small version": get(first=b"GET /first http/1.1\r\n"),
    "a method that is no token": get(first=b"GE(T /first HTTP/1.1\r\n"),
    "a space first": get(first=b" GET /first HTTP/1.1\r\n"),
    "two empty lines first": get(first=b"\r\n\r\nGET /first HTTP/1.1\r\n"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20) + b"\n",
    # bodies
    "a chunk of no size": get(CHUNKED, body=b"x\r\n\r\n"),
    "a chunk with a sign": get(CHUNKED, body=b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk in 0x": get(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk that is longer": get(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n"),
    "a chunk that ends with LF": get(CHUNKED, body=b"3\r\nabc\n0\r\n\r\n"),
    "a large chunk": get(CHUNKED, body=b"11180\r\n" + b"a" * 70_016 + b"\r\n0\r\n\r\n"),
    "a huge chunk": get(CHUNKED, body=b"f" * 40 + b"\r\n"),
}

ANSWERED = {
    "an empty line first": get(first=b"\r\nGET /first HTTP/1.1\r\n"),
    "a body that looks like a request": get(b"Content-Length: %d\r\n" % len(SMUGGLED), body=SMUGGLED),
    "chunks that look like a request": get(CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
    "chunks by another case": get(b"TRANSFER-encoding: Chunked\r\n", body=b"3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with an extension": get(CHUNKED, body=b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    "no body of length 0": get(b"Content-Length: 0\r\n"),
    "zeros before a length": get(b"Content-Length: 003\r\n", body=b"abc"),
    "a whole URL": get(first=b"GET http://other:80/first HTTP/1.1\r\n"),
    "a whole URL of no path": get(first=b"GET http://other HTTP/1.1\r\n"),
    "a host of numbers": get(host=b"Host: [::1]:8080\r\n"),
    "an empty host": get(host=b"Host:\r\n"),
    "a post": get(b"Content-Length: 3\r\n", first=b"POST /first HTTP/1.1\r\n", body=b"abc"),
    "a form": get(
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n",
        first=b"POST /first HTTP/1.1\r\n",
        body=b"a=b",
    ),
    "a method that nobody knows": get(first=b"BREW /first HTTP/1.1\r\n"),
    "an upgrade": get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"),
    "a star": get(first=b"OPTIONS * HTTP/1.1\r\n"),
    "X headers": get(b"X-Forwarded-Host: evil\r\nX-Original-URL: /smuggled\r\nX-HTTP-Method-Override: PUT\r\n"),
}


def statuses(answers: bytes) -> list[int]:
    """Return the statuses of *answers*, whose bodies have none that looks like one."""
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@pytest.mark.parametrize("name", REFUSED)
@pytest_twisted.ensureDeferred
async def test_refused(start_site: StartSite, name: str) -> None:
    """What is no proper request is refused once, nothing of it is asked for, and nothing after it is read."""
    site = await start_site()
    found = statuses(await site.ask(REFUSED[name] + NEXT))
    assert (1, True) == (len(found), found[0] in (400, 413))
    assert 0 == site.resource.asked


@pytest.mark.parametrize("name", ANSWERED)
@pytest_twisted.ensureDeferred
async def test_answered(start_site: StartSite, name: str) -> None:
    """What is one request is answered once, and the next one is the next one."""
    site = await start_site()
    await site.keep(b"/first", b"FIRST")
    await site.keep(b"/second", b"SECOND")
    await site.keep(b"/smuggled", b"SMUGGLED")
    answers = await site.ask(ANSWERED[name] + NEXT)
    assert 2 == len(statuses(answers))
    assert answers.endswith(b"SECOND")
    assert b"SMUGGLED" not in answers


@pytest.mark.parametrize("name", REFUSED)
@pytest_twisted.ensureDeferred
async def test_refused_later(start_site: StartSite, name: str) -> None:
    """What precedes an improper request is answered, what follows is not."""
    site = await start_site()
    await site.keep(b"/second", b"SECOND")
    before = NEXT.replace(b"Connection: close\r\n", b"")
    found = statuses(await site.ask(before + REFUSED[name] + NEXT))
    assert (200, 2) == (found[0], len(found))
    assert 1 == site.resource.asked

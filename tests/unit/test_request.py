"""How a request looks on the wire."""

from __future__ import annotations

import pytest
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers
from twisted.web.iweb import IClientRequest
from zope.interface.verify import verifyObject

from twisted_pulp.http._request import FixedHeaders, Request


def request(headers: Headers | None = None, persistent: bool = True) -> Request:
    """Return a request."""
    return Request(b"GET", b"/path", headers, b"host.test", b"http://host.test/path", persistent)


def written(request: Request) -> bytes:
    """Return what *request* writes."""
    transport = StringTransport()
    request.writeTo(transport)
    request.stopWriting()
    return bytes(transport.value())


FIXED = FixedHeaders({b"User-Agent": [b"pulp"], b"X-A": [b"1", b"2"]})


def test_interface() -> None:
    """It is what a response's `request` promises."""
    assert verifyObject(IClientRequest, request())
    assert request().bodyProducer is None


@pytest.mark.parametrize(
    ("expected", "headers", "persistent"),
    [
        (b"Host: host.test\r\n", None, True),
        (b"Host: host.test\r\nConnection: close\r\n", None, False),
        (b"Host: host.test\r\nX-A: 1\r\nX-A: 2\r\n", Headers({b"x-a": [b"1", b"2"]}), True),
        (b"X-A: 1\r\nHost: other.test\r\n", Headers({b"x-a": [b"1"], b"host": [b"other.test"]}), True),
        (b"Host: host.test\r\nUser-Agent: pulp\r\nX-A: 1\r\nX-A: 2\r\n", FIXED, True),
        (b"Host: host.test\r\nConnection: close\r\nUser-Agent: pulp\r\nX-A: 1\r\nX-A: 2\r\n", FIXED, False),
    ],
)
def test_written(expected: bytes, headers: Headers | None, persistent: bool) -> None:
    """A request is its line, its Host, and the headers as given."""
    assert b"GET /path HTTP/1.1\r\n" + expected + b"\r\n" == written(request(headers, persistent))


def test_nothing_is_injected() -> None:
    """Line breaks in a value become spaces, wherever headers are made (H1)."""
    for headers in (Headers({b"X": [b"a\r\nY: b"]}), FixedHeaders({b"X": [b"a\r\nY: b"]})):
        assert 4 == written(request(headers)).count(b"\r\n")


@pytest.mark.parametrize(
    ("host", "headers"),
    [(b"host.test", None), (b"host.test", FIXED), (b"other.test", Headers({b"Host": [b"other.test"]}))],
)
def test_headers(host: bytes, headers: Headers | None) -> None:
    """A request knows the headers it sent, and lets nobody change them."""
    asked = request(headers)
    assert [host] == asked.headers.getRawHeaders(b"host")
    asked.headers.setRawHeaders(b"host", [b"changed"])
    assert [host] == asked.headers.getRawHeaders(b"host")


def test_fixed_headers_copy() -> None:
    """A copy of fixed headers is not fixed."""
    copy = FIXED.copy()
    copy.setRawHeaders(b"X-A", [b"3"])
    assert type(copy) is Headers
    assert [b"1", b"2"] == FIXED.getRawHeaders(b"X-A")

"""
Where Twisted's own client goes wrong.

Ours is asked the same elsewhere in these tests. When one of these fails, Twisted has mended something: good news.
"""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web._newclient import Request as StockRequest
from twisted.web.client import Agent, HTTPConnectionPool, RedirectAgent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tests.unit.wire import OK, Asked, Wire, ok


def asked(*pieces: bytes) -> Asked:
    """Ask over Twisted's connection, and hear *pieces*."""
    return stock_wire().ask(_request(), *pieces)


def stock_wire() -> Wire:
    """Make one of Twisted's connections."""
    wire = Wire()
    stock: Any = HTTP11ClientProtocol()
    wire.connection = stock
    stock.makeConnection(wire.transport)
    return wire


def _request() -> Any:
    return StockRequest(b"GET", b"/", Headers({b"Host": [b"host.test"]}), None, persistent=True)


def test_no_cap_on_headers() -> None:
    """Twisted takes headers without end (traps 7 and T2)."""
    stock = asked(OK, *[b"X: " + b"y" * 10_000 + b"\r\n"] * 400, b"Content-Length: 2\r\n\r\nhi")
    assert (200, b"hi", "ResponseDone") == stock.outcome


def test_no_cap_on_interim_responses() -> None:
    """Twisted reads over interim responses without end (trap T2)."""
    stock = asked(*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 1000, ok(b"hi"))
    assert (200, b"hi", "ResponseDone") == stock.outcome


def test_line_limit() -> None:
    """Twisted ends a response with a header of 18 KiB, which curl takes (trap T4)."""
    wire = stock_wire()
    wire.ask(_request(), ok(b"hi", b"X: " + b"y" * (18 << 10)))
    assert wire.closed


@pytest.mark.parametrize(
    ("error", "data"),
    [
        (AttributeError, OK + b" X: y\r\n\r\n"),
        (KeyError, OK + b"Transfer-Encoding: quantum\r\n\r\n"),
    ],
)
def test_bare_errors(error: type[Exception], data: bytes) -> None:
    """Twisted fails with errors of its own making (trap T5)."""
    assert error.__name__ in asked(data).reasons


@pytest.mark.parametrize(
    "data",
    [
        OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 -200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 1" + b"2" * 100 + b" OK\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"X: a\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_accepts_anything(data: bytes) -> None:
    """Twisted takes what no server may send (trap T6)."""
    stock = asked(data)
    assert stock.failure is None
    assert stock.response is not None


def test_pool_without_a_cap() -> None:
    """Twisted's pool opens a connection for each request there is (trap 9, and T9)."""
    opened: list[HTTP11ClientProtocol] = []

    class Endpoint:
        def connect(self, factory: Any) -> Deferred[Any]:
            opened.append(factory.buildProtocol(None))
            return succeed(opened[-1])

    pool: Any = HTTPConnectionPool(Clock())
    for _ in range(100):
        pool.getConnection("key", Endpoint())
    assert 100 == len(opened)


@implementer(IAgent)
class Answers:
    """Answers each request as told, and remembers it."""

    def __init__(self, *answers: tuple[int, bytes | None]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[bytes, bytes, Headers]] = []
        self.wires: list[Wire] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        self.asked.append((method, uri, headers or Headers()))
        status, location = self._answers.pop(0)
        lines = [] if location is None else [b"Location: " + location]
        wire = stock_wire()
        self.wires.append(wire)
        answered: Any = wire.connection.request(_request())
        wire.hear(b"\r\n".join([b"HTTP/1.1 %d What" % status, *lines, b"Content-Length: 2", b"", b""]))
        return answered  # type: ignore[no-any-return]


def test_redirect_resolved_against_the_first_url() -> None:
    """Twisted resolves the second Location against the first URL, and so asks the wrong host (trap 1, #8265)."""
    answers = Answers((302, b"http://b.test/b1"), (302, b"/final"), (200, None))
    RedirectAgent(answers).request(b"GET", b"http://a.test/start")
    assert [b"http://a.test/start", b"http://b.test/b1", b"http://a.test/final"] == [uri for _, uri, _ in answers.asked]


def test_redirect_bodies_are_never_read() -> None:
    """Twisted leaves the connection of each redirect paused, for ever (trap 2, #6752)."""
    answers = Answers((302, b"http://b.test/"), (200, None))
    RedirectAgent(answers).request(b"GET", b"http://a.test/")
    assert "paused" == answers.wires[0].transport.producerState
    assert not answers.wires[0].closed


def test_redirect_makes_get_of_head() -> None:
    """Twisted turns HEAD into GET at a 303 (trap 3)."""
    answers = Answers((303, b"http://b.test/"), (200, None))
    RedirectAgent(answers).request(b"HEAD", b"http://a.test/")
    assert [b"HEAD", b"GET"] == [method for method, _, _ in answers.asked]


def test_redirect_gives_up_protection() -> None:
    """Twisted follows from https to http (traps 3 and T7)."""
    answers = Answers((302, b"http://a.test/"), (200, None))
    RedirectAgent(answers).request(b"GET", b"https://a.test/")
    assert b"http://a.test/" == answers.asked[1][1]


def test_redirect_shows_secrets() -> None:
    """Twisted takes its own five headers for the only secret ones (trap T7)."""
    answers = Answers((302, b"http://b.test/"), (200, None))
    RedirectAgent(answers).request(b"GET", b"http://a.test/", Headers({b"X-Api-Key": [b"S3CR3T"]}))
    assert answers.asked[1][2].hasHeader(b"X-Api-Key")


@pytest.mark.parametrize("uri", [b"http://a.test/with space", "http://a.test/ü".encode()])
def test_urls_as_people_write_them(uri: bytes) -> None:
    """Twisted raises bare ValueErrors, where it is called, at URLs and Locations that others take (trap T5)."""
    with pytest.raises(ValueError, match="Invalid URI"):
        Agent(MemoryReactorClock()).request(b"GET", uri)


def test_user_information() -> None:
    """Twisted fails with a bare ValueError at a URL with a password, and says the password (trap T5)."""
    failed: list[Any] = []
    Agent(MemoryReactorClock()).request(b"GET", b"http://user:S3CR3T@a.test/").addErrback(failed.append)
    assert failed[0].check(ValueError)
    assert "S3CR3T" in failed[0].getErrorMessage()

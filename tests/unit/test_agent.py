"""The innermost agent: what it asks, of whom, and what it refuses to ask."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import Clock
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit.answering import outcome
from tests.unit.network import Endpoint, Network
from tests.unit.wire import OK, ok
from twisted_pulp.http import ConnectionPool, HTTPAgent


class Hosts:
    """
    Endpoints in memory.

    :ivar made: the origins they were made for.
    """

    def __init__(self) -> None:
        self.network, self.made = Network(), []  # type: tuple[Network, list[tuple[bytes, bytes, int]]]

    def endpointForURI(self, uri: Any) -> Endpoint:
        if uri.scheme not in (b"http", b"https"):
            raise SchemeNotSupported
        self.made.append((uri.scheme, uri.host, uri.port))
        return self.network.endpoint(uri.host.decode("ascii"))


class Asking:
    """An agent, and what its hosts hear."""

    def __init__(self, clock: Clock, **pool: Any) -> None:
        self.hosts = Hosts()
        self.pool = ConnectionPool(clock, **pool)
        self.agent = HTTPAgent(clock, self.hosts, self.pool)  # type: ignore[arg-type]

    def ask(self, uri: bytes, method: bytes = b"GET", headers: Headers | None = None) -> Deferred[Any]:
        """Make a request."""
        return self.agent.request(method, uri, headers)

    @property
    def heard(self) -> bytes:
        """What the last host heard last."""
        return self.hosts.network.sockets[-1].sent


@pytest.fixture
def asking(clock: Clock) -> Asking:
    """An agent over a pool that keeps connections."""
    return Asking(clock)


def test_interface(asking: Asking) -> None:
    """It is an agent."""
    assert verifyObject(IAgent, asking.agent)


@pytest.mark.parametrize(
    ("origin", "line", "host", "uri"),
    [
        ((b"http", b"a.test", 80), b"/", b"a.test", b"http://a.test"),
        ((b"http", b"a.test", 80), b"/", b"a.test", b"http://a.test/"),
        ((b"http", b"a.test", 80), b"/b?c=d", b"a.test", b"http://a.test/b?c=d"),
        ((b"http", b"a.test", 80), b"/b", b"a.test", b"http://a.test/b#fragment"),
        ((b"http", b"a.test", 80), b"/?c", b"a.test", b"http://a.test?c"),
        ((b"http", b"a.test", 80), b"/", b"a.test", b"http://a.test#fragment"),
        ((b"http", b"a.test", 80), b"/user@b:1", b"a.test", b"http://a.test/user@b:1"),
        ((b"http", b"a.test", 80), b"/", b"a.test", b"HTTP://A.Test:80/"),
        ((b"http", b"a.test", 80), b"/x", b"a.test", b"http://a.test:/x"),
        ((b"http", b"a.test", 8080), b"/", b"a.test:8080", b"http://a.test:8080/"),
        ((b"http", b"a.test", 443), b"/", b"a.test:443", b"http://a.test:443/"),
        ((b"https", b"a.test", 443), b"/", b"a.test", b"https://a.test/"),
        ((b"https", b"a.test", 80), b"/", b"a.test:80", b"https://a.test:80/"),
        ((b"http", b"::1", 80), b"/", b"[::1]", b"http://[::1]/"),
        ((b"http", b"::1", 8080), b"/", b"[::1]:8080", b"http://[::1]:8080/"),
        ((b"http", b"my_host", 80), b"/", b"my_host", b"http://my_host/"),
        ((b"http", b"a.test", 80), b"/%2e%2E//b%20c", b"a.test", b"http://a.test/%2e%2E//b%20c"),
    ],
)
def test_request(asking: Asking, origin: tuple[bytes, bytes, int], line: bytes, host: bytes, uri: bytes) -> None:
    """A URI is taken apart once, sent as given, and its origin asked."""
    asking.ask(uri)
    assert [origin] == asking.hosts.made
    assert b"GET " + line + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" == asking.heard


@pytest.mark.parametrize(
    "uri",
    [
        b"",
        b"/path",
        b"//a.test/",
        b"http:/a.test/",
        b"http:a.test",
        b"http://",
        b"http:///path",
        b"http://?c",
        b"http://user@a.test/",
        b"http://user:password@a.test/",
        b"http://ok:80@127.0.0.1/",
        b"http://ok@127.0.0.1/",
        b"http://@a.test/",
        b"http://127.0.0.1\\@a.test/",
        b"http://a.test/with space",
        b"http://a.test/\r\nX-Injected: yes",
        b"http://a.test/\x00",
        b"http://a.test\t/",
        "http://a.test/ü".encode(),
        "http://ü.test/".encode(),
        b"http://a.test:0/",
        b"http://a.test:65536/",
        b"http://a.test:123456/",
        b"http://a.test:x/",
        b"http://[::1/",
        b"http://[::1]x/",
        b"http://[fe80::1%25lo]/",
        b"http://a b/",
        b"http://a%2etest/",
    ],
)
def test_refused(asking: Asking, uri: bytes) -> None:
    """What is no URI that may be sent raises at once, and nobody is asked (traps T5, S1, H1)."""
    with pytest.raises(ValueError, match="Invalid URI") as raised:
        asking.ask(uri)
    assert "password" not in str(raised.value)
    assert [] == asking.hosts.network.sockets


@pytest.mark.parametrize(
    "uri", [b"mailto:somebody@a.test", b"ftp://a.test/", b"gopher://a.test:70/", b"file:///etc/passwd"]
)
def test_other_schemes(asking: Asking, uri: bytes) -> None:
    """A scheme that is not spoken here fails, as with Twisted's agent."""
    assert isinstance(outcome(asking.ask(uri)), SchemeNotSupported)


@pytest.mark.parametrize(
    ("error", "method"),
    [(TypeError, "GET"), (ValueError, b"GET /other"), (ValueError, b"GET\r\nX: y"), (ValueError, b"")],
)
def test_methods(asking: Asking, error: type[Exception], method: Any) -> None:
    """What is no method raises at once."""
    with pytest.raises(error):
        asking.ask(b"http://a.test/", method)


def test_headers(asking: Asking) -> None:
    """Headers are sent as given; a Host of the caller's stands for ours."""
    asking.ask(b"http://a.test/", headers=Headers({b"X-A": [b"1", b"2"], b"Host": [b"b.test"]}))
    assert b"GET / HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nHost: b.test\r\n\r\n" == asking.heard


def test_response(asking: Asking) -> None:
    """The response comes with what was asked."""
    d = asking.ask(b"http://a.test/b#fragment", b"HEAD")
    asking.hosts.network.sockets[0].say(OK + b"Content-Length: 5\r\n\r\n")
    response = outcome(d)
    assert (200, b"HEAD") == (response.code, response.request.method)
    assert b"http://a.test/b#fragment" == response.request.absoluteURI
    assert [b"a.test"] == response.request.headers.getRawHeaders(b"Host")


def test_kept(asking: Asking) -> None:
    """The next request goes over the same connection."""
    for _ in range(2):
        asking.ask(b"http://a.test/")
        asking.hosts.network.sockets[0].say(ok(b"hi"))
    assert 2 == asking.heard.count(b"GET / ")
    assert 1 == len(asking.hosts.network.sockets)


def test_not_persistent(clock: Clock) -> None:
    """Where the pool keeps nothing, requests say so."""
    asking = Asking(clock, persistent=False)
    asking.ask(b"http://a.test/")
    assert b"Connection: close\r\n" in asking.heard


def test_origins_are_read_once(asking: Asking) -> None:
    """An endpoint is made once for each way an origin is written, and not kept for ever."""
    for _ in range(3):
        asking.ask(b"http://a.test/")
    assert 1 == len(asking.hosts.made)
    for number in range(1000):
        asking.agent._learn(b"http", b"%d.test" % number)
    known: Any = asking.agent._known
    known.update(dict.fromkeys(range(1000)))
    asking.ask(b"http://b.test/")
    assert 1 == len(asking.agent._known)


def test_cancel(asking: Asking) -> None:
    """Cancelling reaches the connection."""
    d = asking.ask(b"http://a.test/")
    outcome(d)
    d.cancel()
    assert asking.hosts.network.sockets[0].disconnected


@implementer(IBodyProducer)
class Producer:
    """A body of four bytes."""

    length = 4

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(b"body")
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


def test_with_a_body(asking: Asking) -> None:
    """A request with a body goes the way of Twisted's own agent, over the same connections."""
    asking.ask(b"http://a.test/")
    asking.hosts.network.sockets[0].say(ok(b"hi"))
    d = asking.agent.request(b"POST", b"http://a.test/", None, Producer())
    assert b"POST / HTTP/1.1\r\n" in asking.heard
    assert asking.heard.endswith(b"\r\n\r\nbody")
    asking.hosts.network.sockets[0].say(ok(b"hi"))
    assert 200 == outcome(d).code
    asking.agent.request(b"DELETE", b"http://a.test/")
    assert b"DELETE / HTTP/1.1\r\n" in asking.heard
    assert 1 == len(asking.hosts.network.sockets)

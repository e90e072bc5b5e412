"""Ways through proxies, in memory: what is said to them, and what becomes of what they say."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet import error as failing
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface.verify import verifyObject

from tests.unit.answering import outcome
from tests.unit.test_agent import Producer
from tests.unit.test_endpoints import Names, Origin
from tests.unit.wire import ok
from twisted_pulp.errors import (
    ConnectTimeout,
    DNSError,
    ProxyError,
    ProxyNotAuthorized,
    ProxyTimeout,
    SettingsError,
)
from twisted_pulp.http import Cap, ConnectionPool, Endpoints, HTTPAgent, HTTPConnection, StatusAgent, Watch
from twisted_pulp.http._request import Request
from twisted_pulp.settings import TLS, Proxy, Remote, Timeouts

HTTP, SOCKS, SOCKS_LOCAL = "http://192.0.2.9:3128", "socks5h://192.0.2.9", "socks5://192.0.2.9"
WHO = {"username": "me", "password": "S3CR3T"}
LINE = b"Proxy-Authorization: Basic bWU6UzNDUjNU\r\n"
OK200 = b"HTTP/1.1 200 Connection established\r\n\r\n"
GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"
A4, A6 = IPv4Address("TCP", "192.0.2.1", 80), IPv6Address("TCP", "2001:db8::1", 80)


class Socket(StringTransport):
    """A connection to a proxy; to abort it shows at the next turn."""

    def __init__(self, reactor: MemoryReactorClock, protocol: Any) -> None:
        super().__init__(lenient=True)  # type: ignore[no-untyped-call]
        self._reactor, self.protocol, self.lost = reactor, protocol, False

    def abortConnection(self) -> None:
        self._reactor.callLater(0, self.lose, ConnectionAborted())

    def loseConnection(self) -> None:
        self._reactor.callLater(0, self.lose)

    def lose(self, error: Exception | None = None) -> None:
        """End it."""
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(error or ConnectionDone()))

    def say(self, data: bytes) -> bytes:
        """Let the proxy send *data*, and return what is said to it then."""
        self.clear()  # type: ignore[no-untyped-call]
        self.protocol.dataReceived(data)
        return self.said

    def setTcpNoDelay(self, enabled: object) -> None:
        """Nothing: there is no socket."""

    @property
    def said(self) -> bytes:
        """What was said to it since it last spoke."""
        return bytes(self.value())  # type: ignore[no-untyped-call]


class Coming:
    """What becomes of a Deferred: `value` is its result or error, or None for as long as there is none."""

    def __init__(self, d: Deferred[Any]) -> None:
        self.value: Any = None
        self.cancel = d.cancel
        d.addCallbacks(self._set, lambda failure: self._set(failure.value))

    def _set(self, value: Any) -> None:
        self.value = value


class Going:
    """Endpoints through a proxy over a reactor in memory."""

    def __init__(
        self,
        proxy: Proxy | str | None = HTTP,
        *answers: Deferred[Any],
        timeouts: Timeouts | None = None,
        **remote: Any,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.names: Any = Names(*answers)
        self.watch = Watch(self.reactor)
        made = Proxy(url=proxy) if isinstance(proxy, str) else proxy
        self.remote = Remote(proxy=made, timeouts=timeouts or Timeouts(), **remote)
        self.endpoints = Endpoints(self.reactor, self.names, self.watch, self.remote, Cap(3))

    def endpoint(self, scheme: bytes = b"https", host: bytes = b"a.test", port: int = 443) -> Any:
        """Return the endpoint of an origin."""
        return self.endpoints.endpointForURI(Origin(scheme, host, port))

    def connect(
        self, scheme: bytes = b"https", host: bytes = b"a.test", port: int = 443, kind: type[Protocol] = HTTPConnection
    ) -> Coming:
        """Begin to connect."""
        return Coming(self.endpoint(scheme, host, port).connect(Factory.forProtocol(kind)))

    @property
    def places(self) -> list[tuple[str, int]]:
        """Where connections were tried to."""
        return [(client[0], client[1]) for client in self.reactor.tcpClients]

    def accept(self, number: int = -1) -> Socket:
        """Let the proxy accept a connection."""
        protocol = self.reactor.tcpClients[number][2].buildProtocol(None)
        socket = Socket(self.reactor, protocol)
        protocol.makeConnection(socket)
        return socket

    def refuse(self) -> None:
        """Let nobody be at the address that was tried first."""
        factory, connector = self.reactor.tcpClients[0][2], self.reactor.connectors[0]
        factory.clientConnectionFailed(connector, Failure(failing.ConnectionRefusedError()))

    def turn(self) -> None:
        """Let the reactor take a turn."""
        self.reactor.advance(0)


def failed(going: Going, d: Coming, kind: type[ProxyError], *, retryable: bool) -> Any:
    """Check that *d* failed with *kind*, which names the proxy, and return the error."""
    going.turn()
    error = d.value
    assert kind is type(error)
    assert retryable is error.retryable
    assert "192.0.2.9" in error.detail
    assert "S3CR3T" not in repr(error)
    return error


# What goes where


def test_interfaces() -> None:
    """They fit Twisted's own agent."""
    going = Going()
    assert verifyObject(IAgentEndpointFactory, going.endpoints)
    assert verifyObject(IStreamClientEndpoint, going.endpoint())


def test_without() -> None:
    """Without a proxy there is nothing in between."""
    going = Going(None)
    assert None is going.endpoints.proxies
    assert "<OriginEndpoint a.test:80>" == repr(going.endpoint(b"http", port=80))


def test_no_proxy() -> None:
    """An origin that no_proxy covers is reached directly, and never with what is the proxy's."""
    going = Going(Proxy(url=HTTP, **WHO, no_proxy=("a.test", "10.0.0.0/8")))
    assert "<OriginEndpoint a.test:443 TLS>" == repr(going.endpoint())
    assert "<OriginEndpoint 10.1.1.1:80>" == repr(going.endpoint(b"http", b"10.1.1.1", 80))
    assert "<Proxied <OriginEndpoint b.test:443 TLS> through http://192.0.2.9:3128>" == repr(
        going.endpoint(host=b"b.test")
    )


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment counts where it is asked for and there is no proxy, each variable for its scheme."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "http://192.0.2.8:1")
    monkeypatch.setenv("no_proxy", "b.test")
    assert None is Going(None).endpoints.proxies
    going = Going(None, proxy_from_environment=True)
    assert "through http://192.0.2.8:1>" in repr(going.endpoint())
    assert "<OriginEndpoint b.test:443 TLS>" == repr(going.endpoint(host=b"b.test"))
    assert "<OriginEndpoint a.test:80>" == repr(going.endpoint(b"http", port=80))
    assert f"through {HTTP}>" in repr(Going(proxy_from_environment=True).endpoint())
    monkeypatch.setenv("https_proxy", "gopher://192.0.2.8")
    with pytest.raises(SettingsError, match="https_proxy"):
        Going(None, proxy_from_environment=True)


def test_keys() -> None:
    """Connections are never shared across proxies, their credentials or their TLS, and are with equal ones (C5)."""
    proxies = [
        None,
        Proxy(url=HTTP),
        Proxy(url=HTTP, **WHO),
        Proxy(url=HTTP, username="me", password="other"),
        Proxy(url="http://192.0.2.9:3129"),
        Proxy(url="https://192.0.2.9:3128"),
        Proxy(url="https://192.0.2.9:3128", tls=TLS(verify=False)),
        Proxy(url="socks5://192.0.2.9:3128"),
        Proxy(url="socks5h://192.0.2.9:3128"),
    ]
    for scheme in (b"http", b"https"):
        keys = [Going(proxy).endpoint(scheme).key for proxy in proxies]
        assert len(proxies) == len(set(keys))
        assert "S3CR3T" not in repr(keys)
        assert keys[2] == Going(Proxy(url=HTTP, **WHO, no_proxy=("b.test",))).endpoint(scheme).key
        assert keys[2] != Going(Proxy(url=HTTP, **WHO)).endpoint(scheme, b"b.test").key


@pytest.mark.parametrize("scheme", [b"http", b"https"])
@pytest.mark.parametrize("proxy", [HTTP, SOCKS])
def test_what_the_pool_is_told(scheme: bytes, proxy: str) -> None:
    """Caps count by the origin's host, with the Remote's timeouts and cap."""
    going = Going(proxy, timeouts=Timeouts(connect=7))
    endpoint = going.endpoint(scheme)
    assert ("a.test", 443) == endpoint.host_key
    assert 7 == endpoint.timeouts.connect
    assert 3 == endpoint.cap.limit
    assert endpoint.connect.__self__ is endpoint
    with pytest.raises(AttributeError):
        endpoint.no_such_thing  # noqa: B018 -- looking it up is the test


def test_late() -> None:
    """A connection that does not come in time says that a proxy was on the way."""
    error = Going().endpoint().late(7)
    assert (ProxyTimeout, 7) == (type(error), error.seconds)
    assert f"no connection through the proxy {HTTP} in 7 s" == error.detail


def test_pool(clock: Any) -> None:
    """The pool lets the endpoint say what was late, and says it itself where that has nothing to say."""
    for proxy, kind in ((HTTP, ProxyTimeout), (None, ConnectTimeout)):
        going = Going(proxy, timeouts=Timeouts(connect=5))
        pool = ConnectionPool(going.reactor, watch=going.watch)
        d = Coming(pool.getConnection(None, going.endpoint(host=b"192.0.2.1")))
        going.reactor.pump([0.1] * 60)
        if d.value is None:  # a connector in memory does not tell that it has stopped
            assert going.reactor.connectors[0].stoppedConnecting
            going.refuse()
        assert kind is type(d.value)
        pool.close()


# CONNECT


@pytest.mark.parametrize(
    ("host", "place"), [(b"a.test", b"a.test:443"), (b"192.0.2.1", b"192.0.2.1:443"), (b"::1", b"[::1]:443")]
)
def test_connect(host: bytes, place: bytes) -> None:
    """https goes through a tunnel; the proxy hears of nothing but the place, and looks it up."""
    going = Going(Proxy(url=HTTP, **WHO), username="mine", password="S3CR3T-mine")
    d = going.connect(host=host)
    socket = going.accept()
    assert [("192.0.2.9", 3128)] == going.places
    assert b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (place, place, LINE) == socket.said
    hello = socket.say(OK200)
    assert b"\x16\x03\x01" == hello[:3]
    assert [] == going.names.asked
    assert None is d.value
    socket.lose()
    error = failed(going, d, ProxyError, retryable=True)
    assert "the tunnel through the proxy http://192.0.2.9:3128 ended in the TLS handshake" == error.detail


def test_connect_without_credentials() -> None:
    """Who has no credentials for the proxy sends none."""
    going = Going()
    going.connect()
    assert b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n" == going.accept().said


@pytest.mark.parametrize(
    "answer",
    [
        OK200,
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_connected(answer: bytes) -> None:
    """Every 2xx opens the tunnel, in pieces too, whatever length it says it has (RFC 9110 section 9.3.6)."""
    for pieces in ([answer], [answer[n : n + 1] for n in range(len(answer))]):
        going = Going()
        d = going.connect()
        socket = going.accept()
        for piece in pieces:
            assert None is d.value
            socket.say(piece)
        assert b"\x16\x03\x01" == socket.said[:3]
        socket.lose()
        assert isinstance(d.value, ProxyError)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (b"300", ProxyError, False),
        (b"401 Unauthorized", ProxyNotAuthorized, False),
        (b"403", ProxyError, False),
        (b"404", ProxyError, False),
        (b"407 Who", ProxyNotAuthorized, False),
        (b"416", ProxyError, False),
        (b"429", ProxyError, True),
        (b"502", ProxyError, True),
        (b"503", ProxyError, True),
        (b"504", ProxyError, True),
        (b"599", ProxyError, False),
    ],
)
def test_connect_refused(status: bytes, kind: type[ProxyError], retryable: bool) -> None:
    """What the proxy answers instead is its own word, with its status, and never taken for one of the origin."""
    going = Going(Proxy(url=HTTP, **WHO))
    d = going.connect()
    going.accept().say(b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\n" % status)
    error = failed(going, d, kind, retryable=retryable)
    assert error.detail.startswith(f"the proxy {HTTP} made no connection to a.test:443: {int(status[:3])}")
    assert int(status[:3]) == error.status


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (OK200 + b"x", "more came than was asked for"),
        (OK200 + b"HTTP/1.1 200 OK\r\n\r\n", "more came than was asked for"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", "more came than was asked for"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "more came than was asked for"),
        (b"SSH-2.0-x\r\n", "made no connection"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "101 was not asked for"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5001 + b"\r\n", "more than 5000 headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * (301 << 10), "more headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 21, "more than 20 interim responses"),
    ],
)
def test_connect_babbled(answer: bytes, words: str) -> None:
    """What is no answer to CONNECT, or more than one, ends the connection."""
    going = Going()
    d = going.connect()
    socket = going.accept()
    socket.say(answer)
    assert words in failed(going, d, ProxyError, retryable=False).detail
    assert socket.lost


def test_connect_lost() -> None:
    """A proxy that leaves before it has answered may do better the next time."""
    going = Going()
    d = going.connect()
    going.accept().lose()
    error = failed(going, d, ProxyError, retryable=True)
    assert "made no connection to a.test:443: the connection was closed" in error.detail


def test_unreachable() -> None:
    """A proxy that cannot be reached is told from an origin that cannot."""
    going = Going()
    d = going.connect()
    going.refuse()
    error = failed(going, d, ProxyError, retryable=True)
    assert f"the proxy {HTTP} cannot be reached: connection refused" == error.detail


def test_proxy_without_an_address() -> None:
    """So is one whose name has no address; the origin's is not looked up."""
    going = Going("http://192.0.2.9.proxy.test:3128", fail(DNSError(detail="none")))
    d = going.connect()
    assert [("192.0.2.9.proxy.test", 3128)] == going.names.asked
    failed(going, d, ProxyError, retryable=False)


def test_name_server_of_the_proxy_is_late() -> None:
    """A name server that sleeps is a timeout on the way to the proxy."""
    going = Going("http://192.0.2.9.proxy.test:3128", Deferred(), timeouts=Timeouts(dns=1))
    d = going.connect()
    going.reactor.pump([0.1] * 20)
    error = failed(going, d, ProxyTimeout, retryable=True)
    assert "the name server did not answer in 1 s" in error.detail
    assert 1 == error.seconds


def test_cancelled_on_the_way() -> None:
    """Cancelling ends the attempt to connect to the proxy."""
    going = Going()
    d = going.connect()
    d.cancel()
    going.refuse()
    assert isinstance(d.value, (CancelledError, ProxyError))
    assert going.reactor.connectors[0].stoppedConnecting


def test_cancelled_while_talking() -> None:
    """Cancelling ends the talk, and is over when the connection is; what comes meanwhile is not heard."""
    going = Going()
    d = going.connect()
    socket = going.accept()
    d.cancel()
    assert None is d.value
    assert b"" == socket.say(OK200)
    going.turn()
    assert socket.lost
    assert isinstance(d.value, CancelledError)


def test_no_tls_in_the_tunnel() -> None:
    """What speaks in the tunnel, but no TLS, is blamed on the proxy."""
    going = Going()
    d = going.connect()
    socket = going.accept()
    socket.say(OK200)
    socket.say(b"220 welcome to my mail server\r\n")
    going.turn()
    assert (
        "in the tunnel through the proxy http://192.0.2.9:3128, what answers does not speak TLS"
        in failed(going, d, ProxyError, retryable=False).detail
    )


def test_tls_alert_in_the_tunnel() -> None:
    """What an origin says about TLS is its own affair."""
    going = Going()
    d = going.connect()
    socket = going.accept()
    socket.say(OK200)
    socket.say(b"\x15\x03\x01\x00\x02\x02\x28")  # handshake_failure
    going.turn()
    assert isinstance(d.value, SSL.Error)


# Absolute form


class Asking(Going):
    """An agent through a proxy."""

    def __init__(self, proxy: Proxy | str | None = HTTP, **remote: Any) -> None:
        super().__init__(proxy, **remote)
        self.pool = ConnectionPool(self.reactor, watch=self.watch)
        self.agent = HTTPAgent(self.reactor, self.endpoints, self.pool)


def test_absolute_form() -> None:
    """Plain http says the whole URL to the proxy, with the proxy's credentials each time, over one connection."""
    asking = Asking(Proxy(url=HTTP, **WHO))
    d = asking.agent.request(b"GET", b"http://A.test:8080/b?c#d", Headers({b"X": [b"y"]}))
    socket = asking.accept()
    assert [("192.0.2.9", 3128)] == asking.places
    expected = b"GET http://a.test:8080/b?c HTTP/1.1\r\n" + LINE + b"Host: a.test:8080\r\nX: y\r\n\r\n"
    assert expected == socket.said
    socket.say(ok(b"hi"))
    response = outcome(d)
    assert b"http://A.test:8080/b?c#d" == response.request.absoluteURI
    assert not response.request.headers.hasHeader(b"Proxy-Authorization")
    assert f"<GET through {HTTP}>" == repr(response.request)
    socket.clear()  # type: ignore[no-untyped-call]
    asking.agent.request(b"HEAD", b"http://a.test:8080")
    assert b"HEAD http://a.test:8080/ HTTP/1.1\r\n" + LINE + b"Host: a.test:8080\r\n\r\n" == socket.said
    assert 1 == len(asking.places)
    socket.lose()


def test_way_is_worked_out_once() -> None:
    """Origins of one scheme have one way, and a status that came by it says so."""
    asking = Asking()
    a, b = (asking.endpoint(b"http", host) for host in (b"a.test", b"b.test"))
    assert a._endpoint._dialer is b._endpoint._dialer
    assert a.makes is b.makes
    d = StatusAgent(asking.agent).request(b"GET", b"http://a.test/b")
    socket = asking.accept()
    socket.say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    error = outcome(d)
    assert ("503 Service Unavailable, through the proxy http://192.0.2.9:3128", 503) == (error.detail, error.status)
    socket.lose()


def test_absolute_form_with_a_body() -> None:
    """So do requests with a body, and other methods."""
    for proxy, line in ((Proxy(url=HTTP, **WHO), True), (Proxy(url=HTTP), False)):
        asking = Asking(proxy)
        headers = Headers({b"X": [b"y"]})
        d = asking.agent.request(b"POST", b"http://a.test/b", headers, Producer())
        socket = asking.accept()
        assert socket.said.startswith(b"POST http://a.test/b HTTP/1.1\r\n")
        assert line == (LINE in socket.said)
        assert not headers.hasHeader(b"Proxy-Authorization")
        assert socket.said.endswith(b"\r\n\r\nbody")
        socket.say(ok(b"hi"))
        assert 200 == outcome(d).code
        asking.agent.request(b"DELETE", b"http://a.test/b")
        assert line == (LINE in socket.said)
        assert 1 == len(asking.places)
        socket.lose()


def test_other_requests() -> None:
    """What is not plain http through an HTTP proxy is asked in the usual form, and what is no URI by nobody."""
    asking = Asking(SOCKS)
    Coming(asking.agent.request(b"DELETE", b"http://a.test/b"))
    socket = asking.accept()
    socket.say(b"\x05\x00")
    assert socket.say(GRANTED).startswith(b"DELETE /b HTTP/1.1\r\n")
    socket.lose()
    asking = Asking(Proxy(url=HTTP, no_proxy=("192.0.2.1",)))
    Coming(asking.agent.request(b"DELETE", b"http://192.0.2.1/b"))
    Coming(asking.agent.request(b"DELETE", b"https://a.test/b"))
    assert [("192.0.2.1", 80), ("192.0.2.9", 3128)] == asking.places
    for uri in (b"http://a b/", b"http://me:S3CR3T@a.test/", b"http://a.test:0/"):
        with pytest.raises(ValueError, match=r"URI|URL"):
            asking.agent.request(b"DELETE", uri)
    assert isinstance(outcome(asking.agent.request(b"DELETE", b"gopher://a.test/")), SchemeNotSupported)
    for client in asking.reactor.tcpClients:
        client[2].clientConnectionFailed(None, Failure(failing.ConnectionRefusedError()))


def test_request_of_a_socks_proxy() -> None:
    """Through SOCKS, and in a tunnel, requests are as ever."""
    assert Request is Going(SOCKS).endpoint(b"http").makes
    assert Request is Going().endpoint(b"https").makes


# SOCKS5


def test_socks() -> None:
    """A SOCKS5h proxy looks the name up itself, and then there is the origin."""
    going = Going(SOCKS)
    d = going.connect(b"http", b"my_host.test", 8080)
    socket = going.accept()
    assert [("192.0.2.9", 1080)] == going.places
    assert b"\x05\x01\x00" == socket.said
    assert b"\x05\x01\x00\x03\x0cmy_host.test\x1f\x90" == socket.say(b"\x05\x00")
    assert None is d.value
    socket.say(GRANTED)
    assert "QUIESCENT" == d.value.state
    assert socket is d.value.transport
    assert [] == going.names.asked
    socket.lose()
    assert "CONNECTION_LOST" == d.value.state


@pytest.mark.parametrize(
    ("host", "said"),
    [(b"192.0.2.1", b"\x01\xc0\x00\x02\x01"), (b"2001:db8::1", b"\x04\x20\x01\x0d\xb8" + b"\0" * 11 + b"\x01")],
)
@pytest.mark.parametrize("proxy", [SOCKS, SOCKS_LOCAL])
def test_socks_address(proxy: str, host: bytes, said: bytes) -> None:
    """An address is said as one."""
    going = Going(proxy)
    going.connect(b"http", host, 80)
    socket = going.accept()
    assert b"\x05\x01\x00" + said + b"\x00\x50" == socket.say(b"\x05\x00")
    socket.lose()


@pytest.mark.parametrize(
    "answer",
    [
        GRANTED,
        b"\x05\x00\x00\x04" + b"\0" * 16 + b"\x00\x50",
        b"\x05\x00\x00\x03\x06a.test\x00\x50",
        b"\x05\x00\x00\x03\x01\xff\x00\x50",
    ],
)
def test_socks_granted(answer: bytes) -> None:
    """Whatever the proxy calls its own end, the connection is there, and even if it comes byte by byte."""
    going = Going(Proxy(url=SOCKS, **WHO))
    d = going.connect(b"http")
    socket = going.accept()
    assert b"\x05\x02\x00\x02" == socket.said
    assert b"" == socket.say(b"\x05")
    assert b"\x01\x02me\x06S3CR3T" == socket.say(b"\x02")
    socket.say(b"\x01")
    assert b"\x05\x01\x00\x03\x06a.test\x01\xbb" == socket.say(b"\x00")
    for n in range(len(answer)):
        assert None is d.value
        socket.say(answer[n : n + 1])
    assert "QUIESCENT" == d.value.state
    socket.lose()


def test_socks_and_tls() -> None:
    """https begins TLS with the origin then."""
    going = Going(SOCKS)
    d = going.connect()
    socket = going.accept()
    socket.say(b"\x05\x00")
    assert b"\x16\x03\x01" == socket.say(GRANTED)[:3]
    socket.lose()
    failed(going, d, ProxyError, retryable=True)


@pytest.mark.parametrize(
    ("answers", "kind", "retryable", "words"),
    [
        ((b"\x05\xff",), ProxyNotAuthorized, False, "no acceptable authentication methods were offered"),
        ((b"\x05\x02", b"\x01\x01"), ProxyNotAuthorized, False, "authentication failure"),
        ((b"\x05\x01",), ProxyError, False, "unexpected SOCKS authentication method"),
        ((b"\x04\x00",), ProxyError, False, "unexpected SOCKS version"),
        ((b"HT",), ProxyError, False, "unexpected SOCKS version"),
        ((b"\x05\x07",), ProxyError, False, "invalid authentication method"),
        ((b"\x05\x00", b"\x05\x01\x00\x01"), ProxyError, True, "general SOCKS server failure"),
        ((b"\x05\x00", b"\x05\x02\x00\x01"), ProxyError, False, "connection not allowed by ruleset"),
        ((b"\x05\x00", b"\x05\x03\x00\x01"), ProxyError, True, "network unreachable"),
        ((b"\x05\x00", b"\x05\x04\x00\x01"), ProxyError, True, "host unreachable"),
        ((b"\x05\x00", b"\x05\x05\x00\x01"), ProxyError, True, "connection refused"),
        ((b"\x05\x00", b"\x05\x06\x00\x01"), ProxyError, True, "TTL expired"),
        ((b"\x05\x00", b"\x05\x07\x00\x01"), ProxyError, False, "command not supported"),
        ((b"\x05\x00", b"\x05\x08\x00\x01"), ProxyError, False, "address type not supported"),
        ((b"\x05\x00", b"\x05\x09\x00\x01"), ProxyError, False, "invalid reply code"),
        ((b"\x05\x00", b"\x05\x00\x00\x09\x00\x00"), ProxyError, False, "invalid address type"),
        ((b"\x05\x00", GRANTED + b"x"), ProxyError, False, "more came than was asked for"),
    ],
)
def test_socks_refused(answers: tuple[bytes, ...], kind: type[ProxyError], retryable: bool, words: str) -> None:
    """What a SOCKS5 proxy says against it is told, and whether it may change."""
    going = Going(Proxy(url=SOCKS, **WHO))
    d = going.connect(b"http")
    socket = going.accept()
    for answer in answers:
        socket.say(answer)
    error = failed(going, d, kind, retryable=retryable)
    assert error.detail.startswith("the proxy socks5h://192.0.2.9:1080 made no connection to a.test:443: ")
    assert words.lower() in error.detail.lower()
    assert socket.lost


def test_socks_lost() -> None:
    """A proxy that leaves may do better the next time."""
    going = Going(SOCKS)
    d = going.connect(b"http")
    going.accept().lose()
    failed(going, d, ProxyError, retryable=True)


def test_socks_cannot_say() -> None:
    """A name that is none for SOCKS5 is no connection."""
    going = Going(SOCKS)
    d = going.connect(b"http", b"a" * 64 + b".test")
    going.accept().say(b"\x05\x00")
    assert "a name that SOCKS5 cannot say" in failed(going, d, ProxyError, retryable=False).detail


# Names looked up here


def talk(socket: Socket, answer: bytes) -> bytes:
    """Let a SOCKS5 proxy give *answer*, and return what it was asked."""
    asked = socket.say(b"\x05\x00")
    socket.say(answer)
    return asked


def test_looked_up_here() -> None:
    """A SOCKS5 proxy is asked for an address, and where that cannot be reached for the next one."""
    going = Going(SOCKS_LOCAL, succeed([A6, A4]))
    d = going.connect(b"http", port=80)
    assert [("a.test", 80)] == going.names.asked
    assert b"\x04\x20\x01" == talk(going.accept(), b"\x05\x03\x00\x01")[3:6]
    going.turn()
    assert b"\x01\xc0\x00\x02\x01" == talk(going.accept(), GRANTED)[3:8]
    assert 2 == len(going.places)
    assert "QUIESCENT" == d.value.state
    d.value.transport.lose()


def test_no_address_can_be_reached() -> None:
    """The last address' error is the one that is told."""
    going = Going(SOCKS_LOCAL, succeed([A6, A4]))
    d = going.connect(b"http", port=80)
    for answer in (b"\x05\x03\x00\x01", b"\x05\x05\x00\x01"):
        talk(going.accept(), answer)
        going.turn()
    assert "to 192.0.2.1:80: connection refused" in failed(going, d, ProxyError, retryable=True).detail


def test_not_again() -> None:
    """Who is refused by the proxy itself is refused for every address."""
    going = Going(SOCKS_LOCAL, succeed([A6, A4]))
    d = going.connect(b"http", port=80)
    going.accept().say(b"\x05\xff")
    failed(going, d, ProxyNotAuthorized, retryable=False)
    assert 1 == len(going.places)


def test_proxy_gone_meanwhile() -> None:
    """A proxy that cannot be reached is not tried for every address."""
    going = Going(SOCKS_LOCAL, succeed([A6, A4]))
    d = going.connect(b"http", port=80)
    going.refuse()
    failed(going, d, ProxyError, retryable=True)
    assert 1 == len(going.places)


def test_name_without_an_address() -> None:
    """A name that has no address is no matter of the proxy's."""
    for answer in (fail(DNSError(detail="none")), succeed([])):
        going = Going(SOCKS_LOCAL, answer)
        d = going.connect(b"http", port=80)
        assert isinstance(d.value, DNSError)
        assert [] == going.places


# Talking


def test_told_later() -> None:
    """What came, or the end of it, is there for who asks later."""
    going = Going()
    talks: list[Any] = []

    async def exchange(talk: Any, host: str, port: int) -> None:
        talks.append(talk)
        await Deferred()

    endpoint = going.endpoint()
    endpoint._endpoint._dialer._exchange = exchange
    d = Coming(endpoint.connect(Factory.forProtocol(HTTPConnection)))
    socket = going.accept()
    socket.say(b"a")
    socket.say(b"bc")
    assert b"ab" == outcome(Deferred.fromCoroutine(talks[0].exactly(2)))
    assert b"c" == outcome(Deferred.fromCoroutine(talks[0].read()))
    socket.lose()
    assert isinstance(outcome(Deferred.fromCoroutine(talks[0].read())), ConnectionDone)
    d.cancel()
    assert isinstance(d.value, CancelledError)


def test_settings_of_others_are_passed_on() -> None:
    """An error that is not about the network stays what it is."""
    going = Going()
    endpoint = going.endpoint()

    class Broken:
        def connect(self, factory: Any) -> Deferred[IProtocol]:
            return fail(SettingsError("x", 1, "2"))

    endpoint._endpoint._dialer._to_proxy._endpoint = Broken()
    assert isinstance(outcome(endpoint.connect(Factory.forProtocol(HTTPConnection))), SettingsError)


def test_no_verification() -> None:
    """An https proxy whose certificate is not checked is said in the log."""
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    Going(Proxy(url="https://proxy.test", tls=TLS(verify=False))).endpoint()
    Going(Proxy(url="https://proxy.test")).endpoint()
    globalLogPublisher.removeObserver(heard.append)
    texts = [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in heard]
    assert ["neither the certificate nor the name of the proxy proxy.test is checked"] == [
        text for text in texts if "proxy.test" in text
    ]

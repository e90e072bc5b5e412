"""Where connections of guarded Remotes may not go: names, addresses, peers, proxies, name servers, kept connections."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.web.error import SchemeNotSupported

from tests.spellings import PRIVATE
from tests.unit.answering import outcome
from tests.unit.test_endpoints import Origin
from twisted_pulp.errors import BlockedAddress
from twisted_pulp.http import Cap, ConnectionPool, Endpoints, Guard, HTTPAgent, Watch
from twisted_pulp.http._dial import Dialer
from twisted_pulp.settings import AddressPolicy, Network, Proxy, Remote, Timeouts

PUBLIC, OTHER = IPv4Address("TCP", "8.8.8.8", 80), IPv6Address("TCP", "2606:4700::1", 80)
INSIDE = [
    IPv4Address("TCP", "10.0.0.1", 80),
    IPv4Address("TCP", "127.0.0.1", 80),
    IPv6Address("TCP", "::1", 80),
    IPv6Address("TCP", "fe80::1%eth0", 80),
    IPv6Address("TCP", "::ffff:10.0.0.1", 80),
]


class Peer:
    """A socket of which the system knows both ends."""

    def __init__(self, peer: tuple[str, int] | None, own: str = "192.168.0.2") -> None:
        self._peer, self._own = peer, own

    def getpeername(self) -> tuple[str, int]:
        """Return the other end."""
        if self._peer is None:
            raise OSError("not connected")
        return self._peer

    def getsockname(self) -> tuple[str, int]:
        """Return ours."""
        return self._own, 40000


class Guarded:
    """A guarded dialer on a reactor in memory; each look-up is answered with the next of *answers*."""

    def __init__(self, *answers: Any, network: Network | None = None, policy: AddressPolicy | None = None) -> None:
        self.reactor = MemoryReactorClock()
        self.answers = cycle(answers or [[PUBLIC]])
        self.looked_up: list[str] = []
        self.policy = policy or AddressPolicy()
        self.guard = Guard(lambda: self.policy)
        watch = Watch(self.reactor)
        self.dialer = Dialer(self.reactor, self, watch, Timeouts(), network or Network(guarded=True), self.guard)

    def lookup(self, host: str, port: int) -> Deferred[Any]:
        """Answer at once."""
        self.looked_up.append(host)
        return succeed(next(self.answers))

    def by_servers(self, network: Network) -> Guarded:
        """Stand for name servers too."""
        return self

    def dial(self, host: str = "a.test", port: int = 80) -> Deferred[Any]:
        """Begin to connect."""
        return Deferred.fromCoroutine(self.dialer.dial(host, port, Factory.forProtocol(Protocol)))

    @property
    def places(self) -> list[tuple[str, int]]:
        """Where connections were tried to."""
        return [(client[0], client[1]) for client in self.reactor.tcpClients]

    def accept(self, peer: Peer) -> Any:
        """Let the last attempt succeed; return the protocol, None where there is none."""
        self.reactor.connectors[-1].transport = Transport(peer)
        return self.reactor.tcpClients[-1][2].buildProtocol(None)


class Transport(StringTransport):
    """One over a socket of our making."""

    def __init__(self, handle: Peer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handle = handle

    def getHandle(self) -> Peer:
        """Return the socket."""
        return self._handle


def blocked(d: Deferred[Any]) -> str:
    """Return the words of the error that a connection was refused with."""
    error = outcome(d)
    assert isinstance(error, BlockedAddress)
    return error.detail


# Names and their addresses


def test_public() -> None:
    """A public address is connected to: the one that was judged, without another look-up."""
    guarded = Guarded()
    guarded.dial()
    assert ([("8.8.8.8", 80)], ["a.test"]) == (guarded.places, guarded.looked_up)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.1", "2130706433", "0x7f.1", "localhost", "a.localhost."])
def test_literal(host: str) -> None:
    """What is an address as it stands is refused without a look-up."""
    guarded = Guarded()
    blocked(guarded.dial(host))
    assert ([], []) == (guarded.places, guarded.looked_up)


@pytest.mark.parametrize("bad", INSIDE)
def test_resolved(bad: Any) -> None:
    """A name of an address inside is refused, and the words do not say which address that is."""
    guarded = Guarded([bad])
    assert "the policy blocks an address of a.test" == blocked(guarded.dial())
    assert [] == guarded.places


@pytest.mark.parametrize("bad", INSIDE)
@pytest.mark.parametrize("first", [True, False])
def test_mixed(bad: Any, first: bool) -> None:
    """One blocked answer blocks all, wherever it stands."""
    answer = [bad, PUBLIC, OTHER] if first else [OTHER, PUBLIC, bad]
    guarded = Guarded(answer)
    blocked(guarded.dial())
    assert [] == guarded.places


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_mixed_families(family: Any) -> None:
    """Answers of a version of IP that is not wanted count too."""
    other = INSIDE[2] if family == "ipv4" else INSIDE[0]
    guarded = Guarded([PUBLIC, OTHER, other], network=Network(family=family, guarded=True))
    blocked(guarded.dial())
    assert [] == guarded.places


@pytest.mark.parametrize(("host", "fine"), [("localhost", True), ("localhost.", True), ("a.localhost", False)])
def test_localhost(host: str, fine: bool) -> None:
    """Whoever allows 127.0.0.1 means localhost too, though that is ::1 as well; no other name is so lenient."""
    guarded = Guarded([INSIDE[2], INSIDE[1]], policy=AddressPolicy(allow="127.0.0.0/8"))
    d = guarded.dial(host)
    assert fine == ([("127.0.0.1", 80)] == guarded.places)
    assert fine or blocked(d)


def test_localhost_elsewhere() -> None:
    """Where none of its addresses is allowed, localhost is none either."""
    guarded = Guarded([INSIDE[2], INSIDE[0]], policy=AddressPolicy(allow="127.0.0.0/8"))
    blocked(guarded.dial("localhost"))
    assert [] == guarded.places


def test_rebinding() -> None:
    """A name whose answers flip is judged at each connection: in 1,000 tries nothing inside is connected to."""
    guarded = Guarded([PUBLIC], [INSIDE[1]])
    refused = sum(isinstance(outcome(guarded.dial()), BlockedAddress) for _ in range(1000))
    assert (500, {("8.8.8.8", 80)}) == (refused, set(guarded.places))


def test_hosts_of_the_settings() -> None:
    """Addresses that the Remote gives for names are judged as those of name servers are."""
    guarded = Guarded(network=Network(hosts={"a.test": "10.0.0.1"}, guarded=True))
    blocked(guarded.dial())
    assert [] == guarded.places


def test_port() -> None:
    """A port that is not allowed is refused, by name and by address."""
    guarded = Guarded()
    assert "the policy does not allow port 25" == blocked(guarded.dial(port=25))
    assert "the policy does not allow port 6379" == blocked(guarded.dial("8.8.8.8", 6379))


def test_port_of_an_allowed_network() -> None:
    """Where networks are allowed, what was looked up decides about the port."""
    guarded = Guarded(
        [IPv4Address("TCP", "10.0.0.1", 9999)],
        [IPv4Address("TCP", "8.8.8.8", 9999)],
        policy=AddressPolicy(allow="10.0.0.0/8"),
    )
    guarded.dial(port=9999)
    assert [("10.0.0.1", 9999)] == guarded.places
    assert "the policy does not allow port 9999" == blocked(guarded.dial(port=9999))


def test_unix_socket() -> None:
    """No socket of this machine is used."""
    guarded = Guarded(network=Network(unix_socket="/run/x.sock", guarded=True))
    assert "the policy allows no unix sockets" == blocked(guarded.dial())
    assert [] == guarded.reactor.unixClients


@pytest.mark.parametrize(("server", "fine"), [("8.8.4.4", True), ("127.0.0.1", False), ("8.8.4.4:5353", False)])
def test_name_servers(server: str, fine: bool) -> None:
    """Name servers that a guarded Remote names are judged too, before they are asked."""
    guarded = Guarded(network=Network(dns_servers=server, guarded=True))
    d = guarded.dial()
    assert fine == (["a.test"] == guarded.looked_up)
    if not fine:
        assert blocked(d).startswith("the policy blocks the name server ")


def test_name_servers_of_the_operator() -> None:
    """Those of the operator may be asked wherever they are."""
    guarded = Guarded(
        network=Network(dns_servers="10.0.0.53", guarded=True), policy=AddressPolicy(dns_servers="10.0.0.53")
    )
    guarded.dial()
    assert ["a.test"] == guarded.looked_up


# The connected peer


@pytest.mark.parametrize("peer", [("127.0.0.1", 80), ("::1", 80), ("8.8.8.8", 22)])
def test_peer(peer: tuple[str, int]) -> None:
    """Where a connection leads elsewhere than was asked for, it is ended before a byte is sent."""
    guarded = Guarded()
    d = guarded.dial()
    assert None is guarded.accept(Peer(peer))
    assert "the connection led to an address that the policy blocks" == blocked(d)


def test_peer_is_ourselves() -> None:
    """A port of our own is not reached by any of this machine's addresses."""
    guarded = Guarded(policy=AddressPolicy(own="*:80"))
    d = guarded.dial()
    assert None is guarded.accept(Peer(("8.8.8.8", 80), "8.8.8.8"))
    blocked(d)


def test_right_peer() -> None:
    """Where it leads where it should, it goes on."""
    guarded = Guarded()
    d = guarded.dial()
    protocol = guarded.accept(Peer(("8.8.8.8", 80)))
    protocol.makeConnection(StringTransport())
    assert protocol is outcome(d)


def test_no_peer() -> None:
    """A connection that is gone already is no danger."""
    guarded = Guarded()
    d = guarded.dial()
    protocol = guarded.accept(Peer(None))
    protocol.makeConnection(StringTransport())
    assert protocol is outcome(d)


# Endpoints, proxies and the pool


class Ways:
    """The endpoints of a guarded Remote, and the agent over them, on a reactor in memory."""

    def __init__(self, *answers: Any, policy: AddressPolicy | None = None, **remote: Any) -> None:
        self.names: Any = Guarded(*answers, policy=policy)
        self.reactor = self.names.reactor
        guard = self.names.guard
        network = remote.pop("network", Network(guarded=True))
        watch = Watch(self.reactor)
        self.remote = Remote(network=network, **remote)
        self.endpoints = Endpoints(self.reactor, self.names, watch, self.remote, Cap(3), guard=guard)
        self.pool = ConnectionPool(self.reactor, watch=watch)
        self.agent = HTTPAgent(self.reactor, self.endpoints, self.pool)

    def endpoint(self, scheme: bytes = b"http", host: bytes = b"a.test", port: int = 80) -> Any:
        """Return the endpoint of an origin."""
        return self.endpoints.endpointForURI(Origin(scheme, host, port))

    def connect(self, *origin: Any) -> Deferred[Any]:
        """Begin to connect."""
        made: Deferred[Any] = self.endpoint(*origin).connect(Factory.forProtocol(Protocol))
        return made


def test_agent() -> None:
    """Whatever the spelling, and whatever a name is looked up to, no connection is tried."""
    ways, refused = Ways([INSIDE[1]]), 0
    for url in PRIVATE:
        try:
            d = ways.agent.request(b"GET", url.encode("utf-8"))
        except ValueError:
            refused += 1
        else:
            error = outcome(d)
            refused += isinstance(error, BlockedAddress | SchemeNotSupported)
    assert (len(PRIVATE), []) == (refused, ways.names.places)


def test_key() -> None:
    """Guarded and free connections never stand in for each other; nor do those of different policies."""
    ways = Ways()
    free = Endpoints(ways.reactor, ways.names, Watch(ways.reactor), Remote()).endpointForURI(
        Origin(b"http", b"a.test", 80)
    )
    endpoint = ways.endpoint()
    before = endpoint.key
    assert before == endpoint.key == Ways().endpoint().key
    ways.names.policy = AddressPolicy(deny="8.8.8.8")
    after = endpoint.key
    assert 3 == len({free.key, before, after})


@pytest.mark.parametrize("url", ["http://8.8.4.4:3128", "http://8.8.4.4:8080", "socks5h://8.8.4.4:8080"])
def test_key_through_a_proxy(url: str) -> None:
    """So it is through a proxy."""
    ways = Ways(proxy=Proxy(url=url))
    endpoint = ways.endpoint()
    before = endpoint.key
    ways.names.policy = AddressPolicy(deny="8.8.8.8")
    assert before != endpoint.key


PROXIES = ["http://8.8.4.4:8080", "https://8.8.4.4:8443", "socks5://8.8.4.4:8080", "socks5h://8.8.4.4:8080"]


@pytest.mark.parametrize("url", PROXIES)
@pytest.mark.parametrize("scheme", [b"http", b"https"])
@pytest.mark.parametrize("host", [b"a.test", b"127.0.0.1", b"2130706433", b"localhost"])
def test_proxy_is_not_told(url: str, scheme: bytes, host: bytes) -> None:
    """A host is judged here before a proxy hears of it."""
    ways = Ways([INSIDE[1]], proxy=Proxy(url=url))
    blocked(ways.connect(scheme, host, 443))
    assert [] == ways.names.places


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_proxy_resolves(scheme: bytes) -> None:
    """Where the operator lets the proxy look names up, only addresses as such are judged here."""
    ways = Ways([INSIDE[1]], proxy=Proxy(url=PROXIES[0]), policy=AddressPolicy(proxy_resolves=True))
    blocked(ways.connect(scheme, b"127.1", 80))
    blocked(ways.connect(scheme, b"localhost", 80))
    assert [] == ways.names.places
    ways.connect(scheme, b"a.test", 80)
    assert ([("8.8.4.4", 8080)], []) == (ways.names.places, ways.names.looked_up)


@pytest.mark.parametrize("url", ["http://10.0.0.9:3128", "http://proxy.test:8080", "socks5h://127.0.0.1:8080"])
def test_proxy_inside(url: str) -> None:
    """A proxy that a guarded Remote names is judged as any host is, and the error does not blame it."""
    answers = [[INSIDE[0]]] if "test" in url else [[PUBLIC]]
    ways = Ways(*answers, proxy=Proxy(url=url))
    blocked(ways.connect(b"http", b"8.8.8.8", 80))
    assert [] == ways.names.places


@pytest.mark.parametrize("scheme", [b"http", b"https"])
def test_proxy_of_the_operator(scheme: bytes) -> None:
    """One that the operator has named may be anywhere."""
    url = "http://10.0.0.9:3128"
    ways = Ways([PUBLIC], proxy=Proxy(url=url), policy=AddressPolicy(proxies=url))
    ways.connect(scheme)
    assert [("10.0.0.9", 3128)] == ways.names.places
    assert ways.names.accept(Peer(("10.0.0.9", 3128))) is not None


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So may one of the environment, which is the operator's."""
    monkeypatch.setenv("http_proxy", "http://10.0.0.9:3128")
    ways = Ways([PUBLIC], proxy_from_environment=True)
    ways.connect()
    assert [("10.0.0.9", 3128)] == ways.names.places


def test_tunnel_to_the_address() -> None:
    """A proxy is told of the address that was judged, and looks nothing up itself."""
    ways = Ways([PUBLIC], proxy=Proxy(url=PROXIES[0]))
    ways.connect(b"https", b"a.test", 443).addErrback(lambda _: None)
    talk = ways.names.accept(Peer(("8.8.4.4", 8080)))
    transport = StringTransport()
    talk.makeConnection(transport)
    assert transport.value().startswith(b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n")  # type: ignore[no-untyped-call]


def test_http2_has_no_way_around() -> None:
    """Requests that go by HTTP/1.1 alone are guarded too."""
    pytest.importorskip("h2")
    ways = Ways([INSIDE[0]], http2=True)
    single = ways.endpoints.single.endpointForURI(Origin(b"https", b"a.test", 443))
    blocked(single.connect(Factory.forProtocol(Protocol)))
    assert [] == ways.names.places

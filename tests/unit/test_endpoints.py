"""How the connections to an origin are made."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import pytest
from attrs import evolve
from service_identity import CertificateError, VerificationError
from twisted.internet import error as failing
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogLevel, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface.verify import verifyObject

from tests.leaks import LoggedErrors
from tests.servers.certificates import issue
from tests.servers.tls import Authority
from tests.unit.test_trust import signed
from twisted_pulp.errors import ConnectTimeout, DNSError, SettingsError, TLSError
from twisted_pulp.http import Cap, Endpoints, HTTPConnection, Watch, _trust
from twisted_pulp.http._trust import Trust
from twisted_pulp.settings import TLS, Network, Remote, Timeouts

A4, B4 = IPv4Address("TCP", "192.0.2.1", 80), IPv4Address("TCP", "192.0.2.2", 80)
A6 = IPv6Address("TCP", "2001:db8::1", 80)


class Origin:
    """As much of a URI as endpoints look at."""

    def __init__(self, scheme: bytes, host: bytes, port: int) -> None:
        self.scheme, self.host, self.port = scheme, host, port


class Names:
    """A resolver that answers what it is told."""

    def __init__(self, *answers: Deferred[Any]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def lookup(self, host: str, port: int) -> Deferred[Any]:
        self.asked.append((host, port))
        return self._answers.pop(0)

    def by_servers(self, network: Network) -> Names:
        return self


class Connecting:
    """A reactor in memory, a watch on it, endpoints, and what became of attempts to connect."""

    def __init__(self, *answers: Deferred[Any], tls: TLS | None = None, timeouts: Timeouts | None = None) -> None:
        self.reactor = MemoryReactorClock()
        self.names = Names(*answers)
        self.endpoints = self.others(tls, timeouts=timeouts)
        self.protocol: Any = None
        self.error: Any = None

    def others(
        self,
        tls: TLS | None = None,
        cap: Cap | None = None,
        timeouts: Timeouts | None = None,
        network: Network | None = None,
    ) -> Endpoints:
        """Return other endpoints over the same reactor."""
        names: Any = self.names
        remote = Remote(tls=tls or TLS(), timeouts=timeouts or Timeouts(), network=network or Network())
        return Endpoints(self.reactor, names, Watch(self.reactor), remote, cap)

    def connect(self, host: bytes = b"a.test", scheme: bytes = b"http", port: int = 80) -> Deferred[Any]:
        """Begin to connect."""
        factory = Factory.forProtocol(HTTPConnection)
        return (
            self.endpoints.endpointForURI(Origin(scheme, host, port))
            .connect(factory)
            .addCallbacks(self._made, self._failed)
        )

    def _made(self, protocol: Any) -> None:
        self.protocol = protocol

    def _failed(self, failure: Failure) -> None:
        self.error = failure.value

    @property
    def hosts(self) -> list[str]:
        """The addresses that were tried."""
        return [client[0] for client in self.reactor.tcpClients]

    def accept(self, number: int = 0) -> Any:
        """Let an attempt succeed, and return its transport."""
        transport = StringTransport()
        protocol: Any = self.reactor.tcpClients[number][2].buildProtocol(None)
        protocol.makeConnection(transport)
        return transport

    def refuse(self, number: int = 0, error: Exception | None = None) -> None:
        """Let an attempt fail."""
        factory = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(
            self.reactor.connectors[number], Failure(error or failing.ConnectionRefusedError())
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.reactor.pump([0.1] * round(seconds * 10))


# Keys


def key(endpoints: Endpoints, scheme: bytes = b"http", host: bytes = b"a.test", port: int = 80) -> object:
    """Return what makes connections to an origin interchangeable."""
    return endpoints.endpointForURI(Origin(scheme, host, port)).key


def test_interface() -> None:
    """They fit Twisted's own agent."""
    assert verifyObject(IAgentEndpointFactory, Connecting().endpoints)


def test_origins_have_keys_of_their_own() -> None:
    """Scheme, host and port each make a connection another (trap 10)."""
    endpoints = Connecting().endpoints
    keys = {key(endpoints), key(endpoints, b"https"), key(endpoints, host=b"b.test"), key(endpoints, port=81)}
    assert 4 == len(keys)


def test_tls_settings_are_in_the_key(tls: Authority) -> None:
    """Connections made with other TLS settings are never shared (C5), and those made with equal ones may be."""
    connecting, trust = Connecting(), TLS(ca_cert=str(tls.ca_file))
    other = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    same, again, different = connecting.others(trust), connecting.others(trust), connecting.others(other)
    assert key(same, b"https") == key(again, b"https")
    assert key(same, b"https") != key(different, b"https")
    assert key(same, b"https") != key(connecting.endpoints, b"https")
    assert key(same) == key(different)


def test_ways_are_in_the_key() -> None:
    """So it is with other ways to a host (trap 10)."""
    connecting = Connecting()
    ways = [
        Network(hosts={"a.test": "192.0.2.1"}),
        Network(hosts={"a.test": "192.0.2.2"}),
        Network(dns_servers="192.0.2.53"),
        Network(family="ipv4"),
        Network(bind_address="192.0.2.9"),
        Network(unix_socket="/run/socket"),
    ]
    keys = [key(connecting.others(network=way)) for way in ways]
    assert keys == [key(connecting.others(network=evolve(way))) for way in ways]
    assert 7 == len({*keys, key(connecting.endpoints)})


def test_what_the_pool_is_told() -> None:
    """An endpoint says whose cap holds, which timeouts, and which host it goes to."""
    cap = Cap(3)
    endpoint = (
        Connecting().others(cap=cap, timeouts=Timeouts(headers=7)).endpointForURI(Origin(b"http", b"[::1]", 8080))
    )
    assert cap is endpoint.cap
    assert Timeouts(headers=7) == endpoint.timeouts
    assert ("::1", 8080) == endpoint.host_key


def test_made_once() -> None:
    """An endpoint is made once for an origin, and not kept for ever."""
    endpoints = Connecting().endpoints
    first = endpoints.endpointForURI(Origin(b"http", b"a.test", 80))
    assert first is endpoints.endpointForURI(Origin(b"http", b"a.test", 80))
    for number in range(1000):
        endpoints.endpointForURI(Origin(b"http", b"%d.test" % number, 80))
    assert first is not endpoints.endpointForURI(Origin(b"http", b"a.test", 80))


def test_other_schemes() -> None:
    """There are endpoints for http and https only."""
    with pytest.raises(SchemeNotSupported):
        Connecting().endpoints.endpointForURI(Origin(b"ftp", b"a.test", 21))


def test_settings_are_checked_before_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authorities that cannot be read are an error before anybody is asked; plain HTTP does not need them."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    endpoints = Connecting().endpoints
    endpoints.endpointForURI(Origin(b"http", b"a.test", 80))
    with pytest.raises(SettingsError, match="SSL_CERT_FILE"):
        endpoints.endpointForURI(Origin(b"https", b"a.test", 443))


def test_repr() -> None:
    """An endpoint says where it leads."""
    endpoints = Connecting().endpoints
    assert "<OriginEndpoint a.test:80>" == repr(endpoints.endpointForURI(Origin(b"http", b"a.test", 80)))
    assert "<OriginEndpoint a.test:443 TLS>" == repr(endpoints.endpointForURI(Origin(b"https", b"a.test", 443)))


# Addresses


@pytest.mark.parametrize("host", [b"192.0.2.1", b"2001:db8::1"])
def test_address(host: bytes) -> None:
    """An address is connected to, without a look-up."""
    connecting = Connecting(timeouts=Timeouts(tcp=7))
    connecting.connect(host, port=8080)
    assert [(host.decode(), 8080, 7)] == [(client[0], client[1], client[3]) for client in connecting.reactor.tcpClients]
    assert connecting.accept() is connecting.protocol.transport
    assert "QUIESCENT" == connecting.protocol.state
    assert "connectionMade" not in vars(connecting.protocol)
    assert not connecting.names.asked


def test_address_that_refuses() -> None:
    """An address that nobody answers at is told as it is."""
    connecting = Connecting()
    connecting.connect(b"192.0.2.1")
    connecting.refuse()
    assert isinstance(connecting.error, failing.ConnectionRefusedError)


def test_address_cancelled() -> None:
    """Cancelling gives the attempt up."""
    connecting = Connecting()
    d = connecting.connect(b"192.0.2.1")
    d.cancel()
    assert connecting.reactor.connectors[0].stoppedConnecting
    connecting.refuse(error=ConnectionLost())
    assert isinstance(connecting.error, (CancelledError, ConnectionLost))


# Names


def test_name() -> None:
    """A name is looked up, and its address connected to."""
    connecting = Connecting(succeed([A4]), timeouts=Timeouts(tcp=7))
    connecting.connect()
    assert [("a.test", 80)] == connecting.names.asked
    assert [("192.0.2.1", 80, 7)] == [(client[0], client[1], client[3]) for client in connecting.reactor.tcpClients]
    assert connecting.accept() is connecting.protocol.transport


def test_name_that_is_no_host_name() -> None:
    """Whatever has an address is connected to, underscores or not."""
    connecting = Connecting(succeed([A4]))
    connecting.connect(b"my_host")
    assert [("my_host", 80)] == connecting.names.asked
    assert connecting.accept() is connecting.protocol.transport


def test_addresses_by_turns() -> None:
    """Where the first address is silent, the next is tried a little later, and the first to answer wins (trap T14)."""
    connecting = Connecting(succeed([A6, A4, B4]))
    connecting.connect()
    assert ["2001:db8::1"] == connecting.hosts
    connecting.wait(0.3)
    assert ["2001:db8::1", "192.0.2.1"] == connecting.hosts
    assert connecting.accept(1) is connecting.protocol.transport
    connecting.wait(1)
    assert 2 == len(connecting.hosts)
    assert connecting.reactor.connectors[0].stoppedConnecting


def test_next_address_at_once() -> None:
    """Where an address refuses, the next one is tried, and when all have, the connection has failed."""
    connecting = Connecting(succeed([A4, B4]))
    connecting.connect()
    connecting.refuse()
    assert ["192.0.2.1", "192.0.2.2"] == connecting.hosts
    connecting.refuse(1)
    assert isinstance(connecting.error, failing.ConnectionRefusedError)


def test_name_without_an_address() -> None:
    """A name that has none fails as the resolver says."""
    connecting = Connecting(fail(DNSError(detail="none")))
    connecting.connect()
    assert isinstance(connecting.error, DNSError)


def test_name_with_no_addresses_at_all() -> None:
    """A resolver that finds nothing and does not say so is not believed."""
    connecting = Connecting(succeed([]))
    connecting.connect()
    assert isinstance(connecting.error, DNSError)
    assert "no address for a.test: there is none" == connecting.error.detail


def test_slow_name() -> None:
    """A name server may take so long, and the error says that it was the name server."""
    connecting = Connecting(Deferred(), timeouts=Timeouts(dns=5))
    connecting.connect()
    connecting.wait(6)
    assert isinstance(connecting.error, ConnectTimeout)
    assert "the name server did not answer in 5 s" == connecting.error.detail


def test_cancelled_while_looking_up() -> None:
    """Cancelling reaches the look-up."""
    cancelled: list[object] = []
    connecting = Connecting(Deferred(cancelled.append))
    connecting.connect().cancel()
    assert 1 == len(cancelled)
    assert isinstance(connecting.error, CancelledError)


def test_cancelled_while_connecting() -> None:
    """Or the attempts."""
    connecting = Connecting(succeed([A4]))
    connecting.connect().cancel()
    assert connecting.reactor.connectors[0].stoppedConnecting
    assert isinstance(connecting.error, CancelledError)


# TLS


class Shaking(Connecting):
    """Connects to a server with a certificate of *tls*."""

    def __init__(self, tls: Authority, timeouts: Timeouts | None = None) -> None:
        super().__init__(succeed([A4]), tls=TLS(ca_cert=str(tls.ca_file), platform_trust=False), timeouts=timeouts)

    def meet(self, context: Any, number: int = 0) -> IOPump:
        """Let the attempt reach a server with *context*; nothing is said yet."""
        client: Any = self.reactor.tcpClients[number][2].buildProtocol(None)
        server: Any = TLSMemoryBIOFactory(context, False, Factory.forProtocol(Protocol), self.reactor).buildProtocol(
            None
        )
        self.transports: list[Any] = [FakeTransport(client, False), FakeTransport(server, True)]
        self.server = server
        server.makeConnection(self.transports[1])
        client.makeConnection(self.transports[0])
        ours, theirs = self.transports
        return IOPump(client, server, ours, theirs, False, self.reactor)

    def shake(self, context: Any) -> None:
        """Meet, and say everything."""
        self.meet(context).flush()


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1", b"::1"])
def test_tls(tls: Authority, host: bytes) -> None:
    """A connection over TLS is ready when the handshake is over, and no earlier; an address needs no look-up."""
    connecting = Shaking(tls)
    connecting.connect(host, b"https", 443)
    assert (host == b"localhost") == bool(connecting.names.asked)
    pump = connecting.meet(tls.server())
    assert not connecting.protocol
    pump.flush()
    assert "QUIESCENT" == connecting.protocol.state


def test_tls_for_other_peoples_protocols(tls: Authority) -> None:
    """A protocol that cannot tell of its handshake is handed on when it is connected."""
    connecting = Shaking(tls)
    endpoint = connecting.endpoints.endpointForURI(Origin(b"https", b"localhost", 443))
    made: list[Any] = []
    endpoint.connect(Factory.forProtocol(Protocol)).addCallback(made.append)
    connecting.meet(tls.server())
    assert isinstance(made[0], Protocol)


def test_tls_not_trusted(tls: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A certificate that is not trusted is a final error with OpenSSL's reason."""
    connecting = Shaking(tls)
    connecting.connect(b"localhost", b"https", 443)
    connecting.shake(Authority(tmp_path_factory.mktemp("other")).server())
    assert isinstance(connecting.error, TLSError)
    assert "the certificate's issuer is not known" == connecting.error.detail
    assert not connecting.error.retryable
    assert connecting.protocol is None


def test_tls_other_name(tls: Authority) -> None:
    """So is one for another name."""
    connecting = Shaking(tls)
    connecting.connect(b"localhost", b"https", 443)
    connecting.shake(tls.server(tls.leaf("other.test")))
    assert isinstance(connecting.error, VerificationError)


def test_tls_no_names(tls: Authority, logged_errors: LoggedErrors) -> None:
    """And one for no name, which Twisted lets pass: it is refused before a byte is sent over it."""
    connecting = Shaking(tls)
    connecting.connect(b"localhost", b"https", 443)
    connecting.shake(signed(tls, own_key=False, name="localhost"))
    assert isinstance(connecting.error, CertificateError)
    assert connecting.transports[0].disconnecting
    sessions = connecting.endpoints.endpointForURI(Origin(b"https", b"localhost", 443))._creator.sessions
    assert sessions._kept is None  # whoever comes next shows a certificate of their own
    logged_errors.flush(CertificateError)


def test_tls_lost_in_the_handshake(tls: Authority) -> None:
    """A connection that breaks in its handshake is no reason to distrust anybody."""
    connecting = Shaking(tls)
    connecting.connect(b"localhost", b"https", 443)
    connecting.meet(tls.server())
    connecting.transports[0].disconnectReason = ConnectionLost()
    connecting.transports[0].reportDisconnect()
    assert isinstance(connecting.error, ConnectionLost)


def test_tls_that_stalls(tls: Authority) -> None:
    """A handshake may take so long, and the error says that it was the handshake."""
    connecting = Shaking(tls, Timeouts(tls=5))
    connecting.connect(b"localhost", b"https", 443)
    connecting.meet(tls.server())
    connecting.wait(6)
    assert isinstance(connecting.error, ConnectTimeout)
    assert "the TLS handshake did not answer in 5 s" == connecting.error.detail
    assert connecting.transports[0].disconnecting
    connecting.transports[0].reportDisconnect()


def test_tls_cancelled(tls: Authority) -> None:
    """Cancelling ends the connection in the middle of its handshake."""
    connecting = Shaking(tls)
    d = connecting.connect(b"localhost", b"https", 443)
    connecting.meet(tls.server())
    d.cancel()
    assert isinstance(connecting.error, CancelledError)
    assert connecting.transports[0].disconnecting
    connecting.transports[0].reportDisconnect()


def test_trust_is_made_once(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authorities are loaded once for all origins, and for all Remotes with the same settings."""
    trust = TLS(ca_cert=str(tls.ca_file))
    made = []
    monkeypatch.setattr(_trust, "_known", WeakValueDictionary())  # whatever other tests still hold
    monkeypatch.setattr(_trust, "Trust", lambda settings: made.append(Trust(settings)) or made[-1])
    connecting = Connecting(tls=trust)
    for endpoints in connecting.endpoints, connecting.others(evolve(trust)):
        endpoints.endpointForURI(Origin(b"https", b"a.test", 443))
        endpoints.endpointForURI(Origin(b"https", b"b.test", 443))
    assert 1 == len(made)


def test_who_sees_our_certificate(tls: Authority) -> None:
    """Connections with our certificate are for the Remote's origins; others have keys of their own (C1, C5)."""
    mine = issue()
    bare, ours = TLS(ca_cert=tls.ca_file.read_text()), {"client_cert": mine.pem, "client_key": mine.key_pem()}
    given = evolve(bare, **ours)  # type: ignore[arg-type]

    def keys(remote: Remote, **more: bool) -> list[object]:
        names: Any = Names()
        reactor = MemoryReactorClock()
        endpoints = Endpoints(reactor, names, Watch(reactor), remote, **more)  # type: ignore[arg-type]
        return [key(endpoints, b"https", host, 443) for host in (b"a.test", b"b.test")]

    everybody, nobody = keys(Remote(tls=given)), keys(Remote(tls=bare))
    assert not set(everybody) & set(nobody)
    assert [everybody[0], nobody[1]] == keys(Remote(tls=given, url="https://a.test/"))
    assert everybody == keys(Remote(tls=given, url="https://a.test/", origins=("https://b.test",)))
    assert nobody == keys(Remote(tls=given, url="http://a.test/"))
    assert nobody == keys(Remote(tls=given), identified=False)


def test_unchecked_is_said() -> None:
    """That nobody is checked is in the log, once for each host."""
    connecting, events = Connecting(tls=TLS(verify=False)), list[Any]()
    globalLogPublisher.addObserver(events.append)
    try:
        for host, port in (b"a.test", 443), (b"a.test", 444), (b"b.test", 443):
            connecting.endpoints.endpointForURI(Origin(b"https", host, port))
        Connecting().endpoints.endpointForURI(Origin(b"https", b"c.test", 443))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert ["a.test", "b.test"] == [each["host"] for each in events if each["log_level"] is LogLevel.warn]

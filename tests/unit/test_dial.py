"""Connections to hosts, before TLS and HTTP."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from twisted.internet import error as failing
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from tests.unit.answering import outcome
from twisted_pulp.errors import BindError, ConnectError, ConnectionRefused, DNSError
from twisted_pulp.http import Watch
from twisted_pulp.http._dial import Dialer
from twisted_pulp.settings import Network, Timeouts

A4, B4 = IPv4Address("TCP", "192.0.2.1", 80), IPv4Address("TCP", "192.0.2.2", 80)
A6 = IPv6Address("TCP", "2001:db8::1", 80)


class Dialing:
    """A dialer on a reactor in memory, for which every name has *found*."""

    def __init__(self, *found: Any, network: Network | None = None, timeouts: Timeouts | None = None) -> None:
        self.reactor = MemoryReactorClock()
        self.found = list(found)
        self.looked_up: list[str] = []
        self.dialer = Dialer(self.reactor, self, Watch(self.reactor), timeouts or Timeouts(), network)

    def lookup(self, host: str, port: int) -> Deferred[Any]:
        """Answer at once."""
        self.looked_up.append(host)
        return succeed(list(self.found))

    def dial(self, host: str = "a.test", port: int = 80) -> Deferred[Any]:
        """Begin to connect."""
        return Deferred.fromCoroutine(self.dialer.dial(host, port, Factory.forProtocol(Protocol)))

    @property
    def hosts(self) -> list[str]:
        """The addresses that were tried."""
        return [client[0] for client in self.reactor.tcpClients]

    def accept(self, number: int = -1) -> None:
        """Let an attempt succeed."""
        self.reactor.tcpClients[number][2].buildProtocol(None).makeConnection(StringTransport())

    def refuse(self, error: Exception, number: int = -1) -> None:
        """Let an attempt fail."""
        factory = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(self.reactor.connectors[number], Failure(error))


# Our own end


@pytest.mark.parametrize(("host", "own"), [("192.0.2.1", "192.0.2.9"), ("2001:db8::1", "2001:db8::9")])
def test_bind_address(host: str, own: str) -> None:
    """Connections come from our own end, any port of it."""
    dialing = Dialing(network=Network(bind_address=own))
    dialing.dial(host)
    assert (own, 0) == dialing.reactor.tcpClients[0][4]


def test_no_bind_address() -> None:
    """Without one the system chooses."""
    dialing = Dialing()
    dialing.dial("192.0.2.1")
    assert None is dialing.reactor.tcpClients[0][4]


def test_bind_address_chooses_the_version() -> None:
    """What our own end cannot reach is not tried."""
    dialing = Dialing(A6, A4, network=Network(bind_address="192.0.2.9"))
    dialing.dial()
    assert ["192.0.2.1"] == dialing.hosts


@pytest.mark.parametrize(("number", "retryable"), [(errno.EADDRNOTAVAIL, False), (errno.EADDRINUSE, True)])
def test_not_bound(number: int, retryable: bool) -> None:
    """An address that is not ours is a final error; ports that are all taken may be free again."""
    dialing = Dialing(network=Network(bind_address="192.0.2.9"))
    d = dialing.dial("192.0.2.1")
    dialing.refuse(failing.ConnectBindError(number, "words"))
    error = outcome(d)
    assert isinstance(error, BindError)
    assert retryable == error.retryable
    assert error.detail.startswith("cannot bind to 192.0.2.9: ")


@pytest.mark.parametrize("network", [Network(), Network(bind_address="192.0.2.9")])
def test_no_socket(network: Network) -> None:
    """That there are too many files says nothing about our own end."""
    dialing = Dialing(network=network)
    d = dialing.dial("192.0.2.1")
    error = failing.ConnectBindError(errno.EMFILE, "Too many open files")
    dialing.refuse(error)
    assert error is outcome(d)


# Versions


@pytest.mark.parametrize(("family", "hosts"), [("ipv4", ["192.0.2.1"]), ("ipv6", ["2001:db8::1"])])
def test_family(family: Any, hosts: list[str]) -> None:
    """Only addresses of the version that is asked for are tried."""
    dialing = Dialing(A4, A6, network=Network(family=family))
    dialing.dial()
    assert hosts == dialing.hosts


@pytest.mark.parametrize(("host", "family"), [("a.test", "ipv6"), ("192.0.2.1", "ipv6"), ("2001:db8::1", "ipv4")])
def test_none_of_the_family(host: str, family: Any) -> None:
    """Where there is none the error says so, and is final."""
    dialing = Dialing(A4, network=Network(family=family))
    error = outcome(dialing.dial(host))
    assert isinstance(error, DNSError)
    assert not error.retryable
    assert f"no address for {host}: there is none of IPv{family[-1]}, which the settings ask for" == error.detail
    assert [] == dialing.hosts


# Names


def test_static_host() -> None:
    """A static host is not looked up."""
    dialing = Dialing(B4, network=Network(hosts={"a.test": "192.0.2.1"}))
    dialing.dial("a.test")
    dialing.dial("b.test")
    assert ["192.0.2.1", "192.0.2.2"] == dialing.hosts
    assert ["b.test"] == dialing.looked_up


# Turns


def test_timed_out() -> None:
    """An address that did not answer in time was not cancelled by anybody."""
    dialing = Dialing(network=Network())
    d = dialing.dial("192.0.2.1")
    dialing.refuse(failing.TimeoutError())
    assert isinstance(outcome(d), failing.TimeoutError)


def test_cancelled() -> None:
    """One that was given up was."""
    dialing = Dialing()
    d = dialing.dial("192.0.2.1")
    d.cancel()
    assert dialing.reactor.connectors[0].stoppedConnecting
    dialing.refuse(failing.UserError())
    assert isinstance(outcome(d), CancelledError)


def test_stopped() -> None:
    """So was one that Twisted says was stopped."""
    dialing = Dialing()
    d = dialing.dial("192.0.2.1")
    dialing.refuse(failing.UserError())
    assert isinstance(outcome(d), CancelledError)


def test_next_when_timed_out() -> None:
    """After one that did not answer in time the next has its turn."""
    dialing = Dialing(A4, B4)
    dialing.dial()
    dialing.refuse(failing.TimeoutError())
    assert ["192.0.2.1", "192.0.2.2"] == dialing.hosts


def won_by_second(dialing: Dialing) -> None:
    """Let the second address answer, where the first is silent."""
    d = dialing.dial()
    dialing.reactor.advance(0.25)
    dialing.accept()
    assert isinstance(outcome(d), Protocol)
    dialing.reactor.tcpClients.clear()


def test_winner_is_remembered() -> None:
    """Who answered while another was silent is tried first for 10 min, for this host and port."""
    dialing = Dialing(A4, A6)
    won_by_second(dialing)
    dialing.reactor.advance(599)
    dialing.dial()
    assert ["192.0.2.1"] == dialing.hosts
    dialing.dial("b.test")
    dialing.dial(port=81)
    assert ["192.0.2.1", "2001:db8::1", "2001:db8::1"] == dialing.hosts
    dialing.reactor.advance(1)
    dialing.reactor.tcpClients.clear()
    dialing.dial()
    assert ["2001:db8::1"] == dialing.hosts


def test_winner_that_is_gone() -> None:
    """A winner that the name no longer has is not tried."""
    dialing = Dialing(A4, A6)
    won_by_second(dialing)
    dialing.found = [B4, A6]
    dialing.dial()
    assert ["2001:db8::1"] == dialing.hosts


def test_winner_that_fails() -> None:
    """A winner that has fallen silent loses its place to who answers instead."""
    dialing = Dialing(A4, A6)
    won_by_second(dialing)
    won_by_second(dialing)
    dialing.dial()
    assert ["2001:db8::1"] == dialing.hosts


def test_first_is_not_remembered() -> None:
    """Who answers at once keeps no other from its turn: a name server may let addresses take turns."""
    dialing = Dialing(A4, B4)
    dialing.dial()
    dialing.accept()
    dialing.found = [B4, A4]
    dialing.dial()
    assert ["192.0.2.1", "192.0.2.2"] == dialing.hosts


def test_winners_are_bounded() -> None:
    """No more than 1,000 winners are remembered."""
    dialing = Dialing(A4, B4)
    for number in range(1001):
        dialing.dial(f"{number}.test")
        dialing.reactor.advance(0.25)
        dialing.accept()
    assert 1 == len(dialing.dialer._winners)


# Sockets of files


def test_unix_socket() -> None:
    """Whatever the host, the connection goes to the socket, without a look-up."""
    dialing = Dialing(network=Network(unix_socket="/run/socket"), timeouts=Timeouts(tcp=7))
    d = dialing.dial()
    path, factory, timeout, _ = dialing.reactor.unixClients[0]
    assert ("/run/socket", 7) == (path, timeout)
    factory.buildProtocol(None).makeConnection(StringTransport())
    assert isinstance(outcome(d), Protocol)
    assert ([], []) == (dialing.hosts, dialing.looked_up)


def test_unix_socket_cancelled() -> None:
    """Cancelling gives the attempt up."""
    dialing = Dialing(network=Network(unix_socket="/run/socket"))
    d = dialing.dial()
    d.cancel()
    assert isinstance(outcome(d), CancelledError)
    assert dialing.reactor.connectors[0].stoppedConnecting


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (failing.ConnectError(errno.ENOENT, "words"), ConnectError, "No such file or directory"),
        (failing.ConnectionRefusedError(errno.ECONNREFUSED, "words"), ConnectionRefused, "Connection refused"),
    ],
)
def test_unix_socket_that_is_none(error: Exception, kind: type, words: str) -> None:
    """An error names the socket."""
    dialing = Dialing(network=Network(unix_socket="/run/socket"))
    d = dialing.dial()
    dialing.reactor.unixClients[0][1].clientConnectionFailed(dialing.reactor.connectors[0], Failure(error))
    made = outcome(d)
    assert (kind, f"cannot connect to /run/socket: {words}") == (type(made), made.detail)


def test_unix_socket_timed_out() -> None:
    """A socket that did not answer in time is told as any other address is."""
    dialing = Dialing(network=Network(unix_socket="/run/socket"))
    d = dialing.dial()
    error = failing.TimeoutError()
    dialing.reactor.unixClients[0][1].clientConnectionFailed(dialing.reactor.connectors[0], Failure(error))
    assert error is outcome(d)

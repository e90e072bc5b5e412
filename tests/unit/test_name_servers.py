"""Name servers of one's own: which is asked, how often, and what their answers come to."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.names import dns

from tests.unit.answering import outcome
from tests.unit.name_wire import Port, UDPReactor
from twisted_pulp.errors import DNSError
from twisted_pulp.http._name_answer import Answer
from twisted_pulp.http._name_servers import NameServers

FIRST, SECOND = "192.0.2.53", "192.0.2.54"
FOUR, SIX = "192.0.2.1", "2001:db8::1"


class Looking:
    """A look-up of a.test, and what became of it."""

    def __init__(self, *servers: str, version: int | None = None) -> None:
        self.reactor = UDPReactor()
        addresses = tuple((server, 53) for server in servers or (FIRST,))
        self.servers = NameServers(self.reactor, addresses, version)
        self.again()

    def again(self, host: str = "a.test") -> None:
        """Look a name up."""
        self.d = Deferred.fromCoroutine(self.servers.addresses(host))

    def of(self, kind: int) -> Port:
        """Return the port that is open for a question of a *kind*."""
        (port,) = self.reactor.asked(kind=kind)
        return port

    def four(self, *records: Any, **fields: Any) -> None:
        """Answer the question for IPv4."""
        self.of(dns.A).say(*records or (dns.Record_A(FOUR),), **fields)  # type: ignore[no-untyped-call]

    def six(self, *records: Any, **fields: Any) -> None:
        """Answer the question for IPv6."""
        self.of(dns.AAAA).say(*records or (dns.Record_AAAA(SIX),), **fields)  # type: ignore[no-untyped-call]

    def nothing(self, kind: int, **fields: Any) -> None:
        """Say that there is nothing of a *kind*."""
        self.of(kind).say(**fields)

    @property
    def result(self) -> Any:
        """What it came to; nothing may be left then."""
        assert [] == [*self.reactor.open, *self.reactor.getDelayedCalls()]
        return outcome(self.d)


def test_both_at_once() -> None:
    """IPv4 and IPv6 are asked for at once, each from a port of its own."""
    looking = Looking()
    assert {dns.A, dns.AAAA} == {port.question.queries[0].type for port in looking.reactor.open}


@pytest.mark.parametrize("six_first", [True, False])
def test_both(six_first: bool) -> None:
    """IPv6 addresses come first, whichever answer did."""
    looking = Looking()
    for say in (looking.six, looking.four) if six_first else (looking.four, looking.six):
        say()
    assert Answer((SIX, FOUR), 60) == looking.result


@pytest.mark.parametrize(("version", "address", "kind"), [(4, FOUR, dns.A), (6, SIX, dns.AAAA)])
def test_one_version(version: int, address: str, kind: int) -> None:
    """Where only one version will be connected to only that is asked for."""
    looking = Looking(version=version)
    assert 1 == len(looking.reactor.open)
    (looking.four if kind == dns.A else looking.six)()
    assert Answer((address,), 60) == looking.result


def test_ipv6_is_late() -> None:
    """Where IPv4 addresses are known IPv6 ones are waited for 50 ms more, and the answer is half of one."""
    looking = Looking()
    looking.four()
    looking.reactor.advance(0.04)
    assert not looking.d.called
    looking.reactor.advance(0.01)
    assert Answer((FOUR,), 60, whole=False) == looking.result


def test_ipv6_in_time() -> None:
    """Those that come within 50 ms count."""
    looking = Looking()
    looking.four()
    looking.reactor.advance(0.04)
    looking.six()
    assert Answer((SIX, FOUR), 60) == looking.result


def test_ipv4_is_waited_for() -> None:
    """IPv4 addresses are always waited for: they are the way out when IPv6 leads nowhere."""
    looking = Looking()
    looking.six()
    looking.reactor.advance(4)
    assert not looking.d.called
    looking.four()
    assert Answer((SIX, FOUR), 60) == looking.result


def test_no_ipv4() -> None:
    """Where there are none IPv6 has all its time."""
    looking = Looking()
    looking.nothing(dns.A)
    looking.reactor.advance(4)
    assert not looking.d.called
    looking.six()
    assert Answer((SIX,), 60) == looking.result


def test_no_such_name() -> None:
    """That the name does not exist holds for both, and IPv6 is not waited for."""
    looking = Looking()
    looking.nothing(dns.A, rCode=dns.ENAME)
    assert Answer((), 0, exists=False) == looking.result


def test_no_such_name_by_ipv6_only() -> None:
    """Some servers say so of a name without IPv6 addresses; what was found counts."""
    looking = Looking()
    looking.nothing(dns.AAAA, rCode=dns.ENAME)
    looking.four()
    assert Answer((FOUR,), 60) == looking.result


def test_nothing() -> None:
    """There may be a name without addresses."""
    looking = Looking()
    looking.nothing(dns.A)
    looking.nothing(dns.AAAA)
    assert Answer((), 0) == looking.result


@pytest.mark.parametrize("kind", [dns.A, dns.AAAA])
def test_half_an_answer(kind: int) -> None:
    """Where only one of the two can be told that is used, but it is half an answer."""
    looking = Looking()
    looking.nothing(kind, rCode=dns.ESERVER)
    (looking.six if kind == dns.A else looking.four)()
    assert Answer((SIX if kind == dns.A else FOUR,), 60, whole=False) == looking.result


@pytest.mark.parametrize("kind", [dns.A, dns.AAAA])
def test_nobody_can_tell(kind: int) -> None:
    """Where one has none, and the other cannot be told, another try may help."""
    looking = Looking()
    looking.nothing(kind, rCode=dns.ESERVER)
    looking.nothing(dns.A if kind == dns.AAAA else dns.AAAA)
    error = looking.result
    assert isinstance(error, DNSError)
    assert error.retryable
    assert "no address for a.test: 192.0.2.53 answered that it failed" == error.detail


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (dns.EFORMAT, "that it does not understand the question"),
        (dns.ENOTIMP, "that it cannot do that"),
        (dns.EREFUSED, "that it refuses"),
        (9, "code 9"),
    ],
)
def test_what_servers_say(code: int, words: str) -> None:
    """The error says what the server answered."""
    looking = Looking(version=4)
    looking.nothing(dns.A, rCode=code)
    assert f"no address for a.test: 192.0.2.53 answered {words}" == looking.result.detail


def test_next_server_at_once() -> None:
    """Where a server cannot tell the next one is asked at once, and the first not again."""
    looking = Looking(FIRST, SECOND, version=4)
    looking.nothing(dns.A, rCode=dns.EREFUSED)
    assert 1 == len(looking.reactor.asked(SECOND))
    looking.reactor.advance(5)
    assert 1 == len(looking.reactor.asked(SECOND))
    looking.reactor.advance(5)
    assert "no address for a.test: 192.0.2.54 did not answer in 5 s" == looking.result.detail


def test_next_server_after_silence() -> None:
    """Where a server is silent the next one is asked after 5 s, and then the first again; each twice."""
    looking = Looking(FIRST, SECOND, version=4)
    order = []
    while looking.reactor.open:
        order.append(looking.of(dns.A).to)
        looking.reactor.advance(5)
    assert [(FIRST, 53), (SECOND, 53)] * 2 == order
    assert looking.result.retryable


def test_silent_server_is_asked_last() -> None:
    """A server that was silent is not waited for again while another answers."""
    looking = Looking(FIRST, SECOND, version=4)
    looking.reactor.advance(5)
    looking.four()
    looking.again()
    assert (SECOND, 53) == looking.of(dns.A).to
    looking.four()
    assert Answer((FOUR,), 60) == looking.result


def test_silence_for_one_name() -> None:
    """While one name is waited for others are answered."""
    looking = Looking(version=4)
    silent = looking.d
    looking.again("b.test")
    looking.reactor.open[1].say(dns.Record_A(FOUR))  # type: ignore[no-untyped-call]
    assert Answer((FOUR,), 60) == outcome(looking.d)
    assert not silent.called


@pytest.mark.parametrize("version", [None, 4])
def test_cancel(version: int | None) -> None:
    """Cancelling ends both questions."""
    looking = Looking(version=version)
    looking.d.cancel()
    assert isinstance(looking.result, CancelledError)


def test_cancel_while_ipv6_is_late() -> None:
    """Also the one that is still waited for."""
    looking = Looking()
    looking.four()
    looking.d.cancel()
    assert isinstance(looking.result, CancelledError)


def alias(name: bytes) -> Any:
    """Make an alias."""
    return dns.Record_CNAME(name)  # type: ignore[no-untyped-call]


def test_alias_beyond_the_answer() -> None:
    """An alias without addresses is asked for in turn, and shortens how long the answer is kept."""
    looking = Looking(version=4)
    looking.four(alias(b"b.test"), change=lambda message: setattr(message.answers[0], "ttl", 7))
    assert b"b.test" == looking.of(dns.A).question.queries[0].name.name
    looking.four()
    assert Answer((FOUR,), 7) == looking.result


def test_aliases_without_an_end() -> None:
    """Eight are followed."""
    looking = Looking(version=4)
    number = 0
    while looking.reactor.open:
        number += 1
        looking.four(alias(b"%d.test" % number))
    assert 8 == number
    error = looking.result
    assert "no address for a.test: it has more than 8 aliases" == error.detail
    assert not error.retryable


def test_no_name() -> None:
    """What cannot be a name is not asked for."""
    looking = Looking()
    looking.six()
    looking.four()
    looking.again("a..test")
    assert isinstance(looking.result, DNSError)


def test_server_that_cannot_be_asked() -> None:
    """Where nobody listens the next server is asked at once, and that one not again."""
    looking = Looking(FIRST, SECOND, version=4)
    looking.of(dns.A).protocol.connectionRefused()
    looking.of(dns.A).protocol.connectionRefused()
    assert "no address for a.test: nothing listens at 192.0.2.54 port 53" == looking.result.detail
    assert 2 == len(looking.reactor.ports)

"""Tests for `tests.servers.dns`: Twisted's own client asks."""

from __future__ import annotations

import socket

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import defer
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.error import DNSNameError, DNSQueryRefusedError, DNSServerError

from tests.lag import Lag
from tests.servers.dns import REFUSED, SERVFAIL, NameServer, Reply
from tests.servers.reactor import IReactor


async def _ask(reactor: IReactor, nameserver: NameServer, name: str, kind: str = "A") -> list[str]:
    resolver = Resolver(servers=[("127.0.0.1", nameserver.port)], reactor=reactor)  # type: ignore[no-untyped-call]
    lookup = resolver.lookupAddress if kind == "A" else resolver.lookupIPV6Address
    records, _, _ = await lookup(name, timeout=[0.3])  # type: ignore[no-untyped-call]
    family = socket.AF_INET if kind == "A" else socket.AF_INET6
    return [socket.inet_ntop(family, record.payload.address) for record in records]


@ensureDeferred
async def test_addresses(reactor: IReactor, nameserver: NameServer) -> None:
    """A question gets the addresses of its kind, and is kept."""
    nameserver.on("a.test", [Reply("192.0.2.1", "192.0.2.2", "::1")])
    assert ["192.0.2.1", "192.0.2.2"] == await _ask(reactor, nameserver, "a.test")
    assert ["::1"] == await _ask(reactor, nameserver, "A.test", "AAAA")
    assert [("a.test", "A"), ("a.test", "AAAA")] == nameserver.questions


@ensureDeferred
async def test_flips(reactor: IReactor, nameserver: NameServer) -> None:
    """Replies come in turn, and the last one repeats."""
    nameserver.on("a.test", [Reply("192.0.2.1"), Reply("127.0.0.1")])
    assert [["192.0.2.1"], ["127.0.0.1"], ["127.0.0.1"]] == [
        await _ask(reactor, nameserver, "a.test") for _ in range(3)
    ]


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([], DNSNameError),
        ([Reply(code=SERVFAIL)], DNSServerError),
        ([Reply(code=REFUSED)], DNSQueryRefusedError),
        ([Reply("127.0.0.1", never=True)], defer.TimeoutError),
        ([Reply("127.0.0.1", after=5)], defer.TimeoutError),
    ],
)
@ensureDeferred
async def test_failures(
    reactor: IReactor, nameserver: NameServer, replies: list[Reply], expected: type[Exception]
) -> None:
    """A name may not exist, fail, be refused, get no answer or get it too late."""
    if replies:
        nameserver.on("a.test", replies)
    with pytest.raises(expected):
        await _ask(reactor, nameserver, "a.test")


@ensureDeferred
async def test_slow(reactor: IReactor, nameserver: NameServer, lag: Lag) -> None:
    """A reply can be late."""
    nameserver.on("a.test", [Reply("127.0.0.1", after=0.1)])
    started = reactor.seconds()
    assert ["127.0.0.1"] == await _ask(reactor, nameserver, "a.test")
    assert 0.09 <= reactor.seconds() - started <= 0.3 + lag.seconds


@ensureDeferred
async def test_long(reactor: IReactor, nameserver: NameServer) -> None:
    """What is truncated is whole by TCP."""
    nameserver.on("a.test", [Reply("192.0.2.1", "192.0.2.2", truncated=True)])
    protocol: list[dns.DNSProtocol] = []

    class Controller:
        def connectionMade(self, made: dns.DNSProtocol) -> None:
            protocol.append(made)
            made.query([dns.Query(b"a.test")]).addBoth(answered.callback)

        def connectionLost(self, lost: dns.DNSProtocol) -> None:
            gone.callback(None)

    answered: defer.Deferred[dns.Message] = defer.Deferred()
    gone: defer.Deferred[None] = defer.Deferred()
    factory = Factory.forProtocol(lambda: dns.DNSProtocol(Controller(), reactor=reactor))
    await TCP4ClientEndpoint(reactor, "127.0.0.1", nameserver.port).connect(factory)
    message = await answered
    assert (2, 0, 1) == (len(message.answers), message.trunc, nameserver.streams)
    protocol[0].transport.loseConnection()
    await gone


@ensureDeferred
async def test_aliases_and_authority(reactor: IReactor, nameserver: NameServer) -> None:
    """A name may stand for another, and a server may say for how long there is nothing."""
    nameserver.on("a.test", [Reply("192.0.2.1", aliases=("b.test",), authority=7)])
    resolver = Resolver(servers=[("127.0.0.1", nameserver.port)], reactor=reactor)  # type: ignore[no-untyped-call]
    answers, _, _ = await resolver.lookupAddress("a.test")  # type: ignore[no-untyped-call]
    assert [("a.test", dns.CNAME), ("b.test", dns.A)] == [(str(each.name), each.type) for each in answers]
    answers, authority, _ = await resolver.lookupIPV6Address("a.test")  # type: ignore[no-untyped-call]
    assert [(dns.CNAME, dns.SOA, 7)] == [(answers[0].type, authority[0].type, authority[0].payload.minimum)]

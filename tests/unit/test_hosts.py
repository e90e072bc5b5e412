"""Static hosts."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.fakes import result_of
from twisted_pulp.http._hosts import Hosts, located, lookup_for
from twisted_pulp.http._resolver import Resolver
from twisted_pulp.settings import Network

ADDRESSES = ("2001:db8::1", "192.0.2.1")


def other(host: str, port: int) -> Deferred[Any]:
    """Look up what is no static host."""
    return succeed([host, port])


def test_located() -> None:
    """Texts become addresses of a port, in their order."""
    assert [IPv6Address("TCP", "2001:db8::1", 80), IPv4Address("TCP", "192.0.2.1", 80)] == located(ADDRESSES, 80)


@pytest.mark.parametrize("host", ["a.test", "A.Test", "a.test."])
def test_given(host: str) -> None:
    """A name has the addresses it was given, however it is written."""
    assert located(ADDRESSES, 8080) == result_of(Hosts({"a.test": ADDRESSES}, other).lookup(host, 8080))


def test_others() -> None:
    """Any other is looked up."""
    assert ["b.a.test", 80] == result_of(Hosts({"a.test": ADDRESSES}, other).lookup("b.a.test", 80))


def test_name_servers_are_shared() -> None:
    """Remotes with equal settings share what name servers said, as long as one of them is there."""
    resolver: Any = Resolver(Clock())  # type: ignore[arg-type]
    first = lookup_for(Network(dns_servers="192.0.2.1"), resolver)
    assert first == lookup_for(Network(dns_servers="192.0.2.1:53", bind_address=None), resolver)
    others = [{"dns_servers": "192.0.2.2"}, {"family": "ipv4"}, {"dns_cache": False}, {"dns_ttl_min": 1}]
    settings: list[Any] = [{"dns_servers": "192.0.2.1", "dns_ttl_max": 9}]
    settings += [{"dns_servers": "192.0.2.1", **each} for each in others]
    found = [lookup_for(Network(**each), resolver) for each in settings]
    assert 6 == len({id(each.__self__) for each in (first, *found)})  # type: ignore[attr-defined]
    del first, found
    assert 0 == len(resolver._caches)


def test_system() -> None:
    """Without name servers the system is asked."""
    resolver = Resolver(Clock())  # type: ignore[arg-type]
    assert resolver.lookup == lookup_for(Network(), resolver)

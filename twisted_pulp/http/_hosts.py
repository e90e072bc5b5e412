"""Addresses of names that need no name server, and where the others are looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed

from twisted_pulp.http._resolver import Address, Lookup, Resolver
from twisted_pulp.settings import Network

__all__ = ["Hosts", "located", "lookup_for"]


def located(addresses: Sequence[str], port: int) -> Sequence[Address]:
    """Return *addresses* as those of *port*."""
    return [(IPv4Address if isIPAddress(each) else IPv6Address)("TCP", each, port) for each in addresses]


def lookup_for(network: Network, resolver: Resolver) -> Lookup:
    """Return what looks names up as *network* wants it; what name servers said is shared through *resolver*."""
    lookup = resolver.by_servers(network).lookup if network.dns_servers else resolver.lookup
    return Hosts(network.hosts, lookup).lookup if network.hosts else lookup


class Hosts:
    """
    Names whose addresses are given.

    :param hosts: name, in lower case -> addresses.
    :param lookup: for all other names.
    """

    def __init__(self, hosts: Mapping[str, Sequence[str]], lookup: Lookup) -> None:
        self._hosts, self._lookup = hosts, lookup

    def lookup(self, host: str, port: int) -> Deferred[Sequence[Address]]:
        """Return a Deferred of the addresses of *host*, in the order in which they were given."""
        given = self._hosts.get(host.lower().rstrip("."))
        return self._lookup(host, port) if given is None else succeed(located(given, port))

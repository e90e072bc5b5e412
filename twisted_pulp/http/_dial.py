"""Connections to hosts, before TLS and HTTP: names, addresses by turns (RFC 8305), our own end."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectBindError, UserError
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from twisted_pulp.errors import BindError, BlockedAddress, ConnectError, ConnectionRefused, ConnectTimeout, DNSError
from twisted_pulp.http._resolver import Address, Lookup
from twisted_pulp.http._watch import Watch
from twisted_pulp.settings import Network, Timeouts

if TYPE_CHECKING:
    from twisted_pulp.http._guard import Guard
    from twisted_pulp.urls import Origin

__all__ = ["Dialer", "late"]

_TCP = 30.0
# Seconds that the address is remembered which answered when one before it did not, and hosts for which it is.
_REMEMBERED = 600.0
_MANY = 1000
# Twisted's ConnectBindError says these too.
_NO_SOCKET = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def late(what: str) -> Any:
    """Return what makes the error that *what* did not answer in so many seconds."""
    return lambda seconds: ConnectTimeout(seconds=seconds, detail=f"{what} did not answer in {seconds:g} s")


class Dialer:
    """
    Connect to hosts.

    :param resolver: for names.
    :param watch: for time.
    :param timeouts: of the Remote.
    :param network: of the Remote; default: one with every default.
    :param guard: of the connections; default None: they may lead anywhere.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Any,
        watch: Watch,
        timeouts: Timeouts,
        network: Network | None = None,
        guard: Guard | None = None,
    ) -> None:
        network = network or Network()
        self._reactor, self._watch, self._timeouts = reactor, watch, timeouts
        self._lookup: Lookup = resolver.lookup
        if network.hosts or network.dns_servers:
            from twisted_pulp.http._hosts import lookup_for

            self._lookup = lookup_for(network, resolver)
        self._version, self._unix = network.version, network.unix_socket
        self._own = network.bind_address
        self._guard, self._servers = guard, network.name_servers
        self._winners: dict[tuple[str, int], tuple[Address, float]] = {}

    async def dial(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        """Return the protocol that *factory* makes for a connection to *host*."""
        if self._unix is not None:
            if self._guard is not None:
                raise BlockedAddress(detail="the policy allows no unix sockets")
            return await self._through(self._unix, factory)
        found = await self.addresses(host, port)
        if len(found) == 1:
            return await self._straight(found[0], factory)
        return await self._raced((host, port), found, factory)

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """
        Return the addresses of *host* that may be connected to, in the resolver's order, at least one.

        Who connects through a proxy may want no more than these.

        :raises DNSError: when there is none, or none of the version of IP that the settings ask for.
        :raises BlockedAddress: when one of them is blocked.
        """
        found: Sequence[Address]
        if self._guard is not None:
            self._guard.check_host(host, port, self._servers)
        if isIPAddress(host):
            found = [IPv4Address("TCP", host, port)]
        elif isIPv6Address(host):
            found = [IPv6Address("TCP", host, port)]
        else:
            found = await self._watch.limit(self._lookup(host, port), self._timeouts.dns, late("the name server"))
        if self._guard is not None:
            found = self._guard.checked(host, found)
        if self._version is not None:
            wanted = IPv4Address if self._version == 4 else IPv6Address
            found = [each for each in found if isinstance(each, wanted)]
        if not found:
            which = "" if self._version is None else f" of IPv{self._version}, which the settings ask for"
            raise DNSError(detail=f"no address for {host}: there is none{which}")
        return found

    async def known(self, host: str, port: int, *, here: bool) -> list[str]:
        """
        Return what a proxy is told to connect to: the name of *host*, or one of the addresses that are returned.

        :param here: whether names are looked up here, whatever the policy says.
        :raises BlockedAddress: when the proxy must not be told.
        """
        guard = self._guard
        if here or (guard is not None and not guard.policy.proxy_resolves):
            return [address.host for address in await self.addresses(host, port)]
        if guard is not None:
            guard.check_host(host, port)
        return [host]

    def to_proxy(self, origin: Origin, trusted: bool) -> Dialer:
        """Return what connects to the proxy of *origin*: freely when it is *trusted*, or when the policy trusts it."""
        if self._guard is None:
            return self
        dialer = copy(self)
        dialer._guard = None if trusted else self._guard.to_proxy(origin)
        return dialer

    def _straight(self, address: Address, factory: IProtocolFactory) -> Deferred[IProtocol]:
        made: Deferred[IProtocol] = Deferred(lambda _: connector.stopConnecting())
        straight, own = _Straight(factory, made, self._own, self._guard), None if self._own is None else (self._own, 0)
        timeout = self._timeouts.tcp or _TCP
        connector = self._reactor.connectTCP(address.host, address.port, straight, timeout, own)
        return made

    async def _raced(self, host: tuple[str, int], found: Sequence[Address], factory: IProtocolFactory) -> IProtocol:
        from twisted_pulp.http._race import interleaved, race

        turns = interleaved(found)
        now = self._reactor.seconds()
        last, until = self._winners.get(host, (None, now))
        if last in turns and now < until:
            turns.remove(last)
            turns.insert(0, last)
        winner, protocol = await race(self._reactor, turns, lambda address: self._straight(address, factory))
        if winner is not turns[0]:
            self._remember(host, winner)
        return protocol

    def _remember(self, host: tuple[str, int], winner: Address) -> None:
        if len(self._winners) >= _MANY:
            self._winners.clear()
        self._winners[host] = winner, self._reactor.seconds() + _REMEMBERED

    def _through(self, path: str, factory: IProtocolFactory) -> Deferred[IProtocol]:
        timeout = self._timeouts.tcp or _TCP
        made: Deferred[IProtocol] = Deferred(lambda _: connector.stopConnecting())
        connector = self._reactor.connectUNIX(path, _Straight(factory, made), timeout)
        return made.addErrback(_not_through, path)


class _Straight(ClientFactory):
    """Connect to an address, perhaps from *own*: no names, no turns, nothing between the socket and the protocol."""

    noisy = False

    def __init__(
        self,
        factory: IProtocolFactory,
        made: Deferred[IProtocol],
        own: str | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._factory, self._made, self._own, self._guard = factory, made, own, guard

    def startedConnecting(self, connector: Any) -> None:
        self._connector = connector

    def buildProtocol(self, addr: Any) -> Any:
        if self._guard is not None:
            try:
                self._guard.check_peer(self._connector.transport)
            except BlockedAddress as blocked:
                self._made.errback(blocked)
                return None  # the reactor ends the connection, and nothing was said
        protocol: Any = self._factory.buildProtocol(addr)
        connected = protocol.connectionMade

        def begun() -> None:
            del protocol.connectionMade  # no cycle is left
            connected()
            self._made.callback(protocol)

        protocol.connectionMade = begun
        return protocol

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if self._made.called:
            return
        if type(reason.value) is UserError:  # stopConnecting says so: nobody stops but who cancels; timeouts are others
            reason = Failure(CancelledError())
        elif self._own is not None and reason.check(ConnectBindError):
            reason = _not_bound(self._own, reason)
        self._made.errback(reason)


def _not_through(reason: Failure, path: str) -> Failure:
    error: Any = reason.value
    if getattr(error, "osError", None) is None:
        return reason
    kind = ConnectionRefused if error.osError == errno.ECONNREFUSED else ConnectError
    return Failure(kind(detail=f"cannot connect to {path}: {os.strerror(error.osError)}"))


def _not_bound(own: str, reason: Failure) -> Failure:
    error: Any = reason.value
    if error.osError in _NO_SOCKET:
        return reason
    busy = error.osError == errno.EADDRINUSE  # each port is taken, for now
    return Failure(BindError(detail=f"cannot bind to {own}: {os.strerror(error.osError)}", retryable=busy))

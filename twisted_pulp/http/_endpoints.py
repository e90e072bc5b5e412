"""Endpoints: how the connections to an origin are made, worked out once for each origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import UserError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_pulp.errors import ConnectTimeout, TLSError
from twisted_pulp.http._resolver import Address, Resolver
from twisted_pulp.http._watch import Watch
from twisted_pulp.settings import TLS, Timeouts

if TYPE_CHECKING:
    from twisted_pulp.http._caps import Cap

__all__ = ["Endpoints", "OriginEndpoint"]

_MANY = 1000
_TCP = 30.0


@implementer(IStreamClientEndpoint)
class OriginEndpoint:
    """
    Connect to one origin as one Remote wants it: name, addresses by turns (RFC 8305), TLS.

    :ivar key: equal for endpoints whose connections may stand in for each other.
    :ivar timeouts: for the connections and what is asked over them.
    :ivar cap: the Remote's cap on connections, or None.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: Resolver,
        watch: Watch,
        host: str,
        port: int,
        creator: Any,
        timeouts: Timeouts,
        key: object,
        cap: Cap | None,
    ) -> None:
        self._reactor, self._resolver, self._watch = reactor, resolver, watch
        self._host, self._port, self._creator = host, port, creator
        self.timeouts, self.key, self.cap = timeouts, key, cap
        self.host_key: object = (host, port)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of a protocol whose connection is ready for a request, TLS and all."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        timeouts = self.timeouts
        numeric = isIPAddress(self._host) or isIPv6Address(self._host)
        if numeric and self._creator is None:
            return await _straight(self._reactor, self._host, self._port, timeouts.tcp or _TCP, factory)
        # Not before it is needed: it brings most of Twisted's TLS with it.
        from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS

        if numeric:
            kind = IPv4Address if isIPAddress(self._host) else IPv6Address
            found: Sequence[Address] = [kind("TCP", self._host, self._port)]
        else:
            asked = self._resolver.lookup(self._host, self._port)
            found = await self._watch.limit(asked, timeouts.dns, _late("the name server"))
        reactor: Any = _Resolved(self._reactor, found)
        # The name is looked up already, and HostnameEndpoint refuses some that have addresses, as my_host.
        endpoint = HostnameEndpoint(reactor, "resolved.invalid", self._port, timeout=timeouts.tcp or _TCP)
        if self._creator is None:
            plain: IProtocol = await endpoint.connect(factory)
            return plain
        protocol: Any = await wrapClientTLS(self._creator, endpoint).connect(factory)
        if hasattr(protocol, "secured"):  # other people's protocols have Twisted's checks only
            await self._secured(protocol)
        return protocol  # type: ignore[no-any-return]

    async def _secured(self, protocol: Any) -> None:
        from OpenSSL import SSL

        from twisted_pulp.http._trust import check_name, refusal

        waiting: Deferred[None] = Deferred(lambda _: protocol.transport.abortConnection())
        protocol.secured.addCallbacks(lambda _: waiting.callback(None), waiting.errback)
        try:
            await self._watch.limit(waiting, self.timeouts.tls, _late("the TLS handshake"))
            check_name(protocol.transport, self._host)
        except BaseException as error:
            why = refusal(protocol.transport) if isinstance(error, SSL.Error) else None
            protocol.transport.abortConnection()
            if why is not None:
                raise TLSError(detail=why) from error
            raise

    def __repr__(self) -> str:
        return f"<OriginEndpoint {self._host}:{self._port}{' TLS' if self._creator else ''}>"


class _Straight(ClientFactory):
    """Connect to an address: no names, no turns, and nothing between the socket and the protocol."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, made: Deferred[IProtocol]) -> None:
        self._factory, self._made = factory, made

    def buildProtocol(self, addr: Any) -> Any:
        protocol: Any = self._factory.buildProtocol(addr)
        connected = protocol.connectionMade

        def begun() -> None:
            del protocol.connectionMade  # no cycle is left
            connected()
            self._made.callback(protocol)

        protocol.connectionMade = begun
        return protocol

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if not self._made.called:  # stopConnecting says UserError: nobody stops but who cancels
            self._made.errback(Failure(CancelledError()) if reason.check(UserError) else reason)


def _straight(reactor: Any, host: str, port: int, timeout: float, factory: IProtocolFactory) -> Deferred[IProtocol]:
    made: Deferred[IProtocol] = Deferred(lambda _: connector.stopConnecting())
    connector = reactor.connectTCP(host, port, _Straight(factory, made), timeout)
    return made


def _late(what: str) -> Any:
    return lambda seconds: ConnectTimeout(seconds=seconds, detail=f"{what} did not answer in {seconds:g} s")


@implementer(IReactorPluggableNameResolver, IReactorTCP, IReactorTime)
class _Resolved:
    """A reactor whose names are resolved already, for HostnameEndpoint, which then races the addresses."""

    def __init__(self, reactor: Any, addresses: Sequence[Address]) -> None:
        self._reactor = reactor
        self.nameResolver = _Known(addresses)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IHostnameResolver)
class _Known:
    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        resolutionReceiver.resolutionBegan(self)
        for address in self._addresses:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolutionReceiver


@implementer(IAgentEndpointFactory)
class Endpoints:
    """
    The endpoints of one Remote.

    :param resolver: for names.
    :param watch: for time.
    :param tls: whom to trust.
    :param timeouts: of the Remote.
    :param cap: the Remote's cap on connections, or None.
    """

    def __init__(
        self, reactor: Any, resolver: Resolver, watch: Watch, tls: TLS, timeouts: Timeouts, cap: Cap | None = None
    ) -> None:
        self._reactor, self._resolver, self._watch = reactor, resolver, watch
        self._tls, self._timeouts, self._cap = tls, timeouts, cap
        self._policy: Any = None
        self._made: dict[tuple[bytes, bytes, int], OriginEndpoint] = {}

    def endpointForURI(self, uri: Any) -> OriginEndpoint:
        """
        Return the endpoint for *uri*'s origin.

        :raises SchemeNotSupported: when it is neither http nor https.
        """
        origin = (uri.scheme, uri.host, uri.port)
        endpoint = self._made.get(origin)
        if endpoint is None:
            if uri.scheme not in (b"http", b"https"):
                raise SchemeNotSupported(f"cannot connect for {uri.scheme!r}")
            secure = uri.scheme == b"https"
            # The name, not an object: connections of Remotes with equal settings may stand in for each other.
            key = (*origin, self._tls if secure else None)
            host = uri.host.decode("ascii").strip("[]")
            creator = self._creator(host, uri.port) if secure else None
            endpoint = OriginEndpoint(
                self._reactor, self._resolver, self._watch, host, uri.port, creator, self._timeouts, key, self._cap
            )
            if len(self._made) >= _MANY:
                self._made.clear()
            self._made[origin] = endpoint
        return endpoint

    def _creator(self, host: str, port: int) -> Any:
        if self._policy is None:
            from twisted_pulp.http._trust import Trust

            self._policy = Trust(self._tls)
        return self._policy.creatorForNetloc(host.encode("ascii"), port)

"""Endpoints: how the connections to an origin are made, worked out once for each origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.web.error import SchemeNotSupported
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_pulp.errors import TLSError
from twisted_pulp.http._dial import Dialer, late
from twisted_pulp.http._resolver import Resolver
from twisted_pulp.http._watch import Watch
from twisted_pulp.settings import TLS, Network, Remote, Timeouts

if TYPE_CHECKING:
    from twisted_pulp.http._caps import Cap
    from twisted_pulp.http._guard import Guard

__all__ = ["Endpoints", "OriginEndpoint"]

_MANY = 1000
_BOTH = ("h2", "http/1.1")


@implementer(IStreamClientEndpoint)
class OriginEndpoint:
    """
    Connect to one origin as one Remote wants it.

    :param dialer: with `dial(host, port, factory)`, as `Dialer` has.
    :ivar guard: of the connections; default None.
    :ivar timeouts: for the connections and what is asked over them.
    :ivar cap: the Remote's cap on connections, or None.
    :ivar http2: whether HTTP/2 is wanted; default false.
    """

    def __init__(
        self,
        dialer: Any,
        watch: Watch,
        host: str,
        port: int,
        creator: Any,
        timeouts: Timeouts,
        key: object,
        cap: Cap | None,
    ) -> None:
        self._dialer, self._watch = dialer, watch
        self._host, self._port, self._creator = host, port, creator
        self.timeouts, self._key, self.cap = timeouts, key, cap
        self.host_key: object = (host, port)
        self.http2 = False
        self.guard: Guard | None = None

    @property
    def key(self) -> object:
        """What connections have in common that may stand in for each other; under another policy, others do."""
        return self._key if self.guard is None else (self._key, self.guard.policy)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of a protocol whose connection is ready for a request, TLS and all."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        if self._creator is None:
            plain: IProtocol = await self._dialer.dial(self._host, self._port, factory)
            return plain
        from twisted_pulp.http._records import RecordsFactory

        wrapper: Any = await self._dialer.dial(self._host, self._port, RecordsFactory(self._creator, True, factory))
        protocol = wrapper.wrappedProtocol
        if hasattr(protocol, "secured"):  # other people's protocols have Twisted's checks only
            await self._secured(protocol)
        return protocol  # type: ignore[no-any-return]

    async def _secured(self, protocol: Any) -> None:
        from OpenSSL import SSL

        from twisted_pulp.http._refusal import refusal

        waiting: Deferred[None] = Deferred(lambda _: protocol.transport.abortConnection())
        protocol.secured.addCallbacks(lambda _: waiting.callback(None), waiting.errback)
        try:
            await self._watch.limit(waiting, self.timeouts.tls, late("the TLS handshake"))
            self._creator.approve(protocol.transport)
        except BaseException as error:
            why = refusal(protocol.transport) if isinstance(error, SSL.Error) else None
            protocol.transport.abortConnection()
            if why is not None:
                raise TLSError(detail=why) from error
            raise

    def __repr__(self) -> str:
        return f"<OriginEndpoint {self._host}:{self._port}{' TLS' if self._creator else ''}>"


@implementer(IAgentEndpointFactory)
class Endpoints:
    """
    The endpoints of one Remote.

    :param resolver: for names.
    :param watch: for time.
    :param remote: whose settings count.
    :param cap: the Remote's cap on connections, or None.
    :param identified: whether the client certificate is shown, to `Remote.secret_origins` if there are any.
    :param guard: of the connections; default None: they may lead anywhere.
    :ivar single: the same without HTTP/2.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        resolver: Resolver,
        watch: Watch,
        remote: Remote,
        cap: Cap | None = None,
        *,
        identified: bool = True,
        guard: Guard | None = None,
    ) -> None:
        # Not the Remote itself: what its agents are made of must not keep it.
        self._watch, self._cap, self._identified = watch, cap, identified
        self._http2 = remote.http2
        # The protocols offered are a part of the key: connections with and without HTTP/2 are kept apart.
        self._tls: TLS = evolve(remote.tls, alpn=remote.tls.alpn or _BOTH) if remote.http2 else remote.tls
        self._timeouts = remote.timeouts
        #: What makes our connections others than those of Remotes without such settings.
        self._network = None if remote.network == Network() else remote.network
        self._dialer = Dialer(reactor, resolver, watch, remote.timeouts, remote.network, guard)
        self._guard = guard
        #: Who may see our certificate; empty: everybody that is asked.
        self._origins = remote.secret_origins
        self._trusts: dict[bool, Any] = {}
        self._believed: set[str] = set()
        self._made: dict[tuple[bytes, bytes, int], Any] = {}
        self.single = self
        if remote.http2:
            alone = evolve(remote, http2=False, tls=evolve(remote.tls, alpn=()))
            self.single = Endpoints(reactor, resolver, watch, alone, cap, identified=identified, guard=guard)
        #: None: no origin is reached through a proxy.
        self.proxies: Any = None
        if remote.proxy is not None or remote.proxy_from_environment:
            from twisted_pulp.http._proxies import Proxies

            self.proxies = Proxies(remote.proxy, self._dialer, watch, remote.timeouts)

    @property
    def dialer(self) -> Dialer:
        """What connects to hosts as the Remote wants it."""
        return self._dialer

    def endpointForURI(self, uri: Any) -> Any:
        """
        Return the endpoint for *uri*'s origin.

        :raises SchemeNotSupported: when it is neither http nor https.
        """
        origin = (uri.scheme, uri.host, uri.port)
        endpoint = self._made.get(origin)
        if endpoint is None:
            if uri.scheme not in (b"http", b"https"):
                raise SchemeNotSupported(f"cannot connect for {uri.scheme!r}")
            host = uri.host.decode("ascii").strip("[]")
            trust = self.trust("https", host, uri.port) if uri.scheme == b"https" else None
            creator = None if trust is None else trust.creatorForNetloc(host.encode("ascii"), uri.port)
            # One Trust stands for equal settings: connections of Remotes that have them may stand in for each other.
            key: tuple[object, ...] = (*origin, trust, self._network)
            dialer: Any = self._dialer
            route = None if self.proxies is None else self.proxies.route(uri.scheme.decode("ascii"), host, uri.port)
            if route is not None:
                dialer, key = route.dialer, (*key, route.key)
            endpoint = OriginEndpoint(dialer, self._watch, host, uri.port, creator, self._timeouts, key, self._cap)
            endpoint.guard = self._guard
            if route is not None:
                endpoint = route.around(endpoint)
            endpoint.http2 = self._http2 and creator is not None
            if len(self._made) >= _MANY:
                self._made.clear()
                self._believed.clear()
            self._made[origin] = endpoint
        return endpoint

    def trust(self, scheme: str, host: str, port: int) -> Any:
        """Return the `Trust` for connections to that origin, with our certificate if it is for it."""
        known = self._identified and (not self._origins or (scheme, host, port) in self._origins)
        trust = self._trusts.get(known)
        if trust is None:
            from twisted_pulp.http._trust import trust_in

            trust = self._trusts[known] = trust_in(self._tls if known else self._tls.anonymous())
        if not trust.verifies and host not in self._believed:
            self._believed.add(host)
            self._log.warn("neither the certificate nor the name of {host} is checked: TLS.verify is false", host=host)
        return trust

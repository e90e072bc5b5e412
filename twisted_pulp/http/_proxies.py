"""Which proxy an origin is reached through, and how."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from msgspec import Struct
from twisted.logger import Logger

from twisted_pulp.http._absolute import AbsoluteForm
from twisted_pulp.http._authorization import basic
from twisted_pulp.http._dial import Dialer
from twisted_pulp.http._endpoints import OriginEndpoint
from twisted_pulp.http._proxied import Proxied
from twisted_pulp.http._request import Request
from twisted_pulp.http._tunnel import ToProxy, Tunnel
from twisted_pulp.http._watch import Watch
from twisted_pulp.settings import Proxy, Timeouts
from twisted_pulp.settings._no_proxy import NoProxy

__all__ = ["Proxies", "Route"]


class Route(Struct, frozen=True, eq=False):
    """
    The way through a proxy.

    :ivar dialer: connects to an origin.
    :ivar key: what connections that may stand in for each other have in common.
    :ivar makes: makes the requests.
    :ivar proxy: its URL, for errors.
    """

    dialer: Any
    key: object
    makes: Any
    proxy: str

    def around(self, endpoint: Any) -> Proxied:
        """Return *endpoint*, whose dialer is ours, as the way through the proxy."""
        return Proxied(endpoint, self.proxy, self.makes)


class Proxies:
    """
    The proxies of one Remote.

    :param proxy: for all origins but those of its no_proxy; None: those of the environment, each for its scheme.
    :param dialer: connects to the proxies.
    :param watch: for time.
    :param timeouts: of the Remote.
    :raises SettingsError: when the environment says what is no proxy.
    """

    _log = Logger()

    def __init__(self, proxy: Proxy | None, dialer: Dialer, watch: Watch, timeouts: Timeouts) -> None:
        self._dialer, self._watch, self._timeouts = dialer, watch, timeouts
        self._by_scheme: dict[str, Proxy] = {}
        self._environment = proxy is None
        if proxy is not None:
            self._by_scheme, self._direct = {"http": proxy, "https": proxy}, NoProxy(proxy.no_proxy)
        else:
            from twisted_pulp.http._proxy_environment import proxies_of

            self._by_scheme, self._direct = proxies_of()
        self._routes: dict[str, Route] = {}

    def route(self, scheme: str, host: str, port: int) -> Route | None:
        """Return the way to an origin, or None when no proxy is on it."""
        proxy = self._by_scheme.get(scheme)
        if proxy is None or self._direct.covers(host, port):
            return None
        known = self._routes.get(scheme)
        if known is None:
            known = self._routes[scheme] = self._made(proxy, scheme == "https")
        return known

    def _made(self, proxy: Proxy, secure: bool) -> Route:
        scheme, host, port = proxy.origin
        dialer = self._dialer
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        to_proxy = ToProxy(self._endpoint(proxy), url)
        key = evolve(proxy, no_proxy=())
        if scheme.startswith("socks"):
            return Route(Tunnel(to_proxy, url, _socks(proxy), dialer, scheme == "socks5"), key, Request, url)
        line = b""
        if proxy.username is not None:
            line = f"Proxy-Authorization: {basic(proxy.username, proxy.password)}\r\n".encode("ascii")
        if secure:
            return Route(Tunnel(to_proxy, url, _connect(line), dialer, False), key, Request, url)
        judging = ToProxy(self._endpoint(proxy), url, dialer)
        return Route(judging, key, AbsoluteForm(line, url), url)

    def _endpoint(self, proxy: Proxy) -> OriginEndpoint:
        scheme, host, port = proxy.origin
        creator = None
        if scheme == "https":
            from twisted_pulp.http._trust import trust_in

            creator = trust_in(proxy.tls).creatorForNetloc(host.encode("ascii"), port)
            if not proxy.tls.verify:
                self._log.warn("neither the certificate nor the name of the proxy {host} is checked", host=host)
        dialer = self._dialer.to_proxy(proxy.origin, self._environment)
        return OriginEndpoint(dialer, self._watch, host, port, creator, self._timeouts, None, None)


def _connect(line: bytes) -> Any:
    from twisted_pulp.http._connect import connect

    return lambda talk, host, port: connect(talk, line, host, port)


def _socks(proxy: Proxy) -> Any:
    from twisted_pulp.http._socks import connect

    return lambda talk, host, port: connect(talk, proxy.username, proxy.password, host, port)

"""The innermost agent: one request over a pooled connection."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._pool import ConnectionPool
from twisted_pulp.http._request import Request

__all__ = ["HTTPAgent"]

# Visible characters only; between "//" and "/", none of ?#@ either.
_parts = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*+)://([!\"$-.0->A-~]++)((?:[/?][!\"$-~]*+)?)(?:#[!-~]*+)?").fullmatch
_scheme = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):").match
_authority = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?").fullmatch
_PORTS = {b"http": 80, b"https": 443}
_LEAN = frozenset({b"GET", b"HEAD"})
_MANY = 1000


class _Origin:
    """Where requests for a scheme and authority go."""

    __slots__ = ("host", "port", "scheme")

    def __init__(self, scheme: bytes, host: bytes, port: int) -> None:
        self.scheme, self.host, self.port = scheme, host, port


@implementer(IAgent)
class HTTPAgent:
    """
    Make HTTP/1.1 requests. It reads an origin once, and copies nothing.

    Requests other than plain GET and HEAD go through Twisted's own Agent over the same pool and endpoints.

    :param endpoints: of origins.
    :param pool: of connections.
    """

    def __init__(self, reactor: Any, endpoints: IAgentEndpointFactory, pool: ConnectionPool) -> None:
        self._reactor, self._endpoints, self._pool = reactor, endpoints, pool
        self._known: dict[tuple[bytes, bytes], tuple[Any, object, bytes, Any]] = {}
        self._stock: Any = None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """
        Return a Deferred of the response.

        :raises ValueError: when *uri* is not what may be sent: it has a user name, a space, or no host.
        """
        if bodyProducer is not None or method not in _LEAN:
            made: Deferred[IResponse] = self._agent(uri).request(method, uri, headers, bodyProducer)
            return made
        parts = _parts(uri)
        if parts is None:
            return _refused(uri)
        scheme, authority, target = parts.groups()
        known = self._known.get((scheme, authority))
        if known is None:
            try:
                known = self._learn(scheme.lower(), authority)
            except SchemeNotSupported:
                return fail()
            self._known[scheme, authority] = known
        endpoint, key, host, makes = known
        if target[:1] != b"/":
            target = b"/" + target
        request = makes(method, target, headers, host, uri, self._pool.persistent)
        kept = self._pool.take(key, endpoint)
        if kept is not None:
            return kept.request(request)
        return self._pool.getConnection(key, endpoint).addCallback(_asked, request)

    def _learn(self, scheme: bytes, authority: bytes) -> tuple[Any, object, bytes, Any]:
        match = _authority(authority)
        port = int(match[2] or _PORTS.get(scheme, 0)) if match else 0
        if match is None or (not 0 < port < 65536 and scheme in _PORTS):
            raise ValueError("Invalid URI: its host or port is none")
        if len(self._known) >= _MANY:
            self._known.clear()
        host = match[1].lower()
        line = host if port == _PORTS.get(scheme) else b"%b:%d" % (host, port)
        host = host.strip(b"[]")
        endpoint: Any = self._endpoints.endpointForURI(_Origin(scheme, host, port))
        return endpoint, (scheme, host, port), line, getattr(endpoint, "makes", Request)

    def _agent(self, uri: bytes) -> Any:
        if getattr(self._endpoints, "proxies", None) is not None:
            parts = _parts(uri)
            if parts is None and uri[:4].lower() == b"http":  # it would go to the proxy as it is, secrets and all
                raise ValueError("Invalid URI: it cannot be asked for")
            if parts is not None and parts[1].lower() == b"http":
                endpoint, _, _, makes = self._learn(b"http", parts[2])
                if makes is not Request:
                    return makes.agent(self._reactor, endpoint, self._pool)
        if self._stock is None:
            from twisted.web.client import Agent

            single = getattr(self._endpoints, "single", self._endpoints)  # bodies of requests go by HTTP/1.1
            self._stock = Agent.usingEndpointFactory(self._reactor, single, self._pool)
        return self._stock


def _refused(uri: bytes) -> Deferred[Any]:
    scheme = _scheme(uri)
    if scheme is None or scheme[1].lower() in _PORTS:
        raise ValueError("Invalid URI: it cannot be asked for")
    return fail(SchemeNotSupported(f"cannot ask for {scheme[1]!r}"))


def _asked(connection: Any, request: Request) -> Any:
    return connection.request(request)

"""Plain http through an HTTP proxy: the request says the whole URL (RFC 9112 section 3.2.2)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._request import Request

__all__ = ["AbsoluteForm"]


class _Absolute(Request):
    """
    A request to a proxy.

    :ivar credentials: the line of Proxy-Authorization, or none; not among `headers`, which others may look at.
    :ivar proxy: its URL, for errors.
    """

    credentials: bytes
    proxy: str

    def wire(self) -> bytes:
        """Return how it looks on the wire."""
        line, end, rest = super().wire().partition(b"\r\n")
        return line + end + self.credentials + rest

    def __repr__(self) -> str:
        return f"<{self.method.decode('latin-1')} through {self.proxy}>"


class AbsoluteForm:
    """
    Make the requests for http URLs that go to a proxy.

    :param credentials: the line of Proxy-Authorization, or none.
    :param proxy: its URL, for errors.
    """

    def __init__(self, credentials: bytes, proxy: str) -> None:
        self._credentials, self._proxy = credentials, proxy

    def __call__(
        self, method: bytes, target: bytes, headers: Headers | None, host: bytes, uri: bytes, persistent: bool
    ) -> Request:
        """Return a request; the parameters are those of `Request`."""
        absolute = b"http://" + host + target
        return _Absolute(method, absolute, headers, host, uri, persistent, self._credentials, self._proxy)

    def agent(self, reactor: Any, endpoint: Any, pool: Any) -> IAgent:
        """Return an agent for the requests that are not written in one piece: Twisted's own."""
        from twisted.web.client import ProxyAgent

        return _Authorized(ProxyAgent(endpoint, reactor, pool), self._credentials)


@implementer(IAgent)
class _Authorized:
    """Add the credentials of a proxy."""

    def __init__(self, agent: IAgent, credentials: bytes) -> None:
        self._agent = agent
        self._value = credentials.strip().partition(b": ")[2]

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request."""
        if self._value:
            headers = Headers() if headers is None else headers.copy()
            headers.setRawHeaders(b"Proxy-Authorization", [self._value])
        return self._agent.request(method, uri, headers, bodyProducer)

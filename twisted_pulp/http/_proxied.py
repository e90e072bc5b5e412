"""Origins that are reached through a proxy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.errors import ConnectionLost, ProxyError, ProxyTimeout, TLSError
from twisted_pulp.http._errors import translated

__all__ = ["Proxied"]

# Of `handshake_words`.
_NO_TLS = "does not speak TLS"


@implementer(IStreamClientEndpoint)
class Proxied:
    """
    Connect to one origin through a proxy, and say so in errors.

    :param endpoint: of the origin; its dialer leads through the proxy.
    :param proxy: its URL, for errors.
    :param makes: what makes the requests for this origin.
    All else is that of the endpoint.
    """

    def __init__(self, endpoint: Any, proxy: str, makes: Callable[..., Any]) -> None:
        self._endpoint, self._proxy, self.makes = endpoint, proxy, makes
        self.host_key, self.timeouts, self.cap = endpoint.host_key, endpoint.timeouts, endpoint.cap

    @property
    def key(self) -> object:
        """What connections have in common that may stand in for each other."""
        return self._endpoint.key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of a protocol whose connection is ready for a request, TLS and all."""
        made: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return made.addErrback(self._told)

    def late(self, seconds: float) -> ProxyTimeout:
        """Return the error that there was no connection in so many seconds."""
        return ProxyTimeout(seconds=seconds, detail=f"no connection through the proxy {self._proxy} in {seconds:g} s")

    def _told(self, failure: Failure) -> Any:
        """Blame the proxy for a tunnel that ends, or in which something else speaks, before TLS is agreed on."""
        ours = translated(failure, "")
        if isinstance(ours, ConnectionLost) or (isinstance(ours, TLSError) and ours.retryable):
            raise ProxyError(
                detail=f"the tunnel through the proxy {self._proxy} ended in the TLS handshake"
            ) from failure.value
        if isinstance(ours, TLSError) and _NO_TLS in ours.detail:
            raise ProxyError(
                detail=f"in the tunnel through the proxy {self._proxy}, {ours.detail}", retryable=False
            ) from failure.value
        return failure

    def __repr__(self) -> str:
        return f"<Proxied {self._endpoint!r} through {self._proxy}>"

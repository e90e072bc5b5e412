"""400 and above is an error."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import HTTPStatusError
from twisted_pulp.http._discard import discard
from twisted_pulp.http._fields import fields_of

__all__ = ["StatusAgent"]


_OURS = frozenset({b"file", b"ftp", b"ftps"})


@implementer(IAgent)
class StatusAgent:
    """
    Fail with `HTTPStatusError` when the server does not answer with what was asked for.

    :param agent: that makes the requests.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request."""
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(_checked, uri)


def _checked(response: Any, uri: bytes) -> Any:
    if response.code < 400:
        return response
    request = getattr(response, "request", None)
    url = (uri if request is None else request.absoluteURI).decode("latin-1")
    # Our own agents for other schemes say why; what an HTTP server says is its own affair.
    ours = uri.partition(b":")[0].lower() in _OURS
    phrase = response.phrase.decode("latin-1") if ours else None
    error = HTTPStatusError.of(url, response.code, dict(fields_of(response)), phrase)
    proxy = getattr(request, "proxy", None)
    if proxy is not None:  # nothing tells who of the two answered
        error.detail += f", through the proxy {proxy}"

    def raised(_: None) -> None:
        raise error

    # The connection is free, or gone, before anybody tries again.
    return discard(response).addCallback(raised)

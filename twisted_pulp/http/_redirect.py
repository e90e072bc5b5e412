"""Redirects: followed from where they are, and never with somebody else's credentials."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import RedirectError, SettingsError
from twisted_pulp.http._discard import discard
from twisted_pulp.http._fields import fields_of
from twisted_pulp.urls import join, origin_of, without_userinfo

__all__ = ["RedirectAgent"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE = frozenset({b"GET", b"HEAD"})
# What another origin may see: nothing that a user configured, but what the transfer itself needs.
_KEPT = frozenset(
    {
        b"user-agent",
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"range",
        b"if-range",
        b"if-none-match",
        b"if-modified-since",
    }
)


@implementer(IAgent)
class RedirectAgent:
    """
    Follow redirects (RFC 9110 section 15.4): GET stays GET, and HEAD stays HEAD.

    The base of a Location is the URL that sent it. Bodies on the way are read to their end or broken off. Where the
    origin changes, every configured header is dropped, and none comes back. https leads nowhere but to https.

    :param agent: that makes the requests.
    :param limit: redirects in a row.
    :param elsewhere: makes the requests once the origin has changed, and those after it; default: *agent*.
    """

    def __init__(self, agent: IAgent, limit: int, elsewhere: IAgent | None = None) -> None:
        self._agent, self._limit, self._elsewhere = agent, limit, elsewhere or agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request, and those it leads to; fails with `RedirectError`."""
        d = self._agent.request(method, uri, headers, bodyProducer)
        return d.addCallback(self._answered, method, uri, headers, bodyProducer)

    def _answered(
        self, response: Any, method: bytes, uri: bytes, headers: Headers | None, body: IBodyProducer | None
    ) -> Any:
        if response.code not in _REDIRECTS:
            return response
        return Deferred.fromCoroutine(self._follow(response, method, uri, headers, body))

    async def _follow(
        self, response: Any, method: bytes, uri: bytes, headers: Headers | None, body: IBodyProducer | None
    ) -> Any:
        url, followed, agent = uri.decode("latin-1"), 0, self._agent
        while response.code in _REDIRECTS:
            await discard(response)
            if followed == self._limit:
                raise RedirectError(url, f"more than {self._limit} redirects")
            followed += 1
            if method not in _SAFE:
                if response.code in (307, 308) and body is not None:
                    raise RedirectError(url, "the body of the request would have to be sent again")
                method, body = (method if response.code in (307, 308) else b"GET"), None
            target = _target(url, response)
            if origin_of(target) != origin_of(url):
                headers, agent = _public(headers), self._elsewhere
            previous, url = response, target
            response = await agent.request(method, url.encode("ascii"), headers, body)
            response.setPreviousResponse(previous)
        return response

    def __repr__(self) -> str:
        return f"<RedirectAgent {self._limit} over {self._agent!r}>"


def _target(url: str, response: IResponse) -> str:
    locations = set(fields_of(response).every(b"location"))
    if len(locations) != 1:
        raise RedirectError(url, f"{len(locations) or 'no'} different Locations")
    location = locations.pop()
    try:
        reference = location.decode("utf-8")
    except UnicodeDecodeError:
        reference = location.decode("latin-1")
    if not reference.strip(" "):
        raise RedirectError(url, "an empty Location")
    try:
        target = without_userinfo(join(url, reference.strip(" ")))[0]
        scheme = origin_of(target)[0]
    except SettingsError as error:
        raise RedirectError(url, f"the Location is {error.value!r}, not {error.allowed}") from error
    if scheme not in ("http", "https"):
        raise RedirectError(url, f"a redirect may not lead to {scheme}")
    if scheme == "http" and origin_of(url)[0] == "https":
        raise RedirectError(url, "a redirect from https to http would give up its protection")
    return target.partition("#")[0]


def _public(headers: Headers | None) -> Headers | None:
    if headers is None:
        return None
    return Headers({name: list(values) for name, values in headers.getAllRawHeaders() if name.lower() in _KEPT})

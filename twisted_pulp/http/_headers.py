"""The headers that go with every request of a Remote."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._request import FixedHeaders
from twisted_pulp.settings import Remote
from twisted_pulp.urls import origin_of

__all__ = ["HeaderAgent", "basic"]

_MANY = 1000


def basic(username: str, password: str | None) -> str:
    """Return the value of Authorization for *username* and *password* (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password or ''}".encode()).decode("ascii")


def _encoded(headers: Mapping[str, str]) -> dict[bytes, list[bytes]]:
    return {name.encode("ascii"): [value.encode("latin-1")] for name, value in headers.items()}


@implementer(IAgent)
class HeaderAgent:
    """
    Add what a Remote says: the user agent, and its headers and credentials where they belong.

    `Accept-Encoding: identity` goes with everything (bytes are wanted as they are), unless a request has its own.

    :param agent: that makes the requests.
    :param remote: whose `secret_origins` get its `username`, `password` and `headers`; where there are none, every
        origin that is asked does.
    :param user_agent: what it says when the Remote does not.
    """

    def __init__(self, agent: IAgent, remote: Remote, user_agent: str) -> None:
        self._agent, self._origins = agent, remote.secret_origins
        public = {"User-Agent": remote.user_agent or user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        secret = dict(remote.headers)
        if remote.username is not None:
            secret["Authorization"] = basic(remote.username, remote.password)
        theirs = {name.lower() for name in secret}
        self._public = FixedHeaders(_encoded(public))
        self._all = FixedHeaders(
            _encoded({**{name: value for name, value in public.items() if name.lower() not in theirs}, **secret})
        )
        self._secret = bool(secret) and bool(self._origins)
        self._for: dict[bytes, FixedHeaders] = {}

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; *headers* go before those of the Remote."""
        ours = self._belonging(uri) if self._secret else self._all
        if headers is None:
            return self._agent.request(method, uri, ours, bodyProducer)
        both = ours.copy()
        for name, values in headers.getAllRawHeaders():
            both.setRawHeaders(name, list(values))
        return self._agent.request(method, uri, both, bodyProducer)

    def _belonging(self, uri: bytes) -> FixedHeaders:
        slash = uri.find(b"/", 8)
        origin = uri if slash < 0 else uri[:slash]
        known = self._for.get(origin)
        if known is None:
            if len(self._for) >= _MANY:
                self._for.clear()
            theirs = origin_of(uri.decode("latin-1")) in self._origins
            known = self._for[origin] = self._all if theirs else self._public
        return known

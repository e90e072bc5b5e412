"""The headers that go with every request of a Remote."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._credentials import Credentials
from twisted_pulp.http._request import FixedHeaders
from twisted_pulp.settings import Remote
from twisted_pulp.urls import Origin, origin_of

__all__ = ["HeaderAgent"]

_MANY = 1000


def _encoded(headers: Mapping[str, str]) -> dict[bytes, list[bytes]]:
    return {name.encode("ascii"): [value.encode("latin-1")] for name, value in headers.items()}


@implementer(IAgent)
class HeaderAgent:
    """
    Add what a Remote says: the user agent, and its headers and credentials where they belong.

    `Accept-Encoding: identity` goes with everything (bytes are wanted as they are), unless a request has its own.

    :param agent: that makes the requests.
    :param remote: whose `secret_origins` get its `headers`; where there are none, every origin that is asked does.
    :param user_agent: what it says when the Remote does not.
    :param credentials: of the Remote; default None: they are made here.
    """

    def __init__(self, agent: IAgent, remote: Remote, user_agent: str, credentials: Credentials | None = None) -> None:
        self._agent, self._origins, self._given = agent, remote.secret_origins, remote.headers
        self._credentials = Credentials(remote) if credentials is None else credentials
        self._open = {"User-Agent": remote.user_agent or user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._public = FixedHeaders(_encoded(self._open))
        self._all = self._with(self._credentials.fixed)
        fixed = self._credentials.fixed is not None or bool(self._given)
        self._secret = self._credentials.differs or (fixed and bool(self._origins))
        self._for: dict[bytes, FixedHeaders] = {}

    def _with(self, authorization: str | None) -> FixedHeaders:
        secret = dict(self._given) if authorization is None else {**self._given, "Authorization": authorization}
        theirs = {name.lower() for name in secret}
        ours = {name: value for name, value in self._open.items() if name.lower() not in theirs}
        return FixedHeaders(_encoded({**ours, **secret}))

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
            known = self._for[origin] = self._chosen(origin_of(uri.decode("latin-1")))
        return known

    def _chosen(self, origin: Origin) -> FixedHeaders:
        if self._origins and origin not in self._origins:
            return self._public
        return self._with(self._credentials.of(origin)) if self._credentials.differs else self._all

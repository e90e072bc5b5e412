"""The agent that answers digest challenges."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._authorization import authorized, carried, origin_part, pair_of
from twisted_pulp.http._challenges import challenges_of, read_challenges
from twisted_pulp.http._digest import DigestSession, strongest
from twisted_pulp.http._discard import discard
from twisted_pulp.http._fields import fields_of

__all__ = ["DigestAgent"]

_MANY = 1000
# A challenge, a nonce that is stale already, and one more.
_ANSWERS = 3


def _cnonce() -> str:
    return secrets.token_urlsafe(16)


@implementer(IAgent)
class DigestAgent:
    """
    Answer digest challenges (RFC 7616) with the user name and password of a request's basic Authorization.

    That header itself is never sent. A nonce serves all requests to its origin, with the same user name, until the
    server has another. Requests without a user name are passed on as they are.

    :param agent: that makes the requests.
    :param cnonce: makes nonces of our own; by default of 128 random bits.
    """

    def __init__(self, agent: IAgent, cnonce: Callable[[], str] = _cnonce) -> None:
        self._agent, self._cnonce = agent, cnonce
        self._sessions: dict[tuple[bytes, bytes], DigestSession] = {}

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request, and make it again with an answer to what the server asks; one with a body is made once."""
        given = carried(uri, headers)
        pair = pair_of(given) if given else None
        if given is None or pair is None:
            return self._agent.request(method, uri, headers, bodyProducer)
        return Deferred.fromCoroutine(self._ask(method, uri, headers, bodyProducer, (origin_part(uri), given), pair))

    async def _ask(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None,
        body: IBodyProducer | None,
        key: tuple[bytes, bytes],
        pair: tuple[bytes, bytes],
    ) -> Any:
        session, target = self._sessions.get(key), _target(uri)
        left, answered = _ANSWERS, False
        while True:
            said = None if session is None else session.authorization(method, target)
            response: Any = await self._agent.request(method, uri, authorized(headers, said), body)
            if response.code != 401:
                if session is not None:
                    self._remember(key, session)
                    _renew(session, response)
                return response
            challenge = strongest(challenges_of(response))
            stale = challenge is not None and challenge.parameters.get("stale", "").lower() == "true"
            if challenge is None or body is not None or not left or (answered and not stale):
                self._sessions.pop(key, None)
                return response
            await discard(response)
            left, answered = left - 1, True
            # Nobody else's until it was of use: some servers take a nonce once.
            session = DigestSession(*pair, challenge, self._cnonce())

    def _remember(self, key: tuple[bytes, bytes], session: DigestSession) -> None:
        if len(self._sessions) >= _MANY and key not in self._sessions:
            self._sessions.clear()
        self._sessions[key] = session

    def __repr__(self) -> str:
        return f"<DigestAgent over {self._agent!r}>"


def _renew(session: DigestSession, response: IResponse) -> None:
    for line in fields_of(response).every(b"authentication-info"):
        for each in read_challenges("info " + line.decode("latin-1")):
            if "nextnonce" in each.parameters:
                session.renewed(each.parameters["nextnonce"].encode("latin-1"))


def _target(uri: bytes) -> bytes:
    """Return what the request line says of *uri*."""
    target = uri.partition(b"#")[0][len(origin_part(uri)) :]
    return target if target[:1] == b"/" else b"/" + target

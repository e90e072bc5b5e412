"""The agent that gets a token where a server asks for one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import NotAuthorized, SettingsError, shown
from twisted_pulp.http._authorization import authorized, carried, origin_part
from twisted_pulp.http._challenges import challenges_of
from twisted_pulp.http._credentials import Credentials
from twisted_pulp.http._discard import discard
from twisted_pulp.http._exchange import Exchange, Wanted
from twisted_pulp.http._tokens import Token, Tokens
from twisted_pulp.settings import Remote
from twisted_pulp.urls import origin_of, prepared, without_userinfo

__all__ = ["TokenAgent"]

_MANY = 1000
# Whoever asks: the origin, and the Authorization that the request came with.
_Asker = tuple[bytes, bytes]


@implementer(IAgent)
class TokenAgent:
    """
    Get a token where a 401 asks for a Bearer and names the realm that has them, and ask again with it.

    A token serves all requests to the origin that asked for it, with the same user name, until it ends or is refused.
    Requests with an Authorization other than basic are passed on as they are; so are those without one, unless the
    Remote's `auth` is for tokens only.

    :param agent: that makes the requests.
    :param elsewhere: makes those to which no credentials belong.
    :param remote: whose `secret_origins` may be realms that get its user name and password; an origin that is its own
        realm does too. Others are asked without.
    :param credentials: of that Remote.
    :param clock: seconds that never jump.
    """

    def __init__(
        self, agent: IAgent, elsewhere: IAgent, remote: Remote, credentials: Credentials, clock: Callable[[], float]
    ) -> None:
        self._agent, self._held = agent, remote.auth == "token"
        self._origins, self._credentials, self._clock = remote.secret_origins, credentials, clock
        self._exchange = Exchange(agent, elsewhere, remote.limits.redirects, clock)
        self._tokens = Tokens(clock)
        self._latest: dict[_Asker, Token] = {}

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request, and make it again once there is a token; one with a body is made once."""
        given = carried(uri, headers)
        if given is None or not (given or self._held):
            return self._agent.request(method, uri, headers, bodyProducer)
        asker = origin_part(uri), given
        token = self._latest.get(asker)
        if token is not None and token.until <= self._clock():
            token = None
        d = self._agent.request(method, uri, self._with(headers, given, token), bodyProducer)
        if bodyProducer is not None:
            return d
        return d.addCallback(self._answered, method, uri, headers, asker, token)

    def _with(self, headers: Headers | None, given: bytes, token: Token | None) -> Headers | None:
        if token is not None:
            return authorized(headers, token.authorization)
        return authorized(headers, None) if given and self._held else headers

    def _answered(self, response: Any, *asked: Any) -> Any:
        return response if response.code != 401 else Deferred.fromCoroutine(self._again(response, *asked))

    async def _again(
        self, response: Any, method: bytes, uri: bytes, headers: Headers | None, asker: _Asker, sent: Token | None
    ) -> Any:
        for _ in range(2):  # with a token that others have had, and with one that is new
            wanted = _wanted(uri, response)
            if wanted is None:
                break
            await discard(response)
            key = asker, wanted
            if sent is not None:
                self._tokens.refused(key, sent)
            token, new = self._tokens.known(key), False
            if token is None:
                told = self._told(wanted.realm, uri, asker[1])
                agent = headers.getRawHeaders(b"user-agent") if headers is not None else None
                token = await self._tokens.fetched(key, partial(self._exchange.fetch, wanted, *told, agent))
                new = True
            self._remember(asker, token)
            response = await self._agent.request(method, uri, authorized(headers, token.authorization))
            if response.code != 401:
                return response
            sent = token
            self._tokens.refused(key, token)
            if new:
                break
        self._latest.pop(asker, None)
        return response

    def _remember(self, asker: _Asker, token: Token) -> None:
        if len(self._latest) >= _MANY:
            self._latest.clear()
        self._latest[asker] = token

    def _told(self, realm: str, uri: bytes, given: bytes) -> tuple[bool, bytes | None]:
        """Return whether *realm*, named by *uri*, is one of ours, and what it is told of who asks."""
        there, here = origin_of(realm), origin_of(uri.decode("latin-1"))
        if there == here:
            return True, given or None
        if there not in self._origins or here not in self._origins:
            return False, None
        if _bytes(self._credentials.of(here)) != given:
            return True, None
        return True, _bytes(self._credentials.of(there))

    def __repr__(self) -> str:
        return f"<TokenAgent {self._tokens!r} over {self._agent!r}>"


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("ascii")


def _wanted(uri: bytes, response: IResponse) -> Wanted | None:
    """Return what token *response* wants; None when it does not say where to get one."""
    for challenge in challenges_of(response):
        given = challenge.parameters
        if challenge.scheme == "bearer" and "://" in given.get("realm", ""):
            return Wanted(_realm(uri, given["realm"]), given.get("service"), given.get("scope"))
    return None


def _realm(uri: bytes, realm: str) -> str:
    url = uri.decode("latin-1")
    try:
        realm = without_userinfo(prepared(realm))[0].partition("#")[0]
        scheme = origin_of(realm)[0]
    except SettingsError as error:
        raise _no_token(url, f"its realm is {error.value!r}, not {error.allowed}") from error
    if scheme not in ("http", "https"):
        raise _no_token(url, f"a token is not fetched over {scheme}")
    if scheme == "http" and origin_of(url)[0] == "https":
        raise _no_token(url, f"a token for https is not fetched over http from {shown(realm)}")
    return realm


def _no_token(url: str, why: str) -> NotAuthorized:
    return NotAuthorized(url, 401, None, f"Unauthorized: {why}")

"""A user name and password are exchanged for a token."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from twisted_pulp.errors import HTTPStatusError, NotAuthorized, ProtocolError, PulpError
from twisted_pulp.http._errors import translated
from twisted_pulp.http._limits import LimitAgent
from twisted_pulp.http._redirect import RedirectAgent
from twisted_pulp.http._status import StatusAgent
from twisted_pulp.http._tokens import Token

__all__ = ["Exchange", "Wanted"]

# Bytes of an answer, and the seconds that a token lives when its realm does not say.
_LARGEST, _SHORT = 1 << 20, 60.0
_token = re.compile(r"[!-~]+").fullmatch


class Wanted(Struct, frozen=True):
    """
    What token a server wants.

    :ivar realm: the URL that has them.
    :ivar service: what it calls itself, or None.
    :ivar scope: what the token is to allow, or None; several are apart by spaces.
    """

    realm: str
    service: str | None
    scope: str | None

    @property
    def url(self) -> str:
        """The URL that is asked for the token."""
        asked = [] if self.service is None else [("service", self.service)]
        asked += [("scope", each) for each in (self.scope or "").split()]
        if not asked:
            return self.realm
        return self.realm + ("&" if "?" in self.realm else "?") + urlencode(asked, encoding="latin-1")


class Exchange:
    """
    Fetch tokens from realms.

    :param agent: that asks those of ours.
    :param elsewhere: asks the others, and where a redirect leads to.
    :param redirects: followed for one token.
    :param clock: seconds that never jump.
    """

    def __init__(self, agent: IAgent, elsewhere: IAgent, redirects: int, clock: Callable[[], float]) -> None:
        own, others = LimitAgent(agent, _LARGEST), LimitAgent(elsewhere, _LARGEST)
        self._own = StatusAgent(RedirectAgent(own, redirects, others))
        self._others = StatusAgent(RedirectAgent(others, redirects))
        self._clock = clock

    async def fetch(
        self, wanted: Wanted, ours: bool, authorization: bytes | None, user_agent: Sequence[bytes] | None
    ) -> Token:
        """
        Return the token that is *wanted*.

        :param ours: whether what belongs to the Remote belongs to the realm too.
        :param authorization: what the realm is told of who asks; None is nothing.
        :param user_agent: what it is told of the program.
        :raises PulpError: when there is none: `NotAuthorized` when the realm says so.
        """
        url, now = wanted.url, self._clock()
        headers = Headers({b"Accept": [b"application/json"], b"Accept-Encoding": [b"identity"]})
        if authorization is not None:
            headers.setRawHeaders(b"Authorization", [authorization])
        if user_agent:
            headers.setRawHeaders(b"User-Agent", list(user_agent))
        try:
            response: Any = await (self._own if ours else self._others).request(b"GET", url.encode("ascii"), headers)
            body: bytes = await readBody(response)
        except HTTPStatusError as error:
            if error.retryable:
                raise
            raise NotAuthorized(url, 401, None, f"no token: {error.reason}") from error
        except (PulpError, CancelledError):
            raise
        except Exception as error:  # what may happen to a body
            raise translated(Failure(error), url) from error
        return _token_in(body, url, now)


def _token_in(body: bytes, url: str, now: float) -> Token:
    # What it says is not repeated: it may be a token.
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolError(url, "no token: the answer is no JSON") from None
    said = said if isinstance(said, dict) else {}
    text = said.get("token") or said.get("access_token")
    if not isinstance(text, str) or not _token(text):
        raise ProtocolError(url, "no token: the answer has none")
    lasts = said.get("expires_in")
    seconds = lasts if isinstance(lasts, (int, float)) and not isinstance(lasts, bool) and lasts > 0 else _SHORT
    return Token(b"Bearer " + text.encode("ascii"), now + seconds)

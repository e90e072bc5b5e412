"""The agent that keeps cookies."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.request import Request

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.http._fields import fields_of
from twisted_pulp.urls import origin_of

__all__ = ["CookieAgent"]

# Jars, each for a scheme and a port, and cookies in each: more than an upstream needs.
_JARS, _COOKIES = 100, 100


class _Policy(DefaultCookiePolicy):
    """RFC 6265 as far as the library has it, and no secure cookies over http."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        return super().set_ok(cookie, request) and (not cookie.secure or request.type == "https")


# What names no domain is for its host alone, and no cookie is for half a country.
_POLICY = _Policy(strict_domain=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain)


class _Answer:
    """As much of a response as a jar wants to see."""

    def __init__(self, values: list[bytes]) -> None:
        self._message = Message()
        for value in values:
            self._message["Set-Cookie"] = value.decode("latin-1")

    def info(self) -> Message:
        return self._message


@implementer(IAgent)
class CookieAgent:
    """
    Keep the cookies that servers set, and send them back where their domain, path and protection allow it.

    A cookie stays with the scheme and port that set it. A request with a Cookie header of its own gets no others.

    :param agent: that makes the requests.
    """

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent
        self._jars: dict[tuple[str, int], CookieJar] = {}

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request with the cookies that belong to it."""
        if uri[:4].lower() != b"http":
            return self._agent.request(method, uri, headers, bodyProducer)
        url = uri.decode("latin-1")
        scheme, _, port = origin_of(url)
        jar, asked = self._jars.get((scheme, port)), Request(url)  # noqa: S310 -- only a jar sees it
        if jar is not None and (headers is None or not headers.hasHeader(b"cookie")):
            jar.add_cookie_header(asked)
            cookie = asked.get_header("Cookie")
            if cookie is not None:
                headers = Headers() if headers is None else headers.copy()
                headers.setRawHeaders(b"Cookie", [cookie.encode("latin-1")])
        d = self._agent.request(method, uri, headers, bodyProducer)
        return d.addCallback(self._answered, (scheme, port), asked)

    def _answered(self, response: Any, key: tuple[str, int], asked: Request) -> Any:
        values = fields_of(response).every(b"set-cookie")
        if values:
            jar = self._jars.get(key)
            if jar is None:
                if len(self._jars) >= _JARS:
                    self._jars.clear()
                jar = self._jars[key] = CookieJar(_POLICY)
            jar.extract_cookies(_Answer(values), asked)  # type: ignore[arg-type]  # all it asks for
            if len(jar) > _COOKIES:
                jar.clear()
        return response

    def __repr__(self) -> str:
        return f"<CookieAgent {sum(map(len, self._jars.values()))} cookies, over {self._agent!r}>"

"""Cookies: kept, and sent where they belong."""

from __future__ import annotations

import pytest
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import ok
from twisted_pulp.http._cookies import CookieAgent


def setting(*cookies: str) -> bytes:
    """Return a response that sets *cookies*."""
    return ok(b"", *[f"Set-Cookie: {each}".encode("latin-1") for each in cookies])


def sent(cookies: list[str], uri: str, at: str = "http://www.a.test/dir/file") -> list[str]:
    """Return the cookies that *uri* gets when *at* has set *cookies*."""
    answering = Answering(setting(*cookies), ok(b""))
    agent = CookieAgent(answering)
    agent.request(b"GET", at.encode())
    agent.request(b"GET", uri.encode())
    headers = answering.asked[1][2]
    values = [] if headers is None else headers.getRawHeaders(b"cookie", [])
    assert len(values) < 2
    return values[0].decode("latin-1").split("; ") if values else []


def test_interface() -> None:
    """It is an agent, and shows how many it has, not what they are."""
    answering = Answering(setting("a=S3CR3T"))
    agent = CookieAgent(answering)
    assert verifyObject(IAgent, agent)
    agent.request(b"GET", b"http://a.test/")
    assert repr(agent).startswith("<CookieAgent 1 cookies, over <")


@pytest.mark.parametrize(
    ("cookie", "uri"),
    [
        ("a=b", "http://www.a.test/dir/other"),
        ("a=b", "http://WWW.a.test:80/dir/sub/other"),
        ("a=b; Path=/", "http://www.a.test/elsewhere"),
        ("a=b; Path=/dir", "http://www.a.test/dir"),
        ("a=b; Domain=a.test; Path=/", "http://other.a.test/"),
        ("a=b; Domain=.a.test; Path=/", "http://a.test/"),
        ("a=b; Max-Age=100", "http://www.a.test/dir/"),
        ("a=b; HttpOnly; SameSite=Strict", "http://www.a.test/dir/"),
    ],
)
def test_sent(cookie: str, uri: str) -> None:
    """A cookie goes back to its host, path, and domain."""
    assert ["a=b"] == sent([cookie], uri)


@pytest.mark.parametrize(
    ("cookie", "uri"),
    [
        ("a=b; Path=/", "http://a.test/"),
        ("a=b; Path=/", "http://sub.www.a.test/"),
        ("a=b; Path=/", "http://www.a.test.evil.test/"),
        ("a=b; Path=/", "http://evilwww.a.test/"),
        ("a=b; Path=/", "http://www.a.test:8080/"),
        ("a=b; Path=/", "https://www.a.test/"),
        ("a=b; Path=/", "https://www.a.test:80/"),
        ("a=b", "http://www.a.test/other/"),
        ("a=b; Path=/di", "http://www.a.test/dir/"),
        ("a=b; Domain=b.test; Path=/", "http://b.test/"),
        ("a=b; Domain=other.a.test; Path=/", "http://other.a.test/"),
        ("a=b; Domain=test; Path=/", "http://b.test/"),
        ("a=b; Secure", "http://www.a.test/dir/"),
        ("a=b; Max-Age=0", "http://www.a.test/dir/"),
        ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://www.a.test/dir/"),
    ],
)
def test_not_sent(cookie: str, uri: str) -> None:
    """Nowhere else, not to another port either, and not when it has ended."""
    assert [] == sent([cookie], uri)


def test_secure() -> None:
    """A secure cookie is set and sent over https."""
    assert ["a=b"] == sent(["a=b; Secure"], "https://www.a.test/dir/", "https://www.a.test/dir/x")


def test_no_domain_of_many() -> None:
    """A cookie for half a country is refused."""
    assert [] == sent(["a=b; Domain=.co.uk; Path=/"], "http://b.co.uk/", "http://a.co.uk/")


def test_many() -> None:
    """Several are one header; the same again replaces, and bytes stay what they are."""
    assert ["a=2", "b=\xfc"] == sorted(sent(["a=1", "b=\xfc", "a=2"], "http://www.a.test/dir/"))


def test_replaced() -> None:
    """A later response replaces, ends and adds cookies."""
    answering = Answering(setting("a=1", "b=1"), setting("a=2", "b=; Max-Age=0", "c=3"), ok(b""))
    agent = CookieAgent(answering)
    for _ in range(3):
        agent.request(b"GET", b"http://a.test/")
    headers = answering.asked[2][2]
    assert headers is not None
    assert [b"a=2; c=3"] == headers.getRawHeaders(b"cookie")


def test_own_headers() -> None:
    """A request keeps its headers; with a Cookie of its own it gets no others."""
    answering = Answering(setting("a=b"), ok(b""), ok(b""))
    agent = CookieAgent(answering)
    given = Headers({b"X": [b"1"]})
    agent.request(b"GET", b"http://a.test/")
    agent.request(b"GET", b"http://a.test/", given)
    agent.request(b"GET", b"http://a.test/", Headers({b"Cookie": [b"c=d"]}))
    seen = [dict(headers.getAllRawHeaders()) for _, _, headers in answering.asked if headers is not None]
    assert [{b"X": [b"1"], b"Cookie": [b"a=b"]}, {b"Cookie": [b"c=d"]}] == seen
    assert not given.hasHeader(b"cookie")


def test_other_schemes() -> None:
    """Only http has cookies."""
    answering = Answering(setting("a=b"), ok(b""))
    agent = CookieAgent(answering)
    assert 200 == outcome(agent.request(b"GET", b"ftp://a.test/")).code
    assert 200 == outcome(agent.request(b"GET", b"ftp://a.test/")).code
    assert None is answering.asked[1][2]


def test_not_for_ever() -> None:
    """However many a server sets, few are kept; so with servers."""
    assert [] == sent([f"{n}=x" for n in range(101)], "http://www.a.test/dir/")
    answering = Answering(*[setting("a=b")] * 101)
    agent = CookieAgent(answering)
    for port in range(1, 102):
        agent.request(b"GET", b"http://a.test:%d/" % port)
    assert 1 == len(agent._jars)

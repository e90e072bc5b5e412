"""The agent that gets tokens: when, from whom, and who is told what."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import OK, ok
from twisted_pulp.errors import HTTPStatusError, NotAuthorized, ProtocolError, TooLarge
from twisted_pulp.http import Credentials, basic
from twisted_pulp.http._token_agent import TokenAgent
from twisted_pulp.settings import Remote

JOE = basic("joe", "S3CR3T").encode()
REMOTE = Remote(url="https://a.test/v2/", username="joe", password="S3CR3T", origins=("https://realm.test/",))
ONLY_TOKENS = evolve(REMOTE, auth="token")
FILE = b"https://a.test/v2/file"
REALM = "https://realm.test/token"


def wants(scope: str = "x", realm: str = REALM) -> bytes:
    """Return a 401 that wants a token."""
    line = f'WWW-Authenticate: Bearer realm="{realm}",service="s t",scope="{scope}"'
    return f"HTTP/1.1 401 No\r\n{line}\r\nContent-Length: 2\r\n\r\nno".encode()


def gives(token: Any = "t1", **more: Any) -> bytes:
    """Return a realm's answer."""
    return ok(json.dumps({"token": token, **more}).encode())


class Asking:
    """Requests through a TokenAgent, and what went out."""

    def __init__(self, *answers: bytes | Exception | None, remote: Remote = REMOTE) -> None:
        self.clock = Clock()
        self.answering, self.elsewhere = Answering(*answers), Answering(gives("e"))
        self.agent = TokenAgent(self.answering, self.elsewhere, remote, Credentials(remote), self.clock.seconds)

    def ask(self, uri: bytes = FILE, authorization: bytes | None = JOE, **more: Any) -> Deferred[Any]:
        headers = Headers({b"User-Agent": [b"me"], b"X-Key": [b"K3Y"]})
        if authorization is not None:
            headers.setRawHeaders(b"Authorization", [authorization])
        return self.agent.request(b"GET", uri, headers, **more)

    def get(self, uri: bytes = FILE, authorization: bytes | None = JOE, **more: Any) -> Any:
        return outcome(self.ask(uri, authorization, **more))

    @property
    def said(self) -> list[bytes | None]:
        """What each request said of who asks."""
        every = [headers.getRawHeaders(b"authorization") for _, _, headers in self.answering.asked if headers]
        return [None if values is None else values[0] for values in every]


def test_interface() -> None:
    """It is an agent, and shows nothing but counts."""
    asking = Asking(wants(), gives(), ok(b""))
    asking.get()
    assert verifyObject(IAgent, asking.agent)
    assert repr(asking.agent).startswith("<TokenAgent <Tokens 1 known, 0 being fetched> over <")


def test_fetched() -> None:
    """Where a token is wanted it is fetched with the user name, and the request is made again with it."""
    asking = Asking(wants("a:b c"), gives(), ok(b"hi"))
    assert 200 == asking.get().code
    assert [JOE, JOE, b"Bearer t1"] == asking.said
    asked = urlsplit(asking.answering.uris[1].decode())
    assert "https://realm.test/token" == f"{asked.scheme}://{asked.netloc}{asked.path}"
    assert [("service", "s t"), ("scope", "a:b"), ("scope", "c")] == parse_qsl(asked.query)
    realm = asking.answering.asked[1][2]
    assert realm is not None
    assert {b"User-Agent", b"Accept", b"Accept-Encoding", b"Authorization"} == dict(realm.getAllRawHeaders()).keys()
    assert all(wire.idle for wire in asking.answering.wires)


@pytest.mark.parametrize(
    ("expected", "realm"),
    [
        (b"https://realm.test/token?a=b&scope=x", "https://realm.test/token?a=b"),
        (b"https://realm.test/token?scope=x", "https://j:p@realm.test/token#top"),
        (b"https://realm.test/a%20b?scope=x", "https://realm.test/a b"),
    ],
)
def test_realms(expected: bytes, realm: str) -> None:
    """A realm may have a query of its own; a user name in it is not ours."""
    line = f'WWW-Authenticate: Bearer realm="{realm}",scope=x'
    challenge = f"HTTP/1.1 401 No\r\n{line}\r\nContent-Length: 0\r\n\r\n".encode()
    asking = Asking(challenge, gives(), ok(b""))
    asking.get()
    assert expected == asking.answering.uris[1]


def test_realm_alone() -> None:
    """Neither a service nor a scope need be named, and there need be no other headers."""
    challenge = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="https://a.test/t"\r\nContent-Length: 0\r\n\r\n'
    asking = Asking(challenge, gives(), ok(b""), remote=ONLY_TOKENS)
    assert 200 == outcome(asking.agent.request(b"GET", FILE)).code
    assert b"https://a.test/t" == asking.answering.uris[1]
    assert [None, b"Bearer t1"] == asking.said


def test_kept() -> None:
    """A token goes with the requests that follow, until it ends; the next is fetched then."""
    asking = Asking(wants(), gives(expires_in=300), ok(b""), ok(b""), wants(), gives("t2", expires_in=300), ok(b""))
    asking.get()
    asking.clock.advance(299)
    asking.get(b"https://a.test/v2/other")
    asking.clock.advance(1)
    asking.get()
    assert [JOE, JOE, b"Bearer t1", b"Bearer t1", JOE, JOE, b"Bearer t2"] == asking.said


@pytest.mark.parametrize("lasts", [{}, {"expires_in": "300"}, {"expires_in": 0}, {"expires_in": True}])
def test_short(lasts: dict[str, Any]) -> None:
    """One whose end is not told lives a minute."""
    asking = Asking(wants(), gives(**lasts), ok(b""), ok(b""), ok(b""))
    asking.get()
    asking.clock.advance(59)
    asking.get()
    asking.clock.advance(1)
    asking.get()
    assert [b"Bearer t1", b"Bearer t1", JOE] == asking.said[2:]


def test_access_token() -> None:
    """Some say access_token, as OAuth does."""
    asking = Asking(wants(), ok(b'{"access_token": "t1"}'), ok(b""))
    assert 200 == asking.get().code
    assert b"Bearer t1" == asking.said[2]


def test_shared() -> None:
    """All who wait share one fetch."""
    asking = Asking(wants(), None, *[wants()] * 99, *[ok(b"")] * 100)
    waiting = [asking.ask() for _ in range(100)]
    assert 101 == len(asking.answering.asked)
    asking.answering.wires[1].hear(gives())
    assert [200] * 100 == [outcome(each).code for each in waiting]
    assert [b"Bearer t1"] * 100 == asking.said[101:]


def test_refused_together() -> None:
    """Those whose token was refused share the fetch of the next, also when they are told after it has come."""
    asking = Asking(wants(), gives(), ok(b""), None, None, gives("t2"), ok(b""), ok(b""))
    asking.get()
    first, second = asking.ask(), asking.ask()
    asking.answering.wires[3].hear(wants())
    assert 200 == outcome(first).code
    asking.answering.wires[4].hear(wants())
    assert 200 == outcome(second).code
    assert [JOE, JOE, *[b"Bearer t1"] * 3, JOE, b"Bearer t2", b"Bearer t2"] == asking.said


def test_refused_for_good() -> None:
    """A new token that is refused too is a 401, and the next request begins from the start."""
    asking = Asking(wants(), gives(), wants(), wants(), gives("t2"), ok(b""))
    assert 401 == asking.get().code
    assert [JOE, JOE, b"Bearer t1"] == asking.said
    assert 200 == asking.get().code
    assert [JOE, JOE, b"Bearer t2"] == asking.said[3:]


def test_refused_in_the_end() -> None:
    """A token that others had, and a new one after it, and no more."""
    asking = Asking(
        *[wants("x"), gives("t1"), ok(b""), wants("y"), gives("t2"), ok(b"")],
        *[wants("x"), wants("x"), gives("t3"), wants("x")],
    )
    asking.get()
    asking.agent._latest.clear()
    asking.get()
    assert 401 == asking.get().code
    assert [b"Bearer t2", b"Bearer t1", JOE, b"Bearer t3"] == asking.said[6:]


def test_refused_twice_for_others() -> None:
    """Two tokens that others have fetched, and none of them taken, are enough."""
    asking = Asking(wants(), gives("t1"), ok(b""), wants(), None, None)
    asking.get()
    asking.agent._latest.clear()
    waiting, other = asking.ask(), asking.ask()
    asking.answering._answers += [gives("t2"), ok(b"")]
    asking.answering.wires[5].hear(wants())  # the other's token was refused, and replaced
    assert 200 == outcome(other).code
    asking.answering._answers += [wants()]
    asking.answering.wires[4].hear(wants())
    assert 401 == outcome(waiting).code
    assert [b"Bearer t1", b"Bearer t1", JOE, b"Bearer t2", b"Bearer t2"] == asking.said[4:]


def test_scopes() -> None:
    """Each scope has a token of its own; one that is known is not fetched again."""
    asking = Asking(wants("x"), gives("t1"), ok(b""), wants("y"), gives("t2"), ok(b""), wants("x"), ok(b""))
    for _ in range(3):
        assert 200 == asking.get().code
    assert [JOE, JOE, b"Bearer t1", b"Bearer t1", JOE, b"Bearer t2", b"Bearer t2", b"Bearer t1"] == asking.said


def test_refused_without_a_challenge() -> None:
    """A refusal that asks for nothing is the answer."""
    asking = Asking(wants(), gives(), b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    assert 401 == asking.get().code


@pytest.mark.parametrize("line", ["Basic realm=x", "Bearer", 'Bearer realm="api"', 'Bearer scope="x"'])
def test_no_realm(line: str) -> None:
    """A server that does not say where tokens are to be had gets none."""
    asking = Asking(f"HTTP/1.1 401 No\r\nWWW-Authenticate: {line}\r\nContent-Length: 0\r\n\r\n".encode())
    assert 401 == asking.get().code
    assert 1 == len(asking.said)


# Whom the user name is told


def realm_told(remote: Remote, realm: str, authorization: bytes | None = JOE) -> bytes | None:
    """Return what *realm*, one of the Remote's, is told of who asks."""
    asking = Asking(wants(realm=realm), gives(), ok(b""), remote=remote)
    assert 200 == asking.get(authorization=authorization).code
    return asking.said[1]


def stranger(remote: Remote, realm: str, uri: bytes = FILE, authorization: bytes | None = JOE) -> list[bytes]:
    """Return the headers that *realm*, which is none of the Remote's, gets; it gets no cookies or certificates."""
    asking = Asking(wants(realm=realm), ok(b""), remote=remote)
    assert 200 == asking.get(uri, authorization).code
    assert b"Bearer e" == asking.said[1]
    ((_, _, headers),) = asking.elsewhere.asked
    assert headers is not None
    return sorted(name for name, _ in headers.getAllRawHeaders())


NOBODY = [b"Accept", b"Accept-Encoding", b"User-Agent"]


def test_own_realm() -> None:
    """A realm at the origin that asks, or one of the Remote's, is told."""
    assert JOE == realm_told(REMOTE, "https://a.test/token")
    assert JOE == realm_told(REMOTE, "https://A.TEST:443/token")
    assert JOE == realm_told(REMOTE, REALM)
    assert JOE == realm_told(Remote(username="joe", password="S3CR3T"), "https://a.test/token")


@pytest.mark.parametrize(
    "realm", ["https://evil.test/", "https://realm.test:8443/", "https://sub.a.test/", "https://a.test.evil.test/"]
)
def test_other_realms(realm: str) -> None:
    """Any other is asked without a word of it."""
    assert NOBODY == stranger(REMOTE, realm)
    assert NOBODY == stranger(Remote(username="joe", password="S3CR3T"), realm)


def test_not_ours() -> None:
    """What is somebody else's, a URL's own user name, goes to no realm of the Remote's."""
    own = basic("in-url", "x").encode()
    assert None is realm_told(REMOTE, REALM, authorization=own)
    assert own == realm_told(REMOTE, "https://a.test/token", authorization=own)


def test_anonymous() -> None:
    """A request without a user name gets a token that anybody gets."""
    assert NOBODY == stranger(Remote(auth="token"), REALM, authorization=None)
    assert None is realm_told(ONLY_TOKENS, REALM, authorization=None)
    assert None is realm_told(ONLY_TOKENS, "https://a.test/token", authorization=None)


def test_not_for_anybody() -> None:
    """It gets none where the Remote has not said that it wants one."""
    asking = Asking(wants())
    assert 401 == asking.get(authorization=None).code
    assert [None] == asking.said


def test_strangers_at_our_realm() -> None:
    """An origin that is none of the Remote's names one of its realms: nothing of the Remote goes there for it."""
    assert NOBODY == stranger(ONLY_TOKENS, REALM, b"https://evil.test/", None)
    own = basic("in-url", "x").encode()
    assert NOBODY == stranger(REMOTE, REALM, b"https://evil.test/", own)


def test_not_of_others() -> None:
    """An origin that may not see the user name gets no token that was made with it, whatever realm it names."""
    asking = Asking(wants(), gives("t1"), ok(b""), wants(), ok(b""), remote=ONLY_TOKENS)
    asking.get()
    asking.get(b"https://evil.test/", None)
    assert [None, JOE, b"Bearer t1", None, b"Bearer e"] == asking.said


def test_users() -> None:
    """Each user has tokens of their own."""
    asking = Asking(wants(), gives("t1"), ok(b""), ok(b""))
    asking.get()
    asking.get(authorization=basic("jane", "x").encode())
    assert basic("jane", "x").encode() == asking.said[3]


def test_netrc(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A realm gets what .netrc has for its own host, and nothing else."""
    path = tmp_path / "netrc"
    path.touch(0o600)
    path.write_text("machine a.test login joe password S3CR3T\nmachine realm.test login ann password x\n")
    monkeypatch.setenv("NETRC", str(path))
    remote = Remote(url="https://a.test/", origins=("https://realm.test/", "https://other.test/"), netrc=True)
    assert basic("ann", "x").encode() == realm_told(remote, REALM)
    assert None is realm_told(remote, "https://other.test/")


def test_only_for_tokens() -> None:
    """With auth="token" a server itself is never told."""
    remote = Remote(url="https://a.test/", username="joe", password="S3CR3T", auth="token")
    asking = Asking(wants(realm="https://a.test/token"), gives(), ok(b""), remote=remote)
    assert 200 == asking.get().code
    assert [None, JOE, b"Bearer t1"] == asking.said


@pytest.mark.parametrize("authorization", [b"Bearer mine", b"Digest x"])
def test_others(authorization: bytes) -> None:
    """Requests with something better are left alone."""
    asking = Asking(wants())
    assert 401 == asking.get(authorization=authorization).code
    assert [authorization] == asking.said


def test_other_schemes() -> None:
    """So are those of other schemes."""
    asking = Asking(wants())
    assert 401 == asking.get(b"ftp://a.test/").code


def test_body() -> None:
    """A request with a body is not made twice."""
    asking = Asking(wants())
    assert 401 == asking.get(bodyProducer=object()).code


def test_unchanged() -> None:
    """Where no token is known, headers are passed on as they are, and not copied."""
    asking, headers = Asking(ok(b"")), Headers({b"Authorization": [JOE]})
    asking.agent.request(b"GET", FILE, headers)
    assert headers is asking.answering.asked[0][2]


# What goes wrong


def test_never_over_http() -> None:
    """A realm without protection is refused for what is protected; the other way round there is no harm."""
    error = Asking(wants(realm="http://realm.test/token")).get()
    assert isinstance(error, NotAuthorized)
    assert "http://realm.test/token" in str(error)
    assert "https://a.test/v2/file" == error.url
    asking = Asking(wants(realm="http://a.test/t"), gives(), ok(b""), remote=Remote(auth="token"))
    assert 200 == asking.get(b"http://a.test/").code


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "ftp://a.test/", "https://a.test:99999/", "https:///x", "://"])
def test_bad_realms(realm: str) -> None:
    """A realm that is no URL of http fails, and nobody is asked."""
    asking = Asking(wants(realm=realm))
    assert isinstance(asking.get(), NotAuthorized)
    assert 1 == len(asking.said)


def refusal(code: int, *lines: str) -> bytes:
    """Return a response without a body."""
    return "\r\n".join([f"HTTP/1.1 {code} What", *lines, "Content-Length: 0", "", ""]).encode()


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_refused_by_the_realm(code: int) -> None:
    """A realm that refuses is a refusal: it says so, and whose it is."""
    error = Asking(wants(), refusal(code)).get()
    assert type(error) is NotAuthorized
    assert not error.retryable
    assert f"no token: {code}" in str(error)
    assert "https://realm.test/token" in error.url


@pytest.mark.parametrize("code", [429, 500, 503])
def test_realm_in_trouble(code: int) -> None:
    """One that is in trouble may be asked again."""
    error = Asking(wants(), refusal(code, "Retry-After: 7")).get()
    assert isinstance(error, HTTPStatusError)
    assert (code, True, "7") == (error.status, error.retryable, error.retry_after)


@pytest.mark.parametrize(
    "body",
    [b"", b"S3CR3T", b"[]", b'{"token": 3}', b'{"token": ""}', b'{"token": "S3CR3T\\r\\nX: y"}', b'{"x": "S3CR3T"}',
     b'{"token": "\xc3\xbc"}', b"\xff\xfe", b'{"token": ["S3CR3T"]}'],
)  # fmt: skip
def test_no_token(body: bytes) -> None:
    """An answer without a token is said to be one, and not repeated: it may hold a secret."""
    error = Asking(wants(), ok(body)).get()
    assert isinstance(error, ProtocolError)
    assert "no token" in str(error)
    assert "S3CR3T" not in f"{error!r}{error.__cause__!r}"


def test_large() -> None:
    """An answer that is too large is not read."""
    asking = Asking(wants(), OK + b"Content-Length: 99999999\r\n\r\n")
    assert isinstance(asking.get(), TooLarge)
    assert asking.answering.wires[1].aborted


def test_broken_off() -> None:
    """An answer that is cut short is an error of ours."""
    asking = Asking(wants(), OK + b"Content-Length: 20\r\n\r\n{")
    waiting = asking.ask()
    asking.answering.wires[1].lose(ConnectionLost())
    error = outcome(waiting)
    assert "https://realm.test/token?service=***&scope=***" == error.url
    assert error.retryable


def test_redirected() -> None:
    """A realm may redirect; where that leads out of it, no user name goes along."""
    moved = refusal(302, "Location: https://elsewhere.test/")
    asking = Asking(wants(), moved, ok(b""))
    assert 200 == asking.get().code
    assert [b"https://elsewhere.test/"] == asking.elsewhere.uris
    headers = asking.elsewhere.asked[0][2]
    assert headers is not None
    assert not headers.hasHeader(b"authorization")
    assert b"Bearer e" == asking.said[2]


def test_cancel() -> None:
    """Cancelling ends the fetch, when nobody else waits for it."""
    asking = Asking(wants(), wants(), None)
    first, second = asking.ask(), asking.ask()
    wire = asking.answering.wires[2]
    first.cancel()
    outcome(first)
    assert not wire.aborted
    second.cancel()
    outcome(second)
    assert wire.aborted


def test_cancel_in_the_answer() -> None:
    """Also in the middle of the realm's answer."""
    asking = Asking(wants(), OK + b"Content-Length: 20\r\n\r\n{")
    waiting = asking.ask()
    outcome(waiting)
    waiting.cancel()
    assert asking.answering.wires[1].aborted


def test_not_for_ever() -> None:
    """However many origins ask, few are remembered."""
    asking = Asking(*[each for _ in range(1001) for each in (wants(), ok(b""))])
    asking.elsewhere._answers = [gives()] * 1001
    for number in range(1001):
        asking.get(b"https://%d.test/" % number)
    assert 1 == len(asking.agent._latest)

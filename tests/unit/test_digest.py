"""Digests: the examples of the RFC, and the agent that answers with them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import ok
from twisted_pulp.http import basic
from twisted_pulp.http._challenges import read_challenges
from twisted_pulp.http._digest import DigestSession, strongest
from twisted_pulp.http._digest_auth import DigestAgent

MUFASA = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OF_2617 = 'realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'


def answered(challenge: str, user: str, password: str, cnonce: str, target: bytes, times: int = 1) -> dict[str, str]:
    """Return what is said the last of some *times*."""
    chosen = strongest(read_challenges(f"Digest {challenge}"))
    assert chosen is not None
    session = DigestSession(user.encode(), password.encode(), chosen, cnonce)
    for _ in range(times):
        said = session.authorization(b"GET", target)
    return said_in(said)


def said_in(said: bytes) -> dict[str, str]:
    """Return the parameters of *said*."""
    scheme, _, rest = said.decode("ascii").partition(" ")
    assert "Digest" == scheme
    pairs = re.findall(r'([\w*]+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:, |\Z)', rest)
    assert rest == ", ".join(f"{name}={value}" for name, value in pairs)
    return {name: value.strip('"') for name, value in pairs}


@pytest.mark.parametrize(
    ("response", "algorithm"),
    [
        ("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", "SHA-256"),
        ("8ca523f5e9506fed4657c9700eebdbec", "MD5"),
    ],
)
def test_example(response: str, algorithm: str) -> None:
    """RFC 7616 section 3.9.1."""
    said = answered(
        f'{MUFASA}, algorithm={algorithm}, opaque="FQhe/qaU"', "Mufasa", "Circle of Life", CNONCE, b"/dir/index.html"
    )
    assert {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU",
    } == said


DOE = 'realm="api@example.org", qop="auth", algorithm=SHA-512-256, charset=UTF-8, '
DOE += 'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"'


@pytest.mark.parametrize(
    ("name", "expected", "hashed"),
    [
        ("username", "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", "userhash=true"),
        ("username*", "UTF-8''J%C3%A4s%C3%B8n%20Doe", "userhash=false"),
    ],
)
def test_example_of_another_name(name: str, expected: str, hashed: str) -> None:
    """RFC 7616 section 3.9.2 with erratum 4897: SHA-512-256, and names beyond ASCII."""
    cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    said = answered(f"{DOE}, {hashed}", "J\xe4s\xf8n Doe", "Secret, or not?", cnonce, b"/doe.json")
    assert expected == said[name]
    assert "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5" == said["response"]
    assert ("true" if hashed == "userhash=true" else None) == said.get("userhash")


def test_example_of_before() -> None:
    """RFC 2617 section 3.5, and RFC 2069's form, without qop."""
    said = answered(f"{OF_2617}, qop=auth", "Mufasa", "Circle Of Life", "0a4f113b", b"/dir/index.html")
    assert "6629fae49393a05397450978507c4ef1" == said["response"]
    assert "algorithm" not in said
    said = answered(OF_2617, "Mufasa", "Circle Of Life", "0a4f113b", b"/dir/index.html")
    assert "670fd8c2df070c60b045671b8b24ff02" == said["response"]
    assert {"username", "realm", "nonce", "uri", "response"} == set(said)


def test_session() -> None:
    """With -sess the key is made once, of the nonces; without a qop ours is told too."""
    said = answered(f"{MUFASA}, algorithm=MD5-sess", "Mufasa", "Circle of Life", CNONCE, b"/dir/index.html")
    assert ("e783283f46242139c486a698fec7211d", "MD5-sess") == (said["response"], said["algorithm"])
    said = answered(f"{OF_2617}, algorithm=MD5-sess", "Mufasa", "x", CNONCE, b"/")
    assert (CNONCE, False) == (said["cnonce"], "nc" in said)


def test_count() -> None:
    """Every request under a nonce has a number of its own."""
    assert "0000000c" == answered(MUFASA, "Mufasa", "x", CNONCE, b"/", times=12)["nc"]


@pytest.mark.parametrize("name", ['a"b\\c', "a\r\nX-Evil: 1", "a\tb", "\N{SNOWMAN}"])
def test_odd_names(name: str) -> None:
    """No name ends its quotes, or the line (H1)."""
    said = answered(MUFASA, name, "x", CNONCE, b'/"\\')
    if name == 'a"b\\c':
        assert r"a\"b\\c" == said["username"]
    else:
        assert said["username*"].startswith("UTF-8''")
    assert not re.search(r"[\r\n\t]", "".join(said.values()))
    assert r"/\"\\" == said["uri"]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("b", "Digest realm=a, nonce=a, algorithm=MD5, Digest realm=b, nonce=b, algorithm=SHA-256"),
        ("b", "Basic realm=x, Digest realm=b, nonce=b, Negotiate"),
        ("a", "Digest realm=a, nonce=a, algorithm=SHA-256-sess, Digest realm=b, nonce=b, algorithm=sha-256"),
        ("c", "Digest realm=a, nonce=a, Digest realm=c, nonce=c, algorithm=SHA-512-256, Digest realm=b, nonce=b"),
        ("a", "Digest realm=a, nonce=a, Digest realm=b, nonce=b, algorithm=SHA3"),
        ("a", 'Digest realm=a, nonce=a, qop="auth-int , AUTH"'),
        (None, 'Digest realm=a, nonce=a, qop="auth-int"'),
        (None, "Digest realm=a, Digest nonce=a, Bearer realm=x, nonce=a"),
        (None, 'Digest realm=a, nonce=a, algorithm="MD5 "'),
    ],
)
def test_strongest(expected: str | None, text: str) -> None:
    """Of several challenges the strongest is answered; those we cannot answer, or only in clear, are not."""
    chosen = strongest(read_challenges(text))
    assert expected == (None if chosen is None else chosen.parameters["realm"])


# The agent

JOE = basic("joe", "S3CR3T").encode()


def asks(nonce: str, *more: str, rest: str = "") -> bytes:
    """Return a challenge with *nonce*."""
    lines = [f'WWW-Authenticate: Digest realm="r", qop="auth", nonce="{nonce}"{rest}', *more]
    return "\r\n".join(["HTTP/1.1 401 No", *lines, "Content-Length: 2", "", "no"]).encode()


class Asking:
    """Requests through a DigestAgent, and what went out."""

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self.answering = Answering(*answers)
        self.agent = DigestAgent(self.answering, lambda: "ours")

    def get(self, uri: bytes = b"http://a.test/x?y", authorization: bytes | None = JOE, **more: Any) -> Any:
        headers = Headers({b"X": [b"1"]})
        if authorization is not None:
            headers.setRawHeaders(b"Authorization", [authorization])
        return outcome(self.agent.request(b"GET", uri, headers, **more))

    @property
    def said(self) -> list[dict[str, str] | None]:
        """What each request said of who asks."""
        every = [headers.getRawHeaders(b"authorization") for _, _, headers in self.answering.asked if headers]
        return [None if values is None else said_in(values[0]) for values in every]

    @property
    def numbers(self) -> list[tuple[str, str] | None]:
        """Nonce and count of each."""
        return [None if said is None else (said["nonce"], said["nc"]) for said in self.said]


def test_interface() -> None:
    """It is an agent, and says what it wraps."""
    assert verifyObject(IAgent, Asking().agent)
    assert repr(Asking().agent).startswith("<DigestAgent over <")


def test_challenged() -> None:
    """The password is never sent; the request goes out again with the answer, all else as it was."""
    asking = Asking(asks("n"), ok(b"hi"))
    assert 200 == asking.get().code
    assert [None, ("n", "00000001")] == asking.numbers
    assert ("joe", "/x?y", "ours") == tuple((asking.said[1] or {})[name] for name in ("username", "uri", "cnonce"))
    assert [[b"1"]] * 2 == [headers.getRawHeaders(b"x") for _, _, headers in asking.answering.asked if headers]
    assert all(wire.idle for wire in asking.answering.wires)
    assert b"S3CR3T" not in b"".join(wire.sent for wire in asking.answering.wires)


@pytest.mark.parametrize(
    ("uri", "target"),
    [(b"http://a.test", "/"), (b"http://a.test?q", "/?q"), (b"HTTP://A.test/%2f/#top", "/%2f/")],
)
def test_target(uri: bytes, target: str) -> None:
    """What is proven is what the request line says."""
    asking = Asking(asks("n"), ok(b""))
    asking.get(uri)
    assert target == (asking.said[1] or {})["uri"]


def test_kept() -> None:
    """A nonce serves all requests to its origin, counted; another origin or user has its own."""
    asking = Asking(asks("n"), ok(b""), ok(b""), ok(b""), ok(b""), ok(b""))
    asking.get()
    asking.get(b"http://A.test/z")
    asking.get(b"http://a.test:8080/z")
    asking.get(authorization=basic("jane", "x").encode())
    asking.get()
    assert [None, ("n", "00000001"), ("n", "00000002"), None, None, ("n", "00000003")] == asking.numbers


def test_own_nonces() -> None:
    """Ours is a new one each time, unless a test says."""
    answering = Answering(asks("n"), ok(b""), asks("n"), ok(b""))
    agent = DigestAgent(answering)
    for uri in (b"http://a.test/", b"http://b.test/"):
        agent.request(b"GET", uri, Headers({b"Authorization": [JOE]}))
    sent = [headers.getRawHeaders(b"authorization") for _, _, headers in answering.asked if headers]
    ours = {said_in(values[0])["cnonce"] for values in sent if values}
    assert [2, True] == [len(ours), all(len(each) >= 22 for each in ours)]


def test_stale() -> None:
    """A nonce that has become stale is replaced, even one that was just given."""
    asking = Asking(asks("1"), asks("2", rest=", stale=TRUE"), asks("3", rest=", stale=true"), ok(b""))
    assert 200 == asking.get().code
    assert [None, ("1", "00000001"), ("2", "00000001"), ("3", "00000001")] == asking.numbers


def test_shared_once_proven() -> None:
    """A nonce is others' too once it was taken, not before: some servers take it once."""
    asking = Asking(asks("1"), None, asks("2"), ok(b""), ok(b""))
    assert None is asking.get()
    assert 200 == asking.get().code
    assert 200 == asking.get().code
    assert [None, ("1", "00000001"), None, ("2", "00000001"), ("2", "00000002")] == asking.numbers


def test_old_nonce() -> None:
    """An old nonce that a server does not even call stale is replaced too."""
    asking = Asking(asks("1"), ok(b""), asks("2"), ok(b""))
    asking.get()
    assert 200 == asking.get().code
    assert [None, ("1", "00000001"), ("1", "00000002"), ("2", "00000001")] == asking.numbers


def test_wrong_password() -> None:
    """A refusal is a refusal, and nothing is kept of it."""
    asking = Asking(asks("1"), asks("2"), asks("3"), asks("4"))
    assert 401 == asking.get().code
    assert [None, ("1", "00000001")] == asking.numbers
    assert 401 == asking.get().code
    assert [None, ("3", "00000001")] == asking.numbers[2:]


def test_always_stale() -> None:
    """A server that never takes a nonce is not asked for ever."""
    asking = Asking(*[asks(str(n), rest=", stale=true") for n in range(9)])
    assert 401 == asking.get().code
    assert 4 == len(asking.numbers)


@pytest.mark.parametrize("line", [b"Basic realm=r", b"Bearer", b"Digest realm=r, nonce=n, algorithm=X"])
def test_nothing_in_clear(line: bytes) -> None:
    """A server that wants something else does not get it."""
    asking = Asking(b"HTTP/1.1 401 No\r\nWWW-Authenticate: %b\r\nContent-Length: 0\r\n\r\n" % line)
    assert 401 == asking.get().code
    assert [None] == asking.numbers


def test_next_nonce() -> None:
    """A server may say what nonce comes next; the same again changes nothing."""
    info = [b'Authentication-Info: rspauth="x", nextnonce="%b"' % each for each in (b"1", b"2")]
    asking = Asking(asks("1"), ok(b"", info[0]), ok(b"", info[1], b"Authentication-Info: qop=auth"), ok(b""))
    for _ in range(3):
        asking.get()
    assert [None, ("1", "00000001"), ("1", "00000002"), ("2", "00000001")] == asking.numbers


@pytest.mark.parametrize("authorization", [None, b"Bearer x", b"Basic ???", b"Basic am9l"])
def test_others(authorization: bytes | None) -> None:
    """Requests without a user name, or with something better, are left alone."""
    asking = Asking(asks("n"))
    assert 401 == asking.get(authorization=authorization).code
    headers = asking.answering.asked[0][2]
    assert headers is not None
    assert (None if authorization is None else [authorization]) == headers.getRawHeaders(b"authorization")


def test_other_schemes() -> None:
    """So are those of other schemes, whose login is none of ours."""
    asking = Asking(ok(b""))
    asking.get(b"ftp://a.test/")
    headers = asking.answering.asked[0][2]
    assert headers is not None
    assert [JOE] == headers.getRawHeaders(b"authorization")


def test_body() -> None:
    """A request with a body is not made twice."""
    asking = Asking(asks("n"))
    assert 401 == asking.get(bodyProducer=object()).code
    assert 1 == len(asking.answering.asked)


def test_failure() -> None:
    """What fails, fails."""
    assert isinstance(Asking(asks("n"), ConnectionLost()).get(), ConnectionLost)


def test_cancel() -> None:
    """Cancelling reaches the request that is under way."""
    asking = Asking(asks("n"), None)
    d = asking.agent.request(b"GET", b"http://a.test/", Headers({b"Authorization": [JOE]}))
    outcome(d)
    d.cancel()
    assert asking.answering.wires[1].aborted


def test_not_for_ever() -> None:
    """However many origins ask, few are remembered."""
    asking = Asking(*[each for n in range(1001) for each in (asks(str(n)), ok(b""))])
    for number in range(1001):
        asking.get(b"http://%d.test/" % number)
    assert 1 == len(asking.agent._sessions)

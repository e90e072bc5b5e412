"""The headers that go with every request of a Remote, and where they go."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering
from tests.unit.wire import ok
from twisted_pulp.http import HeaderAgent, basic
from twisted_pulp.settings import Remote


def sent(remote: Remote, uri: bytes = b"http://a.test/b", headers: Headers | None = None) -> dict[bytes, list[bytes]]:
    """Return the headers that *uri* is asked with."""
    answering = Answering(ok(b""))
    HeaderAgent(answering, remote, "pulp/1").request(b"GET", uri, headers)
    given = answering.asked[0][2]
    assert given is not None
    return {name: list(values) for name, values in given.getAllRawHeaders()}


PUBLIC = {b"User-Agent": [b"pulp/1"], b"Accept": [b"*/*"], b"Accept-Encoding": [b"identity"]}


def test_interface() -> None:
    """It is an agent."""
    assert verifyObject(IAgent, HeaderAgent(Answering(), Remote(), "pulp/1"))


@pytest.mark.parametrize(
    ("expected", "username", "password"),
    [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
        ("Basic dGVzdDoxMjPCow==", "test", "123\N{POUND SIGN}"),
        ("Basic dGVzdDo=", "test", None),
    ],
)
def test_basic(expected: str, username: str, password: str | None) -> None:
    """Basic authentication is as in RFC 7617."""
    assert expected == basic(username, password)


def test_public() -> None:
    """Every request says who asks, and that bytes are wanted as they are (trap 4)."""
    assert PUBLIC == sent(Remote())


def test_user_agent() -> None:
    """A Remote may have a name of its own."""
    assert [b"mine"] == sent(Remote(user_agent="mine"))[b"User-Agent"]


def test_headers_of_the_remote() -> None:
    """The Remote's headers go along, and stand for those that are always sent."""
    remote = Remote(headers={"X-Key": "S3CR3T", "accept": "text/html", "X-Latin": "\N{POUND SIGN}"})
    assert {
        b"User-Agent": [b"pulp/1"],
        b"Accept-Encoding": [b"identity"],
        b"X-Key": [b"S3CR3T"],
        b"Accept": [b"text/html"],
        b"X-Latin": [b"\xa3"],
    } == sent(remote)


def test_credentials() -> None:
    """A user name is basic authentication."""
    assert [b"Basic dXNlcjpwYXNz"] == sent(Remote(username="user", password="pass"))[b"Authorization"]


def test_token() -> None:
    """A token is a bearer's (RFC 6750), and stands for a header that says otherwise."""
    remote = Remote(token="S3CR3T", headers={"authorization": "Basic other"})
    assert [b"Bearer S3CR3T"] == sent(remote)[b"Authorization"]


def test_headers_of_the_request() -> None:
    """A request's own headers go before the Remote's, and touch no other request."""
    remote, own = Remote(headers={"X-Key": "a"}), Headers({b"x-key": [b"b", b"c"], b"Range": [b"bytes=5-"]})
    answering = Answering(ok(b""), ok(b""))
    agent = HeaderAgent(answering, remote, "pulp/1")
    agent.request(b"GET", b"http://a.test/", own)
    agent.request(b"GET", b"http://a.test/")
    first, second = (dict(headers.getAllRawHeaders()) for _, _, headers in answering.asked if headers is not None)
    assert {**PUBLIC, b"X-Key": [b"b", b"c"], b"Range": [b"bytes=5-"]} == first
    assert {**PUBLIC, b"X-Key": [b"a"]} == second
    assert [b"b", b"c"] == own.getRawHeaders(b"x-key")


REMOTE = Remote(
    url="https://a.test/repo/", username="user", headers={"X-Key": "S3CR3T"}, origins=("http://cdn.test:8080",)
)


@pytest.mark.parametrize(
    "uri",
    [
        b"https://a.test/",
        b"https://a.test",
        b"https://a.test?b",
        b"https://a.test?b/c",
        b"https://A.TEST:443/other/path",
        b"http://cdn.test:8080/file",
    ],
)
def test_own_origins(uri: bytes) -> None:
    """Secrets go to the Remote's origin, and to those listed with it."""
    assert {b"Authorization", b"X-Key"} < set(sent(REMOTE, uri))


@pytest.mark.parametrize(
    "uri",
    [
        b"http://a.test/",
        b"https://a.test:8443/",
        b"https://b.test/",
        b"https://b.test/a.test",
        b"https://b.test?x=https://a.test/",
        b"https://a.test.evil.test/",
        b"http://cdn.test/",
        b"http://a.test:443/",
    ],
)
def test_other_origins(uri: bytes) -> None:
    """Nobody else gets them (C1, C2)."""
    assert PUBLIC == sent(REMOTE, uri)


MACHINES = """
machine a.test login anna password one
machine cdn.test login carl password two
default login anybody password three
"""


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc file."""
    path = tmp_path / "netrc"
    path.touch(0o600)
    path.write_text(MACHINES)
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.parametrize(
    ("expected", "uri"),
    [
        ([basic("anna", "one").encode()], b"https://a.test/x"),
        ([basic("anna", "one").encode()], b"http://A.test:8080/x"),
        ([basic("carl", "two").encode()], b"http://cdn.test/"),
        (None, b"http://sub.cdn.test/"),
        (None, b"http://test/"),
    ],
)
def test_netrc(machines: None, expected: list[bytes] | None, uri: bytes) -> None:
    """Each host gets what its own entry says; a default entry counts for nobody."""
    assert expected == sent(Remote(netrc=True, headers={"X-Key": "a"}), uri).get(b"Authorization")
    assert [b"a"] == sent(Remote(netrc=True, headers={"X-Key": "a"}), uri)[b"X-Key"]


@pytest.mark.parametrize(
    ("expected", "uri"),
    [
        ([basic("anna", "one").encode()], b"https://a.test/x"),
        ([basic("carl", "two").encode()], b"http://cdn.test:8080/"),
        (None, b"http://a.test/"),
        (None, b"http://cdn.test/"),
    ],
)
def test_netrc_of_own_origins(machines: None, expected: list[bytes] | None, uri: bytes) -> None:
    """With a URL, only its origin and those listed with it do."""
    remote = Remote(url="https://a.test/", origins=("http://cdn.test:8080",), netrc=True)
    assert expected == sent(remote, uri).get(b"Authorization")


@pytest.mark.parametrize(
    ("expected", "remote"),
    [(b"Bearer t", Remote(token="t", netrc=True)), (b"Basic am9lOg==", Remote(username="joe", netrc=True))],
)
def test_netrc_is_second(machines: None, expected: bytes, remote: Remote) -> None:
    """A user name or token of the Remote's stands for the file."""
    assert [expected] == sent(remote)[b"Authorization"]


def test_no_netrc(machines: None) -> None:
    """The file is not read unless it is wanted."""
    assert PUBLIC == sent(Remote())


def test_origins_are_read_once() -> None:
    """An origin is read once, and remembered right."""
    answering = Answering(*[ok(b"")] * 4)
    agent = HeaderAgent(answering, REMOTE, "pulp/1")
    for uri in (b"https://a.test/1", b"https://b.test/1", b"https://a.test/2", b"https://b.test/2"):
        agent.request(b"GET", uri)
    assert [True, False, True, False] == [headers is agent._all for _, _, headers in answering.asked]
    assert 2 == len(agent._for)


def test_origins_are_not_remembered_for_ever() -> None:
    """However many origins are asked, few are remembered."""
    answering = Answering(*[ok(b"")] * 1001)
    agent = HeaderAgent(answering, REMOTE, "pulp/1")
    for number in range(1001):
        agent.request(b"GET", b"http://%d.test/" % number)
    assert 1 == len(agent._for)

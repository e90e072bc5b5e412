"""Redirects: where they lead, what goes along, and what is left behind."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import ok
from twisted_pulp.errors import RedirectError
from twisted_pulp.http import RedirectAgent
from twisted_pulp.http._request import FixedHeaders

SECRET = {
    b"Authorization": [b"Basic S3CR3T"],
    b"Cookie": [b"a=S3CR3T"],
    b"X-Api-Key": [b"S3CR3T"],
    b"Host": [b"a.test"],
}
PUBLIC = {b"User-Agent": [b"pulp"], b"Accept": [b"*/*"], b"Accept-Encoding": [b"identity"], b"Range": [b"bytes=5-"]}


def to(*locations: bytes, status: int = 302, body: bytes = b"moved") -> bytes:
    """Return a redirect."""
    lines = [b"HTTP/1.1 %d What" % status, *(b"Location: " + each for each in locations)]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def follow(
    *answers: bytes | Exception | None,
    method: bytes = b"GET",
    uri: bytes = b"http://a.test/start",
    limit: int = 20,
    **rest: Any,
) -> tuple[Any, Answering]:
    """Ask for *uri*, and return what it came to, and who answered."""
    answering = Answering(*answers)
    return outcome(RedirectAgent(answering, limit).request(method, uri, **rest)), answering


def test_interface() -> None:
    """It is an agent, and says what it wraps."""
    agent = RedirectAgent(Answering(), 3)
    assert verifyObject(IAgent, agent)
    assert repr(agent).startswith("<RedirectAgent 3 over <")


@pytest.mark.parametrize("answer", [ok(b"hi"), to(status=304), to(b"/b", status=300), to(b"/b", status=201)])
def test_no_redirect(answer: bytes) -> None:
    """What is no redirect is handed on as it is."""
    response, answering = follow(answer)
    assert int(answer[9:12]) == response.code
    assert 1 == len(answering.asked)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_method_is_kept(status: int, method: bytes) -> None:
    """GET stays GET and HEAD stays HEAD, whatever the status (trap 3)."""
    head = b"\r\n".join([b"HTTP/1.1 %d What" % status, b"Location: /b", b"Content-Length: 0", b"", b""])
    response, answering = follow(head, ok(b""), method=method)
    assert 200 == response.code
    assert [(method, b"http://a.test/start"), (method, b"http://a.test/b")] == [each[:2] for each in answering.asked]


@pytest.mark.parametrize(
    ("expected", "status"), [(b"GET", 301), (b"GET", 302), (b"GET", 303), (b"POST", 307), (b"POST", 308)]
)
def test_post(expected: bytes, status: int) -> None:
    """POST becomes GET where that is the custom, and stays POST where the status says so."""
    _, answering = follow(to(b"/b", status=status), ok(b""), method=b"POST")
    assert expected == answering.asked[1][0]


def test_post_with_a_body() -> None:
    """A body is sent to whom it was for, and never again."""
    body: Any = object()
    _, answering = follow(to(b"/b", status=303), ok(b""), method=b"POST", bodyProducer=body)
    assert [body, None] == answering.bodies
    error, answering = follow(to(b"/b", status=307), ok(b""), method=b"POST", bodyProducer=body)
    assert isinstance(error, RedirectError)
    assert 1 == len(answering.asked)


def test_each_hop_has_its_own_base() -> None:
    """A Location is resolved against the URL that sent it (trap 1, #8265)."""
    response, answering = follow(to(b"http://b.test/b/1"), to(b"2"), to(b"/final"), ok(b"hi"))
    assert 200 == response.code
    assert [b"http://b.test/b/1", b"http://b.test/b/2", b"http://b.test/final"] == answering.uris[1:]


@pytest.mark.parametrize(
    ("expected", "location"),
    [
        (b"http://a.test/dir/b", b"b"),
        (b"http://a.test/b", b"../b"),
        (b"http://a.test/b", b"/b"),
        (b"http://b.test/c", b"//b.test/c"),
        (b"http://a.test/dir/start?q", b"?q"),
        (b"http://b.test/", b"  http://b.test/  "),
        (b"http://a.test/b%20c", b"/b c"),
        (b"http://a.test/%C3%BC", "/ü".encode()),
        (b"http://a.test/%C3%BC", b"/\xfc"),
        (b"http://a.test/%2e%2e", b"/%2e%2e"),
        (b"http://a.test/b", b"/b#fragment"),
        (b"http://xn--bcher-kva.test/", "http://bücher.test/".encode()),
        (b"http://b.test/", b"http://user:S3CR3T@b.test/"),
        (b"https://a.test/", b"https://a.test/"),
        (b"http://a.test:8080/", b"http://a.test:8080/"),
    ],
)
def test_locations(expected: bytes, location: bytes) -> None:
    """A Location is read as people write it, encoded where it must be, without what no server gets (trap T5)."""
    _, answering = follow(to(location), ok(b""), uri=b"http://a.test/dir/start")
    assert expected == answering.uris[1]


@pytest.mark.parametrize(
    "locations",
    [
        [],
        [b""],
        [b" "],
        [b"/a", b"/b"],
        [b"file:///etc/passwd"],
        [b"ftp://a.test/"],
        [b"gopher://a.test/"],
        [b"data:,hello"],
        [b"javascript:alert(1)"],
        [b"http://"],
        [b"http:///path"],
        [b"http://[::1"],
        [b"http://a.test:99999/"],
        [b"http://a b.test/"],
        [b"http://%0d%0a/"],
        ["http://\N{DOUBLE-STRUCK ITALIC SMALL D}\u0300\u200d/".encode()],
    ],
)
def test_locations_that_lead_nowhere(locations: list[bytes]) -> None:
    """A redirect to where we do not go fails, and asks nobody (faults, row 31)."""
    error, answering = follow(to(*locations))
    assert isinstance(error, RedirectError)
    assert "http://a.test/start" == error.url
    assert 1 == len(answering.asked)


def test_equal_locations() -> None:
    """Locations that say the same are one."""
    _, answering = follow(to(b"/b", b"/b"), ok(b""))
    assert b"http://a.test/b" == answering.uris[1]


def test_never_from_https_to_http() -> None:
    """What is protected stays protected (traps 3 and T7, L2)."""
    error, answering = follow(to(b"http://a.test/"), uri=b"https://a.test/")
    assert isinstance(error, RedirectError)
    assert 1 == len(answering.asked)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_limit(limit: int) -> None:
    """So many redirects are followed, and no more; the body of the last is ended too."""
    error, answering = follow(*[to(b"/again")] * 30, limit=limit)
    assert isinstance(error, RedirectError)
    assert limit + 1 == len(answering.asked)
    assert all(wire.idle for wire in answering.wires)


@pytest.mark.parametrize("target", [b"http://b.test/", b"http://a.test:8080/", b"https://a.test/"])
def test_other_origins_get_no_secrets(target: bytes) -> None:
    """Another host, port or scheme gets what a transfer needs, and nothing that a user set (traps T7, C1)."""
    headers = FixedHeaders({**SECRET, **PUBLIC})
    _, answering = follow(to(target), ok(b""), headers=headers)
    sent = answering.asked[1][2]
    assert sent is not None
    assert PUBLIC == dict(sent.getAllRawHeaders())


def test_secrets_do_not_come_back() -> None:
    """A way back to the first origin gives nothing back."""
    _, answering = follow(to(b"http://b.test/"), to(b"http://a.test/"), ok(b""), headers=Headers({**SECRET, **PUBLIC}))
    sent = answering.asked[2][2]
    assert sent is not None
    assert PUBLIC == dict(sent.getAllRawHeaders())


def test_elsewhere() -> None:
    """Once the origin has changed another agent asks, and goes on asking."""
    own, other = Answering(to(b"/b"), to(b"http://b.test/")), Answering(to(b"http://a.test/"), ok(b""))
    assert 200 == outcome(RedirectAgent(own, 20, other).request(b"GET", b"http://a.test/")).code
    assert [b"http://a.test/", b"http://a.test/b"] == own.uris
    assert [b"http://b.test/", b"http://a.test/"] == other.uris


def test_own_origin_keeps_all() -> None:
    """Within an origin everything goes along."""
    headers = Headers({**SECRET, **PUBLIC})
    _, answering = follow(to(b"/b"), to(b"http://A.test:80/c"), ok(b""), headers=headers)
    assert [headers] * 3 == [each[2] for each in answering.asked]


def test_without_headers() -> None:
    """There need not be any."""
    _, answering = follow(to(b"http://b.test/"), ok(b""))
    assert answering.asked[1][2] is None


def test_bodies_are_read() -> None:
    """The body of a redirect is read to its end, so its connection is free again (trap 2, #6752)."""
    answering = Answering(to(b"/b", body=b"x" * 1000)[:-500], ok(b""))
    d = RedirectAgent(answering, 20).request(b"GET", b"http://a.test/")
    assert 1 == len(answering.asked)
    answering.wires[0].hear(b"x" * 500)
    assert [answering.wires[0].connection] == answering.wires[0].idle
    assert 200 == outcome(d).code


def test_large_bodies_are_broken_off() -> None:
    """One that is too large is not (B3)."""
    answering = Answering(to(b"/b", body=b"x" * 100_000)[:-30_000], ok(b""))
    d = RedirectAgent(answering, 20).request(b"GET", b"http://a.test/")
    assert answering.wires[0].aborted
    answering.wires[0].lose(ConnectionLost())
    assert 200 == outcome(d).code


def test_previous_responses() -> None:
    """The responses on the way can be found."""
    response, _ = follow(to(b"/b", status=301), to(b"/c"), ok(b""))
    assert [302, 301] == [response.previousResponse.code, response.previousResponse.previousResponse.code]


def test_cancel() -> None:
    """Cancelling reaches the request that is under way."""
    answering = Answering(to(b"/b"), None)
    d = RedirectAgent(answering, 20).request(b"GET", b"http://a.test/")
    outcome(d)
    d.cancel()
    assert answering.wires[1].aborted


def test_cancel_while_reading_a_body() -> None:
    """Or the body that is being read."""
    answering = Answering(to(b"/b")[:-1])
    d = RedirectAgent(answering, 20).request(b"GET", b"http://a.test/")
    outcome(d)
    d.cancel()
    assert answering.wires[0].aborted
    answering.wires[0].lose(ConnectionLost())


def test_hop_that_fails() -> None:
    """What fails on the way fails the whole."""
    error, _ = follow(to(b"/b"), ConnectionLost())
    assert isinstance(error, ConnectionLost)

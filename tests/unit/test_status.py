"""400 and above is an error."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from tests.unit.answering import Answering, outcome
from tests.unit.wire import ok
from twisted_pulp.errors import HTTPStatusError, NotAuthorized, NotFound, ProxyNotAuthorized
from twisted_pulp.http import StatusAgent


def answer(status: int, *headers: bytes) -> bytes:
    """Return a whole response."""
    return ok(b"sorry", *headers).replace(b"200 OK", b"%d What" % status)


def test_interface() -> None:
    """It is an agent."""
    assert verifyObject(IAgent, StatusAgent(Answering()))


@pytest.mark.parametrize("status", [200, 206, 301, 399])
def test_below(status: int) -> None:
    """Below 400 a response is handed on."""
    response = outcome(StatusAgent(Answering(answer(status))).request(b"GET", b"http://a.test/"))
    assert status == response.code


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (HTTPStatusError, 400),
        (NotAuthorized, 401),
        (NotAuthorized, 403),
        (NotFound, 404),
        (NotFound, 410),
        (HTTPStatusError, 503),
        (HTTPStatusError, 599),
    ],
)
def test_above(kind: type[HTTPStatusError], status: int) -> None:
    """From 400 on it is an error with the status, the URL without secrets, and the headers."""
    answering = Answering(answer(status, b"Retry-After: 7"))
    error = outcome(StatusAgent(answering).request(b"GET", b"http://a.test/b?key=S3CR3T"))
    assert kind is type(error)
    assert (status, "http://a.test/b?key=***", "7") == (error.status, error.url, error.retry_after)
    assert "5" == error.headers["content-length"]


def test_proxy() -> None:
    """A 407 is the word of a proxy, and never of the server."""
    error = outcome(StatusAgent(Answering(answer(407))).request(b"GET", b"http://a.test/b?key=S3CR3T"))
    assert isinstance(error, ProxyNotAuthorized)
    assert not isinstance(error, HTTPStatusError)
    assert (407, False, "http://a.test/b?key=***") == (error.status, error.retryable, error.url)
    assert "407 Proxy Authentication Required" == error.detail


def test_after_the_body() -> None:
    """The error comes when the connection is free again."""
    answering = Answering(answer(404)[:-3])
    failures: list[Failure] = []
    StatusAgent(answering).request(b"GET", b"http://a.test/").addErrback(failures.append)
    assert not failures
    answering.wires[0].hear(b"rry")
    assert answering.wires[0].idle
    assert isinstance(failures[0].value, NotFound)


def test_when_the_body_is_cut_short() -> None:
    """A body that nobody wants may break."""
    answering = Answering(answer(404)[:-3])
    d = StatusAgent(answering).request(b"GET", b"http://a.test/")
    answering.wires[0].lose(ConnectionLost())
    assert isinstance(outcome(d), NotFound)


def test_url_of_the_response() -> None:
    """The URL is the one that answered, which a redirect may have led to."""

    class Elsewhere(Answering):
        def request(self, method: bytes, uri: bytes, *rest: object) -> object:  # type: ignore[override]
            return super().request(method, b"http://b.test/")

    error = outcome(StatusAgent(Elsewhere(answer(404))).request(b"GET", b"http://a.test/"))
    assert "http://b.test/" == error.url

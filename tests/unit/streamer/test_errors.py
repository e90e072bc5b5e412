"""What clients are told of errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.test.requesthelper import DummyRequest

from twisted_pulp import errors
from twisted_pulp.errors import HTTPStatusError
from twisted_pulp.streamer._errors import Refusal, refusal_of

URL = "https://user:secret@upstream.example/a?token=secret"


def answered(status: int, **headers: str) -> BaseException:
    """Return the error of an upstream's answer."""
    return HTTPStatusError.of(URL, status, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (answered(404), 404),
        (answered(410), 404),
        (answered(401), 502),
        (answered(403), 502),
        (answered(407), 502),
        (answered(400), 502),
        (answered(416), 502),
        (answered(429), 429),
        (answered(500), 502),
        (answered(503), 503),
        (answered(504), 504),
        (answered(408), 504),
        (answered(599), 502),
        (errors.RetryLater(URL, 400, 300), 503),
        (errors.DNSError(URL), 502),
        (errors.ConnectTimeout(URL), 504),
        (errors.IdleTimeout(URL), 504),
        (errors.ConnectionRefused(URL), 502),
        (errors.DigestMismatch(URL, "sha256", "a", "b"), 502),
        (errors.StorageFull("/secret"), 503),
        (errors.NotStored("ab" * 32), 500),
        (errors.StorageDamaged("secret"), 500),
        (errors.Cancelled(URL), 503),
        (errors.CatalogUnavailable("secret"), 503),
        (errors.CatalogDamaged("secret"), 500),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_status(error: BaseException, status: int) -> None:
    """404 means that the upstream said so; nothing of the error's own words reaches the client."""
    refusal = refusal_of(error)
    assert status == refusal.status
    request = DummyRequest([b""])
    refusal.send(request)
    assert b"secret" not in b"".join(request.written)
    assert b"upstream.example" not in b"".join(request.written)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("120", "120"),
        (" 120 ", "120"),
        ("9" * 30, "604800"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("soon", None),
        ("-5", None),
        ("1\r\nSet-Cookie: a", None),
        ("\u0661", None),
    ],
)
def test_retry_after(status: int, value: str, said: str | None) -> None:
    """When to come back is passed on, if it says so."""
    assert said == refusal_of(answered(status, retry_after=value)).retry_after


def test_retry_later() -> None:
    """What was asked of us is asked of the client, in whole seconds."""
    assert "401" == refusal_of(errors.RetryLater(URL, 400.2, 300)).retry_after


def test_send() -> None:
    """A refusal is a short text that nobody keeps, and to HEAD its headers only."""
    for method, length in ((b"GET", 1), (b"HEAD", 0)):
        request = DummyRequest([b""])
        request.method = method
        Refusal(405, "GET and HEAD only.", allow="GET, HEAD").send(request)
        body = b"405 Method Not Allowed\nGET and HEAD only.\n"
        assert (405, 1, body * length) == (request.responseCode, request.finished, b"".join(request.written))
        headers = {name: values[0] for name, values in request.responseHeaders.getAllRawHeaders()}
        assert (b"GET, HEAD", b"no-store") == (headers[b"Allow"], headers[b"Cache-Control"])
        assert b"%d" % len(body) == headers[b"Content-Length"]


@given(st.integers(400, 599), st.text())
def test_any_status(status: int, value: str) -> None:
    """Every answer of an upstream has one, and a Retry-After of one line."""
    refusal = refusal_of(answered(status, retry_after=value))
    assert refusal.status in (404, 429, 502, 503, 504)
    assert refusal.retry_after is None or (refusal.retry_after.isascii() and refusal.retry_after.isprintable())
    assert (refusal.status == 404) == (status in (404, 410))

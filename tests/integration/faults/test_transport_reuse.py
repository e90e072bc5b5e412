"""Rows 16 to 18, and Q2 of the threats: connections that should not have been used again, or must not be."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.scripted import Close, HalfClose, Request, Reset, Scripted, Send, Stall, Steps, Wait, ok
from twisted_pulp import Download, Retry
from twisted_pulp.errors import ConnectionLost, DownloadError, ProtocolError

BODY = random.Random(3).randbytes(2000)
NEVER = quick(retry=Retry(retries=0))
EVIL = head(200, [(b"Content-Length", b"2000")]) + b"e" * 2000


def _numbered(count: int) -> dict[bytes, bytes]:
    return {b"/%d" % n: random.Random(n).randbytes(1 + n) for n in range(count)}


@pytest.mark.parametrize("end", [Close(), Reset()])
@ensureDeferred
async def test_row_16_closed_at_reuse(
    fetchers: Fetchers, scripted: Scripted, end: Close | Reset, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 16: a kept connection that ends as it is asked again is replaced, and no download notices."""
    fetcher = fetchers()
    bodies = _numbered(campaign_count(200, 10_000))

    def choose(request: Request) -> Steps:
        return ok(bodies[request.path]) if request.index == 0 else (end,)

    scripted.default = choose
    wanted = [fetcher.wanted(scripted.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, remote=NEVER, concurrency=4)
    assert [None] * len(bodies) == [report.error for report in reports]
    assert {1} == {len(report.attempts) for report in reports}
    assert any(request.index for request in scripted.requests)


@ensureDeferred
async def test_row_16_closed_just_before(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 16: a server that closes at about the time of the next request fails none of them."""
    fetcher = fetchers()
    bodies = _numbered(campaign_count(200, 10_000))
    scripted.default = lambda request: (*ok(bodies[request.path]), Wait(rng.random() * 0.002), Close())
    wanted = [fetcher.wanted(scripted.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, remote=NEVER, concurrency=4)
    assert [None] * len(bodies) == [report.error for report in reports]


@ensureDeferred
async def test_row_16_no_second_resend(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 16: a new connection that ends before a byte is a failure: silently it is asked again once only."""
    scripted.on(b"/first", [ok(BODY)])
    scripted.on(b"/second", [(Close(),)])
    await fetcher.fetch(scripted.url("/first"), BODY, remote=NEVER)
    report = await fetcher.fetch(scripted.url("/second"), BODY, name="second", remote=NEVER)
    assert isinstance(report.error, ConnectionLost)
    assert 2 == len(scripted.asked(b"/second"))
    assert 1 == len(report.attempts)


@ensureDeferred
async def test_row_16_no_resend_after_a_byte(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 16: once a byte of the answer came there is no silent second request."""
    scripted.on(b"/first", [ok(BODY)])
    scripted.on(b"/second", [(Send(b"H"), Close())])
    await fetcher.fetch(scripted.url("/first"), BODY, remote=NEVER)
    report = await fetcher.fetch(scripted.url("/second"), BODY, name="second", remote=NEVER)
    assert isinstance(report.error, ConnectionLost)
    assert 1 == len(scripted.asked(b"/second"))


@ensureDeferred
async def test_row_17_half_closed(fetcher: Fetcher, scripted: Scripted, lag: Lag) -> None:
    """Row 17: a peer that half-closes and never closes has delivered all the same, and loses its connection."""
    scripted.on(b"/file", [(*ok(BODY), HalfClose(), Stall())])
    for name in ("one", "two"):
        report = await fetcher.fetch(scripted.url("/file"), BODY, name=name, remote=NEVER)
        assert report.error is None
        assert report.finished - report.started < 0.5 + lag.seconds
    assert [0, 1] == [request.connection for request in scripted.requests]


@ensureDeferred
async def test_row_17_half_closed_early(fetcher: Fetcher, scripted: Scripted, lag: Lag) -> None:
    """Row 17: a peer that half-closes in the middle of the body is no reason to wait for a timeout."""
    scripted.on(b"/file", [(Send(head(200, [(b"Content-Length", b"3000")]) + BODY), HalfClose(), Stall())])
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=NEVER)
    assert isinstance(report.error, DownloadError)
    assert report.error.retryable
    assert report.finished - report.started < 0.5 + lag.seconds


@pytest.mark.parametrize("extra", [b"x", EVIL, b"HTTP/1.1 200 OK\r\n", EVIL[:-1]], ids=["x", "answer", "line", "most"])
@ensureDeferred
async def test_row_18_extra_bytes(
    fetchers: Fetchers, scripted: Scripted, extra: bytes, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 18: bytes behind a body end the connection, and are never the answer to the next request."""
    fetcher = fetchers()
    bodies = _numbered(campaign_count(20, 1000))

    def choose(request: Request) -> Steps:
        body = bodies[request.path]
        return (Send(head(200, [(b"Content-Length", b"%d" % len(body))]) + body + extra),)

    scripted.default = choose
    urls = {path: scripted.url(path.decode()) for path in bodies}
    # No digest: only the framing tells one answer from another.
    wanted = [(Download(urls[path], fetcher.directory / path.decode()[1:]), body) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, remote=NEVER, concurrency=2)
    assert [None] * len(bodies) == [report.error for report in reports]
    assert {0} == {request.index for request in scripted.requests}


@pytest.mark.parametrize("extra", [b"x", EVIL, b"HTTP/1.1 200 OK\r\n", EVIL[:-1]], ids=["x", "answer", "line", "most"])
@pytest.mark.parametrize("pause", [0.0, 0.002])
@ensureDeferred
async def test_row_18_extra_bytes_later(
    fetchers: Fetchers,
    scripted: Scripted,
    extra: bytes,
    pause: float,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 18: bytes that come later still, when a next request may be under way, never pass for its file."""
    fetcher = fetchers()
    bodies = _numbered(campaign_count(20, 1000))
    seen: set[bytes] = set()

    def choose(request: Request) -> Steps:
        first = request.path not in seen
        seen.add(request.path)
        whole = ok(bodies[request.path])
        return (*whole, Wait(pause), Send(extra)) if first else whole

    scripted.default = choose
    wanted = [fetcher.wanted(scripted.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, remote=quick(retry=Retry(retries=6, base=0.01)), concurrency=2)
    kinds = {type(report.error) for report in reports}  # on a success `check` has compared the bytes
    assert kinds <= {type(None), ProtocolError}
    assert len(bodies) == len({request.path for request in scripted.requests})


@ensureDeferred
async def test_q2_interleaved(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Q2: answers that desynchronise, mixed with right ones over kept connections, mix no bytes."""
    fetcher = fetchers()
    bodies = _numbered(campaign_count(150, 1000))
    seen: dict[bytes, int] = {}

    def choose(request: Request) -> Steps:
        body, seen[request.path] = bodies[request.path], seen.get(request.path, 0) + 1
        length = (b"Content-Length", b"%d" % len(body))
        wrong: list[Steps] = [
            (*ok(body), Send(EVIL)),  # extra bytes
            (Send(head(200, [length, (b"Transfer-Encoding", b"chunked")]) + b"0\r\n\r\n" + EVIL),),
            (Send(head(304, [length]) + EVIL),),
            (Send(head(204) + EVIL),),
            (Send(head(200, [length, (b"Content-Length", b"%d" % (len(body) + 9))]) + body + EVIL),),
            (Send(b"HTTP/1.1 199 Odd\r\nContent-Length: 3\r\n\r\nabc" + EVIL),),
        ]
        return rng.choice(wrong) if seen[request.path] == 1 and rng.random() < 0.5 else ok(body)

    scripted.default = choose
    urls = {path: scripted.url(path.decode()) for path in bodies}
    wanted = [(Download(urls[path], fetcher.directory / path.decode()[1:]), body) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, concurrency=4)  # success means the right bytes: `check` has compared them
    assert len(bodies) / 3 < sum(report.error is None for report in reports)
    assert any(request.index for request in scripted.requests)

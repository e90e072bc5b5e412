"""Rows 25 to 30 and 44: wrong bytes, statuses that ask to wait or to go away, and mirrors of every kind."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from email.utils import formatdate
from itertools import pairwise

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick, sha256
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Close, Request, Scripted, Send, SendSlowly, Steps, cut, ok, ranged, status
from twisted_pulp import Retry, Timeouts
from twisted_pulp.errors import (
    DigestMismatch,
    HTTPStatusError,
    NotAuthorized,
    NotFound,
    RetryLater,
    SizeMismatch,
)

BODY = random.Random(4).randbytes(300_000)


def flipped(body: bytes, bit: int) -> bytes:
    """Give *body* with one *bit* changed."""
    changed = bytearray(body)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@ensureDeferred
async def test_row_25_one_bit(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 25: a bit that is wrong at any place is found every time, and the file comes from the next mirror."""
    fetcher = fetchers()
    bodies = {b"/%d" % n: rng.randbytes(rng.choice([1, 100, 5000, 300_000])) for n in range(campaign_count(100, 1000))}

    def choose(request: Request) -> Steps:
        body = bodies[request.path]
        return ok(flipped(body, rng.randrange(8 * len(body))) if request.target.endswith(b"bad") else body)

    scripted.default = choose
    wanted = []
    for path, body in bodies.items():
        sources = [scripted.url(path.decode() + end) for end in ("?s=bad", "?s=good")]
        download, _ = fetcher.wanted(sources[0], body, path.decode()[1:])
        wanted.append((type(download)(sources, download.path, digests=download.digests), body))
    reports = await fetcher.many(wanted)
    assert [None] * len(bodies) == [report.error for report in reports]
    # Health remembers which source failed by its URL; each file has its own.
    assert {(DigestMismatch, type(None))} == {tuple(type(a.error) for a in report.attempts) for report in reports}


@ensureDeferred
async def test_row_25_only_source(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 25: the only source gets a second try from byte 0, and a second mismatch is final; nothing is kept."""
    scripted.on(b"/file", [ranged(flipped(BODY, 1000))])
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=quick(retry=Retry(retries=9, base=0.01)))
    assert isinstance(report.error, DigestMismatch)
    assert ("sha256", sha256(BODY)) == (report.error.algorithm, report.error.expected)
    assert sha256(flipped(BODY, 1000)) == report.error.actual
    assert [None, None] == [request.header(b"Range") for request in scripted.requests]
    assert [] == list(fetcher.directory.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": len(BODY) + 1},
        {"size": len(BODY) - 1},
        {"size": 0},
        {"digests": {"sha256": sha256(BODY), "md5": "0" * 32}},
        {"digests": {"sha256": "0" * 64, "sha512": hashlib.sha512(BODY).hexdigest()}},
    ],
    ids=["larger", "smaller", "zero", "md5", "sha256"],
)
@pytest.mark.parametrize("length", [True, False])
@ensureDeferred
async def test_row_26_one_of_several(
    fetcher: Fetcher, scripted: Scripted, wrong: dict[str, object], length: bool
) -> None:
    """Row 26: all that is expected must agree; one digest or a size that does not is a failure."""
    scripted.on(b"/file", [ok(BODY, length=length)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, **wrong)  # type: ignore[arg-type]
    assert isinstance(report.error, SizeMismatch if "size" in wrong else DigestMismatch)


@pytest.mark.parametrize("code", [429, 503])
@ensureDeferred
async def test_row_27_retry_after(fetchers: Fetchers, start_scripted: StartScripted, code: int, lag: Lag) -> None:
    """Row 27: a host that asks to be left alone for 2 s is, for 2.0 to 2.5 s, and other hosts are not."""
    busy, free = await start_scripted(), await start_scripted()
    busy.on(b"/first", [status(code, [(b"Retry-After", b"2")]), ok(b"1" * 1000)])
    busy.on(b"/second", [ok(b"2" * 1000)])
    free.on(b"/third", [ok(b"3" * 1000)])
    fetcher = fetchers()
    wanted = [fetcher.wanted(busy.url("/first"), b"1" * 1000, "first")]
    wanted += [fetcher.wanted(free.url("/third"), b"3" * 1000, "third")]
    first, third = await fetcher.many(wanted)
    assert [None, None] == [first.error, third.error]
    gap = busy.requests[1].time - busy.requests[0].time
    assert 2.0 <= gap <= 2.5 + lag.seconds
    assert third.finished - third.started < 0.5 + lag.seconds


_NOW = time.time()


@pytest.mark.parametrize(
    ("value", "least", "most", "later"),
    [
        (lambda: "1", 1.0, 1.5, False),
        (lambda: formatdate(time.time() + 2, usegmt=True), 0.9, 2.5, False),
        (lambda: formatdate(_NOW - 3600, usegmt=True), 0, 0.5, False),
        (lambda: "0", 0, 0.5, False),
        (lambda: "-1", 0, 0.5, False),
        (lambda: "soon", 0, 0.5, False),
        (lambda: "1000000000", 0, 0.5, True),
        (lambda: formatdate(_NOW + 10**6, usegmt=True), 0, 0.5, True),
    ],
    ids=["seconds", "date", "past", "0", "-1", "garbage", "10^9", "far date"],
)
@ensureDeferred
async def test_row_28_retry_after_table(
    fetcher: Fetcher, scripted: Scripted, value: Callable[[], str], least: float, most: float, later: bool, lag: Lag
) -> None:
    """Row 28: seconds and dates are honoured up to the cap; beyond it the failure says so; garbage is none."""
    scripted.on(b"/file", [lambda _: status(503, [(b"Retry-After", value().encode())]), ok(BODY)])
    report = await fetcher.fetch(scripted.url("/file"), BODY)
    assert later == isinstance(report.error, RetryLater)
    if later:
        assert isinstance(report.error, RetryLater)
        assert report.error.seconds > 999_000
        assert 1 == len(scripted.requests)
    else:
        assert report.error is None
        assert least <= scripted.requests[1].time - scripted.requests[0].time <= most + lag.seconds


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 522, 524])
@ensureDeferred
async def test_row_29_passing(fetchers: Fetchers, scripted: Scripted, code: int, lag: Lag) -> None:
    """Row 29: a status that may pass is tried again, so often and after waits that double, with full jitter."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    scripted.on(b"/file", [status(code), status(code), status(code), ok(BODY)])
    fetcher = fetchers(uniform=uniform)
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=quick(retry=Retry(retries=3, base=0.05, cap=0.15)))
    assert report.error is None
    assert [code, code, code, 200] == [attempt.status for attempt in report.attempts]
    assert [(0.0, 0.05), (0.0, 0.1), (0.0, 0.15)] == drawn
    times = [request.time for request in scripted.requests]
    for wait, (_, asked) in zip([b - a for a, b in pairwise(times)], drawn, strict=True):
        assert asked - 0.005 <= wait <= asked + 0.1 + lag.seconds


@ensureDeferred
async def test_row_29_exhausted(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 29: when the tries are used up the status is the error, with every attempt in the report."""
    scripted.on(b"/file", [status(500)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=quick(retry=Retry(retries=2, base=0.01)))
    assert isinstance(report.error, HTTPStatusError)
    assert (500, True) == (report.error.status, report.error.retryable)
    assert [500, 500, 500] == [attempt.status for attempt in report.attempts]
    assert 3 == len(scripted.requests)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, HTTPStatusError),
        (401, NotAuthorized),
        (403, NotAuthorized),
        (404, NotFound),
        (410, NotFound),
        (413, HTTPStatusError),
        (501, HTTPStatusError),
        (505, HTTPStatusError),
    ],
)
@ensureDeferred
async def test_row_30_final(fetcher: Fetcher, scripted: Scripted, code: int, kind: type[HTTPStatusError]) -> None:
    """Row 30: a status that will not pass is asked for once."""
    scripted.on(b"/file", [status(code, body=b"no" * 1000)])
    report = await fetcher.fetch(scripted.url("/file"), BODY)
    assert kind is type(report.error)
    assert isinstance(report.error, HTTPStatusError)
    assert not report.error.retryable
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_row_44_mirrors(
    fetchers: Fetchers, start_scripted: StartScripted, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 44: of five mirrors the good one wins, and after the first file bad ones cost no more than a try each."""
    dead, stale, corrupt, slow, good = [await start_scripted() for _ in range(5)]
    await dead.close()
    bodies = {b"/%d" % n: random.Random(n).randbytes(20_000) for n in range(campaign_count(20, 200))}
    stale.default = lambda request: ok(b"old")
    corrupt.default = lambda request: ok(flipped(bodies[request.path], 77))
    slow.default = lambda request: (Send(head(200, [(b"Content-Length", b"20000")])), SendSlowly(b"s" * 100, 1, 0.02))
    good.default = lambda request: ok(bodies[request.path])
    fetcher = fetchers()
    remote = quick(timeouts=Timeouts(connect=1, idle=1, headers=1, low_speed=1024, low_speed_time=0.3))
    attempts = []
    for path, body in bodies.items():
        urls = [server.url(path.decode()) for server in (dead, stale, corrupt, slow, good)]
        report = await fetcher.fetch(urls, body, name=path.decode()[1:], remote=remote)
        assert report.error is None
        assert good.url(path.decode()) == report.source.url.partition("?")[0]  # type: ignore[union-attr]
        attempts.append(len(report.attempts))
    assert 5 == attempts[0]
    assert {1} == set(attempts[1:])  # the hosts are known by now


@ensureDeferred
async def test_half_then_flipped_then_429(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Per file half a body then close, then a flipped byte, then 429, then good: exactly 4 requests for each."""
    fetcher = fetchers()
    bodies = {b"/%d" % n: rng.randbytes(rng.choice([1000, 400_000])) for n in range(campaign_count(20, 200))}
    for path, body in bodies.items():
        spoilt = flipped(body, 8 * (len(body) - 1))
        half = cut(ranged(body), len(body) // 2, Close())
        scripted.on(path, [half, ranged(spoilt), status(429), ranged(body)])
    wanted = [fetcher.wanted(scripted.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    reports = await fetcher.many(wanted)
    assert [None] * len(bodies) == [report.error for report in reports]
    assert {4} == {len(scripted.asked(path)) for path in bodies}
    assert {4} == {len(report.attempts) for report in reports}

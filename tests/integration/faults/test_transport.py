"""Rows 1 and 6 to 10: connections that are refused, reset or cut short."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import QUICK, Fetcher, quick
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.faulty import Faulty
from tests.servers.nginx import free_port
from tests.servers.scripted import Close, Request, Reset, Scripted, Send, Steps, chunked, cut, ok, ranged
from twisted_pulp import Download, Retry
from twisted_pulp.errors import ConnectionLost, ConnectionRefused, Truncated, Unproven

BODY = random.Random(1).randbytes(300_000)
ONCE = quick(retry=Retry(retries=0))


@ensureDeferred
async def test_row_1_refused_at_once(fetcher: Fetcher, lag: Lag) -> None:
    """Row 1: a refused connection is an error within 50 ms, when nothing is left to try."""
    report = await fetcher.fetch(f"http://127.0.0.1:{free_port()}/file", BODY, remote=ONCE)
    assert isinstance(report.error, ConnectionRefused)
    assert report.error.retryable
    assert 1 == len(report.attempts)
    assert report.finished - report.started <= 0.05 + lag.seconds


@ensureDeferred
async def test_row_1_refused_and_tried_again(fetcher: Fetcher) -> None:
    """Row 1: a refused connection is tried as often as the settings say."""
    remote = quick(retry=Retry(retries=2, base=0.01))
    report = await fetcher.fetch(f"http://127.0.0.1:{free_port()}/file", BODY, remote=remote)
    assert [ConnectionRefused] * 3 == [type(attempt.error) for attempt in report.attempts]


@ensureDeferred
async def test_row_1_refused_and_next_mirror(fetcher: Fetcher, scripted: Scripted, lag: Lag) -> None:
    """Row 1: after a refused connection the next source is asked at once."""
    scripted.on(b"/file", [ok(BODY)])
    remote = quick(retry=Retry(base=30))
    sources = [f"http://127.0.0.1:{free_port()}/file", scripted.url("/file")]
    report = await fetcher.fetch(sources, BODY, remote=remote)
    assert report.error is None
    assert [ConnectionRefused, type(None)] == [type(attempt.error) for attempt in report.attempts]
    assert report.finished - report.started < 1 + lag.seconds


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("at", [None, 0, 1, 16_383, 65_536, len(BODY) - 1])
@ensureDeferred
async def test_row_6_reset(fetcher: Fetcher, scripted: Scripted, at: int | None, proven: bool) -> None:
    """Row 6: a reset before the headers, after them or at byte N costs one more request, which resumes."""
    answer = ranged(BODY)
    scripted.on(b"/file", [(Reset(),) if at is None else cut(answer, at), answer])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=proven, size=len(BODY))
    assert report.error is None
    assert [ConnectionLost, type(None)] == [type(attempt.error) for attempt in report.attempts]
    assert len(BODY) == sum(attempt.bytes for attempt in report.attempts)
    expected = b"bytes=%d-" % at if at else None
    assert [None, expected] == [request.header(b"Range") for request in scripted.requests]


@ensureDeferred
async def test_row_7_random_resets(
    fetchers: Fetchers,
    scripted: Scripted,
    faulty: Faulty,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 7: one attempt in five is reset at a random byte; all files come, and resuming wastes at most 15 %."""
    fetcher = fetchers()
    bodies = {b"/%d" % n: rng.randbytes(rng.randint(1, 100_000)) for n in range(campaign_count(100, 1000))}
    closing = [(b"Connection", b"close")]  # so that each attempt has a connection of its own
    scripted.default = lambda request: ranged(bodies[request.path], headers=closing)(request)
    faulty.to_client.reset_chance = 0.2
    faulty.to_client.reset_between = (0, 100_000)
    wanted = [fetcher.wanted(faulty.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    reports = await fetcher.many(wanted, remote=quick(retry=Retry(retries=10, base=0.01, cap=0.05)))
    assert [None] * len(bodies) == [report.error for report in reports]
    assert any(len(report.attempts) > 1 for report in reports)
    came = sum(attempt.bytes for report in reports for attempt in report.attempts)
    assert came <= 1.15 * sum(map(len, bodies.values()))


@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_8_early_end(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, proven: bool, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 8: a body that ends before its Content-Length is never a success, and is resumed."""
    fetcher = fetchers()
    bodies = {b"/%d" % n: rng.randbytes(rng.randint(2, 400_000)) for n in range(campaign_count(30, 1000))}
    seen: set[bytes] = set()

    def choose(request: Request) -> Steps:
        answer, first = ranged(bodies[request.path]), request.path not in seen
        seen.add(request.path)
        steps = answer(request)
        return cut(steps, rng.randrange(len(bodies[request.path])), Close()) if first else steps

    scripted.default = choose
    wanted = []
    for path, body in bodies.items():
        download, _ = fetcher.wanted(scripted.url(path.decode()), body, path.decode()[1:])
        wanted.append((download if proven else Download(download.url, download.path), body))
    reports = await fetcher.many(wanted)
    assert [None] * len(bodies) == [report.error for report in reports]
    for report in reports:
        assert [Truncated, type(None)] == [type(attempt.error) for attempt in report.attempts]
        assert report.size == sum(attempt.bytes for attempt in report.attempts)


@ensureDeferred
async def test_row_8_always_early(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 8: when every answer is cut short the failure says how much of how much came."""
    scripted.on(b"/file", [cut(ok(BODY), 1000, Close())])
    report = await fetcher.fetch(scripted.url("/file"), BODY)
    assert isinstance(report.error, Truncated)
    assert (1000, len(BODY)) == (report.error.received, report.error.expected)
    assert 4 == len(report.attempts)


_CHUNKS = head(200, [(b"Transfer-Encoding", b"chunked")])
_TRUNCATED = {
    "mid-size": b"1",
    "after size": b"10\r\n",
    "mid-data": b"10\r\n01234567",
    "no CRLF after data": b"10\r\n0123456789abcdef",
    "no last chunk": b"10\r\n0123456789abcdef\r\n",
    "mid last chunk": b"10\r\n0123456789abcdef\r\n0",
    "no trailer CRLF": b"10\r\n0123456789abcdef\r\n0\r\n",
    "mid-trailer": b"10\r\n0123456789abcdef\r\n0\r\nA: b",
}


@pytest.mark.parametrize("way", _TRUNCATED)
@pytest.mark.parametrize("how", [Close(), Reset()])
@ensureDeferred
async def test_row_9_truncated_chunked(fetcher: Fetcher, scripted: Scripted, way: str, how: Close | Reset) -> None:
    """Row 9: a chunked body that is cut short is a failure, wherever that is and with no digest to tell."""
    scripted.on(b"/file", [(Send(_CHUNKS + _TRUNCATED[way]), how)])
    report = await fetcher.fetch(scripted.url("/file"), b"0123456789abcdef", remote=ONCE, proven=False)
    assert isinstance(report.error, Truncated if how == Close() else ConnectionLost)
    assert report.error.retryable


@ensureDeferred
async def test_row_9_truncated_anywhere(
    fetchers: Fetchers, scripted: Scripted, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 9: none of many chunked bodies, each cut at a random byte, is accepted; the next try brings it."""
    fetcher = fetchers()
    count = campaign_count(50, 1000)
    bodies = {b"/%d" % n: rng.randbytes(rng.randint(1, 5000)) for n in range(count)}
    seen: set[bytes] = set()

    def choose(request: Request) -> Steps:
        whole = chunked(bodies[request.path], rng.randint(1, 5))
        if request.path in seen:
            return whole
        seen.add(request.path)
        size = sum(len(step.data) for step in whole[1:] if isinstance(step, Send))
        return cut(whole, rng.randrange(size), Close())

    scripted.default = choose
    urls = {path: scripted.url(path.decode()) for path in bodies}
    wanted = [(Download(urls[path], fetcher.directory / path.decode()[1:]), body) for path, body in bodies.items()]
    reports = await fetcher.many(wanted)
    assert [[Truncated, type(None)]] * count == [[type(each.error) for each in report.attempts] for report in reports]


@ensureDeferred
async def test_row_10_ends_with_the_connection(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 10: a body that only the connection's end ends, with nothing to prove it, is a failure."""
    scripted.on(b"/file", [ok(BODY, length=False)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False)
    assert isinstance(report.error, Unproven)
    assert 1 == len(report.attempts)


@ensureDeferred
async def test_row_10_allowed(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 10: where the Remote allows it such a body is a success, but never verified."""
    scripted.on(b"/file", [ok(BODY, length=False)])
    remote = evolve(QUICK, allow_unproven=True)
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=remote)
    assert report.error is None
    assert not report.verified


@ensureDeferred
async def test_row_10_cut_by_a_reset(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 10: a reset is no end of a body, not even where such ends are allowed."""
    scripted.on(b"/file", [cut(ok(BODY, length=False), 1000, Reset())])
    remote = evolve(ONCE, allow_unproven=True)
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False, remote=remote)
    assert isinstance(report.error, ConnectionLost)


@pytest.mark.parametrize("fields", [{"size": len(BODY), "proven": False}, {"size": None}])
@ensureDeferred
async def test_row_10_proven(fetcher: Fetcher, scripted: Scripted, fields: dict[str, int | None]) -> None:
    """Row 10: an expected size or digest that agrees makes it a success, verified by the digest only."""
    scripted.on(b"/file", [ok(BODY, length=False)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, **fields)  # type: ignore[arg-type]
    assert report.error is None
    assert fields.get("proven", True) == report.verified

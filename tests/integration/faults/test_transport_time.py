"""Rows 11 to 13 and 15: servers that are slow or silent."""

from __future__ import annotations

import random

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.faulty import Faulty
from tests.servers.scripted import Scripted, Send, SendSlowly, Stall, ok
from twisted_pulp import Retry, Timeouts
from twisted_pulp.errors import HeadersTimeout, IdleTimeout, LowSpeed

BODY = random.Random(2).randbytes(100_000)
NEVER = Retry(retries=0)


@ensureDeferred
async def test_row_11_drip(fetchers: Fetchers, scripted: Scripted, request: pytest.FixtureRequest, lag: Lag) -> None:
    """Row 11: a drip of bytes is given up when the low speed has lasted, and its slot serves the next download."""
    seconds, delay = (30.0, 1.0) if request.config.getoption("--campaign") else (1.5, 0.02)
    fetcher = fetchers(connections=1)
    scripted.on(b"/drip", [(Send(head(200, [(b"Content-Length", b"100000")])), SendSlowly(BODY, 1, delay))])
    scripted.on(b"/file", [ok(BODY)])
    timeouts = Timeouts(low_speed=1024, low_speed_time=seconds, idle=2 * seconds)
    remote = quick(retry=NEVER, timeouts=timeouts)
    wanted = [fetcher.wanted(scripted.url(path), BODY, path[1:]) for path in ("/drip", "/file")]
    drip, other = await fetcher.many(wanted, remote=remote)
    assert isinstance(drip.error, LowSpeed)
    assert seconds - 0.2 <= drip.finished - drip.started <= seconds + 1 + lag.seconds
    assert other.error is None
    assert 1 == scripted.high_water


@ensureDeferred
async def test_row_12_no_headers(fetchers: Fetchers, scripted: Scripted, lag: Lag) -> None:
    """Row 12: a server that says nothing is given up when the headers are due, to 10 %; the slot is free."""
    fetcher = fetchers(connections=1)
    scripted.on(b"/idle", [(Stall(),)])
    scripted.on(b"/file", [ok(BODY)])
    remote = quick(retry=NEVER, timeouts=Timeouts(headers=1.5))
    wanted = [fetcher.wanted(scripted.url(path), BODY, path[1:]) for path in ("/idle", "/file")]
    idle, other = await fetcher.many(wanted, remote=remote)
    assert isinstance(idle.error, HeadersTimeout)
    assert 1.5 == idle.error.seconds
    assert 1.35 <= idle.finished - idle.started <= 1.65 + lag.seconds
    assert other.error is None


@ensureDeferred
async def test_row_12_no_end_of_headers(fetcher: Fetcher, scripted: Scripted, lag: Lag) -> None:
    """Row 12: headers that come one byte at a time do not put the end off."""
    scripted.on(b"/file", [(SendSlowly(head(200, [(b"A", b"a" * 1000)]), 1, 0.02), Stall())])
    remote = quick(retry=NEVER, timeouts=Timeouts(headers=1))
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=remote)
    assert isinstance(report.error, HeadersTimeout)
    assert 0.9 <= report.finished - report.started <= 1.2 + lag.seconds


@ensureDeferred
async def test_row_13_stall_that_ends(fetcher: Fetcher, scripted: Scripted, faulty: Faulty, lag: Lag) -> None:
    """Row 13: a stall in the body that ends before the idle timeout costs nothing but its time."""
    scripted.on(b"/file", [ok(BODY)])
    faulty.to_client.stall_after, faulty.to_client.stall_for = 50_000, 0.8
    remote = quick(retry=NEVER, timeouts=Timeouts(idle=1.5))
    report = await fetcher.fetch(faulty.url("/file"), BODY, remote=remote)
    assert report.error is None
    assert 1 == len(report.attempts)
    assert 0.8 <= report.finished - report.started < 1.5 + lag.seconds


@ensureDeferred
async def test_row_13_stall_that_does_not_end(fetcher: Fetcher, scripted: Scripted, faulty: Faulty, lag: Lag) -> None:
    """Row 13: a stall that lasts is given up at the idle timeout, to 10 %, though it is slow before that."""
    scripted.on(b"/file", [ok(BODY)])
    faulty.to_client.stall_after = 50_000
    remote = quick(retry=NEVER, timeouts=Timeouts(idle=1.5, low_speed_time=0.5))
    report = await fetcher.fetch(faulty.url("/file"), BODY, remote=remote)
    assert isinstance(report.error, IdleTimeout)
    assert 1.35 <= report.finished - report.started <= 1.65 + 0.1 + lag.seconds


@ensureDeferred
async def test_row_15_slow_line(fetcher: Fetcher, scripted: Scripted, faulty: Faulty, lag: Lag) -> None:
    """Row 15: over a line of 1 Mbit/s with 50 ms latency, 40 ms more or less, 90 % of the line's speed is reached."""
    scripted.on(b"/file", [ok(BODY * 2)])
    for way in (faulty.to_client, faulty.to_server):
        way.latency, way.jitter = 0.025, 0.02
    faulty.to_client.bandwidth = 125_000
    report = await fetcher.fetch(faulty.url("/file"), BODY * 2, remote=quick(retry=NEVER))
    assert report.error is None
    assert 1 == len(report.attempts)
    assert 2 * len(BODY) / (report.finished - report.started - lag.seconds) >= 0.9 * 125_000

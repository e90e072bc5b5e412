"""Row 67 for the daemon: a database that somebody else holds or fights for, that is damaged, or cannot be written."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.faults.rights import attached, strace
from tests.integration.faults.test_sync_database import STORM, Disturb, disturb
from tests.integration.process import Start
from tests.lag import Lag
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ranged

__all__ = ["disturb"]

BODY = b"x" * 100_000
DIGEST = hashlib.sha256(BODY).hexdigest()
#: Seconds that an answer may take which needs no database, beyond what it takes here without any disturbance.
_STALL = 0.2
_JOBS = 20


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet, which may ask this machine."""
    (tmp_path / "settings.toml").write_text('[ssrf]\nallow = ["127.0.0.1"]\n[limits]\nreserve = 0\n')
    return Daemon(start_command, reactor, tmp_path / "data")


@pytest.fixture
def stall(request: pytest.FixtureRequest) -> Callable[[list[float], Lag], float]:
    """Give seconds that an answer may take, by those it took before; in a campaign, which is alone, just `_STALL`."""

    def allowed(before: list[float], lag: Lag) -> float:
        if request.config.getoption("--campaign"):
            return _STALL
        return _STALL + 4 * max(before) + lag.seconds

    return allowed


async def polled(daemon: Daemon, reactor: IReactor, port: int, seconds: float) -> list[float]:
    """Ask again and again what needs no database; return how long each answer took."""
    took, over = [], reactor.seconds() + seconds
    while reactor.seconds() < over:
        took.append(await daemon.answered(port))
        await deferLater(reactor, 0.01)
    return took


def wanted(scripted: Scripted, name: str) -> dict[str, object]:
    """Ask for a download."""
    return {"items": [{"url": scripted.url("/file"), "path": name, "digests": {"sha256": DIGEST}}]}


@pytest.mark.limit(180)
@ensureDeferred
async def test_row_67_locked(
    daemon: Daemon,
    scripted: Scripted,
    tmp_path: Path,
    reactor: IReactor,
    lag: Lag,
    stall: Callable[[list[float], Lag], float],
    campaign_count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
) -> None:
    """Row 67: while somebody else has the database nothing fails, and what needs none of it is answered at once."""
    seconds = campaign_count(1, 10)
    scripted.on(b"/file", [ranged(BODY)])
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q")
    before = await polled(daemon, reactor, port, 0.3)
    with closing(sqlite3.connect(daemon.data / "catalog.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        asked = Deferred.fromCoroutine(daemon.post(port, "/api/v1/downloads", wanted(scripted, "a")))
        took = await polled(daemon, reactor, port, seconds)
        assert not asked.called
        other.execute("COMMIT")
    figures = f"{len(took)} answers in {seconds} s, {max(took) * 1000:.0f} ms at most, {max(before) * 1000:.0f} before"
    request.node.add_report_section("call", "figures", figures)
    assert max(took) <= stall(before, lag), (before, took)
    reply = await asked
    assert 202 == reply.status, reply.body
    await daemon.until(port, reply.headers["location"], "completed", 60)
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "error" not in daemon.process.out


@pytest.mark.limit(180)
@ensureDeferred
async def test_row_67_storm(
    daemon: Daemon,
    scripted: Scripted,
    tmp_path: Path,
    reactor: IReactor,
    disturb: Disturb,
    lag: Lag,
    stall: Callable[[list[float], Lag], float],
) -> None:
    """Row 67: when each transaction has to be fought for with two others, everything is done nevertheless."""
    scripted.default = ranged(BODY)
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q")
    before = await polled(daemon, reactor, port, 0.3)
    for _ in range(2):
        disturb(STORM, daemon.data / "catalog.sqlite")
    jobs = []
    took: list[float] = []
    for number in range(_JOBS):
        reply = await daemon.post(port, "/api/v1/downloads", wanted(scripted, str(number)))
        assert 202 == reply.status, reply.body
        jobs.append(reply.headers["location"])
        took.append(await daemon.answered(port))
    for job in jobs:
        await daemon.until(port, job, "completed", 60)
    assert max(took) <= stall(before, lag), (before, took)
    assert 0 == await daemon.end(signal.SIGTERM)


@pytest.mark.limit(300)
@ensureDeferred
async def test_row_67_damaged(daemon: Daemon, rng: random.Random, campaign_count: Callable[[int, int], int]) -> None:
    """Row 67: a database with a damaged page is not worked on; which it is, and why, is said, and it stays as it is."""
    await daemon.start()
    assert 0 == await daemon.end(signal.SIGTERM)
    path = daemon.data / "catalog.sqlite"
    whole = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
    pages = range(1, len(whole) // size)
    for page in (0, *rng.sample(pages, min(len(pages), campaign_count(2, len(pages))))):
        start = 100 if page == 0 else page * size  # what says that it is a database is left
        content = whole[:start] + rng.randbytes((page + 1) * size - start) + whole[(page + 1) * size :]
        path.write_bytes(content)
        process = daemon.begin()
        assert 1 == await process.ended(60), (page, process.out)
        assert process.err.startswith("failed: "), process.err
        assert str(path) in process.err
        assert "Traceback" not in process.err + process.out
        assert content == path.read_bytes()
    path.write_bytes(whole)
    await daemon.start()
    assert 0 == await daemon.end(signal.SIGTERM)


@pytest.fixture
def attach() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command that has said a line when it has begun, and end it with the test."""
    made: list[subprocess.Popen[bytes]] = []

    def attaching(*command: str) -> subprocess.Popen[bytes]:
        made.append(subprocess.Popen(command, stderr=subprocess.PIPE))
        assert made[-1].stderr is not None
        said = made[-1].stderr.readline()
        if b"not permitted" in said:
            pytest.skip("strace may not trace a program that runs")
        assert b"attached" in said
        return made[-1]

    yield attaching
    for process in made:
        process.terminate()
        process.communicate()


@strace
@pytest.mark.limit(180)
@ensureDeferred
async def test_row_67_disk(
    daemon: Daemon, scripted: Scripted, tmp_path: Path, attach: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Row 67: what a disk's error keeps from being written is not acknowledged; the daemon lives, and goes on later."""
    scripted.default = ranged(BODY)
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q")
    first = await daemon.post(port, "/api/v1/downloads", wanted(scripted, "first"))
    await daemon.until(port, first.headers["location"], "completed", 60)
    log = daemon.data / "catalog.sqlite-wal"
    tracer = attach(*attached(daemon.process.popen.pid, log, "pwrite64", "error=EIO"))
    refused = await daemon.post(port, "/api/v1/downloads", wanted(scripted, "refused"))
    document = json.loads(refused.body)
    assert (503, "urn:pulpdownloader:catalog_unavailable") == (refused.status, document["type"]), document
    assert "disk I/O error" in document["detail"]
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    tracer.terminate()
    tracer.wait()
    late = await daemon.post(port, "/api/v1/downloads", wanted(scripted, "late"))
    assert 202 == late.status, late.body
    await daemon.until(port, late.headers["location"], "completed", 60)
    assert 2 == len((await daemon.document(port, "/api/v1/jobs"))["items"])
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "Traceback" not in daemon.process.out + daemon.process.err
    with closing(sqlite3.connect(daemon.data / "catalog.sqlite")) as database:
        assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()

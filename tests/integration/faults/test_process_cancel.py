"""Row 73: downloads that are cancelled, at every stage and at any moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, check, quick
from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.faulty import Faulty
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Send, Stall, Steps, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Download, DownloadReport, Hooks, Remote, Retry, Validator
from twisted_pulp.errors import Cancelled

BODY = random.Random(8).randbytes(400_000)


async def outcome(reactor: IReactor, d: Deferred[DownloadReport]) -> DownloadReport:
    """Wait for *d*, which fires once, and give the report of the success or of the cancellation."""
    fired: list[Any] = []
    d.addBoth(fired.append)
    while not fired:
        await deferLater(reactor, 0.002)
    (result,) = fired
    if isinstance(result, Failure):
        assert isinstance(result.value, Cancelled), result
        assert isinstance(result.value, CancelledError)
        return result.value.report  # type: ignore[attr-defined,no-any-return]
    return result  # type: ignore[no-any-return]


async def ended(reactor: IReactor, d: Deferred[DownloadReport]) -> None:
    """Wait until *d* fires, but not for ever: some wait for an answer that never comes."""
    over = reactor.seconds() + 5
    while not d.called and reactor.seconds() < over:
        await deferLater(reactor, 0.005)


async def settled(fetcher: Fetcher) -> None:
    """Assert that every token is back and nobody waits; and when idle connections are closed, that nothing is open."""
    pool = fetcher.context.pool
    await pool.closeCachedConnections()
    for _ in range(5000):
        if "0 hosts" in repr(pool):
            break
        await deferLater(fetcher.reactor, 0.002)
    assert "<ConnectionPool <Cap 0 busy, 0 open of 100, 0 waiting>, 0 idle, to 0 hosts>" == repr(pool)


@define(eq=False)
class Never:
    """A hook that never finishes."""

    called: bool = False

    def __call__(self, *_: object) -> Deferred[None]:
        """Begin."""
        self.called = True
        return Deferred()


async def until(reactor: IReactor, reached: Callable[[], object]) -> None:
    """Wait until the download has come as far as *reached* says, and a little longer."""
    while not reached():
        await deferLater(reactor, 0.005)
    await deferLater(reactor, 0.05)


_HALF = (Send(head(200, [(b"Content-Length", b"400000"), (b"ETag", b'"1"')]) + BODY[:300_000]), Stall())
_STAGES: dict[str, tuple[Steps, dict[str, Any]]] = {
    "headers": ((Stall(),), {}),
    "interim": ((Send(b"HTTP/1.1 103 Hints\r\n\r\n"), Stall()), {}),
    "half of the headers": ((Send(b"HTTP/1.1 200 OK\r\nA:"), Stall()), {}),
    "body": (_HALF, {}),
    "first byte": ((Send(head(200, [(b"Content-Length", b"400000")])), Stall()), {}),
    "redirect's body": ((Send(head(302, [(b"Location", b"/"), (b"Content-Length", b"9")])), Stall()), {}),
    "error's body": ((Send(head(404, [(b"Content-Length", b"9")])), Stall()), {}),
    "headers hook": (ok(BODY), {"headers": None}),
    "validator": (ok(BODY), {"validators": None}),
    "attempt_failed hook": (status(404), {"attempt_failed": None}),
    "done hook": (ok(BODY), {"done": None}),
    "wait for the next try": (status(503, [(b"Retry-After", b"100")]), {}),
}


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("stage", _STAGES)
@ensureDeferred
async def test_row_73_stage(fetcher: Fetcher, scripted: Scripted, stage: str, proven: bool, lag: Lag) -> None:
    """Row 73: cancelled at any stage a download ends at once, once, and gives everything back."""
    steps, given = _STAGES[stage]
    never = Never()
    chosen: dict[str, Any] = {name: [Validator(never)] if name == "validators" else never for name in given}
    hooks = Hooks(**chosen)
    scripted.on(b"/file", [steps])
    downloader = fetcher.context.downloader(quick(), hooks=hooks)
    download, _ = fetcher.wanted(scripted.url("/file"), BODY, "file")
    d = downloader.download(download if proven else Download(download.url, download.path))
    await until(fetcher.reactor, lambda: never.called if given else scripted.requests)
    started = fetcher.reactor.seconds()
    d.cancel()
    report = await outcome(fetcher.reactor, d)
    assert fetcher.reactor.seconds() - started < 0.2 + lag.seconds
    assert (stage == "done hook") == (report.error is None)
    check(report, BODY)
    await settled(fetcher)
    await downloader.close()
    for _ in range(5000):
        if not scripted.live:
            break
        await deferLater(fetcher.reactor, 0.005)
    assert 0 == scripted.live


@ensureDeferred
async def test_row_73_handshake(fetcher: Fetcher, scripted_tls: Scripted, tls: Authority) -> None:
    """Row 73: cancelled in the TLS handshake, and while it waits for a slot, nothing is left either."""
    scripted_tls.greeting = lambda _: (Stall(),)
    remote = quick(tls=TLS(ca_cert=str(tls.ca_file)))
    downloader = fetcher.context.downloader(remote)
    wanted = [fetcher.wanted(scripted_tls.url("/file"), BODY, f"{n}")[0] for n in range(20)]
    going = [downloader.download(download) for download in wanted]
    await until(fetcher.reactor, lambda: scripted_tls.live >= 8)
    assert 8 == scripted_tls.live
    for d in reversed(going):
        d.cancel()
    for d in going:
        report = await outcome(fetcher.reactor, d)
        assert isinstance(report.error, Cancelled)
    await settled(fetcher)
    await downloader.close()


@ensureDeferred
async def test_row_73_over_tls(fetcher: Fetcher, scripted_tls: Scripted, tls: Authority) -> None:
    """Row 73: cancelled in the middle of a body over TLS, hardly anything more is read."""
    scripted_tls.on(b"/file", [ranged(BODY * 20, delay=0.01)])
    downloader = fetcher.context.downloader(quick(tls=TLS(ca_cert=str(tls.ca_file))))
    download, body = fetcher.wanted(scripted_tls.url("/file"), BODY * 20, "file")
    d = downloader.download(download)
    await until(fetcher.reactor, lambda: scripted_tls.bytes_sent > len(BODY))
    d.cancel()
    report = await outcome(fetcher.reactor, d)
    check(report, body)
    assert 0 < report.attempts[0].bytes < len(body) / 2
    await settled(fetcher)
    await downloader.close()


@pytest.mark.limit(600)
@ensureDeferred
async def test_row_73_random(
    fetchers: Fetchers,
    scripted: Scripted,
    faulty: Faulty,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 73: of many downloads cancelled at random moments each ends exactly once, and every token comes back."""
    fetcher, count = fetchers(), campaign_count(500, 10_000)
    sizes = [0, 100, 20_000, 300_000, 1_000_000]
    bodies = {b"/%d" % n: random.Random(n).randbytes(size) for n, size in enumerate(sizes)}

    def choose(request: Request) -> Steps:
        kind = rng.random()
        if kind < 0.1:
            return status(503)
        if kind < 0.2:
            return (Stall(),)
        return ranged(bodies[request.path])(request)

    scripted.default = choose
    faulty.to_client.latency = 0.002
    faulty.to_client.jitter = 0.002
    remote = Remote(retry=Retry(retries=3, base=0.01))
    downloader = fetcher.context.downloader(remote)
    ends: dict[str, int] = {}

    async def one(number: int) -> None:
        path = rng.choice(list(bodies))
        server = scripted if rng.random() < 0.5 else faulty
        download, body = fetcher.wanted(server.url(path.decode()), body=bodies[path], name=str(number))
        d = downloader.download(download)
        await deferLater(fetcher.reactor, rng.choice([0, 0.005, 0.05, 0.2]) * rng.random())
        if number < 20:  # so that some have ended before, however busy the machine is
            await ended(fetcher.reactor, d)
        d.cancel()
        report = await outcome(fetcher.reactor, d)
        check(report, body)
        Path(download.path or "").unlink(missing_ok=True)
        kind = type(report.error).__name__
        ends[kind] = ends.get(kind, 0) + 1

    for start in range(0, count, 50):
        for d in [Deferred.fromCoroutine(one(number)) for number in range(start, min(start + 50, count))]:
            await d
    assert count == sum(ends.values())
    assert {"Cancelled", "NoneType"} == set(ends)
    await settled(fetcher)
    await downloader.close()
    assert [] == list(fetcher.directory.iterdir())


@pytest.mark.parametrize("how", ["break", "raise", "close", "cancel", "context"])
@ensureDeferred
async def test_row_73_many(fetcher: Fetcher, scripted: Scripted, how: str) -> None:
    """Row 73: leaving the loop, an exception in it, or closing what it came from ends every download in flight."""
    scripted.default = lambda request: ok(b"0") if request.path == b"/0" else (Stall(),)
    downloader = fetcher.context.downloader(quick())
    downloads = (Download(scripted.url(f"/{n}"), fetcher.directory / str(n)) for n in range(1000))
    seen: list[DownloadReport] = []

    async def loop() -> None:
        async for report in downloader.download_all(downloads):
            seen.append(report)
            if how == "break":
                break
            if how == "raise":
                raise KeyError

    d = Deferred.fromCoroutine(loop())
    await until(fetcher.reactor, lambda: seen)
    if how == "raise":
        with pytest.raises(KeyError):
            await d
    elif how == "cancel":
        d.cancel()
        with pytest.raises(CancelledError):
            await d
    elif how == "close":
        await downloader.close()
        await d
    elif how == "context":
        await fetcher.context.close()
        await d
    assert b"0" == (fetcher.directory / "0").read_bytes()
    assert 1 == len(seen)
    assert ["0"] == [each.name for each in fetcher.directory.iterdir()]
    await settled(fetcher)
    await downloader.close()

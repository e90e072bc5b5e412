"""Rows 74 and 75: hooks and writers that fail, never finish, or are slow."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick, sha256
from tests.leaks import LoggedErrors
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Download, Hooks, Timeouts, Validator
from twisted_pulp.errors import DownloadError, HookError, InvalidContent, WriterError
from twisted_pulp.transfer import DigestOnly

BODY = random.Random(9).randbytes(400_000)
SOON = quick(timeouts=Timeouts(hook=0.3))


class Broken(Exception):
    """What hooks raise."""


def _for_bad(download: Any) -> bool:
    return "bad" in download.url


def _raising(*given: Any) -> None:
    if _for_bad(given[0]):
        raise Broken("S3CR3T is not in here")


async def _raising_later(*given: Any) -> None:
    _raising(*given)


def _never(*given: Any) -> Deferred[None] | None:
    return Deferred() if _for_bad(given[0]) else None


def _hooks(name: str, what: Callable[..., Any]) -> Hooks:
    return Hooks(**{name: [Validator(what)] if name == "validators" else what})  # type: ignore[arg-type]


@pytest.mark.parametrize("what", [_raising, _raising_later, _never])
@pytest.mark.parametrize("name", ["headers", "attempt_failed", "done", "validators"])
@ensureDeferred
async def test_row_74_hooks(
    fetcher: Fetcher, scripted: Scripted, logged_errors: LoggedErrors, name: str, what: Callable[..., Any]
) -> None:
    """Row 74: a hook that raises or never finishes fails its own download and no other, and says which hook it was."""
    scripted.on(b"/bad", [status(404) if name == "attempt_failed" else ok(BODY)])
    scripted.on(b"/good", [ok(BODY)])
    names = ["bad", *[f"good{n}" for n in range(10)]]
    wanted = [fetcher.wanted(scripted.url("/" + each.strip("0123456789")), BODY, each) for each in names]
    if name == "done":  # the file is there by then: the report says what went wrong, the file stays
        downloader = fetcher.context.downloader(SOON, hooks=_hooks(name, what))
        reports = [report async for report in downloader.download_all([download for download, _ in wanted])]
        await downloader.close()
        bad = next(report for report in reports if "bad" in report.url)
        good = [report for report in reports if report is not bad]
        assert BODY == (fetcher.directory / "bad").read_bytes()
    else:
        bad, *good = await fetcher.many(wanted, remote=SOON, hooks=_hooks(name, what))
    assert isinstance(bad.error, InvalidContent if name == "validators" and what is not _never else HookError)
    assert [None] * 10 == [report.error for report in good]
    logged_errors.flush(Broken)


@ensureDeferred
async def test_row_74_progress(fetcher: Fetcher, scripted: Scripted, logged_errors: LoggedErrors) -> None:
    """Row 74: a progress hook that raises ends its own download, and the connection with it."""
    scripted.default = lambda request: ok(BODY)
    wanted = [fetcher.wanted(scripted.url(f"/{name}"), BODY, name) for name in ("bad", "good")]
    bad, good = await fetcher.many(wanted, hooks=Hooks(progress=_raising))
    assert isinstance(bad.error, HookError)
    assert good.error is None
    logged_errors.flush(Broken)


class _Fails(DigestOnly):
    """A writer that raises at one point, or never gets beyond it."""

    def __init__(self, at: str, forever: bool) -> None:
        self.at, self.forever = at, forever

    def _act(self, at: str) -> Any:
        if at != self.at:
            return None
        if self.forever:
            return Deferred()
        raise Broken

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._act("registerProducer")

    def unregisterProducer(self) -> None:
        self._act("unregisterProducer")

    def write(self, data: bytes) -> None:
        self._act("write")

    def begin(self, head: Any) -> Any:
        return self._act("begin")

    def commit(self, report: Any) -> Any:
        return self._act("commit")

    def abort(self, error: BaseException) -> Any:
        return self._act("abort")


@pytest.mark.parametrize("at", ["registerProducer", "unregisterProducer", "write", "begin", "commit", "abort"])
@ensureDeferred
async def test_row_74_writers(
    fetcher: Fetcher, scripted: Scripted, reactor: IReactor, logged_errors: LoggedErrors, at: str
) -> None:
    """Row 74: a writer that raises fails its own download with a WriterError, and no other."""
    scripted.default = lambda request: ok(BODY)
    wrong = at == "abort"  # only a download that fails is aborted
    digest = "0" * 64 if wrong else sha256(BODY)
    downloader = fetcher.context.downloader(quick())
    bad = downloader.download(Download(scripted.url("/bad"), writer=_Fails(at, False), digests={"sha256": digest}))
    good = downloader.download(Download(scripted.url("/good"), writer=DigestOnly(), digests={"sha256": sha256(BODY)}))
    with pytest.raises(DownloadError if wrong else WriterError) as caught:
        await bad
    assert scripted.url("/bad") == caught.value.url
    assert (await good).verified
    await downloader.close()
    logged_errors.flush(Broken)


@implementer(IConsumer)
class Slow:
    """
    A consumer that takes some bytes a second, and says so, for *least* seconds at least each time.

    :ivar most: bytes it was given beyond the last pause, at most.
    """

    def __init__(self, reactor: IReactor, speed: float, least: float = 0.0) -> None:
        self._reactor, self._speed, self._least = reactor, speed, least
        self._producer: Any = None
        self._full = False
        self._beyond = self.most = self.taken = self.pauses = 0

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def write(self, data: bytes) -> None:
        self.taken += len(data)
        if self._full:
            self._beyond += len(data)
            self.most = max(self.most, self._beyond)
            return
        self._full = True
        self.pauses += 1
        self._producer.pauseProducing()
        self._reactor.callLater(max(len(data) / self._speed, self._least), self._ready)

    def _ready(self) -> None:
        self._full, self._beyond = False, 0
        if self._producer is not None:
            self._producer.resumeProducing()


@pytest.mark.parametrize("secure", [False, True])
@ensureDeferred
async def test_row_75_slow_writer(
    fetchers: Fetchers, scripted: Scripted, scripted_tls: Scripted, tls: Authority, reactor: IReactor, secure: bool
) -> None:
    """Row 75: a consumer that is slower than the net pauses it; at most 256 KiB come after it has asked for that."""
    server = scripted_tls if secure else scripted
    body = BODY * 10
    server.on(b"/file", [ok(body)])
    slow = Slow(reactor, 4 << 20)
    remote = quick(tls=TLS(ca_cert=str(tls.ca_file)), timeouts=Timeouts(idle=1, low_speed=1 << 30, low_speed_time=60))
    downloader = fetchers().context.downloader(remote)
    report = await downloader.download(server.url("/file"), writer=slow, digests={"sha256": sha256(body)})
    await downloader.close()
    assert len(body) == slow.taken == report.size
    assert slow.pauses > 10
    assert slow.most <= 256 << 10


@ensureDeferred
async def test_row_75_long_pause(fetcher: Fetcher, scripted: Scripted, reactor: IReactor) -> None:
    """Row 75: time for which the consumer itself has paused does not count towards any timeout."""
    scripted.on(b"/file", [ok(BODY)])
    slow = Slow(reactor, len(BODY), least=0.9)
    downloader = fetcher.context.downloader(quick(timeouts=Timeouts(idle=0.4, low_speed_time=0.3)))
    report = await downloader.download(scripted.url("/file"), writer=slow)
    await downloader.close()
    assert 1 == len(report.attempts)
    assert report.finished - report.started > 0.8

"""What must hold after every fault, checked in one place."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.task import LoopingCall

from tests.servers.reactor import IReactor
from twisted_pulp import Context, Download, DownloadReport, Hooks, Remote, Retry, Source, Timeouts
from twisted_pulp.errors import DigestMismatch, DownloadError, SizeMismatch
from twisted_pulp.names import JOURNAL, PARTIAL

__all__ = ["QUICK", "SECRET", "Fetcher", "Finals", "check", "quick", "secret", "sha256"]

#: Stands in every URL asked for, and must never be shown.
SECRET = "S3CR3T-41"
_POLL = 0.005
# Seconds of the reactor's thread at work in one turn. The servers of the test work in it too, coverage counts lines,
# and processors differ; what blocks for the sake of a file or a name takes longer.
_STALL = 0.75


def quick(**fields: Any) -> Remote:
    """Give a Remote whose waits are short."""
    given: dict[str, Any] = {
        "retry": Retry(base=0.01, cap=0.05),
        "timeouts": Timeouts(connect=3, headers=3, idle=3),
    }
    return Remote(**{**given, **fields})


#: A Remote whose waits are short.
QUICK = quick()


def sha256(body: bytes) -> str:
    """Give the SHA-256 of *body* in lower-case hex."""
    return hashlib.sha256(body).hexdigest()


def secret(url: str) -> str:
    """Put a secret into the query of *url*."""
    return url if "?" in url or not url.startswith("http") else f"{url}?token={SECRET}"


@define(eq=False)
class Finals:
    """Looks at final paths every 5 ms: I2, whole and right bytes or nothing; and I4, no turn of the reactor is long."""

    _reactor: IReactor
    _allowed: dict[str, set[str]] = field(init=False, factory=dict)
    _seen: dict[str, tuple[int, int, int]] = field(init=False, factory=dict)
    _call: LoopingCall | None = field(init=False, default=None)
    _wrong: list[str] = field(init=False, factory=list)
    _worked: float | None = field(init=False, default=None)
    looks: int = field(init=False, default=0)

    def allow(self, path: Path, bodies: Iterable[bytes]) -> None:
        """Let *path* have one of *bodies*, or not be there."""
        self._allowed[str(path)] = {sha256(body) for body in bodies}

    def start(self) -> None:
        """Begin to look."""
        self._call = LoopingCall(self.look)
        self._call.clock = self._reactor
        self._call.start(_POLL)

    def look(self) -> None:
        """Look once."""
        worked = time.thread_time()
        if self._worked is not None and worked - self._worked > _STALL:
            self._wrong.append(f"the reactor was busy for {worked - self._worked:.3f} s")
        self.looks += 1
        for path, allowed in self._allowed.items():
            self._look_at(path, allowed)
        self._worked = time.thread_time()

    def _look_at(self, path: str, allowed: set[str]) -> None:
        try:
            facts = os.lstat(path)
        except FileNotFoundError:
            return
        seen = facts.st_ino, facts.st_mtime_ns, facts.st_size
        if self._seen.get(path) == seen:
            return
        self._seen[path] = seen
        if sha256(Path(path).read_bytes()) not in allowed:
            self._wrong.append(f"{path} shows {facts.st_size} bytes that are wrong")

    def stop(self) -> None:
        """Look for the last time, and tell what was wrong."""
        if self._call is not None:
            self._call.stop()
            self._call = None
        self._worked = None
        self.look()
        assert not self._wrong, self._wrong


def check(report: DownloadReport, body: bytes, before: bytes | None = None, keep: bool = False) -> None:
    """
    Check I1, I2, I5, I6 and I8 of one download to a path.

    :param body: the right bytes.
    :param before: what was at the path before.
    :param keep: leave what can be resumed; else it is removed once it was found to be right.
    """
    assert report.download is not None
    assert report.download.path is not None
    path = Path(report.download.path)
    for shown in (repr(report), str(report.error), repr(report.error), repr(report.attempts), repr(report.download)):
        assert SECRET not in shown
    assert 0 < report.started <= report.finished
    if report.error is None:
        _check_success(report, body, path)
    else:
        _check_failure(report, report.error, path, before)
    _check_beside(report, path, body, keep)


def _check_success(report: DownloadReport, body: bytes, path: Path) -> None:
    assert report.download is not None
    assert str(path) == report.path
    assert body == path.read_bytes()
    assert len(body) == report.size
    assert sha256(body) == report.digests["sha256"]
    for algorithm, expected in report.download.digests.items():
        assert expected == report.digests[algorithm] == hashlib.new(algorithm, body).hexdigest()
    assert report.download.size in (None, len(body))
    assert bool(report.download.digests) == report.verified
    assert report.present or report.attempts[-1].error is None


def _check_failure(report: DownloadReport, error: BaseException, path: Path, before: bytes | None) -> None:
    assert isinstance(error, DownloadError), error
    assert report.path is None
    assert before == (path.read_bytes() if path.exists() else None)
    assert "://" in error.url, f"no URL in {error!r}"
    assert error.reason
    assert error.reason in str(error)
    assert error.url in str(error)
    assert report.attempts
    assert report.attempts[-1].error is not None
    assert not (report.verified and isinstance(error, DigestMismatch | SizeMismatch))


def _check_beside(report: DownloadReport, path: Path, body: bytes, keep: bool) -> None:
    """What stands beside the file can be resumed, or is a note on a finished file, or is not there."""
    partial, journal = (path.with_name(f".{path.name}{mark}") for mark in (PARTIAL, JOURNAL))
    others = [each.name for each in path.parent.iterdir() if each.name.endswith(PARTIAL) and each != partial]
    assert not [name for name in others if name.startswith(f".{os.getpid():x}-")], others
    if report.error is None:
        assert not partial.exists()
        assert report.download is not None
        assert not (journal.exists() and report.download.digests)
    else:
        assert partial.exists() == journal.exists()
        if partial.exists():
            done = msgspec.json.decode(journal.read_bytes())["ranges"][0][1]
            assert done
            assert body[:done] == partial.read_bytes()[:done]
            assert SECRET not in journal.read_text()
    if not keep:
        partial.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)


@define(eq=False)
class Fetcher:
    """
    Downloads to files, and checks every time that the invariants held.

    :ivar context: closed by the fixture.
    :ivar directory: where the files go.
    """

    reactor: IReactor
    context: Context
    directory: Path

    async def fetch(
        self,
        sources: Any,
        body: bytes,
        *,
        name: str = "file",
        remote: Remote = QUICK,
        hooks: Hooks | None = None,
        keep: bool = False,
        digests: Mapping[str, str] | None = None,
        proven: bool = True,
        **fields: Any,
    ) -> DownloadReport:
        """
        Download *body* from *sources*, URLs or `Source`s, and give the report of the success or failure.

        :param proven: whether *digests*, by default the SHA-256 of *body*, are expected.
        """
        given = [sources] if isinstance(sources, str | Source) else sources
        download = Download(
            [secret(each) if isinstance(each, str) else each for each in given],
            self.directory / name,
            digests=(digests or {"sha256": sha256(body)}) if proven else None,
            **fields,
        )
        return (await self.many([(download, body)], remote=remote, hooks=hooks, keep=keep))[0]

    async def many(
        self,
        wanted: Iterable[tuple[Download, bytes]],
        *,
        remote: Remote = QUICK,
        hooks: Hooks | None = None,
        concurrency: int = 8,
        keep: bool = False,
    ) -> list[DownloadReport]:
        """Download many files, and give their reports in the order they were wanted in."""
        wanted = list(wanted)
        finals, before = Finals(self.reactor), {}
        for download, body in wanted:
            assert download.path is not None
            path = Path(download.path)
            before[download.path] = path.read_bytes() if path.exists() else None
            finals.allow(path, [each for each in (body, before[download.path]) if each is not None])
        downloader = self.context.downloader(remote, hooks=hooks)
        reports: dict[str | None, DownloadReport] = {}
        finals.start()
        try:
            async for report in downloader.download_all((download for download, _ in wanted), concurrency):
                assert report.download is not None
                assert reports.setdefault(report.download.path, report) is report
        finally:
            finals.stop()
            await downloader.close()
        assert len(wanted) == len(reports)
        for download, body in wanted:
            check(reports[download.path], body, before[download.path or ""], keep)
        return [reports[download.path] for download, _ in wanted]

    def wanted(self, url: str, body: bytes, name: str, **fields: Any) -> tuple[Download, bytes]:
        """Make an item for `many`."""
        fields.setdefault("digests", {"sha256": sha256(body)})
        return Download(secret(url), self.directory / name, **fields), body


def no_secret(text: str) -> bool:
    """Tell whether *text* is free of the secret, however it is written."""
    return SECRET not in text and SECRET not in urllib.parse.unquote(text)

"""
What every implementation of an interface keeps to, as mixins for the tests of each.

A test class inherits the mixin of its interface and says how one is made.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from zope.interface.verify import verifyObject

from tests.fakes import Producer, head
from twisted_pulp.download import Download, DownloadReport, Group, Totals
from twisted_pulp.errors import Cancelled, NotFound, SettingsError
from twisted_pulp.interfaces import IDownloader, IWriter


class WriterContract:
    """The laws of `IWriter`: begin, the producer, bytes, and then either commit or abort."""

    @abstractmethod
    def writer(self) -> Any:
        """Return a new writer."""

    @abstractmethod
    def written(self, writer: Any) -> bytes | None:
        """Return what *writer* has made of what it was given; None where it shows nothing."""

    def _given(self, writer: Any, *pieces: bytes, offset: int = 0, length: int | None = None) -> None:
        assert None is writer.begin(head(offset, length))
        producer = Producer()
        writer.registerProducer(producer, True)
        for piece in pieces:
            writer.write(piece)
        writer.unregisterProducer()

    def test_interfaces(self) -> None:
        """A writer is an `IWriter`, and so an `IConsumer`."""
        writer = self.writer()
        assert verifyObject(IWriter, writer)
        assert IConsumer.providedBy(writer)
        assert isinstance(writer.rewindable, bool)

    def test_committed(self) -> None:
        """What was written is there once it is committed."""
        writer = self.writer()
        self._given(writer, b"ab", b"", b"c", length=3)
        assert None is writer.commit(DownloadReport(url="http://h/f"))
        assert self.written(writer) in (None, b"abc")

    def test_resumed(self) -> None:
        """A second beginning behind what came goes on from there."""
        writer = self.writer()
        self._given(writer, b"ab", length=3)
        self._given(writer, b"c", offset=2, length=3)
        writer.commit(DownloadReport(url="http://h/f"))
        assert self.written(writer) in (None, b"abc")

    def test_begun_again(self) -> None:
        """A second beginning at 0 forgets what came, where the writer says that it can."""
        writer = self.writer()
        if writer.rewindable:
            self._given(writer, b"xx", length=3)
            self._given(writer, b"abc", length=3)
            writer.commit(DownloadReport(url="http://h/f"))
            assert self.written(writer) in (None, b"abc")

    def test_aborted_early(self) -> None:
        """A writer may be aborted before it has begun."""
        writer = self.writer()
        assert None is writer.abort(NotFound("http://h/f", 404))
        assert self.written(writer) != b"abc"

    def test_aborted_late(self) -> None:
        """What was aborted never looks like what was wanted."""
        writer = self.writer()
        self._given(writer, b"abc", length=3)
        writer.abort(Cancelled("http://h/f"))
        assert self.written(writer) != b"abc"


class DownloaderContract:
    """
    The laws of `IDownloader`.

    A test class has a fixture that sets `downloader`, `good` (a URL) and its `body`, and `bad` (one that is not there).
    """

    downloader: Any
    good: str
    bad: str
    body: bytes

    def test_downloader_interface(self) -> None:
        """A downloader is an `IDownloader`."""
        assert verifyObject(IDownloader, self.downloader)

    @ensureDeferred
    async def test_download_reports(self) -> None:
        """A success is a report with size, digests and source."""
        report = await self.downloader.download(self.good, attachment=7)
        assert (len(self.body), None, 7, 1) == (report.size, report.error, report.attachment, len(report.attempts))
        assert report.source is report.download.sources[0]
        assert "sha256" in report.digests

    @ensureDeferred
    async def test_download_fails(self) -> None:
        """A failure is the error, which has the report."""
        with pytest.raises(NotFound) as caught:
            await self.downloader.download(self.bad)
        report = caught.value.report  # type: ignore[attr-defined]
        assert (caught.value, None) == (report.error, report.path)

    @ensureDeferred
    async def test_all_reported(self) -> None:
        """Every download has its report, in order of completion; a failure ends nothing."""
        wanted = [Download(url, attachment=n) for n, url in enumerate([self.good, self.bad, self.good])]
        found = {}
        async for report in self.downloader.download_all(wanted, 2):
            found[report.attachment] = report.error is None
        assert {0: True, 1: False, 2: True} == found

    @ensureDeferred
    async def test_all_fail_fast(self) -> None:
        """On request the first failure is raised."""
        try:
            async for _ in self.downloader.download_all([Download(self.bad)], fail_fast=True):
                pass
        except NotFound:
            return
        raise AssertionError

    @ensureDeferred
    async def test_each_called(self) -> None:
        """A callback sees every report, is waited for, and the totals count all."""
        seen: list[DownloadReport] = []

        def callback(report: DownloadReport) -> Deferred[None]:
            seen.append(report)
            d: Deferred[None] = Deferred()
            d.callback(None)
            return d

        totals = await self.downloader.download_each([Download(self.good), Download(self.bad)], callback)
        assert (Totals(succeeded=1, failed=1, bytes=len(self.body)), 2) == (totals, len(seen))

    @ensureDeferred
    async def test_groups_finished(self) -> None:
        """A group comes with its reports, in the order of its downloads."""
        group = Group("a", [Download(self.good, attachment=1), Download(self.bad, attachment=2)])
        found = [each async for each in self.downloader.download_groups([group, Group("empty", [])])]
        assert {"a": [1, 2], "empty": []} == {each.id: [r.attachment for r in reports] for each, reports in found}

    @ensureDeferred
    async def test_concurrency_refused(self) -> None:
        """Nobody works with fewer than one at a time."""
        for count in (0, -1, 1.5, True):
            try:
                await self.downloader.download_each([], print, count)
            except SettingsError:
                continue
            raise AssertionError(count)

    @ensureDeferred
    async def test_closed(self) -> None:
        """After a close nothing is downloaded any more, and a second close is nothing."""
        await self.downloader.close()
        await self.downloader.close()
        try:
            await self.downloader.download(self.good)
        except Cancelled:
            return
        raise AssertionError

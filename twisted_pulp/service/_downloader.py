"""A list of files, downloaded by a service."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.context import Context
from twisted_pulp.download import DownloadReport, Totals
from twisted_pulp.errors import Cancelled, DownloadError, SettingsError, shown
from twisted_pulp.lists import Inputs, Refused, ReportFile, file_root_of
from twisted_pulp.settings import Remote

__all__ = ["DownloaderService"]


@define(eq=False, kw_only=True, slots=False)
class DownloaderService(Service):
    """
    Downloads a list once, from when it is started.

    To stop it ends what goes on, keeps what can be resumed, and takes as long as that takes.

    :ivar list: a path or a URL: JSON lines, URLs or a PULP_MANIFEST.
    :ivar directory: that files go below.
    :ivar jobs: downloads at once, and connections; default 8.
    :ivar report: the path of a file for the reports, as JSON lines; default None: only failures are logged.
    :ivar remote: reaches everything; default: every default, and file:// below the list's own directory.
    :ivar done: called with whether anything failed, when the list is done; not when the service is stopped before.
    :ivar totals: counts, as far as it has come.
    """

    _log = Logger()

    _reactor: Any = field(alias="reactor", kw_only=False)
    list: str
    directory: str
    jobs: int = 8
    report: str | None = None
    remote: Remote | None = None
    done: Callable[[bool], object] = lambda failed: None
    totals: Totals = field(init=False, factory=Totals)
    _written: ReportFile | None = field(init=False, default=None)
    _running: Deferred[None] | None = field(init=False, default=None)

    def startService(self) -> None:
        """Begin to download; failures are logged, and never raised."""
        super().startService()  # type: ignore[no-untyped-call]
        self.totals = Totals()
        self._running = Deferred.fromCoroutine(self._run()).addErrback(self._broke)

    def stopService(self) -> Deferred[None] | None:
        """End everything in flight; the Deferred fires when nothing is left of it."""
        super().stopService()  # type: ignore[no-untyped-call]
        running, self._running = self._running, None
        if running is None or running.called:
            return None
        running.cancel()
        return running

    async def _run(self) -> None:
        context = Context(self._reactor, connections=self.jobs, per_host=self.jobs)
        files: Any = None
        self._log.info("downloading {list} to {directory}", list=shown(self.list), directory=self.directory)
        try:
            self._written = None if self.report is None else ReportFile(self.report)
            remote = self.remote or Remote(file_roots=self._roots())
            downloader = context.downloader(remote, directory=self.directory)
            files = Inputs(self._reactor, (), (self.list,), remote, self._refused).read(downloader)
            await downloader.download_each(files, self._finished, self.jobs)
        finally:
            if isinstance(files, Generator):
                files.close()
            await context.close()
            self._close_report()
        self._log_totals("downloaded")
        failed = self.totals.failed > 0
        # Not before whoever started the service has returned.
        self._reactor.callLater(0, self.done, failed)

    def _roots(self) -> tuple[str, ...]:
        root = file_root_of(self.list)
        return () if root is None else (root,)

    def _log_totals(self, what: str) -> None:
        totals = self.totals
        self._log.info(
            "{what}: {succeeded} succeeded, {present} of them present, {failed} failed, {bytes} bytes",
            what=what,
            succeeded=totals.succeeded,
            present=totals.present,
            failed=totals.failed,
            bytes=totals.bytes,
        )

    def _finished(self, report: DownloadReport) -> None:
        if self._written is not None:
            self._written.add(report)
        error = report.error
        if isinstance(error, Cancelled):
            return
        self.totals.add(report)
        if error is not None:
            reason = error.reason if isinstance(error, DownloadError) else str(error)
            self._log.warn("{url} failed: {reason}", url=shown(report.url), reason=reason, error=error)

    def _refused(self, refused: Refused) -> None:
        self.totals.failed += 1
        if self._written is not None:
            self._written.add_refused(refused)
        self._log.warn("{place} failed: {reason}", place=refused.place, reason=refused.reason)

    def _close_report(self) -> None:
        written, self._written = self._written, None
        if written is None:
            return
        written.close()
        if written.error is not None:
            self.totals.failed += 1
            self._log.error("{path}: {reason}", path=self.report, reason=written.error.strerror)

    def _broke(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._log_totals("stopped")
            return
        self.totals.failed += 1
        if failure.check(OSError, SettingsError):
            self._log.error("{reason}", reason=failure.getErrorMessage())
        else:
            self._log.failure("the downloads ended with an error", failure=failure)
        self._reactor.callLater(0, self.done, True)

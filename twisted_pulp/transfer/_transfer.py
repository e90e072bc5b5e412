"""One download, first byte to verified file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import (
    Cancelled,
    DigestMismatch,
    DownloadError,
    HookError,
    InvalidContent,
    PathError,
    PulpError,
    RetryLater,
    SizeMismatch,
    StorageError,
    TotalTimeout,
    WriterError,
    shown,
)
from twisted_pulp.settings import Remote
from twisted_pulp.threads import outlasting
from twisted_pulp.transfer._accept import accept
from twisted_pulp.transfer._attempt import AttemptRun, named
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._hooks import Again, Hooks, called, tell_done
from twisted_pulp.transfer._journal import Journal, bare
from twisted_pulp.transfer._present import file_digests, present_digests, remembered, surely_new, usable
from twisted_pulp.transfer._proof import check_strength
from twisted_pulp.transfer._range import Version
from twisted_pulp.transfer._surroundings import Surroundings
from twisted_pulp.transfer._tries import Tries, Try, asked_to_wait

__all__ = ["Transfer"]

# Nothing about the source: no other source, and no other try, would help.
_OURS = (WriterError, StorageError, HookError, PathError, Cancelled, TotalTimeout)
_WRONG = (SizeMismatch, DigestMismatch, InvalidContent)


class Transfer(Struct, eq=False):
    """
    Fetch one file: choose a source, ask it, check what came; go on with the next source, or the rest, when that failed.

    :param surroundings: what all downloads share.
    :param remote: for sources that have none of their own.
    :param target: where the bytes go: a `FileTarget` or a `WriterTarget`.
    :param force: whether a file that is present is fetched again.
    """

    _log = Logger()

    _shared: Surroundings
    _remote: Remote
    _download: Download
    _target: Any
    _hooks: Hooks
    _force: bool = False
    _report: DownloadReport = None  # type: ignore[assignment]  # until it runs
    _version: Version | None = None
    _known: Journal | None = None
    _late: TotalTimeout | None = None
    _sources: Sequence[Source] = ()
    _compared: bool = False  # whether there was a choice of sources
    _now: AttemptRun | None = None  # the try that is under way

    @property
    def received(self) -> int:
        """Bytes of bodies that came so far."""
        now = 0 if self._now is None else self._now.received
        return now + sum(attempt.bytes for attempt in self._report.attempts)

    def start(self) -> Deferred[DownloadReport]:
        """
        Begin.

        :returns: a Deferred of the report; it never fails, not even when it is cancelled: look at the report's error.
        """
        total = self._remote.timeouts.total
        d = Deferred.fromCoroutine(self.run())
        if total is not None and not d.called:
            timer: Deferred[None] = Deferred()
            self._shared.watch.limit(timer, total, lambda seconds: TotalTimeout(self._download.url, seconds))
            timer.addErrback(self._too_late, d)

            def stop(report: DownloadReport) -> DownloadReport:
                if not timer.called:
                    timer.callback(None)
                return report

            d.addCallback(stop)
        return d

    def _too_late(self, why: Failure, d: Deferred[DownloadReport]) -> None:
        self._late = why.value  # type: ignore[assignment]
        d.cancel()

    async def run(self) -> DownloadReport:
        """Fetch the file, without a limit on the whole time; as `start` otherwise."""
        download, shared = self._download, self._shared
        self._report = report = DownloadReport(
            url=download.url, started=shared.now(), attachment=download.attachment, download=download
        )
        shared.traffic.begin(self)
        try:
            await self._run(report)
        finally:  # even if nobody waits for it any more: it must not count as under way for ever
            report.finished = report.finished or shared.now()
            shared.traffic.end(self, report)
        return report

    async def _run(self, report: DownloadReport) -> None:
        download, shared, target, committed = self._download, self._shared, self._target, False
        try:
            check_strength(download, self._remote)
            if isinstance(target, FileTarget):
                report.path = target.place.path
                wanted = surely_new(target.place, download) or not await self._present()
            else:
                wanted = True
            if wanted:
                await self._fetch()
            committed = True
        except (CancelledError, Cancelled):
            report.error = self._late or Cancelled(download.url, "cancelled")
        except PulpError as error:
            report.error = named(error, download.url)
        except Exception as error:  # a mistake of ours: it ends this download only
            self._log.failure("an unexpected error while downloading {url}", url=shown(report.url))
            report.error = DownloadError(download.url, f"unexpected {type(error).__name__}: {error}")
        if report.error is not None:
            report.path = None
            if target.error is None and not isinstance(target, FileTarget):  # a FileTarget's own are of the disk
                target.error = report.error
        try:
            closing = target.close(keep=self._resumable(), committed=committed)
            if closing is not None:
                await closing
        except CancelledError:  # too late to change what became of it
            pass
        except Exception:  # this too
            self._log.failure("what {url} was written to cannot be closed", url=shown(report.url))
        report.finished = shared.now()
        if self._hooks.done is not None:
            await tell_done(shared.watch, self._remote.timeouts.hook, self._hooks.done, report)

    def _resumable(self) -> bool:
        """Whether another run could use what is there."""
        if isinstance(self._report.error, _WRONG) or self._version is None:
            return False
        return bool(self._download.digests) or self._version.validator is not None

    async def _present(self) -> bool:
        """Look whether the file is there already, or in part."""
        target, download = self._target, self._download
        if not self._force:
            found = await present_digests(target.place, download, self._shared.threads)
            if found is not None:
                self._is_present(*found)
                return True
            if not download.digests:
                self._known = remembered(target.place)
        gaps = self._remote.limits.segments > 1 or download.pieces is not None
        self._version = await target.adopt(lambda journal: usable(journal, download), gaps)
        if self._version is not None:
            self._log.info("resuming {path} at {size}", path=target.place.path, size=target.size)
        return False

    def _is_present(self, digests: dict[str, str], size: int) -> None:
        report = self._report
        report.path, report.digests, report.size = self._target.place.path, digests, size
        report.present, report.verified = True, bool(self._download.digests)

    def _has_choice(self) -> bool:
        """Return whether there is a choice of sources: several, mirrors, or a hook that knows some."""
        sources = self._download.sources
        return len(sources) > 1 or self._hooks.sources is not None or (sources[0].remote or self._remote).mirrored

    async def _fetch(self) -> None:
        shared, download = self._shared, self._download
        sources: Sequence[Source] = download.sources
        if self._has_choice():
            from twisted_pulp.transfer._sources import chosen

            sources, self._compared = await chosen(shared, self._remote, download, self._hooks), True
        self._sources = sources
        if self._version is not None:  # the journal's URL has no query; whoever matches has it
            match = next((source for source in sources if bare(source.url) == self._version.url), None)
            if match is not None:
                self._version = Version(match.url, self._version.validator, self._version.length)
        tries = Tries(sources, self._remote.retry, shared.reactor.seconds, shared.uniform)
        step = tries.first(shared.health.paused)
        while True:
            if step.delay > 0:
                await deferLater(shared.reactor, step.delay)
            run = await self._tried(step)
            if run is None:
                return
            step = await self._next(tries, run[0].blamed or step.source, run)

    async def _tried(self, step: Try) -> tuple[AttemptRun, PulpError] | None:
        """Make an attempt; return it with its error, or None when the file is there."""
        shared, source = self._shared, step.source
        remote = source.remote or self._remote
        run = self._now = AttemptRun(
            shared.agent(remote),
            remote,
            shared.watch,
            self._download,
            source,
            self._target,
            self._hooks,
            self._version,
            self._known,
            source.url,
        )
        if (remote.limits.segments > 1 or self._download.pieces is not None) and isinstance(self._target, FileTarget):
            run.several = self._several()
        started, began = shared.now(), shared.reactor.seconds()
        error: PulpError | None = None
        try:
            await run.run(step.whole)
            if run.unchanged:
                await self._kept(run)
            else:
                accepted = accept(run, remote, shared, self._hooks, self._download, self._target, self._report)
                if accepted is not None:
                    await accepted
        except CancelledError:
            error = Cancelled(source.url, "cancelled")
            raise
        except PulpError as failure:
            error = named(failure, run.url)
            if isinstance(failure, _OURS):
                raise
        finally:
            # Bytes that are wrong are never added to.
            self._version = None if isinstance(error, _WRONG) else run.version
            report, self._now = self._report, None
            report.status, report.headers, report.final_url = run.status, run.fields, run.url if run.status else None
            report.attempts += run.ended(started, error)
        if error is not None:
            return run, error
        report.source = source
        shared.health.succeeded(source)
        if self._compared:
            shared.health.measured(source, run.received, shared.reactor.seconds() - began)
        return None

    def _several(self) -> Any:
        from twisted_pulp.transfer._several import several  # most files need none of it

        return several(self._shared, self._remote, self._download, self._hooks, self._target, self._sources)

    async def _kept(self, run: AttemptRun) -> None:
        """Report the file that the server says is still right."""
        place = self._target.place
        found = await outlasting(self._shared.threads.lane()(file_digests, place, self._download))
        if found is None:
            raise WriterError(run.url, f"{place.path} went away meanwhile")
        self._is_present(*found)

    async def _next(self, tries: Tries, source: Source, failed: tuple[AttemptRun, PulpError]) -> Try:
        """Decide what follows a failed attempt; raise its error when nothing does."""
        run, error = failed
        shared, now = self._shared, self._shared.now()
        shared.health.failed(source, error)
        asked = asked_to_wait(error, now)
        if asked > self._remote.retry.retry_after:
            error = RetryLater(error.url, asked, self._remote.retry.retry_after)  # type: ignore[attr-defined]
        elif asked:
            shared.health.pause(source, asked)
        hook = self._hooks.attempt_failed
        if hook is not None:
            seconds, about = self._remote.timeouts.hook, (self._download, source, error)
            again = await called(shared.watch, seconds, source.url, "attempt_failed", hook, *about)
            if isinstance(again, Again):
                return tries.again(source, again.source)
        if self._download.digests and "link" in run.fields:
            from twisted_pulp.metalink import duplicates

            remote = source.remote or self._remote
            tries.add(source, shared.mirrors.elsewhere(duplicates(run.fields, run.url), remote))
        step = tries.after(source, error, run.resumed, shared.health.paused, now)
        if step is None or not shared.traffic.may_retry(step.source, self._report.attempts):
            raise error
        self._log.debug("{error}; trying again in {delay} s", error=error, delay=step.delay)
        return step

"""Jobs that download files."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.catalog import remotes
from twisted_pulp.catalog.items import Ended
from twisted_pulp.context import Context
from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import Cancelled, CatalogError, ItemsFailed, PulpError, StorageFull
from twisted_pulp.jobs._kind import IJobKind, Unfinished
from twisted_pulp.jobs._orphans import orphans, remove_orphans
from twisted_pulp.jobs._paths import Paths
from twisted_pulp.jobs._results import Results
from twisted_pulp.jobs._settle import settle
from twisted_pulp.jobs._task import Task
from twisted_pulp.jobs._values import Wanted
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Hooks

__all__ = ["DownloadKind"]

#: Failures in a row after which the others wait for the next run, too: the upstream is down.
_FAILING = 100
#: Names that are looked at in one step of the search for what was left; and seconds that clocks of files may be late.
_STEP, _TICK = 1000, 0.1


@implementer(IJobKind)
@define(eq=False)
class DownloadKind:
    """
    Download the items of a job to paths below a directory.

    The payload may have ``remote``, the name of the Remote that reaches them all. Whatever that says, addresses that
    the context's policy blocks are not connected to.

    :param context: what downloads share.
    :param directory: where the files go; only whole and verified ones appear there.
    :param concurrency: downloads in flight in one job; default 32.
    :param fsync: whether files are on the disk before their items are completed; default true.
    :param shared: path of a file by which processes that write there agree on who writes what; default None: no other
        does.
    """

    yields = True
    _context: Context
    _directory: str
    concurrency: int = field(kw_only=True, default=32)
    fsync: bool = field(kw_only=True, default=True)
    shared: str | None = field(kw_only=True, default=None)
    _paths: Paths = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._paths = Paths(self._context.reactor, self.shared)

    def recover(self) -> Deferred[int]:
        """
        Remove what killed processes have left in the directory, bit by bit, while others write there.

        :returns: a Deferred of how many files that were; to cancel it leaves the rest for another time.
        """
        return Deferred.fromCoroutine(self._recover())

    async def _recover(self) -> int:
        found = orphans(self._directory, begun=time.time() - _TICK, unused=self._paths.unused)
        removed, over = 0, False
        while not over:
            # A step takes a thread some milliseconds; the files of downloads can be written in between.
            some, over = await self._context.threads.lane()(remove_orphans, found, _STEP)
            removed += some
        return removed

    def run(self, task: Task) -> Deferred[Mapping[str, Any]]:
        """Download what is not finished; see `IJobKind.run`."""
        return Deferred.fromCoroutine(_Downloading(self, self._context, self._directory, task, self._paths).run())


@define(eq=False)
class _Downloading:
    """One run."""

    _kind: DownloadKind
    _context: Context
    _directory: str
    _task: Task
    _paths: Paths
    _mine: set[str] = field(init=False, factory=set)
    _results: Results = field(init=False)
    _coming: dict[int, int] = field(init=False, factory=dict)
    _again: int = field(init=False, default=0)
    _failing: int = field(init=False, default=0)
    _why: str = field(init=False, default="")
    _present: int = field(init=False, default=0)
    _received: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        settle = self._settle if self._kind.fsync else None
        self._results = Results(self._context.reactor, self._task, settle)

    async def _settle(self, paths: list[str]) -> None:
        # In two threads: the disk takes several at once.
        halves = [self._context.threads.lane()(settle, self._directory, each) for each in (paths[::2], paths[1::2])]
        for _, failure in await DeferredList(halves, consumeErrors=True):
            if isinstance(failure, Failure):
                failure.raiseException()

    async def run(self) -> Mapping[str, Any]:
        task = self._task
        remote = await self._remote(task.job.payload.get("remote"))
        hooks = Hooks(progress=self._progressed)
        downloader = self._context.downloader(remote, hooks=hooks, directory=self._directory)
        wanted = self._wanted()
        try:
            await downloader.download_each(wanted, self._ended, self._kind.concurrency)
        finally:
            await wanted.aclose()
            await downloader.close()
            for path in list(self._mine):  # of downloads whose ends nobody has heard of
                self._give(path)
            await self._results.close()
        return self._result()

    async def _remote(self, name: str | None) -> Remote:
        catalog = self._task.catalog
        remote = Remote() if name is None else await catalog.read(remotes.reach, name, catalog.key)
        return evolve(remote, network=evolve(remote.network, guarded=True))

    async def _wanted(self) -> AsyncGenerator[Download]:
        """Give a download for each item; one whose path is being written waits until that is done."""
        later: list[Wanted] = []
        async for page in self._task.items():
            for item in page:
                if self._task.stopping or self._failing >= _FAILING:
                    return
                if self._paths.take(item.path):
                    self._mine.add(item.path)
                    yield self._download(item)
                else:
                    later.append(item)
            later, waiting = [], later
            for item in waiting:
                if self._task.stopping or self._failing >= _FAILING:
                    return
                await self._paths.taken(item.path)
                self._mine.add(item.path)
                yield self._download(item)

    def _give(self, path: str) -> None:
        if path in self._mine:
            self._mine.remove(path)
            self._paths.give(path)

    def _download(self, item: Wanted) -> Download:
        return Download(item.url, item.path, size=item.size, digests=item.digests or None, attachment=item)

    def _progressed(self, download: Download, come: int, total: int | None) -> None:
        self._coming[download.attachment.number] = come
        self._task.coming(sum(self._coming.values()))

    def _ended(self, report: DownloadReport) -> Deferred[None] | None:
        item: Wanted = report.attachment
        self._give(item.path)
        self._coming.pop(item.number, None)
        self._received += sum(attempt.bytes for attempt in report.attempts)
        error = report.error
        if error is None:
            self._present += report.present
            self._failing = 0
            done = Ended(item.number, "completed", report.size or 0, report.digests["sha256"])
            return self._results.add(done, report.path)
        if isinstance(error, StorageFull | CatalogError):
            raise error
        return None if isinstance(error, Cancelled) else self._results.add(self._failed(item, report, error))

    def _failed(self, item: Wanted, report: DownloadReport, error: PulpError) -> Ended:
        again = bool(getattr(error, "retryable", False))
        self._why = str(error)
        self._again += again
        self._failing += again
        if again and not self._task.last:
            return Ended(item.number, "waiting", error=str(error))
        self._task.item_failed(item, report.url, str(error))
        return Ended(item.number, "failed", error=str(error))

    def _result(self) -> Mapping[str, Any]:
        task = self._task
        seen = task.seen(task.job)
        left = seen.total - seen.done - seen.failed
        if task.stopping and left > self._again:
            raise Unfinished
        if left or seen.failed:
            raise ItemsFailed(seen.failed + left, bool(left or self._again), self._why)
        return {"succeeded": seen.done, "present": self._present, "received": self._received}

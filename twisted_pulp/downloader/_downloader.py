"""Many downloads, as one Remote wants them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.web.iweb import IAgent
from zope.interface import implementer

from twisted_pulp.download import Attempt, Download, DownloadReport, Group, Totals
from twisted_pulp.downloader._crowd import Crowd, Results
from twisted_pulp.errors import Cancelled, PathError, PulpError
from twisted_pulp.http import fields_of, refuse
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import FileTarget, Hooks, Place, Transfer, Tree
from twisted_pulp.transfer._ask import request_headers
from twisted_pulp.transfer._attempt import named
from twisted_pulp.transfer._file import SMALL
from twisted_pulp.transfer._proof import algorithms_of

__all__ = ["Downloader"]


@implementer(IDownloader)
class Downloader:
    """
    Download files as one Remote wants them. `Context.downloader` makes it.

    :ivar remote: the settings.
    :ivar agent: makes the requests of downloads; may be replaced.
    """

    def __init__(
        self,
        context: Any,
        remote: Remote,
        *,
        hooks: Hooks,
        directory: str | None = None,
        force: bool = False,
        put: Callable[[str, bytes], str | None] | None = None,
    ) -> None:
        """
        :param context: what all downloads share.
        :param hooks: called as downloads go on.
        :param directory: paths are relative to it, and nothing is written outside; default None: paths are trusted.
        :param force: whether files that are present are fetched again; default false.
        :param put: where small files go, rather than to their paths: called with sha256 and bytes, it returns their new
            path, or None when it did nothing; default none.
        """
        self.context, self.remote = context, remote
        self._hooks, self._force, self._put = hooks, force, put
        self._tree = None if directory is None else Tree(os.path.abspath(directory))
        self._private: str | None = None
        self._made = 0
        self._running: dict[Deferred[None], Deferred[DownloadReport]] = {}
        self._crowds: set[Crowd[Any, Any]] = set()
        self._http: Any = None
        self._agent: IAgent | None = None
        self._replaced: _Replaced | None = None
        self._closed = False

    # the library below
    @property
    def agent(self) -> IAgent:
        """What makes the requests of this Remote; one that is set here makes those of downloads too."""
        return self._agent if self._agent is not None else self.context.limited_agent(self.remote)

    @agent.setter
    def agent(self, agent: IAgent) -> None:
        self._agent = agent

    @property
    def pool(self) -> Any:
        """The pool of connections that everything shares."""
        return self.context.pool

    @property
    def running(self) -> int:
        """How many downloads of `download` have not ended."""
        return len(self._running)

    @property
    def http(self) -> Any:
        """A treq HTTPClient for metadata: the same connections and credentials; bodies are decoded, with a cap."""
        if self._http is None:
            from treq.client import HTTPClient

            self._http = HTTPClient(self.context.metadata_agent(self.remote))
        return self._http

    # one
    def download(self, download: Download | str, **fields: Any) -> Deferred[DownloadReport]:
        """Download one file; see `IDownloader.download`."""
        if not isinstance(download, Download):
            download = Download(download, **fields)
        return self._start(download).addCallback(_unwrapped)

    async def fetch(self, download: Download) -> DownloadReport:
        """
        Download one file as `download` does, for a coroutine of which nobody needs a Deferred.

        To close the downloader does not end it: whoever waits for it has to.
        """
        return _unwrapped(await self._fetch(download))

    def _start(self, download: Download) -> Deferred[DownloadReport]:
        """Return a Deferred of a report, which may be of a failure; it never fails."""
        ended: Deferred[None] = Deferred()
        fetched = self._fetch(download)
        d = fetched if isinstance(fetched, Deferred) else Deferred.fromCoroutine(fetched)
        self._running[ended] = d

        def over(report: DownloadReport) -> DownloadReport:
            del self._running[ended]
            ended.callback(None)
            return report

        return d.addCallback(over)

    def _fetch(self, download: Download) -> Deferred[DownloadReport] | Coroutine[Any, Any, DownloadReport]:
        """Return what a report comes from, which may be of a failure."""
        try:
            if self._closed:
                raise Cancelled(download.url, "the downloader is closed")
            target = self._target(download)
        except PulpError as error:
            return succeed(_failed(download, named(error, download.url)))
        shared = self.context if self._agent is None else self._surroundings(self._agent)
        transfer = Transfer(shared, self.remote, download, target, self._hooks, self._force)
        return transfer.run() if self.remote.timeouts.total is None else transfer.start()

    def _surroundings(self, agent: IAgent) -> _Replaced:
        if self._replaced is None or self._replaced.replaced is not agent:
            self._replaced = _Replaced(self.context, self.remote, agent)
        return self._replaced

    def _target(self, download: Download) -> Any:
        algorithms = algorithms_of(download)
        if download.writer is not None:
            from twisted_pulp.transfer import WriterTarget

            return WriterTarget(download.writer, algorithms)
        threads = self.context.threads
        small = -1 if self._hooks.validators else SMALL
        if download.path is None:
            if self._private is None:
                self._private = tempfile.mkdtemp(prefix="pulp-")
            self._made += 1
            return FileTarget(Place(self._private, str(self._made)), threads, algorithms, small, False)
        return FileTarget(self._place(download.path, download.url), threads, algorithms, small, True, self._put)

    def _place(self, path: str, url: str) -> Place:
        place = Place.at(path) if self._tree is None else self._tree.place(path)
        if not place.claim(self.context.paths):
            raise PathError(url, f"two downloads want {place.path}")
        return place

    def head(self, download: Download | str) -> Deferred[DownloadReport]:
        """Ask for the headers only; see `IDownloader.head`."""
        if not isinstance(download, Download):
            download = Download(download)
        return Deferred.fromCoroutine(self._head(download))

    async def _head(self, download: Download) -> DownloadReport:
        context, error = self.context, None
        report = DownloadReport(
            url=download.url, started=context.now(), attachment=download.attachment, download=download
        )
        for source in download.sources:
            given = request_headers(download, source, None, None)
            agent = self.agent if source.remote is None else context.agent(source.remote)
            started, status, error = context.now(), None, None
            try:
                response = await agent.request(b"HEAD", source.url.encode("ascii"), given)
                refuse(response)
                status = response.code
                report.source, report.status, report.headers = source, response.code, fields_of(response)
                report.final_url = response.request.absoluteURI.decode("latin-1")
                length = report.headers.get("content-length", "")
                report.size = int(length) if length.isdigit() else None
            except PulpError as failure:
                error = failure
            report.attempts += (Attempt(source, started, status, 0, error),)
            if error is None or isinstance(error, Cancelled):
                break
        report.error, report.finished = error, context.now()
        return _unwrapped(report)

    # many
    def download_each(
        self,
        downloads: Iterable[Download] | AsyncIterable[Download],
        callback: Callable[[DownloadReport], object],
        concurrency: int = 8,
        *,
        fail_fast: bool = False,
    ) -> Deferred[Totals]:
        """Download many files, and call *callback* with each report; see `IDownloader.download_each`."""
        totals = Totals()

        def give(report: DownloadReport) -> object:
            totals.add(report)
            given = callback(report)
            if fail_fast and report.error is not None:
                raise report.error
            return given

        return self._crowd(downloads, give, concurrency).run().addCallback(lambda _: totals)

    def download_all(
        self, downloads: Iterable[Download] | AsyncIterable[Download], concurrency: int = 8, *, fail_fast: bool = False
    ) -> AsyncIterator[DownloadReport]:
        """Download many files, and give each report; see `IDownloader.download_all`."""

        def begin(give: Callable[[DownloadReport], Deferred[None]]) -> Crowd[Download, DownloadReport]:
            def checked(report: DownloadReport) -> Deferred[None]:
                if fail_fast and report.error is not None:
                    raise report.error
                return give(report)

            return self._crowd(downloads, checked, concurrency)

        return Results(begin)

    def _crowd(
        self,
        downloads: Iterable[Download] | AsyncIterable[Download],
        give: Callable[[DownloadReport], object],
        concurrency: int,
    ) -> Crowd[Download, DownloadReport]:
        return Crowd(self.context.reactor, self._fetch, downloads, give, concurrency, self._crowds)

    def download_groups(
        self, groups: Iterable[Group], concurrency: int = 8
    ) -> AsyncIterator[tuple[Group, list[DownloadReport]]]:
        """Download groups of files; see `IDownloader.download_groups`."""
        from twisted_pulp.downloader._groups import grouped  # few programs have groups

        return grouped(self.context, self._start, self._place, groups, concurrency, self._crowds)

    def close(self) -> Deferred[None]:
        """End everything in flight and remove temporary files that nobody took."""
        self._closed = True
        ended = []
        for waiting, d in list(self._running.items()):
            ended.append(waiting)
            d.cancel()
        for crowd in list(self._crowds):
            ended.append(crowd.ended())
            crowd.stop()
        return DeferredList(ended).addCallback(self._tidy)

    def _tidy(self, _: object) -> None:
        private, self._private = self._private, None
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)
        if self._tree is not None:
            self._tree.close()
        self.context.forget(self)


class _Replaced:
    """Surroundings in which one Remote is reached by an agent of the caller's."""

    def __init__(self, context: Any, remote: Remote, agent: IAgent) -> None:
        self._context, self._remote, self.replaced = context, remote, agent
        # What every download asks for.
        self.reactor, self.now, self.watch, self.threads = context.reactor, context.now, context.watch, context.threads
        self.health, self.traffic = context.health, context.traffic

    def agent(self, remote: Remote) -> IAgent:
        return self.replaced if remote is self._remote else self._context.agent(remote)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def _failed(download: Download, error: PulpError) -> DownloadReport:
    return DownloadReport(url=download.url, error=error, attachment=download.attachment, download=download)


def _unwrapped(report: DownloadReport) -> DownloadReport:
    if report.error is not None:
        report.error.report = report  # type: ignore[attr-defined]
        raise report.error
    return report

"""A Downloader whose calls block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from twisted.internet.defer import Deferred

from twisted_pulp.blocking._flights import reports
from twisted_pulp.blocking._http import HTTPClient
from twisted_pulp.blocking._reactor import call, started
from twisted_pulp.context import Context
from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import SettingsError
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Hooks

__all__ = ["Downloader"]


class Downloader:
    """
    Download files from a program that knows nothing of reactors; any number of threads may share one.

    Use it in a `with` statement, or call `close`: its connections live until then. Ctrl-C, or whatever else interrupts
    a call, cancels what the call has begun; what can be resumed is kept.

    :param remote: how to reach the upstream; default None: every default, for any URL.
    :param connections: connections open at once over all; default 100.
    :param per_host: connections open at once to each host and port; default 8.
    :param hooks: called in the reactor's thread, so they must not block; default none.
    :param directory: paths are relative to it, and nothing is written outside; default None: paths are trusted.
    :param force: whether files that are present are fetched again; default false.
    :ivar http: requests for metadata.
    :raises SettingsError: when a cap is not a whole number from 1.
    """

    def __init__(
        self,
        remote: Remote | None = None,
        *,
        connections: int = 100,
        per_host: int = 8,
        hooks: Hooks | None = None,
        directory: str | None = None,
        force: bool = False,
    ) -> None:
        self._reactor = started()
        self._closed = False
        self._context: Context
        self._downloader: IDownloader
        self._trigger: Any

        def make() -> None:
            self._context = Context(self._reactor, connections=connections, per_host=per_host)
            self._downloader = self._context.downloader(remote, hooks=hooks, directory=directory, force=force)
            # A program that ends without closing us must not wait for our threads, nor they for the reactor.
            self._trigger = self._reactor.addSystemEventTrigger("before", "shutdown", self._shut)

        call(make)
        self.http = HTTPClient(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything in flight, in other threads too, and close the connections. Later calls raise RuntimeError."""
        if not self._closed:
            call(self._close)

    def download(self, download: Download | str, **fields: Any) -> DownloadReport:
        """
        Download one file.

        :param download: a `Download`, or a URL; then *fields* are those of `Download`.
        :raises PulpError: why it failed; its `report` is the report.
        """
        return call(self._open().download, _asked(download, fields))  # type: ignore[no-any-return]

    def head(self, download: Download | str) -> DownloadReport:
        """
        Ask for the headers only; the report has a status and headers, and nothing was written.

        :raises PulpError: why it failed.
        """
        return call(self._open().head, _asked(download, {}))  # type: ignore[no-any-return]

    def download_all(
        self, downloads: Iterable[Download], concurrency: int = 8, *, fail_fast: bool = False
    ) -> Iterator[DownloadReport]:
        """
        Download many files.

        :param downloads: pulled in the caller's thread and lazily: never more than *concurrency* are in flight or
            waiting to be taken.
        :param concurrency: downloads in flight; default 8.
        :param fail_fast: whether the first failure is raised, and ends the others; default false.
        :returns: the reports, in order of completion; a failure is a report with an error. Leaving the loop ends all.
        :raises SettingsError: when *concurrency* is not a whole number from 1.
        """
        if type(concurrency) is not int or concurrency < 1:
            raise SettingsError("concurrency", concurrency, "a whole number from 1")
        return reports(self._reactor, self._open(), iter(downloads), concurrency, fail_fast)

    def _open(self) -> IDownloader:
        if self._closed:
            raise RuntimeError("the Downloader is closed")
        return self._downloader

    # in the reactor's thread
    def _client(self) -> Any:
        return self._open().http

    def _close(self) -> Deferred[None] | None:
        if self._closed:
            return None
        self._reactor.removeSystemEventTrigger(self._trigger)
        return self._shut()

    def _shut(self) -> Deferred[None]:
        self._closed = True
        return self._context.close()

    def __repr__(self) -> str:
        return f"<blocking Downloader{', closed' if self._closed else ''}, {self._context!r}>"


def _asked(download: Download | str, fields: dict[str, Any]) -> Download:
    if not isinstance(download, Download):
        return Download(download, **fields)
    if fields:
        raise TypeError("fields are for a URL; a Download has its own")
    return download

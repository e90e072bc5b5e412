"""What this package promises, and what it asks of those who extend it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.web.iweb import IAgent
from zope.interface import Attribute, Interface

from twisted_pulp.download import Download, DownloadReport, Group, Source, Totals
from twisted_pulp.errors import shown
from twisted_pulp.headers import Fields
from twisted_pulp.settings import Remote

__all__ = ["Head", "IDownloader", "IWriter"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Head(Struct, frozen=True):
    """
    What is known before the first byte.

    :ivar url: that answered, after redirects.
    :ivar status: of the response.
    :ivar headers: of the response.
    :ivar length: bytes of the whole file, or None.
    :ivar offset: where in the file the bytes to come begin; above 0 when a download is resumed.
    :ivar source: that answered.
    :ivar digests: of the whole file as the response declares them, where none is expected: algorithm -> hex.
    """

    url: str
    status: int
    headers: Fields
    length: int | None
    offset: int
    source: Source
    digests: Mapping[str, str] = _NONE

    def __repr__(self) -> str:
        return f"Head({shown(self.url)!r}, status={self.status}, length={self.length}, offset={self.offset})"


class IWriter(IConsumer):
    """
    A consumer that is told how a download begins and ends.

    Any `IConsumer` can stand where a writer is asked for; it just hears less.
    """

    rewindable: bool = Attribute("Whether `begin` may be called again with offset 0, to forget what was written.")

    def begin(head: Head) -> Deferred[None] | None:
        """
        Bytes are about to come, from *head*.offset on; called once for each attempt that gets as far.

        The download waits for the Deferred, if one is returned, and fails with what it fails with.
        """

    def commit(report: DownloadReport) -> Deferred[None] | None:
        """Everything came, and is what was expected."""

    def abort(error: BaseException) -> Deferred[None] | None:
        """The download has failed for good: give back what is held."""


class IDownloader(Interface):
    """Download many files as one Remote wants it."""

    remote: Remote = Attribute("The settings.")
    agent: IAgent = Attribute("Makes the requests: an IAgent; may be replaced.")
    pool: Any = Attribute("The pool of connections that everything shares.")
    http: Any = Attribute("A treq HTTPClient for metadata, whose bodies are decoded with a cap.")

    def download(download: Download | str, **fields: Any) -> Deferred[DownloadReport]:
        """
        Download one file.

        :param download: a `Download`, or a URL; then *fields* are those of `Download`.
        :returns: a Deferred of the report. It fails with the report's error, whose `report` is the report; to cancel it
            ends the download and keeps what can be resumed.
        """

    def head(download: Download | str) -> Deferred[DownloadReport]:
        """Ask for the headers only; the report has a status and headers, and nothing was written."""

    def download_all(
        downloads: Iterable[Download] | AsyncIterable[Download], concurrency: int = 8, *, fail_fast: bool = False
    ) -> AsyncIterator[DownloadReport]:
        """
        Download many files.

        :param downloads: pulled lazily: never more than *concurrency* are in flight or waiting to be taken.
        :param concurrency: downloads in flight.
        :param fail_fast: whether the first failure is raised, and ends the others.
        :returns: the reports, in order of completion; a failure is a report with an error. Leaving the loop ends all.
        """

    def download_each(
        downloads: Iterable[Download] | AsyncIterable[Download],
        callback: Callable[[DownloadReport], object],
        concurrency: int = 8,
        *,
        fail_fast: bool = False,
    ) -> Deferred[Totals]:
        """
        Download many files, and call *callback* with each report; a Deferred that it returns is waited for.

        :returns: a Deferred of the totals.
        """

    def download_groups(
        groups: Iterable[Group], concurrency: int = 8
    ) -> AsyncIterator[tuple[Group, list[DownloadReport]]]:
        """
        Download groups of files; a URL that several groups want is fetched once.

        :returns: each group, when it is finished, with the reports of its downloads in their order.
        """

    def close() -> Deferred[None]:
        """End everything in flight and remove temporary files that nobody took."""

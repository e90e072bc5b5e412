"""Where files can come from: simple APIs and collections of links, on servers and on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from attrs import define, field
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_pulp import Remote
from twisted_pulp.errors import ConnectError, DownloadError, HTTPStatusError, PulpError, shown

from .files import IndexFile
from .pages import ACCEPT, HTML, PageError, files_on

#: Runs a function in a thread and returns a Deferred of its result.
InThread = Callable[..., Awaitable[Any]]
# Seconds before a page is asked for once more, and once more again.
_WAITS = (0.5, 2.0)


class Downloader(Protocol):
    """
    The part of a Downloader that indexes need.

    :ivar remote: its settings.
    """

    remote: Remote

    @property
    def http(self) -> Any:
        """A treq HTTPClient."""


class Index(Protocol):
    """Something that can be asked for a project's files."""

    @property
    def url(self) -> str:
        """Where it is, fit for a person's eyes."""

    async def files(self, project: str) -> list[IndexFile]:
        """
        Return what there is of *project*, whose name is normalized; maybe of others too.

        :raises PulpError: when it cannot be reached.
        :raises PageError: when it has something else.
        """


@define(eq=False)
class SimpleIndex:
    """A simple API on a server: one page for each project. A server that cannot be reached is not asked again."""

    _downloader: Downloader
    _clock: IReactorTime
    _root: str
    _gone: ConnectError | None = field(init=False, default=None)

    @property
    def url(self) -> str:
        return shown(self._root)

    async def files(self, project: str) -> list[IndexFile]:
        if self._gone is not None:
            raise self._gone
        try:
            return await files_at(f"{self._root.rstrip('/')}/{project}/", self._downloader, self._clock)
        except ConnectError as error:
            self._gone = error
            raise


@define(eq=False)
class DiskIndex:
    """A simple API on disk: a directory for each project, with a page or with the files themselves."""

    _downloader: Downloader
    _clock: IReactorTime
    _in_thread: InThread
    _root: Path

    @property
    def url(self) -> str:
        return self._root.as_uri()

    async def files(self, project: str) -> list[IndexFile]:
        directory = self._root / project
        found = await files_at(f"{directory.as_uri()}/", self._downloader, self._clock)
        if found or await self._in_thread(directory.is_dir):
            return found or await files_in(directory, self._downloader, self._in_thread)
        if await self._in_thread(self._root.is_dir):
            return []
        raise PageError("there is no such directory")


@define(eq=False)
class Links:
    """
    Links to files of any projects, all in one place that is read once.

    :ivar url: of the place, fit for a person's eyes.
    """

    url: str
    _read: Callable[[], Awaitable[list[IndexFile]]]
    _found: list[IndexFile] | PulpError | PageError | None = field(init=False, default=None)
    _reading: DeferredLock = field(init=False, factory=DeferredLock)

    async def files(self, project: str) -> list[IndexFile]:
        async with self._reading:
            if self._found is None:
                try:
                    self._found = await self._read()
                except (PulpError, PageError) as error:
                    self._found = error
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


async def files_at(url: str, downloader: Downloader, clock: IReactorTime) -> list[IndexFile]:
    """
    Return the files that the page at *url* offers; none when there is no such page.

    What may pass, other than that nobody is there, is tried again.

    :raises PulpError: when it cannot be had.
    :raises PageError: when it is something else.
    """
    for wait in _WAITS:
        try:
            return await _asked(url, downloader)
        except DownloadError as error:
            if not error.retryable or isinstance(error, ConnectError):
                raise
        await deferLater(clock, wait)
    return await _asked(url, downloader)


async def _asked(url: str, downloader: Downloader) -> list[IndexFile]:
    response = await downloader.http.get(url, headers={"Accept": ACCEPT})
    # Errors have bodies too: the connection is free again only when they were read.
    body = await response.content()
    if response.code in (404, 410):
        return []
    if response.code >= 400:
        raise HTTPStatusError.of(url, response.code)
    # A file has no type; pages on disk are in HTML.
    unnamed = HTML[1] if url.startswith("file:") else ""
    content_type = (response.headers.getRawHeaders("Content-Type") or [unnamed])[-1]
    return files_on(body, content_type, response.request.absoluteURI.decode("ascii"), downloader.remote)


async def files_in(directory: Path, downloader: Downloader, in_thread: InThread) -> list[IndexFile]:
    """
    Return the files in *directory*.

    :raises PageError: when it cannot be read.
    """
    try:
        return await in_thread(_listed, directory, downloader.remote)  # type: ignore[no-any-return]
    except OSError as error:
        raise PageError(str(error)) from error


def _listed(directory: Path, remote: Remote) -> list[IndexFile]:
    paths = sorted(path for path in directory.iterdir() if path.is_file())
    files = (IndexFile.named(path.name, path.as_uri(), remote, size=path.stat().st_size) for path in paths)
    return [file for file in files if file is not None]


def path_of(url: str) -> Path:
    """Return the path that a file:// URL stands for."""
    return Path(url2pathname(urlsplit(url).path))

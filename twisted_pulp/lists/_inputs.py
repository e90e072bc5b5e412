"""Everything that is to be downloaded: what was named one by one, then list after list."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing, closing
from typing import Any

from attrs import define, evolve

from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import DownloadError, PulpError, SettingsError, shown
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.lists._metalink import is_metalink, read_any, read_whole
from twisted_pulp.lists._reader import Reader, Refused
from twisted_pulp.settings import Remote

__all__ = ["Inputs", "file_root_of"]

STDIN = "-"
_SHORT = 4 << 20


def _is_url(name: str) -> bool:
    return "://" in name


def file_root_of(name: str) -> str | None:
    """Return the directory that *name*, a file:// URL or the path of a list, makes readable; None for other URLs."""
    if name == STDIN:
        return None
    if _is_url(name):
        if not name.lower().startswith("file://"):
            return None
        from urllib.parse import unquote, urlsplit

        name = unquote(urlsplit(name).path)
    return os.path.dirname(os.path.abspath(name))


def _base_of(path: str) -> str:
    from urllib.parse import quote

    return "file://" + quote(os.path.abspath(path))


@define(eq=False, repr=False)
class Inputs:
    """
    Downloads in the order in which they were named, read when they are wanted.

    :ivar reactor: reads a list that comes through a pipe.
    :ivar downloads: those that were named themselves.
    :ivar lists: a path, a URL or "-" for each list.
    :ivar remote: reaches the lists that are URLs.
    :ivar refused: called with each list, or line of one, that is bad.
    """

    reactor: Any
    downloads: Iterable[Download]
    lists: tuple[str, ...]
    remote: Remote
    refused: Callable[[Refused], object]

    def read(self, downloader: IDownloader) -> Generator[Download] | AsyncGenerator[Download]:
        """
        Give them all; an ordinary generator, which is the faster one, when nothing has to be waited for.

        Who does not read it to its end closes it: a list may be open.

        :param downloader: fetches the lists that are URLs.
        """
        waits = any(_is_url(name) or _is_piped(name) for name in self.lists)
        return self._read_waiting(downloader) if waits else self._read()

    def expected(self) -> tuple[int, int | None] | None:
        """
        Return how many Downloads there will be and their bytes, None where a size is missing.

        :returns: None when only reading to the end would tell: a list is long, or not a file.
        """
        if not all(_is_short(name) for name in self.lists):
            return None
        ahead = evolve(self, refused=_ignore)
        sizes = [download.size for download in ahead._read()]
        known = [size for size in sizes if size is not None]
        return len(sizes), sum(known) if len(known) == len(sizes) else None

    def _read(self) -> Generator[Download]:
        yield from self.downloads
        for name in self.lists:
            yield from self._read_file(name)

    async def _read_waiting(self, downloader: IDownloader) -> AsyncGenerator[Download]:
        for each in self.downloads:
            yield each
        for name in self.lists:
            if _is_url(name) or _is_piped(name):
                waiting = self._read_url(name, downloader) if _is_url(name) else self._read_pipe(name)
                async with aclosing(waiting):
                    async for each in waiting:
                        yield each
            else:
                for each in self._read_file(name):
                    yield each

    def _reader(self, name: str, base: str | None) -> Reader:
        return Reader("standard input" if name == STDIN else name, base, self.refused)

    def _read_file(self, name: str) -> Generator[Download]:
        reader = self._reader(name, None if name == STDIN else _base_of(name))
        try:
            file = open(_stdin() if name == STDIN else name, "rb", closefd=name != STDIN)  # noqa: SIM115 -- closed below
        except OSError as error:
            self.refused(Refused(reader.name, error.strerror or str(error)))
            return
        with closing(file):
            yield from read_any(reader, file)

    async def _read_pipe(self, name: str) -> AsyncGenerator[Download]:
        from twisted_pulp.lists._pipe import piped_lines

        reader = self._reader(name, None if name == STDIN else _base_of(name))
        descriptor = -1
        try:
            # A FIFO is opened without waiting for who writes to it; the reactor waits.
            descriptor = _stdin() if name == STDIN else os.open(name, os.O_RDONLY | os.O_NONBLOCK)
            whole: list[bytes] = []
            async for line in piped_lines(self.reactor, descriptor):
                if whole or (reader.number == 0 and is_metalink(line)):
                    whole.append(line)
                    continue
                download = reader.take(line)
                if download is not None:
                    yield download
                elif reader.hopeless:
                    return
            for download in read_whole(reader, b"\n".join(whole)) if whole else ():
                yield download
        except OSError as error:
            self.refused(Refused(reader.name, error.strerror or str(error)))
        finally:
            if name != STDIN and descriptor >= 0:
                os.close(descriptor)

    async def _read_url(self, name: str, downloader: IDownloader) -> AsyncGenerator[Download]:
        limits = evolve(self.remote.limits, max_size=self.remote.limits.max_metadata_size)
        try:
            # Into a private temporary file, which lives as long as the downloader: it is resumed and tried again like
            # any other, and never held in memory.
            report: DownloadReport = await downloader.download(
                Download(Source(name, remote=evolve(self.remote, limits=limits)))
            )
        except PulpError as error:
            reason = error.reason if isinstance(error, DownloadError) else str(error)
            self.refused(Refused(shown(name), reason))
            return
        assert report.path is not None
        reader = Reader(shown(name), report.final_url or report.url, self.refused)
        with open(report.path, "rb") as file:  # noqa: ASYNC230 -- a file that was just written
            for download in read_any(reader, file):
                yield download


def _stdin() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        raise SettingsError("list", STDIN, "a file or a URL where there is no standard input") from None


def _is_short(name: str) -> bool:
    """Return whether *name* is a file that may be read twice, the first time before anything else happens."""
    try:
        found = os.stat(name)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= _SHORT


def _ignore(refused: Refused) -> None:
    """Leave it to the reading that counts."""


def _is_piped(name: str) -> bool:
    if name == STDIN:
        from twisted_pulp.lists._pipe import is_pipe

        return is_pipe(_stdin())
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except OSError:
        return False

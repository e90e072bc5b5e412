"""The metadata of a sync: fetched if it has changed, and given out while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from secrets import token_hex
from typing import Any, Self

from attrs import evolve
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_pulp.catalog import artifacts, versions
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.content._arrival import Arrival
from twisted_pulp.content._seen import Circumstances, Seen, conditions, kept_url, obstacle, unchanged, worth_waiting
from twisted_pulp.content._spool import Spool
from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import MetadataError, SettingsError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.names import PARTIAL
from twisted_pulp.settings import Remote
from twisted_pulp.stages import Sync
from twisted_pulp.threads import outlasting

__all__ = ["Metadata"]

_NOT_MODIFIED = 304
#: Bytes of a line; whoever has longer ones reads pieces.
LONGEST_LINE = 1 << 20


class Metadata:
    """
    The metadata at one URL, as an asynchronous context manager around its reading.

    It is asked for only if it has changed, where nothing else calls for a sync. When it has not, `pieces` and `lines`
    give nothing, and the sync is skipped. What was seen is left in `Sync.synced` for the next sync.

    :param sync: the surroundings of the stage that reads it.
    :param force: whether it is read although nothing has changed; default false.
    :param url: default None: that of the sync's Remote.
    :ivar url: that is asked for.
    """

    def __init__(self, sync: Sync, *, force: bool = False, url: str | None = None) -> None:
        """:raises SettingsError: when there is no URL."""
        url = url or sync.remote.url
        if url is None:
            raise SettingsError("url", None, "the URL of the upstream's metadata")
        self.url, self._sync, self._force = url, sync, force
        self._report: DownloadReport | None = None
        self._last: Seen | None = None

    async def __aenter__(self) -> Self:
        """Begin to fetch it."""
        sync = self._sync
        self._progress = sync.progress("sync.downloading.metadata", "Downloading Metadata", 1)
        self._last = await self._known()
        self._spool = Spool(sync.storage.temporary(f"metadata-{token_hex(16)}") + PARTIAL, sync.context.threads.lane())
        self._arrival = Arrival(self.url, self._spool, self._waits)
        self._downloader = sync.downloader(_generous(sync.remote))
        download = Download(
            Source(self.url), writer=self._arrival, headers={} if self._last is None else conditions(self._last)
        )
        self._progress.enter("running")
        self._download: Deferred[Any] = self._downloader.download(download)
        self._download.addCallbacks(self._came, self._failed)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it, and leave no file behind."""
        await outlasting(Deferred.fromCoroutine(self._close()))

    async def _close(self) -> None:
        self._download.cancel()
        await self._downloader.close()
        await self._arrival.settled()
        await self._spool.close()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """
        Give its bytes as they arrive, in pieces of any length; nothing when the sync is skipped.

        :raises DownloadError: when it cannot be had, or not all of it.
        """
        whole = await self._arrival.ready()
        if self._last is not None and (self._unmodified or (whole and unchanged(self._last, self._arrival.sha256))):
            self._sync.skip()
            return
        async with aclosing(self._arrival.pieces()) as pieces:
            async for piece in pieces:
                yield piece
        self._sync.synced = self._seen().row()

    async def lines(self) -> AsyncGenerator[bytes]:
        """
        Give its lines as they arrive, without their ends.

        :raises DownloadError: as `pieces` does.
        :raises MetadataError: on a line longer than 1 MiB.
        """
        rest, number = b"", 1
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line
                number += len(lines)
                if len(rest) > LONGEST_LINE:
                    raise self.error(number, f"longer than {LONGEST_LINE} bytes")
        if rest:
            yield rest

    def error(self, line: int | None, detail: str) -> MetadataError:
        """Return the error that says what is wrong in *line*, or in all of it."""
        return MetadataError(self.url, line, detail)

    def before(self) -> AsyncGenerator[list[bytes]]:
        """Give the lines that have come until now again, some of them together; the last one may lack its end."""
        return self._spool.lines()

    async def keep(self, path: str) -> None:
        """Keep it with the version, as *path*; to be called when all of it was read."""
        sync, sha256, size = self._sync, self._arrival.sha256, self._spool.size
        await self._arrival.settled()
        await self._spool.flush()
        (error,) = await sync.storage.adopt([Adoption(self._spool.path, sha256, size)])
        if error is not None:
            raise error
        ids = await sync.catalog.write(artifacts.save, [NewArtifact(sha256, size)], sync.now())
        sync.kept[path] = ids[sha256]

    async def _known(self) -> Seen | None:
        """Return what the last sync saw, if nothing but changed metadata calls for another one."""
        sync = self._sync
        number, missing = await sync.catalog.read(_state, sync.repository.id, sync.policy == "immediate")
        last, now = Seen.of(sync.synced), self._circumstances(number, missing)
        return last if obstacle(last, now) is None else None

    def _circumstances(self, number: int, missing: bool) -> Circumstances:
        sync = self._sync
        return Circumstances(
            url=self.url,
            remote=sync.remote_id,
            version=number,
            policy=sync.policy,
            mirror=sync.mirror,
            missing=missing,
            force=self._force,
        )

    def _waits(self, length: int | None) -> bool:
        return self._last is not None and worth_waiting(self._last, length)

    def _came(self, report: DownloadReport) -> None:
        self._report = report
        self._progress.advance(1, report.size or 0)
        self._progress.enter("completed")
        self._arrival.end()

    def _failed(self, failure: Failure) -> None:
        self._report = getattr(failure.value, "report", None)
        self._progress.enter("skipped" if self._unmodified else "failed")
        self._arrival.end(failure)

    @property
    def _unmodified(self) -> bool:
        return self._last is not None and self._report is not None and self._report.status == _NOT_MODIFIED

    def _seen(self) -> Seen:
        report, sync = self._report, self._sync
        assert report is not None
        return Seen(
            url=kept_url(self.url),
            remote=sync.remote_id,
            policy=sync.policy,
            mirror=sync.mirror,
            sha256=self._arrival.sha256,
            size=self._spool.size,
            etag=report.headers.get("etag"),
            last_modified=report.headers.get("last-modified"),
        )


def _generous(remote: Remote) -> Remote:
    """Return *remote* with the limits of metadata."""
    return evolve(remote, limits=evolve(remote.limits, max_size=remote.limits.max_metadata_size))


def _state(connection: Connection, repository_id: int, looks: bool) -> tuple[int, bool]:
    """Return the latest version's number, and whether that lacks files; nobody *looks* where it does not matter."""
    latest = versions.latest(connection, repository_id)
    number = 0 if latest is None else latest.number
    return number, looks and versions.lacks_files(connection, repository_id, number)

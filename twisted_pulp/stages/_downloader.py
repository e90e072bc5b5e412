"""Bring the files of units that are wanted now."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from attrs import define

from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import SizeMismatch
from twisted_pulp.stages._declarative import DeclarativeArtifact, DeclarativeContent, name_of
from twisted_pulp.stages._existing import DOWNLOADING
from twisted_pulp.stages._following import Following
from twisted_pulp.stages._stage import Stage

__all__ = ["ArtifactDownloader"]

# Downloads at work for each connection that a host may have: while one is being written, the next request is out.
_AHEAD = 4
_ANY = "0" * 64


@define(eq=False, slots=True)
class _Unit:
    """A unit that waits for files: how many, and the first error."""

    unit: DeclarativeContent
    left: int
    error: Exception | None = None
    path: str | None = None


_Wanted = tuple[_Unit, DeclarativeArtifact]


@define(eq=False, slots=True)
class _Downloads:
    """Downloads that come one by one; *at_once* gives the next one, or None when it has to be waited for."""

    _each: AsyncGenerator[Download, None]
    at_once: Callable[[], Download | None]

    def __aiter__(self) -> _Downloads:
        return self

    async def __anext__(self) -> Download:
        return await anext(self._each)

    async def aclose(self) -> None:
        await self._each.aclose()


class ArtifactDownloader(Stage):
    """
    Download what is not stored, many at once; a unit goes on when all of its files are there.

    With the policies "on_demand" and "streamed" nothing is downloaded but what is marked as not deferred. Files that
    came wait in the storage's directory for temporaries, known to `Sync.budget`, until `ArtifactSaver` takes them over.
    """

    patience = None

    def __init__(self) -> None:
        self._rest: list[DeclarativeContent] = []  # that came when there were others to help
        #: Who waits for which file, by name.
        self._waiting: dict[str, list[_Wanted]] = {}
        self._within = self._admitting = self._shared = False
        self._failed = 0

    async def run(self) -> None:
        """Pass on each unit when its files are there."""
        if not self._helped():
            await self._alone()
        if self._rest or self._helped():
            from twisted_pulp.stages._together import Together

            rest, self._rest, self._shared = self._rest, [], True
            await Together(self).run(rest)

    def _helped(self) -> bool:
        """Return whether there are others who can fetch a part, or may fetch the same."""
        crew = self.sync.crew
        return crew is not None and crew.rivals

    async def _alone(self) -> None:
        sync, self._within, self._failed = self.sync, False, 0
        # Held open, it need not be looked up for each file, nor looked into if it was empty.
        self._directory = os.path.dirname(sync.storage.temporary(_ANY))
        self._following = Following(sync.storage, self._directory)
        downloader = self._following.downloader(sync.downloader)
        try:
            with sync.progress(*DOWNLOADING) as self._report:
                downloads = _Downloads(self._downloads(), self._next)
                await downloader.download_each(downloads, self._done, sync.concurrency or self.suited())
                if self._report.total is not None:  # what was expected may have come with other units, or not at all
                    self._report.expect(self._report.done + self._failed)
        finally:
            for waiting in self._waiting.values():
                waiting[0][1].release()
            self._following.close()
            await downloader.close()

    def suited(self) -> int:
        """Return how many downloads at once the caps can use."""
        pool = self.sync.context.pool
        return int(min(pool.overall.limit, _AHEAD * pool.maxPersistentPerHost))

    async def _downloads(self) -> AsyncGenerator[Download, None]:
        async for unit in self.items():
            if self._helped():
                self._rest.append(unit)
                return
            wanted = [artifact for artifact in unit.artifacts if self.wants(artifact)]
            if not wanted:
                await self.put(unit)
                continue
            waiting = _Unit(unit, len(wanted))
            self._within = True  # the next unit waits until all of this one are on their way
            for artifact in wanted:
                download = await self._download(waiting, artifact)
                if download is not None:
                    yield download
            self._within = False

    def _next(self) -> Download | None:
        """Return what `_downloads` would give next, in the usual case: the one file of a unit, which need not wait."""
        channel = self._wired().before
        if self._within or not len(channel) or self._helped():
            return None
        unit = channel.peek()[0]
        if len(unit.artifacts) != 1:
            return None
        artifact = unit.artifacts[0]
        if not self.wants(artifact) or (name := name_of(artifact)) in self._waiting:
            return None
        if not self.sync.flight.begin_at_once(artifact):
            return None
        channel.next()
        self._waiting[name] = [(_Unit(unit, 1), artifact)]
        return self._made(artifact, name)

    def wants(self, artifact: DeclarativeArtifact) -> bool:
        """Return whether *artifact* is to be downloaded now."""
        return self.sync.wants(artifact)

    async def _download(self, waiting: _Unit, artifact: DeclarativeArtifact) -> Download | None:
        """Return the Download of *artifact*, or None when the same one is on its way."""
        sync, name = self.sync, name_of(artifact)
        others = self._waiting.get(name)
        if others is not None:
            others.append((waiting, artifact))
            return None
        self._waiting[name] = [(waiting, artifact)]
        self._admitting = True
        await sync.flight.begin(artifact)
        self._admitting = False
        return self._made(artifact, name)

    def _made(self, artifact: DeclarativeArtifact, name: str) -> Download:
        path = os.path.basename(self.sync.flight.path(self.sync.storage, name))
        return Download(artifact.sources, path, size=artifact.size, digests=artifact.digests, attachment=artifact)

    def _done(self, report: DownloadReport) -> Awaitable[None] | None:
        wanted = self._waiting.pop(name_of(report.attachment))
        self._following.ended(report)
        if report.error is None:
            sync, size = self.sync, report.size or 0
            if report.path != self._path(report):
                sync.flight.lost(self._path(report))
            sync.flight.landed(report.attachment, report)
            self._report.advance(1, size)
            sync.downloaded += 1
            sync.bytes += size
        else:
            self._failed += 1
            self.sync.flight.lost(self._path(report))
            report.attachment.release()
        finished = [unit for unit in [self._came(*each, report) for each in wanted] if unit is not None]
        if len(finished) != 1:
            return self.put_all(finished) if finished else None
        behind = self._wired().behind
        return None if behind is not None and behind.offer(finished[0]) else self.put(finished[0])

    def _busy(self) -> bool:
        # What waits for room in the budget is not on its way yet.
        return (self._shared and super()._busy()) or len(self._waiting) > self._admitting

    def _path(self, report: DownloadReport) -> str:
        """Return where the file was to land; the storage may have taken it at once."""
        download: Any = report.download
        return f"{self._directory}/{download.path}"

    def _came(self, waiting: _Unit, artifact: DeclarativeArtifact, report: DownloadReport) -> DeclarativeContent | None:
        """Take note that one of the files of a unit came or failed; return the unit if it was the last."""
        error: Exception | None = report.error
        if error is None and artifact is not report.attachment:
            if artifact.size not in (None, report.size):
                error = SizeMismatch(report.url, artifact.size or 0, report.size or 0)
            else:
                self.sync.flight.landed(artifact, report)
        if error is not None and waiting.error is None:
            waiting.error, waiting.path = error, artifact.relative_path
        waiting.left -= 1
        if waiting.left:
            return None
        if waiting.error is None:
            return waiting.unit
        self.sync.refuse(waiting.unit, waiting.error, waiting.path)
        return None

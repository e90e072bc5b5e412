"""Bring files into the storage and the catalog, of which other processes may bring some at the same time."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from typing import Any

from attrs import define, evolve, field, frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater

from twisted_pulp.catalog import artifacts, claims
from twisted_pulp.catalog.artifacts import NewArtifact, Stored
from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import Cancelled, StorageError, StorageFull
from twisted_pulp.interfaces import Adoption, IDownloader, IStorage
from twisted_pulp.stages._declarative import DeclarativeArtifact, name_of
from twisted_pulp.stages._existing import known_by
from twisted_pulp.stages._following import Following
from twisted_pulp.threads import outlasting

__all__ = ["Brought", "Fetch"]

#: Files that are claimed at once: those of others stay free for them meanwhile.
_CLAIMED = 32
#: Seconds between two looks at what others fetch: at first, and at most.
_FIRST, _LONGEST = 0.05, 0.5
_ANY = "0" * 64

#: Called in the transaction in which it is noted what came: raises, and nothing is noted.
Within = Callable[[Connection, "Sequence[Brought]"], object]


@frozen
class Brought:
    """
    What became of a file.

    :ivar stored: the artifact, or None.
    :ivar bytes: that came from the upstream for it.
    :ivar fetched: whether it was fetched here; else it was there, or others have brought it.
    :ivar error: why there is none, or None.
    """

    artifact: DeclarativeArtifact
    stored: Stored | None = None
    bytes: int = 0
    fetched: bool = False
    error: Exception | None = None


@define(eq=False, kw_only=True)
class Fetch:
    """
    Bring files, each of which one process fetches; the others wait for it.

    :param context: what downloads share.
    :param downloader: makes the downloader, as `Sync.downloader` does.
    :param claims: `twisted_pulp.cluster.Claims`.
    :param weak: whether weak digests find what is stored.
    :param concurrency: downloads at once.
    :param now: seconds since the epoch.
    :param brought: called with each outcome, when it is noted; a Deferred that it returns is waited for.
    :param within: called with what is noted, in the same transaction; default: nothing is.
    """

    _context: Any
    _catalog: Any
    _storage: IStorage
    _downloader: Callable[..., IDownloader]
    _claims: Any
    _weak: bool = False
    _concurrency: int
    _now: Callable[[], float]
    _brought: Callable[[Brought], object]
    _within: Within | None = None
    _names: set[str] = field(init=False, factory=set)  # that we have claimed
    _elsewhere: dict[str, DeclarativeArtifact] = field(init=False, factory=dict)
    _landed: list[DownloadReport] = field(init=False, factory=list)
    _ended: list[Brought] = field(init=False, factory=list)
    _saving: DeferredLock = field(init=False, factory=DeferredLock)
    _directory: str = field(init=False, default="")
    _following: Any = field(init=False, default=None)

    async def run(self, wanted: Sequence[DeclarativeArtifact]) -> None:
        """
        Bring *wanted*, no two of which are the same file.

        :raises PulpError: what keeps all of them from being stored. What one of them fails of is its outcome.
        """
        self._directory = os.path.dirname(self._storage.temporary(_ANY))
        self._following = Following(self._storage, self._directory)
        downloader = self._following.downloader(self._downloader)
        downloads = self._downloads(wanted)
        try:
            await downloader.download_each(downloads, self._done, self._concurrency)
            await self._saved()
        finally:
            await downloads.aclose()
            self._following.close()
            await outlasting(Deferred.fromCoroutine(self._left()))
            await downloader.close()

    async def _left(self) -> None:
        """Keep what has landed, however this ends, and let others have what has not."""
        self._brought = nothing
        try:
            if self._landed:
                await self._saved()
        finally:
            self._claims.forget(self._elsewhere)
            await self._claims.give(self._names)

    async def _downloads(self, wanted: Sequence[DeclarativeArtifact]) -> AsyncGenerator[Download, None]:
        for start in range(0, len(wanted), _CLAIMED):
            some = {name_of(each): each for each in wanted[start : start + _CLAIMED]}
            for download in await self._claimed(some):
                yield download
        pause = _FIRST
        while self._elsewhere:
            free = await self._claims.free(list(self._elsewhere))
            if free:
                pause = _FIRST
                for download in await self._claimed({name: self._elsewhere.pop(name) for name in free}):
                    yield download
            else:
                await deferLater(self._context.reactor, pause)
                pause = min(2 * pause, _LONGEST)

    async def _claimed(self, some: dict[str, DeclarativeArtifact]) -> list[Download]:
        """Return the downloads of what nobody has and nobody else fetches."""
        by = {name: known for name, each in some.items() if (known := known_by(each, self._weak)) is not None}
        mine, found = await self._claims.take(list(by), lambda connection, _: _stored(connection, by))
        self._names |= mine
        downloads = []
        for name, artifact in some.items():
            stored = found.get(name)
            if stored is not None and artifact.size in (None, stored.size):
                self._ended.append(Brought(artifact, stored))
            elif name in by and name not in mine:
                self._elsewhere[name] = artifact
            else:
                downloads.append(self._download(name, artifact))
        if self._ended:
            await self._saved()
        return downloads

    def _download(self, name: str, artifact: DeclarativeArtifact) -> Download:
        # Of our own: who had it before and is dead may only be asleep.
        path = os.path.basename(self._storage.temporary(f"{name}-{self._claims.holder}"))
        return Download(artifact.sources, path, size=artifact.size, digests=artifact.digests, attachment=artifact)

    def _done(self, report: DownloadReport) -> Deferred[None]:
        self._following.ended(report)
        error = report.error
        if error is None:
            self._landed.append(report)
        elif not isinstance(error, Cancelled):
            came = sum(attempt.bytes for attempt in report.attempts)
            self._ended.append(Brought(report.attachment, None, came, True, error))
        return Deferred.fromCoroutine(self._saved())

    async def _saved(self) -> None:
        """Store what has landed, and note everything that is known; what comes meanwhile is the next one's."""
        async with self._saving:
            landed, self._landed = self._landed, []
            ended, self._ended = self._ended, []
            if landed or ended:
                await outlasting(Deferred.fromCoroutine(self._noted(landed, ended)))

    async def _noted(self, landed: Sequence[DownloadReport], ended: list[Brought]) -> None:
        refused = await self._adopted(landed)
        new: dict[str, NewArtifact] = {}
        for report in landed:
            came = sum(attempt.bytes for attempt in report.attempts)
            error = refused.get(report.path)
            ended.append(Brought(report.attachment, None, came, True, error))
            if error is None:
                ended[-1] = evolve(ended[-1], stored=Stored(0, report.digests["sha256"], report.size or 0))
                _add(new, report)
        names = self._names & {name_of(each.artifact) for each in ended}
        results = await self._catalog.write(
            _kept, list(new.values()), self._now(), self._claims.holder, names, ended, self._within
        )
        self._claims.given(names)
        self._names -= names
        for each in results:
            told: Any = self._brought(each)
            if told is not None:
                await told

    async def _adopted(self, landed: Sequence[DownloadReport]) -> dict[Any, StorageError]:
        """Take over what lies in the directory for temporaries; return what could not be, and why."""
        storage = self._storage
        waiting = [each for each in landed if each.path != storage.path(each.digests["sha256"])]
        if not waiting:
            return {}
        adoptions = [Adoption(str(each.path), each.digests["sha256"], each.size or 0) for each in waiting]
        errors = await storage.adopt(adoptions)
        for error in errors:
            if isinstance(error, StorageFull):
                raise error
        return {each.path: error for each, error in zip(waiting, errors, strict=True) if error is not None}


def nothing(_: Brought) -> None:
    """Tell nobody."""


def _add(new: dict[str, NewArtifact], report: DownloadReport) -> None:
    digests = dict(report.digests)
    sha256 = digests.pop("sha256")
    known = new.get(sha256)
    new[sha256] = NewArtifact(sha256, report.size or 0, digests if known is None else {**known.digests, **digests})


def _stored(connection: Connection, by: dict[str, tuple[str, str]]) -> dict[str, Stored]:
    found = artifacts.find(connection, set(by.values()))
    return {name: found[known] for name, known in by.items() if known in found}


def _kept(
    connection: Connection,
    new: Sequence[NewArtifact],
    now: float,
    holder: str,
    names: Collection[str],
    ended: Sequence[Brought],
    within: Within | None,
) -> list[Brought]:
    ids = artifacts.save(connection, new, now) if new else {}
    results = [_numbered(each, ids) for each in ended]
    artifacts.touch(connection, {each.stored.id for each in results if each.stored is not None}, now)
    if within is not None:
        within(connection, results)
    if names:
        claims.give(connection, holder, names)
    return results


def _numbered(each: Brought, ids: dict[str, int]) -> Brought:
    if each.stored is None or each.stored.id:
        return each
    return evolve(each, stored=evolve(each.stored, id=ids[each.stored.sha256]))

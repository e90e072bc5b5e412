"""PULP_MANIFESTs of versions that have kept none from their upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.catalog import Catalog, artifacts, paths
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.catalog.paths import Listed
from twisted_pulp.interfaces import IStorage
from twisted_pulp.manifest import Entry, line_of
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.threads import outlasting

__all__ = ["MANIFEST", "Manifests"]

#: The name, at the top of a version.
MANIFEST = "PULP_MANIFEST"
# Manifests that are remembered, and files that are read from the catalog at once.
_MOST, _PAGE = 1000, 2000

Artifact = tuple[str, int]


class Manifests:
    """
    Write a PULP_MANIFEST for a version when one is wanted, into the storage: it may name millions of files.

    :param catalog: knows the files.
    :param storage: gets the manifests; nothing else refers to them, and a cleanup may take one: it is written again.
    :param now: seconds since the epoch.
    """

    _log = Logger()

    def __init__(self, catalog: Catalog, storage: IStorage, now: Callable[[], float]) -> None:
        self._catalog, self._storage, self._now = catalog, storage, now
        self._known: Recent[tuple[int, int], Artifact] = Recent(_MOST)
        self._writing: dict[tuple[int, int], Moment[Artifact]] = {}

    async def of(self, repository_id: int, number: int, *, missing: bool = False) -> Artifact:
        """
        Return the sha256 and the size of the manifest of a version, in the storage.

        :param missing: whether it was there, and is not any more.
        """
        key = repository_id, number
        known = None if missing else self._known.get(key)
        if known is not None:
            return known
        writing = self._writing.get(key)
        if writing is None:
            writing = self._writing[key] = Moment()
            Deferred.fromCoroutine(self._written(*key)).addBoth(self._end, key, writing)
        return await writing.wait()

    def _end(self, result: Any, key: tuple[int, int], writing: Moment[Artifact]) -> None:
        del self._writing[key]
        if isinstance(result, tuple):
            self._known.put(key, result)
        writing.happen(result)

    async def _written(self, repository_id: int, number: int) -> Artifact:
        writer: Any = self._storage.writer()
        pace = _Pace()
        writer.registerProducer(pace, True)
        try:
            after, more = "", True
            while more:
                page = await self._catalog.read(paths.listed, repository_id, number, after, _PAGE)
                writer.write(b"".join(self._lines(page)))
                await pace.free()
                more = bool(page)
                after = page[-1].path if page else after
            writer.unregisterProducer()
            committed = writer.commit()
            if committed is not None:
                await outlasting(committed)
        except BaseException as error:
            aborted = writer.abort(error)
            if aborted is not None:
                await outlasting(aborted)
            raise
        new = NewArtifact(writer.sha256, writer.size)
        await self._catalog.write(artifacts.save, [new], self._now())
        return new.sha256, new.size

    def _lines(self, files: Iterable[Listed]) -> Iterator[bytes]:
        for file in files:
            if file.sha256 is None or file.size is None:
                self._log.warn("{path} is in no manifest: its sha256 or its size is not known", path=file.path)
                continue
            try:
                yield line_of(Entry(file.path, file.sha256, file.size))
            except ValueError as error:
                self._log.warn("{path!r} can be in no manifest: {error}", path=file.path, error=error)


@implementer(IPushProducer)
class _Pace:
    """Waits while the disk does not keep up."""

    def __init__(self) -> None:
        self._free: Moment[None] | None = None

    async def free(self) -> None:
        if self._free is not None:
            await self._free.wait()

    def pauseProducing(self) -> None:
        if self._free is None:
            self._free = Moment()

    def resumeProducing(self) -> None:
        free, self._free = self._free, None
        if free is not None:
            free.happen(None)

    def stopProducing(self) -> None:
        self.resumeProducing()

"""Bring what was downloaded to the storage, and let the catalog know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from twisted_pulp.catalog import artifacts
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.errors import PulpError, StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.stages._declarative import DeclarativeArtifact, DeclarativeContent
from twisted_pulp.stages._flight import nothing
from twisted_pulp.stages._stage import Stage
from twisted_pulp.threads import outlasting

__all__ = ["ArtifactSaver"]

Failed = dict[DeclarativeArtifact, Exception]


class ArtifactSaver(Stage):
    """
    Take the files of units over into the storage, and save them as artifacts, many at once.

    However the sync ends, what has been downloaded and verified until then is taken over too: the next sync finds it.
    """

    patience = None
    _log = Logger()

    def __init__(self) -> None:
        self._one = DeferredLock()
        self._hurrying: Deferred[None] | None = None
        self._again = self._running = False

    async def run(self) -> None:
        """Pass on each unit when its artifacts are saved."""
        flight = self.sync.flight
        flight.hurry = self._hurry
        flight.press()  # what has landed before
        try:
            async for batch in self.batches():
                await self._take(batch)
        finally:
            flight.hurry = nothing
            if self._hurrying is not None:
                await outlasting(self._hurrying)
            if flight.left:
                await outlasting(Deferred.fromCoroutine(self._save(flight.left)))

    def _hurry(self) -> None:
        """Save what there is: of a unit whose files need more room together than the budget has, too."""
        self._again = True
        if not self._running:
            self._running = True
            self._hurrying = Deferred.fromCoroutine(self._hurried())

    async def _hurried(self) -> None:
        # What is given back here lets others land, who then hurry.
        while self._again:
            self._again = False
            try:
                await self._save(self.sync.flight.left)
            except PulpError as error:  # their units will meet it again
                self._log.warn("artifacts could not be saved before their units were complete: {error}", error=error)
            except Exception:
                self._log.failure("artifacts could not be saved before their units were complete")
        self._running = False

    async def _take(self, batch: list[DeclarativeContent]) -> None:
        new = [each for unit in batch for each in unit.artifacts if each.path is not None]
        failed = await self._save(new) if new else {}
        if not failed:
            await self.put_all(batch)
            return
        for unit in batch:
            lost = next((each for each in unit.artifacts if each in failed), None)
            if lost is None:
                await self.put(unit)
            else:
                self.sync.refuse(unit, failed[lost], lost.relative_path)

    async def _save(self, landed: Sequence[DeclarativeArtifact]) -> Failed:
        """Store the files of *landed* and save them as artifacts; return those that could not be stored, and why."""
        async with self._one:
            new = [artifact for artifact in landed if artifact.path is not None]
            try:
                return await self._stored(new) if new else {}
            finally:
                for artifact in new:
                    artifact.release()

    async def _stored(self, new: Sequence[DeclarativeArtifact]) -> Failed:
        sync, files = self.sync, {artifact.path: artifact for artifact in new}
        refused = await self._adopted(files)
        rows = rows_of(each for path, each in files.items() if path not in refused)
        ids = await sync.catalog.write(artifacts.save, rows, sync.now()) if rows else {}
        failed: Failed = {}
        for artifact in new:
            if artifact.path in refused:
                failed[artifact] = refused[artifact.path]
            else:
                artifact.artifact_id = ids[artifact.sha256]
            sync.flight.stored(artifact)
        return failed

    async def _adopted(self, files: Mapping[Any, DeclarativeArtifact]) -> dict[Any, StorageError]:
        """Take over what lies in tmp; small files may be in the storage already. Return what could not be, and why."""
        storage = self.sync.storage
        waiting = {path: each for path, each in files.items() if path != storage.path(each.sha256)}
        if not waiting:
            return {}
        adoptions = [Adoption(path, str(each.sha256), each.size or 0) for path, each in waiting.items()]
        errors = await storage.adopt(adoptions)
        return {path: error for path, error in zip(waiting, errors, strict=True) if error is not None}


def rows_of(landed: Iterable[DeclarativeArtifact]) -> list[NewArtifact]:
    """Return what the catalog shall know of artifacts that have been downloaded."""
    rows: dict[str, NewArtifact] = {}
    for artifact in landed:
        assert artifact.report is not None
        assert artifact.size is not None
        digests = dict(artifact.report.digests)
        sha256 = digests.pop("sha256")
        known = rows.setdefault(sha256, NewArtifact(sha256, artifact.size, digests))
        if known.digests is not digests:
            digests.update(known.digests)
            rows[sha256] = NewArtifact(sha256, artifact.size, digests)
    return list(rows.values())

"""Repair: damaged artifacts, downloaded again from wherever their files can come from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted_pulp.catalog import contents, remotes, sources, versions
from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import DownloadError, PulpError, SettingsError, StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.upkeep._verification import Damage, Unrepairable
from twisted_pulp.urls import join

if TYPE_CHECKING:
    from twisted_pulp.catalog import Catalog
    from twisted_pulp.catalog.sources import SourceRow
    from twisted_pulp.context import Context
    from twisted_pulp.interfaces import IStorage
    from twisted_pulp.settings import Remote

__all__ = ["Repair"]

#: Names of a file that are worth saying.
_NAMES = 3


class Repair:
    """
    Download damaged artifacts again: from their sources by priority, each reached as its own Remote says.

    Nothing takes the place of a damaged file but bytes with the right digest.

    :ivar jobs: artifacts that are downloaded at once.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: IStorage,
        context: Context,
        *,
        jobs: int = 8,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        :param context: what downloads share.
        :param jobs: artifacts that are downloaded at once; default 8.
        :param now: seconds since the epoch.
        """
        self._catalog, self._storage, self._context, self._now = catalog, storage, context, now
        self._downloader = context.downloader()
        self._remotes: dict[int, Remote] = {}
        self.jobs = jobs

    async def mend(self, damage: Damage) -> Unrepairable | None:
        """
        Repair one artifact.

        :returns: None when it is what it was again, or else why it is not.
        :raises CatalogError: when the catalog cannot be asked.
        """
        try:
            await self._mend(damage)
        except (DownloadError, StorageError, SettingsError) as error:
            paths = await self._catalog.read(contents.paths_of, damage.id, _NAMES)
            return Unrepairable(damage=damage, paths=tuple(paths), reason=str(error))
        return None

    async def _mend(self, damage: Damage) -> None:
        rows = await self._catalog.read(sources.of_artifact, damage.id)
        wanted = [await self._source(row) for row in rows] or await self._metadata(damage.id)
        if not wanted:
            raise StorageError("no source is known that it could come from")
        path = self._storage.temporary(damage.sha256)
        digests = {"sha256": damage.sha256}
        download = Download(wanted, path, size=damage.size, digests=digests)
        try:
            report = await self._downloader.download(download)
        except DownloadError as error:
            await self._note(rows, wanted, getattr(error, "report", None))
            raise
        await self._note(rows, wanted, report)
        (failed,) = await self._storage.adopt([Adoption(path, damage.sha256, damage.size)], replace=True)
        if failed is not None:
            raise failed

    async def _source(self, row: SourceRow) -> Source:
        return Source(row.url, row.priority, None if row.remote_id is None else await self._remote(row.remote_id))

    async def _metadata(self, number: int) -> list[Source]:
        """Return where metadata that is kept for a mirror may come from; its digest says whether it is still that."""
        found = await self._catalog.read(versions.kept_from, number)
        reached = [(path, await self._remote(remote)) for path, remote in found]
        return [Source(join(remote.url, path), 1, remote) for path, remote in reached if remote.url is not None]

    async def _remote(self, number: int) -> Remote:
        if number not in self._remotes:
            self._remotes[number] = await self._catalog.read(remotes.reach, number, self._catalog.key)
        return self._remotes[number]

    async def _note(self, rows: list[SourceRow], wanted: list[Source], report: DownloadReport | None) -> None:
        """Remember which sources failed."""
        if report is None:
            return
        last: dict[str, PulpError | None] = {each.source.url: each.error for each in report.attempts}
        tried = [(row.id, last[source.url]) for row, source in zip(rows, wanted, strict=False) if source.url in last]
        failures = [(number, str(error)) for number, error in tried if error is not None]
        if failures:
            await self._catalog.write(_noted, failures, self._now())


def _noted(connection: Any, failures: list[tuple[int, str]], now: float) -> None:
    for number, why in failures:
        sources.failed(connection, number, now, why)

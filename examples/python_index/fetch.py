"""From names of projects to files: ask all indexes, choose, download, keep count."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from twisted_pulp import Download, Source
from twisted_pulp.errors import Cancelled, DownloadError, PulpError, SettingsError
from twisted_pulp.interfaces import IDownloader

from .choice import Platform, newest
from .files import IndexFile
from .index import Index, InThread, path_of
from .outcomes import Outcome
from .pages import PageError
from .shows import Show

_AT_ONCE = 8


@define(eq=False)
class Fetch:
    """
    Fetch the newest files of projects.

    :ivar outcomes: of all projects, in the order asked for.
    :ivar troubles: index and what went wrong with it -> how often.
    """

    _indexes: Sequence[Index]
    _platform: Platform
    _in_thread: InThread
    _show: Show
    outcomes: list[Outcome] = field(init=False, factory=list)
    troubles: Counter[tuple[str, str]] = field(init=False, factory=Counter)

    async def run(self, projects: Sequence[str], downloader: IDownloader) -> None:
        """
        Do it.

        :param downloader: for the files; its paths are file names.
        """
        self.outcomes += [Outcome(project) for project in projects]
        async for report in downloader.download_all(self._downloads(), concurrency=_AT_ONCE):
            outcome: Outcome = report.attachment
            outcome.report = report
            if report.error is not None:
                outcome.problem = str(report.error)
            self._show.ended(report)

    async def _downloads(self) -> AsyncIterator[Download]:
        """Give the downloads as they become known: the first begin while indexes are asked for the others."""
        slots = DeferredSemaphore(_AT_ONCE)
        coming = [slots.run(self._download, outcome) for outcome in self.outcomes]
        try:
            for each in coming:
                download = await each
                if download is None:
                    self._show.ended(None)
                else:
                    yield download
        finally:
            for each in coming:
                each.addErrback(lambda cancelled: None)
                each.cancel()

    async def _download(self, outcome: Outcome) -> Download | None:
        asked = [Deferred.fromCoroutine(self._files(index, outcome.project)) for index in self._indexes]
        answers = await gatherResults(asked)
        files = [file for found in answers if found is not None for file in found]
        chosen = newest(files, self._platform)
        if not chosen:
            nobody = "no index that answered has it" if None in answers else "no index has it"
            outcome.problem = f"none of its {len(files)} files can be used here" if files else nobody
            return None
        outcome.file = chosen[0]
        try:
            return await self._made(chosen, outcome)
        except (SettingsError, OSError) as error:
            outcome.problem = str(error)
            return None

    async def _files(self, index: Index, project: str) -> list[IndexFile] | None:
        try:
            found = await index.files(project)
        except Cancelled:
            raise
        except (PulpError, PageError) as error:
            # An index that is down is down for all; the pages' own URLs would hide that.
            self.troubles[index.url, error.reason if isinstance(error, DownloadError) else str(error)] += 1
            return None
        return [file for file in found if file.project == project]

    async def _made(self, chosen: list[IndexFile], outcome: Outcome) -> Download:
        best = chosen[0]
        if not best.digests and best.url.startswith("file:"):
            # A file on disk proves itself; and next time it is known to be present.
            digest = await self._in_thread(_sha256, path_of(best.url))
            best = evolve(best, digests={"sha256": digest})
        sources = [Source(file.url, number, file.remote) for number, file in enumerate(chosen, 1)]
        return Download(sources, best.name, size=best.size, digests=best.digests, attachment=outcome)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

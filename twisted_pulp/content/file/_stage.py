"""The first stage: a PULP_MANIFEST becomes units while it is still arriving."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing

from twisted_pulp.content._metadata import Metadata
from twisted_pulp.download import Source
from twisted_pulp.manifest import Entry, ManifestReader, Suspect, directory_of, find_path, url_of
from twisted_pulp.stages import Content, DeclarativeArtifact, DeclarativeContent, ProgressReport, Stage

__all__ = ["ManifestStage", "unit_of"]


def unit_of(entry: Entry, directory: str) -> DeclarativeContent:
    """
    Return the unit that *entry* is.

    :param directory: the URL that the manifest is in, with a slash at its end.
    """
    artifact = DeclarativeArtifact(
        sources=Source(url_of(directory, entry.path)),
        relative_path=entry.path,
        size=entry.size,
        digests={"sha256": entry.sha256},
    )
    content = Content(type="file", key=(entry.path, entry.sha256), place=entry.path)
    return DeclarativeContent(content=content, artifacts=(artifact,))


class ManifestStage(Stage):
    """
    Put a unit for each line of the manifest at the Remote's URL.

    :param force: whether it is read although nothing has changed; default false.
    """

    patience = None

    def __init__(self, force: bool = False) -> None:
        super().__init__()
        self._force = force

    async def run(self) -> None:
        """
        Read the manifest as it arrives.

        :raises MetadataError: naming the first line that is bad, and why.
        """
        async with Metadata(self.sync, force=self._force) as metadata:
            reader = ManifestReader(metadata.url)
            with self.sync.progress("sync.parsing.metadata", "Parsing Metadata") as parsing:
                async with aclosing(metadata.pieces()) as pieces:
                    async for piece in pieces:
                        await self._take(reader, reader.feed(piece), metadata, parsing)
                await self._take(reader, reader.finish(), metadata, parsing)
                parsing.expect(parsing.done)
                if self.sync.skipped:
                    parsing.enter("skipped")
            if self.sync.mirror and not self.sync.skipped:
                await metadata.keep("PULP_MANIFEST")

    async def _take(
        self, reader: ManifestReader, entries: Iterable[Entry], metadata: Metadata, parsing: ProgressReport
    ) -> None:
        suspects, reader.suspects = reader.suspects, []
        for suspect in suspects:
            line = await _line_before(suspect, metadata)
            if line is not None:
                raise reader.repeated(suspect, line)
        directory = directory_of(metadata.url)
        units = [unit_of(entry, directory) for entry in (*entries, *(suspect.entry for suspect in suspects))]
        await self.put_all(units)
        parsing.advance(len(units))


async def _line_before(suspect: Suspect, metadata: Metadata) -> int | None:
    """Return the number of the line before that of *suspect* that names its path; None when none does."""
    first = 1
    async with aclosing(metadata.before()) as batches:
        async for lines in batches:
            found = find_path(lines[: suspect.line - first], suspect.entry.path, first)
            first += len(lines)
            if found is not None or first >= suspect.line:
                return found
    return None

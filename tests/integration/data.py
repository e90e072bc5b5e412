"""A data directory, open: a catalog, a storage and a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import define
from twisted.internet.defer import gatherResults

from tests.servers.corpus import CorpusFile
from twisted_pulp.catalog import Catalog, repositories, versions
from twisted_pulp.context import Context
from twisted_pulp.stages import Content, DeclarativeArtifact, DeclarativeContent, Stage
from twisted_pulp.storage import DirectoryStorage

NOW = 1_000_000.0


@define(eq=False)
class Data:
    """
    What a sync needs beside an upstream.

    :ivar repository: a row of a repository of files, which has no version at first.
    """

    context: Context
    catalog: Catalog
    storage: DirectoryStorage
    repository: Any

    @classmethod
    async def open(cls, reactor: Any, context: Context, directory: Path) -> Data:
        """Open, or make, the data directory."""
        catalog = await Catalog.open(reactor, f"sqlite:///{directory}/catalog.sqlite")
        storage = await DirectoryStorage.open(reactor, directory / "storage", fsync="none")
        found = await catalog.read(repositories.list)
        repository = found[0] if found else await catalog.write(repositories.create, "files", "file", NOW)
        return cls(context, catalog, storage, repository)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a `Sync`."""
        return {"context": self.context, "catalog": self.catalog, "storage": self.storage}

    async def places(self, number: int) -> list[str]:
        """Return the paths in a version, sorted."""
        rows = await self.catalog.read(versions.contents, self.repository.id, number)
        return sorted(str(row.place) for row in rows)

    async def close(self) -> None:
        """Give everything back."""
        await gatherResults([self.catalog.close(), self.storage.close()])


def unit_of(file: CorpusFile, url: str) -> DeclarativeContent:
    """Return the unit of *file*, which is at *url*."""
    digests = {"sha256": file.sha256}
    artifact = DeclarativeArtifact(sources=url, relative_path=file.name, size=file.size, digests=digests)
    content = Content(type="file", key=(file.name, file.sha256), place=file.name)
    return DeclarativeContent(content=content, artifacts=(artifact,))


@define(eq=False)
class Declared(Stage):
    """Put what it was given."""

    units: list[DeclarativeContent]

    async def run(self) -> None:
        """Put it."""
        await self.put_all(self.units)

"""Save units, the files they are made of, and where those can come from."""

from __future__ import annotations

from typing import Any

from twisted_pulp.catalog import contents, sources
from twisted_pulp.catalog.contents import NewContent, NewFile
from twisted_pulp.catalog.sources import NewSource
from twisted_pulp.stages._declarative import DeclarativeContent
from twisted_pulp.stages._stage import Stage

__all__ = ["ContentSaver", "SourceSaver"]


class ContentSaver(Stage):
    """
    Save units that are new, and relate all to their artifacts, a batch in one transaction.

    Override `saving` to save more in that transaction.
    """

    patience = None

    async def run(self) -> None:
        """Pass on each unit when it is saved; it then has an id."""
        async for batch in self.batches():
            # Their ids are set in a transaction, which may be undone and tried again.
            new = [unit for unit in batch if unit.content_id is None]
            await self.sync.catalog.write(self._save, batch, new, self.sync.now())
            await self.put_all(batch)

    def saving(self, connection: Any, batch: list[DeclarativeContent]) -> None:
        """
        Save what else belongs to *batch*, whose units have their ids; what is raised undoes the whole transaction.

        It is called in a thread of the catalog, again when the transaction is tried again, and by default does nothing.

        :param connection: the `sqlalchemy.Connection` of the transaction.
        """

    def _save(
        self, connection: Any, batch: list[DeclarativeContent], new: list[DeclarativeContent], now: float
    ) -> None:
        rows = {}
        for unit in new:
            content = unit.content
            rows[content.type, content.key_text] = NewContent(
                content.type, content.key_text, content.place, dict(content.data)
            )
        ids = contents.save(connection, list(rows.values()), now) if rows else {}
        for unit in new:
            unit.content_id = ids[unit.content.type, unit.content.key_text]
        files = {}
        for unit in batch:
            number = unit.content_id
            assert number is not None
            for each in unit.artifacts:
                path = each.relative_path
                files[number, path] = NewFile(number, path, each.artifact_id, each.size, each.digests)
        made = contents.attach(connection, list(files.values()))
        for unit in batch:
            for each in unit.artifacts:
                each.file_id = made[unit.content_id, each.relative_path]  # type: ignore[index]  # set above
        self.saving(connection, batch)


class SourceSaver(Stage):
    """Save where the files of units can come from, and which Remote reaches it."""

    patience = None

    async def run(self) -> None:
        """Pass on each unit when its sources are saved."""
        async for batch in self.batches():
            new = {
                (artifact.file_id, source.url): NewSource(
                    artifact.file_id, source.url, self.sync.remote_of(source), source.priority
                )
                for unit in batch
                for artifact in unit.artifacts
                for source in artifact.sources
            }
            if new:
                await self.sync.catalog.write(sources.save, list(new.values()))
            await self.put_all(batch)

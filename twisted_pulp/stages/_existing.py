"""What of a unit is known already: its artifacts, and itself."""

from __future__ import annotations

from typing import Any

from twisted_pulp.catalog import artifacts, contents
from twisted_pulp.digests import WEAK
from twisted_pulp.stages._declarative import DeclarativeArtifact, DeclarativeContent
from twisted_pulp.stages._stage import Stage

__all__ = ["DOWNLOADING", "QueryExistingArtifacts", "QueryExistingContents"]

#: Code and message of the report about downloads: who finds what is missing says how many there will be.
DOWNLOADING = "sync.downloading.artifacts", "Downloading Artifacts"

# The first of these that is expected of an artifact finds it.
_STRONG = ("sha256", "sha512", "sha384", "blake2b", "sha224")


class QueryExistingArtifacts(Stage):
    """Find the artifacts that are stored already, so that they are not downloaded again."""

    patience = None

    async def run(self) -> None:
        """Pass on each unit with what is stored of it."""
        async for batch in self.batches():
            self.sync.units += len(batch)
            await self._query(batch)
            wanted = sum(self.sync.wants(artifact) for unit in batch for artifact in unit.artifacts)
            if wanted:
                self.sync.progress(*DOWNLOADING).expect_more(wanted)
            await self.put_all(batch)

    async def _query(self, batch: list[DeclarativeContent]) -> None:
        weak = self.sync.remote.allow_weak_digests
        wanted: dict[tuple[str, str], list[DeclarativeArtifact]] = {}
        for unit in batch:
            for artifact in unit.artifacts:
                if artifact.artifact_id is None and (by := known_by(artifact, weak)) is not None:
                    wanted.setdefault(by, []).append(artifact)
        if wanted:
            found = await self.sync.catalog.write(_stored, list(wanted), self.sync.now())
            for by, stored in found.items():
                for artifact in wanted[by]:
                    if artifact.size in (None, stored.size):
                        artifact.artifact_id, artifact.sha256, artifact.size = stored.id, stored.sha256, stored.size


def _stored(connection: Any, wanted: list[tuple[str, str]], now: float) -> dict[tuple[str, str], artifacts.Stored]:
    found = artifacts.find(connection, wanted)
    # Those that nobody has used for long would be removed before their units are saved.
    artifacts.touch(connection, {each.id for each in found.values()}, now)
    return found


def known_by(artifact: DeclarativeArtifact, weak: bool) -> tuple[str, str] | None:
    """Return algorithm and value of the digest that finds *artifact*, or None; *weak* ones only when they count."""
    digests = artifact.digests
    for algorithm in _STRONG:
        if algorithm in digests:
            return algorithm, digests[algorithm]
    if weak:
        for algorithm in sorted(WEAK, reverse=True):
            if algorithm in digests:
                return algorithm, digests[algorithm]
    return None


class QueryExistingContents(Stage):
    """Find the units that are known already, so that they are not saved again."""

    patience = None

    async def run(self) -> None:
        """Pass on each unit, with its id if it has one."""
        async for batch in self.batches():
            await self._query(batch)
            await self.put_all(batch)

    async def _query(self, batch: list[DeclarativeContent]) -> None:
        wanted: dict[str, set[str]] = {}
        for unit in batch:
            if unit.content_id is None:
                wanted.setdefault(unit.content.type, set()).add(unit.content.key_text)
        if wanted:
            found = await self.sync.catalog.write(_saved, wanted, self.sync.now())
            for unit in batch:
                if unit.content_id is None:
                    unit.content_id = found[unit.content.type].get(unit.content.key_text)


def _saved(connection: Any, wanted: dict[str, set[str]], now: float) -> dict[str, dict[str, int]]:
    found = {kind: contents.find(connection, kind, keys) for kind, keys in wanted.items()}
    for ids in found.values():
        contents.touch(connection, ids.values(), now)
    return found

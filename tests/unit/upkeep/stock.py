"""A catalog and a storage that have something, and faults planted in it."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

from attrs import define, field

from twisted_pulp.catalog import Catalog, artifacts, contents, sources
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage import DirectoryStorage

NOW = 1_000_000_000.0
BATCH = 500


@define(eq=False)
class Stock:
    """
    Artifacts of which each has a unit with one file and one source.

    :ivar upstream: the directory of the files that they came from.
    :ivar sha256s: of all artifacts, in order.
    """

    catalog: Catalog
    storage: DirectoryStorage
    upstream: Path
    remote_id: int | None = None
    sha256s: list[str] = field(init=False, factory=list)

    async def fill(self, count: int) -> None:
        """Store *count* files of a hundred bytes and more."""
        for start in range(0, count, BATCH):
            await self._fill(range(start, min(count, start + BATCH)))

    async def _fill(self, numbers: range) -> None:
        new: list[tuple[str, Adoption]] = []
        for number in numbers:
            data = b"%d\n" % number * 50
            sha256 = hashlib.sha256(data).hexdigest()
            (self.upstream / f"{number}.bin").write_bytes(data)
            path = self.storage.temporary(sha256)
            Path(path).write_bytes(data)
            new.append((f"{number}.bin", Adoption(path, sha256, len(data))))
        assert {None} == set(await self.storage.adopt([adoption for _, adoption in new]))
        self.sha256s += [adoption.sha256 for _, adoption in new]
        await self.catalog.write(self._rows, new)

    def _rows(self, connection: Any, new: list[tuple[str, Adoption]]) -> None:
        stored = [artifacts.NewArtifact(each.sha256, each.size) for _, each in new]
        ids = artifacts.save(connection, stored, NOW)
        units = [contents.NewContent("file", f'["{name}"]', name, {}) for name, _ in new]
        numbers = contents.save(connection, units, NOW)
        files = [
            contents.NewFile(numbers["file", f'["{name}"]'], name, ids[each.sha256], each.size, {"sha256": each.sha256})
            for name, each in new
        ]
        attached = contents.attach(connection, files)
        urls = {name: f"file://{self.upstream}/{name}" for name, _ in new}
        sources.save(
            connection,
            [sources.NewSource(number, urls[path], self.remote_id) for (_, path), number in attached.items()],
        )

    def path(self, sha256: str) -> Path:
        """Return the path of an artifact's file."""
        return Path(self.storage.path(sha256))

    def flip(self, sha256: str) -> None:
        """Change one byte of an artifact, and nothing else."""
        path = self.path(sha256)
        times = path.stat().st_mtime_ns
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(times, times))

    def truncate(self, sha256: str) -> None:
        """Cut an artifact's end off."""
        path = self.path(sha256)
        path.chmod(0o644)
        os.truncate(path, 7)

    def lose(self, sha256: str) -> None:
        """Remove an artifact's file."""
        self.path(sha256).unlink()

    def plant(self, count: int, rng: random.Random) -> dict[str, str]:
        """Damage *count* artifacts in three ways, and return how, by sha256."""
        ways = (("flipped", self.flip), ("truncated", self.truncate), ("missing", self.lose))
        planted = {}
        for at, sha256 in enumerate(rng.sample(self.sha256s, count)):
            kind, damage = ways[at % 3]
            damage(sha256)
            planted[sha256] = kind
        return planted

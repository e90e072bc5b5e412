"""What was downloaded becomes artifacts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import define
from pytest_twisted import ensureDeferred
from twisted.internet.defer import execute, succeed
from twisted.logger import capturedLogs, formatEvent

from tests.unit.stages.surroundings import SITE, Declared, MemoryCatalog, World, file_of, through, unit_of
from twisted_pulp.catalog._tables import artifact, artifact_digest
from twisted_pulp.errors import CatalogError, PathError, StorageDamaged
from twisted_pulp.settings import Remote
from twisted_pulp.stages import ArtifactDownloader, ArtifactSaver, Budget, Content, DeclarativeContent, Stage, Sync
from twisted_pulp.storage import DirectoryStorage, MemoryStorage
from twisted_pulp.testing import FakeSite

BODIES = {f"f{number}": b"body %d" % number for number in range(10)}


@pytest.fixture(autouse=True)
def _served(site: FakeSite) -> None:
    site.files.update((SITE + path, body) for path, body in BODIES.items())


def units() -> list[DeclarativeContent]:
    """Return a unit for each body."""
    return [unit_of(path, body) for path, body in BODIES.items()]


def left(storage: MemoryStorage) -> list[Path]:
    """Return what lies in the directory for temporaries."""
    return list(Path(storage.temporary("x")).parent.iterdir())


def limited(sync: Sync, items: int) -> None:
    """Let *sync* have so many artifacts in flight."""
    sync.budget = Budget(items=items)
    sync.flight._budget = sync.budget


@ensureDeferred
async def test_saved(sync: Sync, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """Files are stored and known, all in a few transactions; nothing is left in flight."""
    taken = await through(sync, units(), ArtifactDownloader(), ArtifactSaver())
    assert {hashlib.sha256(body).hexdigest() for body in BODIES.values()} == {
        sha256 for (sha256,) in catalog.rows(artifact, "sha256")
    }
    assert [b"body 0"] == [await storage.read(unit.artifacts[0].sha256) for unit in taken[:1]]
    assert sorted(number for (number,) in catalog.rows(artifact, "id")) == sorted(
        unit.artifacts[0].artifact_id for unit in taken
    )
    assert (["save"], [], [], 0) == (catalog.written, left(storage), sync.flight.left, sync.budget.used_items)


@ensureDeferred
async def test_put_at_once(sync: Sync, catalog: MemoryCatalog, tmp_path: Path) -> None:
    """Where the storage takes small files at once, only the others wait to be taken over; stages between see all."""
    sync.storage = storage = await DirectoryStorage.open(None, tmp_path, fsync="none", in_thread=execute)  # type: ignore[arg-type]
    adopted: list[int] = []
    adopt = storage.adopt

    def heard(files: Any) -> Any:
        adopted.extend(each.size for each in files)
        return adopt(files)

    storage.adopt = heard  # type: ignore[method-assign]
    large = bytes(300 << 10)
    cast(FakeSite, sync.context.site).files[SITE + "large"] = large
    seen: list[bytes] = []

    class Looking(Stage):
        async def run(self) -> None:
            async for unit in self.items():
                seen.append(Path(str(unit.artifacts[0].path)).read_bytes())
                await self.put(unit)

    taken = await through(sync, [*units(), unit_of("large", large)], ArtifactDownloader(), Looking(), ArtifactSaver())
    assert sorted([*BODIES.values(), large]) == sorted(seen)
    assert [len(large)] == adopted
    assert 11 == len(catalog.rows(artifact, "id"))
    assert {unit.artifacts[0].sha256 for unit in taken} == await storage.has([u.artifacts[0].sha256 for u in taken])
    assert (set(), [], 0) == (sync.flight._paths, sync.flight.left, sync.budget.used_items)
    await storage.close()


@ensureDeferred
async def test_other_digests(sync: Sync, catalog: MemoryCatalog) -> None:
    """What an upstream says in other digests is stored by the sha256 it has, and found again by those."""
    sync.remote = Remote(allow_weak_digests=True)
    sha512, md5 = (hashlib.new(name, b"body 0").hexdigest() for name in ("sha512", "md5"))
    wanted = [unit_of("f0", b"body 0", digests={"sha512": sha512}), unit_of("f0", b"body 0", digests={"md5": md5})]
    await through(sync, wanted, ArtifactDownloader(), ArtifactSaver())
    assert [(hashlib.sha256(b"body 0").hexdigest(),)] == catalog.rows(artifact, "sha256")
    assert {("sha512", sha512), ("md5", md5)} == set(catalog.rows(artifact_digest, "algorithm", "value"))


@ensureDeferred
async def test_one_cannot_be_stored(sync: Sync, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """A file that cannot be stored because of itself fails its unit; the others are saved."""
    adopt = storage.adopt

    def all_but_one(files: Any) -> Any:
        stored = [each for each in files if each.sha256 != hashlib.sha256(b"body 3").hexdigest()]
        return adopt(stored).addCallback(lambda errors: [*errors[:3], PathError(detail="refused"), *errors[3:]])

    storage.adopt = all_but_one  # type: ignore[assignment, method-assign]
    sync.keep_going = True
    taken = await through(sync, units(), ArtifactDownloader(), ArtifactSaver())
    assert (9, 9, ["f3"]) == (len(taken), len(catalog.rows(artifact, "id")), [each.path for each in sync.failed])
    assert 0 == sync.budget.used_items


@ensureDeferred
async def test_storage_fails(sync: Sync, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """A storage that does not work ends the sync, and gives back what was in flight."""
    storage.adopt = lambda files: succeed([StorageDamaged("rotten") for _ in files])  # type: ignore[method-assign]
    sync.keep_going = True
    with pytest.raises(StorageDamaged):
        await through(sync, units(), ArtifactDownloader(), ArtifactSaver())
    assert ([], 0) == (catalog.rows(artifact, "id"), sync.budget.used_items)


class Failing(Stage):
    """Fail at the first unit."""

    async def run(self) -> None:
        """Take it, and fail."""
        async for _ in self.items():
            raise RuntimeError("a bug")


@ensureDeferred
async def test_another_stage_fails(sync: Sync, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """What has been downloaded is stored and saved, although the sync fails elsewhere."""
    with pytest.raises(RuntimeError, match="a bug"):
        await through(sync, units(), ArtifactDownloader(), Failing(), ArtifactSaver())
    assert (10, [], 0) == (len(catalog.rows(artifact, "id")), left(storage), sync.budget.used_items)


@ensureDeferred
async def test_unit_that_is_dropped(sync: Sync, catalog: MemoryCatalog) -> None:
    """Files of a unit that failed because of another one are stored too."""
    sync.keep_going = True
    unit = DeclarativeContent(
        content=Content(type="t", key=("u",)), artifacts=[file_of("f0", b"body 0"), file_of("missing", b"?")]
    )
    assert [] == await through(sync, [unit], ArtifactDownloader(), ArtifactSaver())
    assert (1, 0) == (len(catalog.rows(artifact, "id")), sync.budget.used_items)


@pytest.mark.limit(10)
@ensureDeferred
async def test_unit_larger_than_the_budget(sync: Sync, catalog: MemoryCatalog) -> None:
    """A unit may have more files than may be in flight: those that came are stored before it is complete."""
    limited(sync, 3)
    artifacts = [file_of(path, body) for path, body in BODIES.items()]
    unit = DeclarativeContent(content=Content(type="t", key=("u",)), artifacts=artifacts)
    assert [unit] == await through(sync, [unit], ArtifactDownloader(), ArtifactSaver())
    assert (10, 0) == (len(catalog.rows(artifact, "id")), sync.budget.used_items)
    assert None not in [each.artifact_id for each in artifacts]


@pytest.mark.limit(10)
@ensureDeferred
async def test_small_budget(sync: Sync, catalog: MemoryCatalog) -> None:
    """A budget of one file stops nothing for ever."""
    limited(sync, 1)
    assert 10 == len(await through(sync, units(), ArtifactDownloader(), ArtifactSaver()))
    assert 10 == len(catalog.rows(artifact, "id"))


@pytest.mark.limit(10)
@ensureDeferred
async def test_hurry_fails(sync: Sync, catalog: MemoryCatalog) -> None:
    """What could not be stored before its unit was complete fails with it."""
    limited(sync, 2)
    catalog.failing["save"] = CatalogError("no disk")
    artifacts = [file_of(path, body) for path, body in BODIES.items()]
    unit = DeclarativeContent(content=Content(type="t", key=("u",)), artifacts=artifacts)
    with capturedLogs() as logged, pytest.raises(CatalogError, match="no disk"):
        await through(sync, [unit], ArtifactDownloader(), ArtifactSaver())
    words = "artifacts could not be saved before their units were complete: no disk"
    assert words in {formatEvent(event) for event in logged}
    assert 0 == sync.budget.used_items


@define(eq=False)
class Own(Stage):
    """Download a file of one's own for each unit."""

    world: World

    async def run(self) -> None:
        """Bring it, and say that it has landed."""
        downloader = self.world.downloader(self.sync.remote)
        async for unit in self.items():
            (own,) = unit.artifacts
            report = await downloader.download(own.sources[0].url, path=self.sync.storage.temporary(own.relative_path))
            self.sync.flight.landed(own, report)
            await self.put(unit)
        await downloader.close()


@ensureDeferred
async def test_downloaded_by_a_plugin(sync: Sync, world: World, storage: MemoryStorage) -> None:
    """A plugin can download a file itself, and leave it to be stored."""
    (unit,) = await through(sync, units()[:1], Own(world), ArtifactDownloader(), ArtifactSaver())
    assert b"body 0" == await storage.read(unit.artifacts[0].sha256)
    assert 1 == len(world.site.requests)


def test_declared() -> None:
    """The first stage of these tests puts what it was given."""
    assert 10 == len(list(Declared(units()).units))

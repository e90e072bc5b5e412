"""A version from what a first stage declares."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tests.unit.stages.surroundings import SITE, Declared, MemoryCatalog, unit_of
from twisted_pulp.catalog import repositories, runs, versions
from twisted_pulp.catalog._tables import artifact, content_artifact, source, version, version_content
from twisted_pulp.context import Context
from twisted_pulp.errors import CatalogError, LeaseLost, NotFound, SettingsError, StorageFull, TooManyFailed
from twisted_pulp.stages import DeclarativeVersion, Stage
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeResponse, FakeSite, SpyAgent

BODIES = {f"f{number}": b"body %d" % number for number in range(5)}


def declared(bodies: dict[str, bytes] = BODIES) -> Declared:
    """Return a first stage that puts a unit for each of *bodies*."""
    return Declared([unit_of(path, body) for path, body in bodies.items()])


def serve(site: FakeSite, bodies: dict[str, bytes] = BODIES) -> None:
    """Let *site* have *bodies*."""
    site.files.update((SITE + path, body) for path, body in bodies.items())


def places(catalog: MemoryCatalog, repository: Any, number: int) -> list[str]:
    """Return the paths that a version has."""
    return sorted(each.place for each in catalog.now(versions.contents, repository.id, number))


@ensureDeferred
async def test_immediate(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, storage: MemoryStorage, site: FakeSite
) -> None:
    """Everything is downloaded, stored, saved with its sources, and part of the version."""
    serve(site)
    sync = DeclarativeVersion(declared(), repository, **fields)
    made = await sync.create()
    assert (1, 5, 0, 5) == (made.number, made.added, made.removed, made.present)
    assert sorted(BODIES) == places(catalog, repository, 1)
    assert sorted(len(body) for body in BODIES.values()) == sorted(size for (size,) in catalog.rows(artifact, "size"))
    for (sha256,) in catalog.rows(artifact, "sha256"):
        assert await storage.read(sha256) in BODIES.values()
    assert [] == [row for row in catalog.rows(content_artifact, "artifact_id") if row == (None,)]
    assert {SITE + path for path in BODIES} == {url for (url,) in catalog.rows(source, "url")}
    assert (5, sum(map(len, BODIES.values()))) == (sync.sync.downloaded, sync.sync.bytes)


@ensureDeferred
async def test_nothing_changed(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """A second sync of the same state downloads nothing and makes no version; its run says so."""
    serve(site)
    await DeclarativeVersion(declared(), repository, **fields).create()
    asked = len(site.requests)
    again = DeclarativeVersion(declared(), repository, **fields)
    assert await again.create() is None
    assert (asked, 0) == (len(site.requests), again.sync.downloaded)
    run = catalog.now(runs.latest, repository.id)
    assert ("sync", "completed", None, 0) == (run.kind, run.state, run.result["version"], run.result["failed"])
    assert [1] == [each.number for each in catalog.now(versions.list, repository.id)]


@pytest.mark.parametrize("policy", ["on_demand", "streamed"])
@ensureDeferred
async def test_later(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite, policy: str
) -> None:
    """With the other policies nothing is downloaded, and where the files are and what they must be is saved."""
    made = await DeclarativeVersion(declared(), repository, policy=policy, **fields).create()
    assert (5, []) == (made.present, site.requests)
    assert [] == catalog.rows(artifact, "id")
    assert [None] * 5 == [number for (number,) in catalog.rows(content_artifact, "artifact_id")]
    assert [len(body) for body in BODIES.values()] == [size for (size,) in catalog.rows(content_artifact, "size")]
    assert [SITE + path for path in BODIES] == [url for (url,) in catalog.rows(source, "url")]


@ensureDeferred
async def test_from_on_demand_to_immediate(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite
) -> None:
    """Files of units that are there already are downloaded once the policy wants it; the version stays."""
    serve(site)
    await DeclarativeVersion(declared(), repository, policy="on_demand", **fields).create()
    assert await DeclarativeVersion(declared(), repository, **fields).create() is None
    assert 5 == len(catalog.rows(artifact, "id"))
    assert None not in [number for (number,) in catalog.rows(content_artifact, "artifact_id")]


@pytest.mark.parametrize(("deferred", "policy", "downloaded"), [(False, "on_demand", 1), (True, "immediate", 0)])
@ensureDeferred
async def test_deferred_by_the_plugin(
    fields: dict[str, Any], repository: Any, site: FakeSite, deferred: bool, policy: str, downloaded: int
) -> None:
    """What a plugin says of one artifact counts more than the policy."""
    serve(site)
    first = Declared([unit_of("f0", BODIES["f0"], deferred=deferred)])
    sync = DeclarativeVersion(first, repository, policy=policy, **fields)
    assert (await sync.create()).present == 1
    assert downloaded == sync.sync.downloaded


@ensureDeferred
async def test_additive(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """What the upstream has no more stays; what it has anew at the same place replaces what was there."""
    serve(site)
    await DeclarativeVersion(declared(), repository, **fields).create()
    serve(site, {"f0": b"new", "g": b"g"})
    made = await DeclarativeVersion(declared({"f0": b"new", "g": b"g"}), repository, **fields).create()
    assert (2, 2, 1, 6) == (made.number, made.added, made.removed, made.present)
    assert [*sorted(BODIES), "g"] == places(catalog, repository, 2)


@ensureDeferred
async def test_mirror(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """What the upstream has no more is removed."""
    serve(site)
    await DeclarativeVersion(declared(), repository, **fields).create()
    less = {path: BODIES[path] for path in ("f1", "f2")}
    made = await DeclarativeVersion(declared(less), repository, mirror=True, **fields).create()
    assert (2, 0, 3, 2) == (made.number, made.added, made.removed, made.present)
    assert ["f1", "f2"] == places(catalog, repository, 2)
    assert sorted(BODIES) == places(catalog, repository, 1)


class Skipping(Stage):
    """Find that nothing has changed."""

    async def run(self) -> None:
        """Say so."""
        self.sync.skip()


@ensureDeferred
async def test_skip(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """A first stage that finds the upstream unchanged can say so; even a mirror then removes nothing."""
    serve(site)
    await DeclarativeVersion(declared(), repository, **fields).create()
    assert await DeclarativeVersion(Skipping(), repository, mirror=True, **fields).create() is None
    assert sorted(BODIES) == places(catalog, repository, 1)


class Remembering(Declared):
    """Keep what was seen."""

    async def run(self) -> None:
        """Put the units, and remember how many."""
        self.before = self.sync.synced
        await super().run()
        self.sync.synced = {"count": len(BODIES)}


@ensureDeferred
async def test_synced(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """What a first stage has seen is there for the next one, and forgotten when others change the repository."""
    serve(site)
    first, second = Remembering(declared().units), Remembering(declared().units)
    await DeclarativeVersion(first, repository, **fields).create()
    await DeclarativeVersion(second, repository, **fields).create()
    assert (None, {"count": 5, "version": 1}) == (first.before, second.before)
    await DeclarativeVersion(declared({}), repository, **fields).create()
    assert {"count": 5, "version": 1} == catalog.now(repositories.by_id, repository.id).synced
    await DeclarativeVersion(declared({}), repository, mirror=True, **fields).create()
    assert catalog.now(repositories.by_id, repository.id).synced is None


@ensureDeferred
async def test_first_failure(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, storage: MemoryStorage, site: FakeSite
) -> None:
    """One file that cannot be had ends the sync; what came before is stored, and the next sync uses it."""
    serve(site)
    site.files[SITE + "f4"] = 404
    sync = DeclarativeVersion(declared(), repository, concurrency=1, **fields)
    with pytest.raises(NotFound):
        await sync.create()
    assert ([], []) == (catalog.now(versions.list, repository.id), catalog.locked)
    assert 4 == len(catalog.rows(artifact, "id"))
    assert "failed" == catalog.now(runs.latest, repository.id).state
    assert "f4" in catalog.now(runs.latest, repository.id).error
    serve(site)
    again = DeclarativeVersion(declared(), repository, **fields)
    assert 5 == (await again.create()).present
    assert 1 == again.sync.downloaded


@ensureDeferred
async def test_keep_going(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """One file that cannot be had is a line in the report, and the version is made from the rest."""
    serve(site)
    site.files[SITE + "f2"] = 404
    sync = DeclarativeVersion(declared(), repository, keep_going=True, **fields)
    assert 4 == (await sync.create()).present
    assert ["f0", "f1", "f3", "f4"] == places(catalog, repository, 1)
    (failed,) = sync.sync.failed
    assert ("f2", "f2", NotFound) == (failed.content.place, failed.path, type(failed.error))
    result = catalog.now(runs.latest, repository.id).result
    assert (1, 1) == (result["failed"], len(result["failures"]))


@pytest.mark.parametrize(
    ("tolerance", "made"), [(None, True), (2, True), (1, False), (0, False), (0.4, True), (0.39, False), (1.0, True)]
)
@ensureDeferred
async def test_tolerance(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite, tolerance: Any, made: bool
) -> None:
    """When more have failed than are tolerated, as a number or as a share of all, there is no version."""
    serve(site)
    site.files[SITE + "f1"] = site.files[SITE + "f3"] = 404
    sync = DeclarativeVersion(declared(), repository, keep_going=True, tolerance=tolerance, **fields)
    if made:
        assert 3 == (await sync.create()).present
        return
    with pytest.raises(TooManyFailed, match=r"[12] of 5 units failed"):
        await sync.create()
    assert [] == catalog.now(versions.list, repository.id)
    assert [] == catalog.rows(version_content, "content_id")


@ensureDeferred
async def test_mirror_keeps_what_failed(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite
) -> None:
    """A unit that the upstream has, but whose file cannot be had now, is not removed from a mirror that has it."""
    await DeclarativeVersion(declared(), repository, policy="on_demand", **fields).create()
    serve(site)
    site.files[SITE + "f2"] = 404
    less = {path: body for path, body in BODIES.items() if path != "f4"}
    made = await DeclarativeVersion(declared(less), repository, mirror=True, keep_going=True, **fields).create()
    assert (0, 1, 4) == (made.added, made.removed, made.present)
    assert ["f0", "f1", "f2", "f3"] == places(catalog, repository, 2)


@ensureDeferred
async def test_full_disk(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, storage: MemoryStorage, site: FakeSite
) -> None:
    """What says nothing about one unit alone, such as a full disk, ends a sync that keeps going too."""
    serve(site)
    storage.adopt = lambda files: succeed([StorageFull(detail="no space left") for _ in files])  # type: ignore[method-assign]
    sync = DeclarativeVersion(declared(), repository, keep_going=True, **fields)
    with pytest.raises(StorageFull):
        await sync.create()
    assert [] == catalog.now(versions.list, repository.id)
    assert (0, 0) == (sync.sync.budget.used_items, sync.sync.budget.used_bytes)


@ensureDeferred
async def test_catalog_fails(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """A catalog that fails ends the sync with its error, and leaves no draft and no lock."""
    serve(site)
    catalog.failing["_save"] = CatalogError("the disk is gone")
    with pytest.raises(CatalogError, match="the disk is gone"):
        await DeclarativeVersion(declared(), repository, keep_going=True, **fields).create()
    assert ([], [], []) == (catalog.now(versions.list, repository.id), catalog.rows(version, "id"), catalog.locked)


@ensureDeferred
async def test_cancel(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, world: Any, storage: MemoryStorage
) -> None:
    """A sync that is cancelled gives back its draft, its lock and its budget; what it has is stored."""
    spy = SpyAgent()
    world.sites[None] = spy
    sync = DeclarativeVersion(declared(), repository, concurrency=2, **fields)
    running = sync.create()
    body = BODIES["f0"]
    spy.requests[0].answer.callback(FakeResponse(200, body, {"Content-Length": str(len(body))}, SITE + "f0"))
    assert 3 == len(spy.requests)
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert (2, []) == (len(spy.cancelled), catalog.locked)
    assert 1 == len(catalog.rows(artifact, "id"))
    assert [] == catalog.rows(version, "id")
    assert (0, "canceled") == (sync.sync.budget.used_items, catalog.now(runs.latest, repository.id).state)


@ensureDeferred
async def test_cancel_while_waiting_for_the_lock(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog
) -> None:
    """A sync that waits for another one of the same repository can be cancelled, and has then done nothing."""
    waiting: Deferred[Any] = Deferred()
    catalog.lock = lambda name: waiting  # type: ignore[method-assign]
    running = DeclarativeVersion(declared(), repository, **fields).create()
    assert [] == catalog.written
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert [] == catalog.written


@pytest.mark.parametrize(
    ("field", "value"), [("policy", "later"), ("tolerance", -1), ("tolerance", 1.5), ("tolerance", -0.1)]
)
def test_settings(fields: dict[str, Any], repository: Any, field: str, value: object) -> None:
    """A field that cannot be honoured is refused at once."""
    with pytest.raises(SettingsError, match=field):
        DeclarativeVersion(declared(), repository, **{**fields, field: value})


@ensureDeferred
async def test_progress_cannot_be_saved(
    fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite
) -> None:
    """A sync whose progress cannot be kept goes on; that is logged, and what came of it is kept."""
    serve(site)
    catalog.failing["progress"] = CatalogError("locked")
    with capturedLogs() as logged:
        assert 5 == (await DeclarativeVersion(declared(), repository, **fields).create()).present
    assert "the progress of a sync was not saved: locked" in {formatEvent(event) for event in logged}
    run = catalog.now(runs.latest, repository.id)
    assert ("completed", 1, ()) == (run.state, run.result["version"], run.progress)


@ensureDeferred
async def test_progress(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """How far each part has come is kept with the run."""
    serve(site)
    await DeclarativeVersion(declared(), repository, **fields).create()
    progress = {each.code: each for each in catalog.now(runs.latest, repository.id).progress}
    downloading = progress["sync.downloading.artifacts"]
    assert ("completed", 5, sum(map(len, BODIES.values()))) == (downloading.state, downloading.done, downloading.bytes)
    assert ("completed", 5) == (progress["associating.content"].state, progress["associating.content"].done)


@ensureDeferred
async def test_progress_seldom(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog) -> None:
    """However often it changes, progress is kept twice a second, and once more at the end."""
    clock, goes_on = Clock(), Deferred[None]()

    class Slow(Stage):
        async def run(self) -> None:
            self.report = self.sync.progress("slow", "Slow")
            await goes_on

    context, stage = Context(clock), Slow()
    running = DeclarativeVersion(stage, repository, **{**fields, "context": context}).create()
    for _ in range(16):
        stage.report.advance()
        for state in ("waiting", "running"):
            stage.report.enter(state)
        clock.advance(0.125)
    assert 4 == catalog.written.count("progress")
    [slow] = [each for each in catalog.now(runs.latest, repository.id).progress if each.code == "slow"]
    assert (16, "running") == (slow.done, slow.state)
    stage.report.enter("completed")
    goes_on.callback(None)
    await running
    assert 5 == catalog.written.count("progress")
    await context.close()
    assert [] == clock.getDelayedCalls()


@ensureDeferred
async def test_somebody_elses(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, site: FakeSite) -> None:
    """Whose work it is not any more at the end makes no version; what was stored stays."""
    serve(site)
    asked: list[object] = []

    def hold(connection: object) -> None:
        asked.append(connection)
        if len(asked) > 1:
            raise LeaseLost("uid")

    with pytest.raises(LeaseLost):
        await DeclarativeVersion(declared(), repository, hold=hold, **fields).create()
    assert (2, []) == (len(asked), catalog.rows(version, "number"))
    assert len(BODIES) == len(catalog.rows(artifact, "sha256"))

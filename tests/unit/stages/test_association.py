"""Units become part of a version, and those who wait for them go on."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define
from pytest_twisted import ensureDeferred

from tests.unit.stages.surroundings import NOW, Declared, MemoryCatalog, through, unit_of
from twisted_pulp.catalog import versions
from twisted_pulp.errors import NotFound
from twisted_pulp.stages import (
    Content,
    ContentAssociation,
    ContentSaver,
    DeclarativeContent,
    ResolveContents,
    Stage,
    Sync,
)


def paths(catalog: MemoryCatalog, repository: Any, draft: Any) -> list[str]:
    """Finish *draft*, and return what is in it."""
    made = catalog.now(versions.finish, draft, NOW, None)
    return sorted(each.place for each in catalog.now(versions.contents, repository.id, made.number))


async def associated(sync: Sync, catalog: MemoryCatalog, names: str, body: bytes = b"body") -> Any:
    """Return the draft that has units of these *names*."""
    draft = catalog.now(versions.begin, sync.repository.id, NOW)
    await through(sync, [unit_of(name, body) for name in names], ContentSaver(), ContentAssociation(draft))
    return draft


@ensureDeferred
async def test_additive(sync: Sync, repository: Any, catalog: MemoryCatalog) -> None:
    """What comes is added, and counted."""
    assert ["a", "b"] == paths(catalog, repository, await associated(sync, catalog, "ab"))
    assert ["a", "b", "c"] == paths(catalog, repository, await associated(sync, catalog, "c"))
    (report,) = sync.reports.reports
    assert ("associating.content", 3, "completed") == (report.code, report.done, report.state)


@ensureDeferred
async def test_mirror(sync: Sync, repository: Any, catalog: MemoryCatalog) -> None:
    """What does not come is removed at the end, and counted."""
    assert ["a", "b"] == paths(catalog, repository, await associated(sync, catalog, "ab"))
    sync.mirror = True
    assert ["a", "c"] == paths(catalog, repository, await associated(sync, catalog, "ac"))
    assert {"associating.content": 3, "unassociating.content": 1} == {
        report.code: report.done for report in sync.reports.reports
    }


@ensureDeferred
async def test_mirror_of_what_failed(sync: Sync, repository: Any, catalog: MemoryCatalog) -> None:
    """What failed keeps its place for the unit that has it, in the same version and of the same type only."""
    old = unit_of("a", b"old")
    draft = catalog.now(versions.begin, sync.repository.id, NOW)
    await through(sync, [old, unit_of("b", b"b")], ContentSaver(), ContentAssociation(draft))
    assert ["a", "b"] == paths(catalog, repository, draft)
    sync.mirror = sync.keep_going = True
    for failed in (unit_of("a", b"new"), unit_of("x", b"x")):
        sync.refuse(failed, NotFound("http://h/", 404))
    other = DeclarativeContent(content=Content(type="t", key=("b",), place="b"))
    sync.refuse(other, NotFound("http://h/", 404))
    sync.refuse(DeclarativeContent(content=Content(type="t", key=("none",))), NotFound("http://h/", 404))
    made = catalog.now(versions.finish, await associated(sync, catalog, "c"), NOW, None)
    kept = {each.place: each.id for each in catalog.now(versions.contents, repository.id, made.number)}
    assert {"a", "c"} == kept.keys()
    assert old.content_id == kept["a"]


@ensureDeferred
async def test_skipped_mirror(sync: Sync, catalog: MemoryCatalog) -> None:
    """A mirror whose upstream has not changed removes nothing, although nothing comes."""
    catalog.now(versions.finish, await associated(sync, catalog, "ab"), NOW, None)
    sync.mirror = True
    sync.skip()
    assert catalog.now(versions.finish, await associated(sync, catalog, ""), NOW, None) is None


@ensureDeferred
async def test_same_unit_twice(sync: Sync, repository: Any, catalog: MemoryCatalog) -> None:
    """A unit that comes twice is there once."""
    draft = await associated(sync, catalog, "aab")
    made = catalog.now(versions.finish, draft, NOW, None)
    assert (2, 2) == (made.added, made.present)


@define(eq=False)
class Related(Stage):
    """Put a unit that needs the id of the one before."""

    units: list[DeclarativeContent]

    async def run(self) -> None:
        """Put one, wait for it, and put the other."""
        await self.put(self.units[0])
        self.units[1].attachment = await self.units[0].resolution()
        await self.put(self.units[1])


@pytest.mark.limit(10)
@ensureDeferred
async def test_resolution(sync: Sync, catalog: MemoryCatalog) -> None:
    """The first stage can wait for a unit to be saved: no batch waits for more meanwhile."""
    units = [unit_of(name, b"body") for name in "ab"]
    draft = catalog.now(versions.begin, sync.repository.id, NOW)
    related = Related(units)
    related.sync = sync
    from twisted_pulp.stages import Pipeline

    stages = [related, ContentSaver(), ResolveContents(), ContentAssociation(draft)]
    for stage in stages:
        stage.sync = sync
    await Pipeline(stages).run(sync.context.reactor)
    assert units[0].content_id == units[1].attachment
    assert [2] == [report.done for report in sync.reports.reports]


def test_declared() -> None:
    """A first stage of these tests has its units."""
    assert [] == list(Declared([]).units)

"""Change a repository by additions and removals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.unit.stages.surroundings import SITE, Declared, MemoryCatalog, unit_of
from twisted_pulp.catalog import runs, versions
from twisted_pulp.errors import NotFound, NotInCatalog, StorageFull
from twisted_pulp.stages import ChangeReport, ChangeSet, Content, DeclarativeContent, DeclarativeVersion
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeSite

BODIES = {f"f{number}": b"body %d" % number for number in range(5)}


@pytest.fixture(autouse=True)
def _served(site: FakeSite) -> None:
    site.files.update((SITE + path, body) for path, body in BODIES.items())


def content_of(path: str) -> Content:
    """Return the content of a path."""
    return unit_of(path, BODIES[path]).content


def units(*paths: str) -> list[DeclarativeContent]:
    """Return the units of *paths*."""
    return [unit_of(path, BODIES[path]) for path in paths]


async def reports_of(changes: ChangeSet) -> list[tuple[str, str | None, type | None]]:
    """Apply *changes*, and return what was reported: the action, the place and the kind of error."""
    return [
        (report.action, report.content.key[0], None if report.error is None else type(report.error))
        async for report in changes.apply()
    ]


@ensureDeferred
async def test_add_and_remove(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog) -> None:
    """Additions and removals are reported one by one, and make one version."""
    await DeclarativeVersion(Declared(units("f0", "f1")), repository, **fields).create()
    changes = ChangeSet(repository, units("f2", "f3"), [content_of("f0"), content_of("f3")], **fields)
    assert [("added", "f2", None), ("added", "f3", None), ("removed", "f0", None), ("removed", "f3", None)] == (
        await reports_of(changes)
    )
    assert (2, 1, 1, 2) == (
        changes.version.number,
        changes.version.added,
        changes.version.removed,
        changes.version.present,
    )
    assert ["f1", "f2"] == sorted(row.place for row in catalog.now(versions.contents, repository.id, 2))
    assert "change" == catalog.now(runs.latest, repository.id).kind


@ensureDeferred
async def test_failures(fields: dict[str, Any], repository: Any, site: FakeSite) -> None:
    """What fails is reported, and does not stop the rest."""
    site.files[SITE + "f1"] = 404
    changes = ChangeSet(repository, units("f0", "f1", "f2"), [content_of("f4"), content_of("f0")], **fields)
    assert [
        ("added", "f0", None),
        ("added", "f1", NotFound),
        ("added", "f2", None),
        ("removed", "f0", None),
        ("removed", "f4", NotInCatalog),
    ] == sorted(await reports_of(changes), key=lambda report: report[:2])
    assert 1 == changes.version.present


@ensureDeferred
async def test_nothing(fields: dict[str, Any], repository: Any) -> None:
    """No changes, or those that change nothing, make no version."""
    changes = ChangeSet(repository, **fields)
    assert ([], None) == (await reports_of(changes), changes.version)
    again = ChangeSet(repository, units("f0"), [content_of("f0")], **fields)
    assert [("added", "f0", None), ("removed", "f0", None)] == await reports_of(again)
    assert again.version is None


@ensureDeferred
async def test_async_additions(fields: dict[str, Any], repository: Any) -> None:
    """Additions may come one by one."""

    async def coming() -> AsyncIterator[DeclarativeContent]:
        for unit in units("f0", "f1"):
            yield unit

    changes = ChangeSet(repository, coming(), **fields)
    assert [("added", "f0", None), ("added", "f1", None)] == await reports_of(changes)


@ensureDeferred
async def test_fatal(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog, storage: MemoryStorage) -> None:
    """What is not the fault of one unit, such as a full disk, is raised, and nothing has changed."""

    def full(files: Any) -> Any:
        raise StorageFull(detail="no space left")

    storage.adopt = full  # type: ignore[method-assign]
    with pytest.raises(StorageFull):
        await reports_of(ChangeSet(repository, units("f0"), **fields))
    assert ([], []) == (catalog.now(versions.list, repository.id), catalog.locked)


@ensureDeferred
async def test_leaving(fields: dict[str, Any], repository: Any, catalog: MemoryCatalog) -> None:
    """Leaving the loop before the end undoes everything."""
    reports = ChangeSet(repository, units("f0", "f1"), **fields).apply()
    assert ChangeReport("added", content_of("f0")) == await anext(reports)
    await reports.aclose()  # type: ignore[attr-defined]
    assert ([], []) == (catalog.now(versions.list, repository.id), catalog.locked)
    assert "canceled" == catalog.now(runs.latest, repository.id).state

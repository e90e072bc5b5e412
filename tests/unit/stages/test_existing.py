"""What of a unit is known already."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from tests.unit.stages.surroundings import NOW, MemoryCatalog, file_of, through, unit_of
from twisted_pulp.catalog import artifacts, contents
from twisted_pulp.catalog._tables import artifact, content
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.catalog.contents import NewContent
from twisted_pulp.settings import Remote
from twisted_pulp.stages import QueryExistingArtifacts, QueryExistingContents, Sync

BODY = b"body"
SHA256, SHA512, MD5 = (hashlib.new(name, BODY).hexdigest() for name in ("sha256", "sha512", "md5"))


@pytest.fixture
def stored(catalog: MemoryCatalog) -> int:
    """The number of an artifact that nobody has wanted for long."""
    new = NewArtifact(SHA256, len(BODY), {"sha512": SHA512, "md5": MD5})
    return int(catalog.now(artifacts.save, [new], NOW - 1000)[SHA256])


@pytest.mark.parametrize(
    ("expected", "weak", "found"),
    [
        ({"digests": {"sha256": SHA256}}, False, True),
        ({"digests": {"sha512": SHA512}}, False, True),
        ({"digests": {"sha512": SHA512}, "size": None}, False, True),
        ({"digests": {"md5": MD5}}, False, False),
        ({"digests": {"md5": MD5}}, True, True),
        ({"digests": {"md5": MD5, "sha256": "0" * 64}}, True, False),
        ({"digests": {"sha256": SHA256}, "size": 99}, False, False),
        ({"digests": {}}, True, False),
    ],
)
@ensureDeferred
async def test_artifacts(sync: Sync, stored: int, expected: dict[str, Any], weak: bool, found: bool) -> None:
    """The strongest digest finds an artifact if the size agrees; weak ones only where they count as a proof."""
    sync.remote = Remote(allow_weak_digests=weak)
    (unit,) = await through(sync, [unit_of("f", BODY, **expected)], QueryExistingArtifacts())
    (known,) = unit.artifacts
    assert ((stored, SHA256) if found else (None, None)) == (known.artifact_id, known.sha256)
    assert 1 == sync.units


@ensureDeferred
async def test_found_artifact_is_wanted(sync: Sync, catalog: MemoryCatalog, stored: int) -> None:
    """What is found is not removed as an orphan before its unit is saved."""
    await through(sync, [unit_of("f", BODY)], QueryExistingArtifacts())
    assert [(NOW,)] == catalog.rows(artifact, "touched")


@ensureDeferred
async def test_same_artifact_twice(sync: Sync, stored: int) -> None:
    """An artifact is found for all who want it, each with its own sources."""
    units = [unit_of(name, BODY) for name in ("f", "g")]
    taken = await through(sync, units, QueryExistingArtifacts())
    assert [stored, stored] == [unit.artifacts[0].artifact_id for unit in taken]


@ensureDeferred
async def test_contents(sync: Sync, catalog: MemoryCatalog) -> None:
    """Units are found by type and natural key; the others go on without an id."""
    units = [unit_of(name, BODY) for name in "abc"]
    units[2].content = evolve(units[2].content, type="other")
    keys = [unit.content.key_text for unit in units]
    saved = catalog.now(contents.save, [NewContent("file", key, None, {}) for key in keys[:1] + keys[2:]], NOW - 1000)
    taken = await through(sync, units, QueryExistingContents())
    assert [saved["file", keys[0]], None, None] == [unit.content_id for unit in taken]
    assert [(NOW,), (NOW - 1000,)] == catalog.rows(content, "touched")


@ensureDeferred
async def test_nothing_to_ask(sync: Sync, catalog: MemoryCatalog) -> None:
    """Where everything is known, or nothing can be, the catalog is not asked."""
    unit = unit_of("f", BODY, digests={})
    unit.content_id = 7
    await through(sync, [unit], QueryExistingArtifacts(), QueryExistingContents())
    assert [] == catalog.written


def test_file_of() -> None:
    """The artifacts of these tests have what is expected of their bodies."""
    assert (4, {"sha256": SHA256}) == (file_of("f", BODY).size, file_of("f", BODY).digests)

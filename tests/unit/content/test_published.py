"""The files of a version, as an export wants them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from twisted_pulp.catalog import artifacts, contents, repositories, versions
from twisted_pulp.catalog._tables import metadata
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.catalog.contents import NewContent, NewFile
from twisted_pulp.catalog.versions import PublishedFile
from twisted_pulp.errors import NotInCatalog

PATHS = ["b/c", "a", "ä", "Z", "b-", "b"]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A connection to an empty catalog."""
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.sqlite")
    metadata.create_all(engine)
    with engine.begin() as made:
        yield made
    engine.dispose()


def version(connection: Connection, paths: list[str], stored: int) -> tuple[int, versions.Draft]:
    """Begin a version with a unit for each of *paths*, the first *stored* of them downloaded."""
    repository = repositories.create(connection, "r", "file", 1.0)
    sums = {path: f"{number:064x}" for number, path in enumerate(paths)}
    ids = artifacts.save(connection, [NewArtifact(sums[path], 7) for path in paths[:stored]], 1.0)
    made = contents.save(connection, [NewContent("file", path, path, {}) for path in paths], 1.0)
    files = [NewFile(made["file", path], path, ids.get(sums[path]), 7, {"sha256": sums[path]}) for path in paths]
    contents.attach(connection, files)
    draft = versions.begin(connection, repository.id, 1.0)
    versions.add(connection, draft, list(made.values()))
    return repository.id, draft


def test_order(connection: Connection) -> None:
    """Files come in the order of the bytes of their paths, with what is known of those that are not there."""
    repository, draft = version(connection, PATHS, 5)
    versions.finish(connection, draft, 2.0, None)
    found = list(versions.published(connection, repository, 1))
    assert ["Z", "a", "b", "b-", "b/c", "ä"] == [each.path for each in found]
    assert [PublishedFile("b", None, 7)] == [each for each in found if each.sha256 is None]
    assert versions.lacks_files(connection, repository, 1)


def test_all_there(connection: Connection) -> None:
    """A version of which everything was downloaded lacks nothing, and an empty one neither."""
    repository, draft = version(connection, PATHS, 6)
    versions.finish(connection, draft, 2.0, None)
    assert not versions.lacks_files(connection, repository, 1)
    assert not versions.lacks_files(connection, repository, 0)


def test_kept(connection: Connection) -> None:
    """Metadata of the upstream stays with its version, its artifact too, and goes with it."""
    repository, draft = version(connection, PATHS, 0)
    artifact = artifacts.save(connection, [NewArtifact("ab" * 32, 9)], 1.0)["ab" * 32]
    versions.keep(connection, draft, {"PULP_MANIFEST": artifact})
    versions.finish(connection, draft, 2.0, {"etag": "x"})
    assert {"PULP_MANIFEST": "ab" * 32} == versions.kept(connection, repository, 1)
    assert [] == artifacts.orphans(connection, 9.0, 10)
    assert {"etag": "x", "version": 1} == repositories.by_id(connection, repository).synced


def test_kept_nothing(connection: Connection) -> None:
    """A version whose upstream's metadata was not kept has none."""
    repository, draft = version(connection, PATHS, 0)
    versions.keep(connection, draft, {})
    versions.finish(connection, draft, 2.0, None)
    assert {} == versions.kept(connection, repository, 1)


def test_no_version(connection: Connection) -> None:
    """A version that is not there has no files."""
    repository, _ = version(connection, PATHS, 0)
    with pytest.raises(NotInCatalog):
        list(versions.published(connection, repository, 1))
    with pytest.raises(NotInCatalog):
        versions.kept(connection, repository, 1)

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, select

from tests.unit.catalog.units import some
from twisted_pulp.catalog import contents, repositories, versions
from twisted_pulp.catalog._tables import version_content
from twisted_pulp.errors import NameTaken, NotInCatalog


def test_create(connection: Connection) -> None:
    """What was created is found by its name and number."""
    made = repositories.create(connection, "one", "file", 5.0, description="Files", retain=3)
    expected = repositories.RepositoryRow(made.id, "one", "file", "Files", None, 3, 1, None, 5.0)
    assert expected == made
    assert made == repositories.get(connection, "one") == repositories.by_id(connection, made.id)


def test_name_taken(connection: Connection) -> None:
    """A name is given once."""
    made = repositories.create(connection, "one", "file", 5.0)
    with pytest.raises(NameTaken, match="there is a repository one already"):
        repositories.create(connection, "one", "file", 5.0)
    assert [made] == repositories.list(connection)


def test_unknown(connection: Connection) -> None:
    """What is not there is said to be so."""
    for ask in (repositories.get, repositories.update, repositories.delete):
        with pytest.raises(NotInCatalog, match="there is no repository one"):
            ask(connection, "one")
    with pytest.raises(NotInCatalog, match="there is no repository 7"):
        repositories.by_id(connection, 7)


def test_list(connection: Connection) -> None:
    """Repositories are listed by name, page by page."""
    for name in ("b", "c", "a"):
        repositories.create(connection, name, "file", 5.0)
    assert ["a", "b", "c"] == [each.name for each in repositories.list(connection)]
    assert ["a", "b"] == [each.name for each in repositories.list(connection, limit=2)]
    assert ["c"] == [each.name for each in repositories.list(connection, after="b", limit=2)]


def test_update(connection: Connection) -> None:
    """What is named is changed, and nothing else."""
    made = repositories.create(connection, "one", "file", 5.0, description="Files")
    changed = repositories.update(connection, "one", name="two", retain=2, synced={"etag": "x"})
    assert (made.id, "two", "Files", 2, {"etag": "x"}) == (
        changed.id,
        changed.name,
        changed.description,
        changed.retain,
        changed.synced,
    )
    assert repositories.update(connection, "two", name="two", synced=None, retain=None).synced is None
    assert "two" == repositories.update(connection, "two").name


def test_update_refused(connection: Connection) -> None:
    """Two repositories of one name, a number of versions below one and unknown settings are refused."""
    repositories.create(connection, "one", "file", 5.0)
    repositories.create(connection, "two", "file", 5.0)
    with pytest.raises(NameTaken):
        repositories.update(connection, "one", name="two")
    with pytest.raises(ValueError, match="retain is 0"):
        repositories.update(connection, "one", retain=0)
    with pytest.raises(ValueError, match="retain is 0"):
        repositories.create(connection, "three", "file", 5.0, retain=0)
    with pytest.raises(TypeError, match="repository's next"):
        repositories.update(connection, "one", next=5)


def test_delete(connection: Connection) -> None:
    """A repository goes with its versions, and leaves its content, which other repositories may have."""
    ids = some(connection, 2)
    for name in ("one", "two"):
        draft = versions.begin(connection, repositories.create(connection, name, "file", 5.0).id, 1.0)
        versions.add(connection, draft, ids)
        versions.finish(connection, draft, 1.0, None)
    repositories.delete(connection, "one")
    assert 2 == connection.scalar(select(func.count()).select_from(version_content))
    assert [] == contents.orphans(connection, 9.0, 10)
    repositories.delete(connection, "two")
    assert ids == contents.orphans(connection, 9.0, 10)

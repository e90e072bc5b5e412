"""Distributions in the catalog: names, and paths that do not lie within each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from twisted_pulp.catalog import distributions, remotes
from twisted_pulp.catalog._tables import metadata
from twisted_pulp.errors import NameTaken, NotInCatalog, SettingsError
from twisted_pulp.settings import Remote


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to a database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connected:
        metadata.create_all(connected)
        yield connected
    engine.dispose()


def test_fields(connection: Connection) -> None:
    """What was said is there, until it is changed or forgotten."""
    remote = remotes.create(connection, "r", Remote(), 1.0)
    made = distributions.create(connection, "one", "a/b", 5.0, remote_id=remote.id, policy="streamed")
    assert ("a/b", None, None, remote.id, "streamed", {}, 5.0) == (
        made.base_path,
        made.repository_id,
        made.number,
        made.remote_id,
        made.policy,
        made.settings,
        made.created,
    )
    changed = distributions.update(connection, "one", name="two", policy=None, settings={"early": True})
    assert ("two", "a/b", None, {"early": True}) == (changed.name, changed.base_path, changed.policy, changed.settings)
    assert [changed] == distributions.list(connection)
    assert [] == distributions.list(connection, "two")
    distributions.delete(connection, "two")
    for call in (distributions.get, distributions.delete, distributions.update):
        with pytest.raises(NotInCatalog, match="distribution two"):
            call(connection, "two")


@pytest.mark.parametrize("path", ["a/b", "a", "a/b/c"])
def test_within(connection: Connection, path: str) -> None:
    """A path that is another's, or above or below it, is taken."""
    distributions.create(connection, "one", "a/b", 5.0)
    with pytest.raises(NameTaken, match="a/b"):
        distributions.create(connection, "two", path, 5.0)
    distributions.create(connection, "two", "other", 5.0)
    with pytest.raises(NameTaken, match="a/b"):
        distributions.update(connection, "two", base_path=path)


def test_beside(connection: Connection) -> None:
    """Paths that only begin with the same letters, in whatever case, are different ones."""
    for number, path in enumerate(["a/b", "a/bc", "A/B/c", "a_b/c", "a%b".replace("%", "-")]):
        distributions.create(connection, str(number), path, 5.0)
    assert 5 == len(distributions.list(connection))


def test_name(connection: Connection) -> None:
    """A name is one distribution's, but one may keep its own."""
    distributions.create(connection, "one", "a", 5.0)
    with pytest.raises(NameTaken, match="distribution one"):
        distributions.create(connection, "one", "b", 5.0)
    assert "a" == distributions.update(connection, "one", name="one", base_path="a").base_path


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "a/../b", ".", "a\nb", "a?b", "a%2fb", "a\\b"])
def test_no_path(connection: Connection, path: str) -> None:
    """What is no path below which something can be served is refused."""
    with pytest.raises(SettingsError, match="base_path"):
        distributions.create(connection, "one", path, 5.0)


def test_refused(connection: Connection) -> None:
    """A policy that there is not, a number of no repository and unknown fields are refused."""
    with pytest.raises(SettingsError, match="policy"):
        distributions.create(connection, "one", "a", 5.0, policy="never")
    with pytest.raises(SettingsError, match="number"):
        distributions.create(connection, "one", "a", 5.0, number=3)
    with pytest.raises(TypeError, match="colour"):
        distributions.create(connection, "one", "a", 5.0, colour="red")


@pytest.mark.parametrize(
    ("path", "name"), [("a/b", "one"), ("a/b/c/d", "one"), ("a", None), ("a/bc", None), ("x", "two")]
)
def test_by_path(connection: Connection, path: str, name: str | None) -> None:
    """A path is in the distribution whose path it begins with, part by part."""
    distributions.create(connection, "one", "a/b", 5.0)
    distributions.create(connection, "two", "x", 5.0)
    found = distributions.by_path(connection, path)
    assert name == (found and found.name)

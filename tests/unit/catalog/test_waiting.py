"""Two transactions at once, where the database lets two write."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from tests.unit.catalog.units import some
from twisted_pulp.catalog import artifacts, repositories, versions
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.errors import DraftLost

# SQLite has one writer.
pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def wait(engine: Engine, later: Future[object]) -> None:
    """Return when *later* waits for a lock."""
    with engine.connect() as watching:
        while not watching.scalar(_WAITING):
            assert not later.done(), "it did not wait"
            watching.rollback()


def test_same_rows(engine: Engine) -> None:
    """Who saves what another one is saving waits for it, in whatever order both name it, and gets the same numbers."""
    new = [NewArtifact(each * 64, 1) for each in "abc"]
    with engine.begin() as first, ThreadPoolExecutor(1) as pool:
        ids = artifacts.save(first, new, 1.0)

        def save() -> dict[str, int]:
            with engine.begin() as second:
                return artifacts.save(second, new[::-1], 1.0)

        later = pool.submit(save)
        wait(engine, later)
        first.commit()
        assert ids == later.result(30)


def test_draft_taken_over(engine: Engine) -> None:
    """Who begins a version waits for what adds to the one before, and undoes that too."""

    def begin(connection: Connection) -> versions.Draft:
        return versions.begin(connection, repository, 2.0)

    with engine.begin() as connection:
        units = some(connection, 2)
        repository = repositories.create(connection, "one", "file", 1.0).id
        old = begin(connection)
    with engine.begin() as adding, ThreadPoolExecutor(1) as pool:
        versions.add(adding, old, units)

        def take_over() -> versions.Draft:
            with engine.begin() as second:
                return begin(second)

        later = pool.submit(take_over)
        wait(engine, later)
        adding.commit()
        new = later.result(30)
    with engine.begin() as connection:
        with pytest.raises(DraftLost):
            versions.add(connection, old, units)
        assert versions.finish(connection, new, 3.0, None) is None

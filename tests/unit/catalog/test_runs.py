from __future__ import annotations

import pytest
from sqlalchemy import Connection

from twisted_pulp.catalog import repositories, runs
from twisted_pulp.catalog.runs import ProgressRow
from twisted_pulp.errors import NotInCatalog


@pytest.fixture
def repository(connection: Connection) -> int:
    """A repository."""
    return repositories.create(connection, "one", "file", 1.0).id


def test_run(connection: Connection, repository: int) -> None:
    """A run runs until it is finished."""
    run = runs.start(connection, "sync", repository, 5.0)
    running = runs.RunRow(run, "sync", repository, "running", 5.0, None, None, None)
    assert running == runs.get(connection, run)
    runs.finish(connection, run, "completed", 7.0, result={"added": 3})
    done = runs.RunRow(run, "sync", repository, "completed", 5.0, 7.0, {"added": 3}, None)
    assert done == runs.get(connection, run)


def test_failed(connection: Connection) -> None:
    """A run that belongs to no repository can fail as well."""
    run = runs.start(connection, "verify", None, 5.0)
    runs.finish(connection, run, "failed", 7.0, error="the disk is full")
    found = runs.get(connection, run)
    assert (None, "failed", None, "the disk is full") == (found.repository_id, found.state, found.result, found.error)


def test_progress(connection: Connection, repository: int) -> None:
    """Each part of a run is one row, which is what it was last told."""
    run = runs.start(connection, "sync", repository, 5.0)
    first = ProgressRow("sync.parsing", "Parsing", "running", None, 1)
    runs.progress(
        connection, run, [ProgressRow("sync.downloading", "Downloading", "running", 9, 2, 70, "files"), first]
    )
    second = ProgressRow("sync.downloading", "Downloading", "completed", 9, 9, 300, "files")
    runs.progress(connection, run, [ProgressRow("sync.downloading", "Downloading", "running", 9, 8), second])
    runs.progress(connection, run, [])
    assert (second, first) == runs.get(connection, run).progress


def test_list(connection: Connection, repository: int) -> None:
    """The latest runs come first, of all repositories or of one."""
    first = runs.start(connection, "sync", repository, 5.0)
    second = runs.start(connection, "verify", None, 6.0)
    third = runs.start(connection, "sync", repository, 7.0)
    runs.progress(connection, third, [ProgressRow("sync.parsing", "Parsing", "running", None, 1)])
    assert [third, second, first] == [each.id for each in runs.list(connection)]
    assert [third, second] == [each.id for each in runs.list(connection, limit=2)]
    assert [third, first] == [each.id for each in runs.list(connection, repository)]
    assert runs.get(connection, third) == runs.latest(connection, repository)


def test_none(connection: Connection, repository: int) -> None:
    """What is not there is said to be so; a repository may have had no runs."""
    assert runs.latest(connection, repository) is None
    with pytest.raises(NotInCatalog, match="there is no run 7"):
        runs.get(connection, 7)
    with pytest.raises(NotInCatalog, match="there is no run 7"):
        runs.finish(connection, 7, "completed", 1.0)


def test_abandon(connection: Connection, repository: int) -> None:
    """Runs whose process died are failed runs."""
    done = runs.start(connection, "sync", repository, 5.0)
    runs.finish(connection, done, "completed", 6.0)
    dead = runs.start(connection, "sync", repository, 7.0)
    other = runs.start(connection, "verify", None, 7.0)
    assert 1 == runs.abandon(connection, repository, 9.0)
    found = runs.get(connection, dead)
    assert ("failed", 9.0, "its process died") == (found.state, found.finished, found.error)
    assert ["completed", "running"] == [runs.get(connection, each).state for each in (done, other)]

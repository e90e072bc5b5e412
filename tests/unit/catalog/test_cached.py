"""What is kept of responses that may change, on both databases."""

from __future__ import annotations

import pytest
from attrs import evolve
from sqlalchemy import Connection

from twisted_pulp.catalog import artifacts, cached, remotes
from twisted_pulp.catalog.cached import CachedRow
from twisted_pulp.settings import Remote

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def row(connection: Connection) -> CachedRow:
    """A response of a Remote of the catalog, not yet kept."""
    remote = remotes.create(connection, "r", Remote(), 1.0)
    return CachedRow(
        remote_id=remote.id,
        url="http://h/a",
        sha256=A,
        size=10,
        fields=(("etag", '"x"'), ("content-type", "text/plain")),
        vary={"accept": "1234"},
        requested=5.0,
        received=6.0,
        used=7.0,
    )


def numbered(row: CachedRow, number: int, size: int = 10) -> CachedRow:
    """Return another response, wanted at another time."""
    return evolve(row, url=f"http://h/{number}", sha256=f"{number:064x}", size=size, used=float(number))


def body(connection: Connection, sha256: str) -> int:
    """Return the number of the artifact."""
    return artifacts.find(connection, [("sha256", sha256)])["sha256", sha256].id


def test_save(connection: Connection, row: CachedRow) -> None:
    """What is kept is found again by its Remote, URL and kind, and by nothing else."""
    assert None is cached.save(connection, row, 7.0)
    assert row == cached.find(connection, row.remote_id, row.url, "")
    for other in ((row.remote_id + 1, row.url, ""), (row.remote_id, "http://h/A", ""), (row.remote_id, row.url, "k")):
        assert None is cached.find(connection, *other)


def test_save_again(connection: Connection, row: CachedRow) -> None:
    """A new response takes the place of the old one, whose body is told."""
    cached.save(connection, row, 7.0)
    newer = evolve(row, sha256=B, size=3, fields=(), vary={}, requested=8.0, received=9.0, used=9.0)
    assert body(connection, A) == cached.save(connection, newer, 9.0)
    assert newer == cached.find(connection, row.remote_id, row.url, "")
    assert None is cached.save(connection, newer, 9.0)
    assert (1, 3) == cached.total(connection)


def test_kinds(connection: Connection, row: CachedRow) -> None:
    """Each kind that can be negotiated is kept by itself."""
    other = evolve(row, kind="application/json", sha256=B)
    for each in (row, other):
        cached.save(connection, each, 7.0)
    assert row == cached.find(connection, row.remote_id, row.url, "")
    assert other == cached.find(connection, row.remote_id, row.url, "application/json")


def test_longest(connection: Connection, row: CachedRow) -> None:
    """The longest URL is a key on each database."""
    long = evolve(row, url="http://h/" + "é" * (cached.LONGEST - 9), kind="k" * 255)
    cached.save(connection, long, 7.0)
    assert long == cached.find(connection, row.remote_id, long.url, long.kind)


def test_use(connection: Connection, row: CachedRow) -> None:
    """When it was wanted last only grows."""
    cached.save(connection, row, 7.0)
    for now, expected in ((20.0, 20.0), (15.0, 20.0)):
        cached.use(connection, row, now)
        found = cached.find(connection, row.remote_id, row.url, "")
        assert found is not None
        assert expected == found.used


def test_delete(connection: Connection, row: CachedRow) -> None:
    """What is forgotten is gone, unless a newer response has come meanwhile."""
    cached.save(connection, row, 7.0)
    assert None is cached.delete(connection, evolve(row, received=5.9))
    assert body(connection, A) == cached.delete(connection, row)
    assert None is cached.find(connection, row.remote_id, row.url, "")
    assert None is cached.delete(connection, row)


def test_evict(connection: Connection, row: CachedRow) -> None:
    """Whatever was wanted longest ago goes first, until there is some room."""
    for number in (3, 1, 2, 5, 4):
        cached.save(connection, numbered(row, number), 7.0)
    assert [] == cached.evict(connection, 5, 50)
    assert [body(connection, f"{number:064x}") for number in (1, 2)] == cached.evict(connection, 5, 40)
    assert (3, 30) == cached.total(connection)
    assert [body(connection, f"{3:064x}"), body(connection, f"{4:064x}")] == cached.evict(connection, 2, 1000)
    assert (1, 10) == cached.total(connection)


def test_evict_all(connection: Connection, row: CachedRow) -> None:
    """What is larger than everything may be does not stay either."""
    cached.save(connection, numbered(row, 1, 1000), 7.0)
    assert 1 == len(cached.evict(connection, 10, 100))
    assert (0, 0) == cached.total(connection)


def test_orphans(connection: Connection, row: CachedRow) -> None:
    """The body of a response that is kept is no orphan; of one that was evicted it is."""
    cached.save(connection, row, 7.0)
    number = body(connection, A)
    assert [] == artifacts.delete_orphans(connection, 1000.0, 10)
    assert [] == cached.unwanted(connection, [number], 1000.0)
    cached.evict(connection, 0, 0)
    assert [] == cached.unwanted(connection, [number], 7.0), "it was stored a moment ago"
    assert [] == cached.unwanted(connection, [number + 1], 1000.0), "it is another one"
    assert [A] == [each.sha256 for each in cached.unwanted(connection, [number], 7.5)]


def test_remote(connection: Connection, row: CachedRow) -> None:
    """With its Remote a response goes, too."""
    cached.save(connection, row, 7.0)
    remotes.delete(connection, "r")
    assert (0, 0) == cached.total(connection)


def test_lost_body(connection: Connection, row: CachedRow) -> None:
    """A response whose body is no more is none."""
    cached.save(connection, row, 7.0)
    artifacts.delete(connection, [body(connection, A)])
    assert None is cached.find(connection, row.remote_id, row.url, "")

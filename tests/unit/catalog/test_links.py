"""Files that pages of an upstream name, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from twisted_pulp.catalog import artifacts, links, pulled, remotes
from twisted_pulp.catalog.links import LinkRow
from twisted_pulp.settings import Remote

ROW = LinkRow("https://h/a%2Bb", "https://h/a+b", {"sha256": "a" * 64})


@pytest.fixture
def remote(connection: Connection) -> int:
    """A Remote."""
    return remotes.create(connection, "r", Remote(), 1.0).id


def test_find(connection: Connection, remote: int) -> None:
    """A file is found by its name, for the Remote whose page named it."""
    other = remotes.create(connection, "s", Remote(), 1.0).id
    assert not links.save(connection, remote, [ROW], 2.0)
    assert ROW == links.find(connection, remote, ROW.name)
    assert links.find(connection, remote, ROW.url) is None
    assert links.find(connection, other, ROW.name) is None
    assert [True, False] == [links.some(connection, each) for each in (remote, other)]


def test_again(connection: Connection, remote: int) -> None:
    """Nothing changes when the same is said again."""
    links.save(connection, remote, [ROW], 2.0)
    assert not links.save(connection, remote, [ROW, LinkRow("https://h/c", "https://h/c", {})], 3.0)


def test_changed(connection: Connection, remote: int) -> None:
    """Other digests replace those that were told, and somebody wants to know."""
    links.save(connection, remote, [ROW], 2.0)
    now = LinkRow(ROW.name, ROW.url, {"sha256": "b" * 64})
    assert links.save(connection, remote, [now], 3.0)
    assert now == links.find(connection, remote, ROW.name)


def test_kept(connection: Connection, remote: int) -> None:
    """Where no digests are told, those that were hold, even if the URL is written in another way."""
    links.save(connection, remote, [ROW], 2.0)
    assert not links.save(connection, remote, [LinkRow(ROW.name, ROW.url, {})], 3.0)
    assert links.save(connection, remote, [LinkRow(ROW.name, "https://h/a%2bb", {})], 3.0)
    assert LinkRow(ROW.name, "https://h/a%2bb", ROW.digests) == links.find(connection, remote, ROW.name)


def test_many(connection: Connection, remote: int) -> None:
    """A page may name as many as it likes."""
    rows = [LinkRow(f"https://h/{number}", f"https://h/{number}", {}) for number in range(1200)]
    links.save(connection, remote, rows, 2.0)
    assert not links.save(connection, remote, rows, 3.0)
    assert rows[1199] == links.find(connection, remote, "https://h/1199")


def test_gone(connection: Connection, remote: int) -> None:
    """What a Remote's pages named goes with the Remote."""
    links.save(connection, remote, [ROW], 2.0)
    remotes.delete(connection, "r")
    assert links.find(connection, remote, ROW.name) is None


def test_prune(connection: Connection, remote: int) -> None:
    """Files that no page has named for long are forgotten, but for those that were fetched."""
    named, fetched, old = (LinkRow(f"https://h/{name}", f"https://h/{name}", {}) for name in ("a", "b", "c"))
    links.save(connection, remote, [named, fetched, old], 2.0)
    [number] = artifacts.save(connection, [artifacts.NewArtifact("a" * 64, 1)], 2.0).values()
    pulled.save(connection, [pulled.NewPulled(remote, fetched.name, number)], 2.0)
    assert 0 == links.prune(connection, 2.0)
    assert not links.save(connection, remote, [named], 2.0 + 86401)
    assert 1 == links.prune(connection, 3.0)
    assert [named, fetched, None] == [links.find(connection, remote, row.name) for row in (named, fetched, old)]


def test_named_again(connection: Connection, remote: int) -> None:
    """That a page still names a file is noted once a day, with the digests that hold."""
    links.save(connection, remote, [ROW], 0.0)
    again = LinkRow(ROW.name, ROW.url, {})
    links.save(connection, remote, [again], 86400.0)
    assert 1 == links.prune(connection, 1.0)
    links.save(connection, remote, [ROW], 0.0)
    links.save(connection, remote, [again], 86401.0)
    assert (0, ROW) == (links.prune(connection, 86401.0), links.find(connection, remote, ROW.name))

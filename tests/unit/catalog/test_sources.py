from __future__ import annotations

import pytest
from sqlalchemy import Connection, delete, insert

from tests.unit.catalog.units import some
from twisted_pulp.catalog import artifacts, contents, remotes, sources
from twisted_pulp.catalog._tables import remote
from twisted_pulp.catalog.sources import NewSource
from twisted_pulp.settings import Network, Remote


@pytest.fixture
def file(connection: Connection) -> int:
    """A file without sources."""
    [content_id] = some(connection, 1)
    return contents.attach(connection, [contents.NewFile(content_id, "a")])[content_id, "a"]


@pytest.fixture
def remote_id(connection: Connection) -> int:
    """A Remote."""
    values = {"name": "upstream", "type": "file", "settings": {}, "created": 1.0, "updated": 1.0}
    return connection.scalars(insert(remote).values(values).returning(remote.c.id)).one()


def urls(connection: Connection, file: int) -> list[str]:
    """Return where to try, in order."""
    return [each.url for each in sources.of_file(connection, file)]


def test_save(connection: Connection, file: int, remote_id: int) -> None:
    """A source is known by its file and URL; saved again, it takes over what is new, and keeps its failure."""
    sources.save(connection, [NewSource(file, "http://one/a", None, 3)])
    [before] = sources.of_file(connection, file)
    sources.failed(connection, before.id, 5.0, "404")
    sources.save(connection, [NewSource(file, "http://one/a", None, 9), NewSource(file, "http://one/a", remote_id, 2)])
    after = sources.SourceRow(before.id, file, remote_id, "http://one/a", 2, 5.0, "404")
    assert [after] == sources.of_file(connection, file)
    sources.save(connection, [NewSource(file, "http://one/a", remote_id, 1)])
    assert [1] == [each.priority for each in sources.of_file(connection, file)]
    sources.save(connection, [])


def test_order(connection: Connection, file: int) -> None:
    """The lowest priority comes first; a failure only reorders those of one priority, the oldest failure first."""
    sources.save(connection, [NewSource(file, f"http://{host}/a", None, 2) for host in ("a", "b", "c")])
    sources.save(connection, [NewSource(file, "http://d/a", None, 1), NewSource(file, "http://e/a", None, 3)])
    ids = {each.url: each.id for each in sources.of_file(connection, file)}
    sources.failed(connection, ids["http://d/a"], 9.0, "refused")
    sources.failed(connection, ids["http://a/a"], 9.0, "refused")
    sources.failed(connection, ids["http://b/a"], 5.0, "refused")
    assert [f"http://{host}/a" for host in "dcbae"] == urls(connection, file)
    sources.succeeded(connection, ids["http://a/a"])
    assert [f"http://{host}/a" for host in "dacbe"] == urls(connection, file)
    assert [(None, None)] == [
        (each.failed, each.failure) for each in sources.of_file(connection, file) if each.url == "http://a/a"
    ]


def test_of_artifact(connection: Connection) -> None:
    """Bytes that several files have come from the sources of all of them."""
    first, second, other = some(connection, 3)
    [artifact] = artifacts.save(connection, [artifacts.NewArtifact("a" * 64, 1)], 1.0).values()
    files = [contents.NewFile(each, "a", artifact) for each in (first, second)]
    ids = contents.attach(connection, [*files, contents.NewFile(other, "a")])
    new = [NewSource(ids[each, "a"], f"http://{each}/a", None, 9 - n) for n, each in enumerate((first, second, other))]
    sources.save(connection, new)
    expected = [f"http://{second}/a", f"http://{first}/a"]
    assert expected == [each.url for each in sources.of_artifact(connection, artifact)]
    assert expected[:1] == [each.url for each in sources.of_artifact(connection, artifact, 1)]


def test_deleted_remote(connection: Connection, file: int, remote_id: int) -> None:
    """Without its Remote a source still has its URL."""
    sources.save(connection, [NewSource(file, "http://one/a", remote_id)])
    connection.execute(delete(remote))
    assert [("http://one/a", None)] == [(each.url, each.remote_id) for each in sources.of_file(connection, file)]


def test_deleted_guarded_remote(connection: Connection, file: int, remote_id: int) -> None:
    """What a guarded Remote has named is forgotten with it: nothing else would keep it away from what is inside."""
    remotes.create(connection, "guarded", Remote(url="http://two/", network=Network(guarded=True)), 1.0)
    guarded = remotes.get(connection, "guarded").id
    sources.save(connection, [NewSource(file, "http://one/a", remote_id), NewSource(file, "http://two/a", guarded)])
    remotes.delete(connection, "guarded")
    assert ["http://one/a"] == [each.url for each in sources.of_file(connection, file)]


def test_many(connection: Connection, file: int) -> None:
    """More than one statement takes are saved in parts."""
    sources.save(connection, [NewSource(file, f"http://one/{number}") for number in range(1201)])
    assert 1201 == len(urls(connection, file))

"""Paths of versions: the file that is at one, and what a directory has, page by page."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, update

from tests.unit.catalog.units import saved, unit
from twisted_pulp.catalog import artifacts, contents, paths, pulled, remotes, repositories, versions
from twisted_pulp.catalog._tables import version
from twisted_pulp.catalog.paths import FileAt, Listed, Name
from twisted_pulp.catalog.pulled import NewPulled, PulledFile
from twisted_pulp.settings import Remote


@pytest.fixture
def repository(connection: Connection) -> int:
    """A repository without versions."""
    return repositories.create(connection, "r", "file", 1.0).id


def stored(connection: Connection, letter: str, size: int = 1) -> int:
    """Save an artifact whose sha256 consists of one letter."""
    [number] = artifacts.save(connection, [artifacts.NewArtifact(letter * 64, size)], 1.0).values()
    return number


def put(connection: Connection, path: str, artifact: int | None = None, key: str | None = None) -> tuple[int, int]:
    """Save a unit with a file at *path*, and return both numbers."""
    [content] = saved(connection, unit(key or path))
    file = contents.NewFile(content, path, artifact, 7, {"sha256": "e" * 64})
    return content, contents.attach(connection, [file])[content, path]


def made(connection: Connection, repository: int, *add: int, remove: tuple[int, ...] = (), now: float = 5.0) -> int:
    """Make a version that adds and removes units, and return its number."""
    draft = versions.begin(connection, repository, now)
    versions.add(connection, draft, add)
    versions.remove(connection, draft, remove)
    row = versions.finish(connection, draft, now, None)
    assert row is not None
    return row.number


def placed(connection: Connection, repository: int, *names: str) -> int:
    """Make a version that has files at these paths, and return its number."""
    return made(connection, repository, *(put(connection, name)[0] for name in names))


def test_at(connection: Connection, repository: int) -> None:
    """A file is found in the versions that have it, with its bytes once they are stored."""
    first, file = put(connection, "a/b")
    second, other = put(connection, "a/b", stored(connection, "b", 3), key="new")
    one = made(connection, repository, first, now=5.0)
    two = made(connection, repository, second, remove=(first,), now=6.0)
    assert FileAt(file, None, 7, {"sha256": "e" * 64}, 5.0) == paths.at(connection, repository, one, "a/b")
    assert FileAt(other, "b" * 64, 3, {"sha256": "e" * 64}, 6.0) == paths.at(connection, repository, two, "a/b")
    paths.fill(connection, file, stored(connection, "e", 7))
    assert FileAt(file, "e" * 64, 7, {"sha256": "e" * 64}, 5.0) == paths.at(connection, repository, one, "a/b")


@pytest.mark.parametrize("path", ["", "a", "a/", "/a/b", "a/b/", "A/B", "a/b/c", "a%2Fb", "%", "a/_"])
def test_not_at(connection: Connection, repository: int, path: str) -> None:
    """Nothing is found but under the very path, in the very version, of the very repository."""
    number = placed(connection, repository, "a/b")
    other = repositories.create(connection, "other", "file", 1.0).id
    assert paths.at(connection, repository, number, "a/b") is not None
    assert None is paths.at(connection, repository, number, path)
    assert None is paths.at(connection, repository, number + 1, path)
    assert None is paths.at(connection, other, number, "a/b")


def test_metadata(connection: Connection, repository: int) -> None:
    """The upstream's metadata is there for its version alone, and before a unit of that path."""
    content, _ = put(connection, "LIST")
    draft = versions.begin(connection, repository, 5.0)
    versions.add(connection, draft, [content])
    versions.keep(connection, draft, {"LIST": stored(connection, "c", 9), "below/x": stored(connection, "d")})
    versions.finish(connection, draft, 5.0, None)
    number = made(connection, repository, put(connection, "z")[0])
    assert FileAt(None, "c" * 64, 9, {"sha256": "c" * 64}, 5.0) == paths.at(connection, repository, number - 1, "LIST")
    later = paths.at(connection, repository, number, "LIST")
    assert later is not None
    assert None is later.sha256
    expected = [Name("LIST", False, 9, 5.0), Name("below", True)]
    assert expected == paths.names(connection, repository, number - 1, "")
    assert [Name("x", False, 1, 5.0)] == paths.names(connection, repository, number - 1, "below/")


def test_modified(connection: Connection, repository: int) -> None:
    """A file is as old as the version that it came with, or as the oldest that is left since."""
    content, _ = put(connection, "a")
    first = made(connection, repository, content, now=5.0)
    for moment in (6.0, 7.0):
        last = made(connection, repository, put(connection, f"at {moment}")[0], now=moment)
    found = paths.at(connection, repository, last, "a")
    assert found is not None
    assert 5.0 == found.modified
    versions.delete(connection, repository, first)
    found = paths.at(connection, repository, last, "a")
    assert found is not None
    assert 6.0 == found.modified


def test_incomplete(connection: Connection, repository: int) -> None:
    """What a version that is not complete keeps is not there."""
    draft = versions.begin(connection, repository, 5.0)
    versions.keep(connection, draft, {"LIST": stored(connection, "c")})
    assert None is paths.at(connection, repository, 1, "LIST")
    assert [] == paths.names(connection, repository, 1, "")
    connection.execute(update(version).values(complete=True))
    assert None is not paths.at(connection, repository, 1, "LIST")


def test_names(connection: Connection, repository: int) -> None:
    """A directory has each name once, in the order of bytes, files and directories of the same name too."""
    number = placed(connection, repository, "b/x", "b", "b-1", "a/1/2", "a/0", "é/1", "Z", "b/y/z", "b0")
    expected = [("Z", False), ("a", True), ("b", False), ("b-1", False), ("b", True), ("b0", False), ("é", True)]
    assert expected == [(each.name, each.directory) for each in paths.names(connection, repository, number, "")]
    assert [("0", False), ("1", True)] == [
        (each.name, each.directory) for each in paths.names(connection, repository, number, "a/")
    ]
    assert [Name("z", False, 7, 5.0)] == paths.names(connection, repository, number, "b/y/")
    assert [7] == [each.size for each in paths.names(connection, repository, number, "b/y/")]
    for missing in ("c/", "a/1/2/", "b0/", "/", "a//"):
        assert [] == paths.names(connection, repository, number, missing)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages(connection: Connection, repository: int, limit: int) -> None:
    """Pages of any size have the same names in the same order."""
    names = [f"d/{letter}{rest}" for letter in "abc" for rest in ("", "/1", "/2", "-x", "0")]
    number = placed(connection, repository, *names, "c", "e/f")
    everything = paths.names(connection, repository, number, "d/")
    assert 12 == len(everything)
    found: list[Name] = []
    while page := paths.names(connection, repository, number, "d/", found[-1] if found else None, limit):
        assert limit >= len(page)
        found += page
    assert everything == found


def test_many(connection: Connection, repository: int) -> None:
    """More files than one statement gives are passed over, or listed, whole."""
    units = [unit(f"{number:04}") for number in range(1201)]
    ids = contents.save(connection, units, 1.0)
    files = [contents.NewFile(each, f"deep/{number:04}") for number, each in enumerate(ids.values())]
    contents.attach(connection, files)
    number = made(connection, repository, *ids.values(), put(connection, "a")[0], put(connection, "z")[0])
    top = paths.names(connection, repository, number, "")
    assert [("a", False), ("deep", True), ("z", False)] == [(each.name, each.directory) for each in top]
    deep = paths.names(connection, repository, number, "deep/", limit=2000)
    assert [f"{number:04}" for number in range(1201)] == [each.name for each in deep]


def test_pulled(connection: Connection) -> None:
    """What was pulled through is known by Remote and URL, replaced by what came later, and gone with its bytes."""
    remote, other = (remotes.create(connection, name, Remote(), 1.0).id for name in ("one", "two"))
    first, second = stored(connection, "a", 5), stored(connection, "b", 6)
    url = "http://u.test/a%2Fb?x"
    pulled.save(connection, [NewPulled(remote, url, first, (("etag", '"1"'), ("vary", "a")))], 3.0)
    assert PulledFile("a" * 64, 5, (("etag", '"1"'), ("vary", "a")), 3.0, first, 1.0) == pulled.find(
        connection, remote, url
    )
    assert None is pulled.find(connection, other, url)
    assert None is pulled.find(connection, remote, "http://u.test/a/b?x")
    assert [second] == [each.id for each in artifacts.orphans(connection, 10.0, 9)]
    pulled.save(connection, [NewPulled(remote, url, second)], 4.0)
    assert PulledFile("b" * 64, 6, (), 4.0, second, 1.0) == pulled.find(connection, remote, url)
    artifacts.delete(connection, [second])
    assert None is pulled.find(connection, remote, url)


def test_pulled_each(connection: Connection) -> None:
    """Many files of one Remote are found at once; those of another, and those that were not fetched, are not."""
    one, other = (remotes.create(connection, name, Remote(), 1.0).id for name in ("one", "other"))
    rows = [
        NewPulled(one, "http://u.test/a", stored(connection, "a")),
        NewPulled(other, "http://u.test/b", stored(connection, "b")),
    ]
    pulled.save(connection, rows, 3.0)
    asked = ["http://u.test/a", "http://u.test/b", *(f"http://u.test/{number}" for number in range(600))]
    found = pulled.find_each(connection, one, asked)
    assert {"http://u.test/a": pulled.find(connection, one, "http://u.test/a")} == found
    assert {} == pulled.find_each(connection, one, [])


def test_pulled_long(connection: Connection) -> None:
    """A URL that is too long for a key is not kept, and hinders nothing."""
    remote, number = remotes.create(connection, "one", Remote(), 1.0).id, stored(connection, "a")
    urls = [f"http://u.test/{'x' * count}" for count in (1900, 2000)]
    pulled.save(connection, [NewPulled(remote, url, number) for url in urls], 1.0)
    assert [True, False] == [pulled.find(connection, remote, url) is not None for url in urls]


def test_listed(connection: Connection, repository: int) -> None:
    """All files of a version, page by page: each path once, with the bytes that are stored where some are."""
    old, _ = put(connection, "b")
    stored_too, _ = put(connection, "b", stored(connection, "b", 3), key="new")
    gone, _ = put(connection, "gone")
    made(connection, repository, gone)
    number = made(connection, repository, old, stored_too, *(put(connection, name)[0] for name in "ca"), remove=(gone,))
    expected = [Listed("a", "e" * 64, 7), Listed("b", "b" * 64, 3), Listed("c", "e" * 64, 7)]
    assert expected == paths.listed(connection, repository, number, "", 100)
    assert expected[:2] == paths.listed(connection, repository, number, "", 2)
    assert expected[1:] == paths.listed(connection, repository, number, "a", 3)
    assert [] == paths.listed(connection, repository, number, "c", 3)


def pull(connection: Connection, *names: str) -> int:
    """Have files of these names, of 10 bytes each, been pulled through a Remote; each is wanted later than the last."""
    remote = remotes.create(connection, "one", Remote(), 1.0).id
    for when, name in enumerate(names, 1):
        [number] = artifacts.save(connection, [artifacts.NewArtifact(name * 64, 10)], float(when)).values()
        pulled.save(connection, [NewPulled(remote, f"http://u.test/{name}", number)], 1.0)
    return remote


def left(connection: Connection, remote: int, names: str) -> str:
    """Return the names of files that are known yet."""
    return "".join(name for name in names if pulled.find(connection, remote, f"http://u.test/{name}") is not None)


def test_evict(connection: Connection) -> None:
    """What nobody wanted for long is forgotten, and its bytes are nobody's then; what is wanted again stays."""
    remote = pull(connection, *"abc")
    first = pulled.find(connection, remote, "http://u.test/a")
    assert first is not None
    assert first.artifact_id is not None
    artifacts.touch(connection, [first.artifact_id], 9.0)
    assert (1, "ac") == (pulled.evict(connection, 3.0), left(connection, remote, "abc"))
    assert ["b" * 64] == [each.sha256 for each in artifacts.orphans(connection, 10.0, 9)]


def test_shrink(connection: Connection) -> None:
    """What nobody wanted for longest is forgotten first, until the rest is small enough."""
    remote = pull(connection, *"cab")
    assert (30, 0) == (pulled.total(connection), pulled.shrink(connection, 30, 9))
    assert (1, "ab") == (pulled.shrink(connection, 29, 9), left(connection, remote, "abc"))
    assert (1, "b") == (pulled.shrink(connection, 0, 1), left(connection, remote, "abc"))
    assert (1, 0, 0) == (pulled.shrink(connection, 0, 9), pulled.total(connection), pulled.shrink(connection, 0, 9))


def test_shrink_shared(connection: Connection) -> None:
    """Bytes that have two names count once, and lose both."""
    remote = pull(connection, *"ab")
    [number] = artifacts.save(connection, [artifacts.NewArtifact("a" * 64, 10)], 1.0).values()
    pulled.save(connection, [NewPulled(remote, "http://u.test/c", number)], 1.0)
    assert (20, 1) == (pulled.total(connection), pulled.shrink(connection, 10, 9))
    assert "b" == left(connection, remote, "abc")

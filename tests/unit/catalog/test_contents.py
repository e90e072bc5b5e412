from __future__ import annotations

from sqlalchemy import Connection

from tests.unit.catalog.units import saved, some, unit
from twisted_pulp.catalog import artifacts, contents, repositories, sources, versions
from twisted_pulp.catalog.contents import NewFile

A = "a" * 64


def test_save(connection: Connection) -> None:
    """A unit is known by its type and key: the same key of another type is another unit."""
    ids = contents.save(connection, [unit("x"), unit("x", type="other"), unit("y")], 1.0)
    assert 3 == len(set(ids.values()))
    assert {'["x"]': ids["file", '["x"]']} == contents.find(connection, "file", ['["x"]', '["z"]'])
    assert {'["x"]': ids["other", '["x"]']} == contents.find(connection, "other", ['["x"]', '["y"]'])


def test_save_again(connection: Connection) -> None:
    """A unit that is there stays as it is."""
    ids = saved(connection, unit("x", "here"), unit("x", "here"))
    assert ids == saved(connection, unit("x", "there"), unit("x", "there"), now=2.0)
    assert {} == contents.save(connection, [], 1.0)


def test_many(connection: Connection) -> None:
    """More than one statement takes are saved and found in parts."""
    ids = some(connection, 1201)
    assert 1201 == len(set(ids))
    keys = [f'["unit {number:05}"]' for number in range(1201)]
    assert dict(zip(keys, ids, strict=True)) == contents.find(connection, "file", keys)


def test_attach(connection: Connection) -> None:
    """Files are numbered by unit and path, and keep what is known of them."""
    first, second = some(connection, 2)
    files = [NewFile(second, "b", None, 7, {"md5": "11"}), NewFile(first, "b"), NewFile(first, "a")]
    ids = contents.attach(connection, files)
    assert {(second, "b"), (first, "b"), (first, "a")} == ids.keys()
    rows = contents.artifacts_of(connection, [first, second, 12345])
    assert {first: ["a", "b"], second: ["b"]} == {unit: [file.path for file in files] for unit, files in rows.items()}
    [file] = rows[second]
    expected = contents.FileRow(ids[second, "b"], second, "b", None, 7, {"md5": "11"}, None)
    assert expected == file
    assert {(first, "a"): ids[first, "a"]} == contents.attach(connection, [NewFile(first, "a")])
    assert {} == contents.attach(connection, [])


def test_attach_fills(connection: Connection) -> None:
    """A file gets its artifact when that is there at last, keeps it, and is not given another."""
    [content_id] = some(connection, 1)
    stored = artifacts.save(connection, [artifacts.NewArtifact(A, 7), artifacts.NewArtifact("b" * 64, 7)], 1.0)
    before = contents.attach(connection, [NewFile(content_id, "a", None, 7)])
    for artifact_id in (stored[A], None, stored["b" * 64]):
        assert before == contents.attach(connection, [NewFile(content_id, "a", artifact_id)])
        [file] = contents.artifacts_of(connection, [content_id])[content_id]
        assert (stored[A], A, 7) == (file.artifact_id, file.sha256, file.size)


def test_orphans(connection: Connection) -> None:
    """An orphan is in no version, finished or not, and was not wanted since."""
    used, drafted, alone, wanted = some(connection, 4)
    repository = repositories.create(connection, "r", "file", 1.0)
    draft = versions.begin(connection, repository.id, 1.0)
    versions.add(connection, draft, [used])
    versions.finish(connection, draft, 1.0, None)
    draft = versions.begin(connection, repository.id, 1.0)
    versions.add(connection, draft, [drafted])
    contents.touch(connection, [wanted], 2.0)
    assert [] == contents.orphans(connection, 1.0, 10)
    assert [alone] == contents.orphans(connection, 1.5, 10)
    assert [alone, wanted] == contents.orphans(connection, 2.5, 10)
    assert [wanted] == contents.orphans(connection, 2.5, 10, after=alone)
    assert [alone] == contents.delete_orphans(connection, 2.5, 1)
    assert [wanted] == contents.delete_orphans(connection, 2.5, 10)
    versions.abort(connection, draft)
    assert [drafted] == contents.orphans(connection, 1.5, 10)


def test_delete(connection: Connection) -> None:
    """A unit goes with its files and their sources; its number is not given to another."""
    [content_id] = some(connection, 1)
    [file] = contents.attach(connection, [NewFile(content_id, "a")]).values()
    sources.save(connection, [sources.NewSource(file, "http://one/a")])
    assert 1 == contents.delete(connection, [content_id, 12345])
    assert {} == contents.artifacts_of(connection, [content_id])
    assert [] == sources.of_file(connection, file)
    assert content_id != saved(connection, unit("another"))[0]

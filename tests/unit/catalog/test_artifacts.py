from __future__ import annotations

from sqlalchemy import Connection

from tests.unit.catalog.units import some
from twisted_pulp.catalog import artifacts, contents
from twisted_pulp.catalog.artifacts import NewArtifact, Stored

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_save(connection: Connection) -> None:
    """What is saved is found by its sha256; what is not there is not in the answer."""
    ids = artifacts.save(connection, [NewArtifact(B, 2), NewArtifact(A, 1)], 1.0)
    assert {A, B} == ids.keys()
    found = artifacts.find(connection, [("sha256", A), ("sha256", C)])
    assert {("sha256", A): Stored(ids[A], A, 1)} == found


def test_save_nothing(connection: Connection) -> None:
    """Nothing saved, nothing found."""
    assert {} == artifacts.save(connection, [], 1.0)
    assert {} == artifacts.find(connection, [])


def test_save_again(connection: Connection) -> None:
    """The same bytes are stored once, however often they are saved, within one call too."""
    first = artifacts.save(connection, [NewArtifact(A, 1), NewArtifact(A, 1)], 1.0)
    assert first == artifacts.save(connection, [NewArtifact(A, 1)], 2.0)
    assert 1 == len(artifacts.each(connection, 0, 10))


def test_digests(connection: Connection) -> None:
    """An artifact is found by any digest it was saved with, even one that came later."""
    ids = artifacts.save(connection, [NewArtifact(A, 1, {"md5": "11"})], 1.0)
    artifacts.save(connection, [NewArtifact(A, 1, {"md5": "11", "sha512": "22"})], 1.0)
    stored = Stored(ids[A], A, 1)
    wanted = [("md5", "11"), ("sha512", "22"), ("sha512", "11"), ("sha256", A)]
    expected = {("md5", "11"): stored, ("sha512", "22"): stored, ("sha256", A): stored}
    assert expected == artifacts.find(connection, wanted)


def test_many(connection: Connection) -> None:
    """More than one statement takes are saved and found in parts."""
    new = [NewArtifact(f"{number:064x}", number) for number in range(1201)]
    ids = artifacts.save(connection, new, 1.0)
    assert 1201 == len(ids)
    found = artifacts.find(connection, [("sha256", each.sha256) for each in new])
    assert ids == {sha256: stored.id for (_, sha256), stored in found.items()}


def test_each(connection: Connection) -> None:
    """All artifacts are walked page by page."""
    artifacts.save(connection, [NewArtifact(each, 1) for each in (A, B, C)], 1.0)
    first = artifacts.each(connection, 0, 2)
    assert [A, B] == [stored.sha256 for stored in first]
    assert [C] == [stored.sha256 for stored in artifacts.each(connection, first[-1].id, 2)]


def test_total(connection: Connection) -> None:
    """How many there are is counted, and their bytes."""
    assert (0, 0) == artifacts.total(connection)
    artifacts.save(connection, [NewArtifact(A, 5), NewArtifact(B, 1 << 40)], 1.0)
    assert (2, 5 + (1 << 40)) == artifacts.total(connection)


def test_orphans(connection: Connection) -> None:
    """An orphan belongs to no content and was not wanted since; saving and touching count as wanting."""
    ids = artifacts.save(connection, [NewArtifact(each, 1) for each in (A, B, C)], 1.0)
    [content_id] = some(connection, 1)
    contents.attach(connection, [contents.NewFile(content_id, "a", ids[A])])
    assert [] == artifacts.orphans(connection, 1.0, 10)
    assert [ids[B], ids[C]] == [each.id for each in artifacts.orphans(connection, 1.5, 10)]
    assert [ids[B]] == [each.id for each in artifacts.orphans(connection, 1.5, 1)]
    assert [ids[C]] == [each.id for each in artifacts.orphans(connection, 1.5, 10, after=ids[B])]
    artifacts.touch(connection, [ids[B]], 2.0)
    artifacts.touch(connection, [ids[B]], 1.2)
    assert [ids[C]] == [each.id for each in artifacts.orphans(connection, 1.5, 10)]
    artifacts.save(connection, [NewArtifact(C, 1)], 2.0)
    assert [] == artifacts.orphans(connection, 1.5, 10)


def test_delete_orphans(connection: Connection) -> None:
    """Orphans are deleted and returned; what is used stays."""
    ids = artifacts.save(connection, [NewArtifact(each, 1) for each in (A, B, C)], 1.0)
    [content_id] = some(connection, 1)
    contents.attach(connection, [contents.NewFile(content_id, "a", ids[B])])
    assert [Stored(ids[A], A, 1)] == artifacts.delete_orphans(connection, 2.0, 1)
    assert [Stored(ids[C], C, 1)] == artifacts.delete_orphans(connection, 2.0, 10)
    assert [Stored(ids[B], B, 1)] == artifacts.each(connection, 0, 10)


def test_delete(connection: Connection) -> None:
    """Content whose artifact is deleted has none any more; the number is not given to another artifact."""
    ids = artifacts.save(connection, [NewArtifact(A, 1, {"md5": "11"})], 1.0)
    [content_id] = some(connection, 1)
    contents.attach(connection, [contents.NewFile(content_id, "a", ids[A])])
    assert 1 == artifacts.delete(connection, [ids[A], 12345])
    assert {} == artifacts.find(connection, [("sha256", A), ("md5", "11")])
    [file] = contents.artifacts_of(connection, [content_id])[content_id]
    assert (None, None) == (file.artifact_id, file.sha256)
    assert ids[A] != artifacts.save(connection, [NewArtifact(B, 1)], 1.0)[B]

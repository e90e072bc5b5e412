"""A directory as storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import execute

from tests.contracts import WriterContract
from tests.fakes import result_of
from tests.unit.storage.contract import StorageContract, adoption, digest, drained, store
from twisted_pulp.errors import NotStored, StorageDamaged, StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage import DirectoryStorage


def opened(path: Path, **settings: Any) -> DirectoryStorage:
    """Return a storage in *path* whose threads do everything at once."""
    made: DirectoryStorage = result_of(DirectoryStorage.open(None, path, in_thread=execute, **settings))
    return made


@pytest.mark.parametrize("fsync", ["none", "file", "full"])
class TestDirectoryStorage(StorageContract):
    """The contract, whatever is brought to the disk."""

    @pytest.fixture(autouse=True)
    def _storage(self, tmp_path: Path, fsync: str) -> Iterator[None]:
        self.storage = opened(tmp_path / "storage", fsync=fsync)
        yield
        result_of(self.storage.close())
        assert [] == os.listdir(tmp_path / "storage" / "tmp")

    def test_file(self) -> None:
        """An artifact is a read-only file in two folders, named by its digest."""
        sha = store(self.storage, b"abc")
        path = self.storage.path(sha)
        assert path.endswith(f"/artifact/ba/78/{digest(b'abc')}")
        assert 0o100444 == os.stat(path).st_mode

    def test_link_in_place(self) -> None:
        """A link where an artifact is to be is not followed: it is no artifact, and the artifact takes its place."""
        other = Path(self.storage.path(store(self.storage, b"other")))
        path = Path(self.storage.path(digest(b"abc")))
        path.parent.mkdir(parents=True)
        path.symlink_to(other)
        assert set() == result_of(self.storage.has([digest(b"abc")]))
        assert "missing" == result_of(self.storage.check(digest(b"abc")))
        with pytest.raises(NotStored):
            result_of(self.storage.read(digest(b"abc")))
        store(self.storage, b"abc")
        assert (False, b"abc", b"other") == (path.is_symlink(), path.read_bytes(), other.read_bytes())

    @pytest.mark.parametrize("depth", [1, 2])
    @pytest.mark.parametrize("kind", ["link", "file"])
    def test_link_on_the_way(self, tmp_path: Path, depth: int, kind: str) -> None:
        """A link, or a file, where one of the folders is to be is damage, and nothing goes through it."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        sha = digest(b"abc")
        folder = Path(self.storage.path(sha)).parents[2 - depth]
        folder.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            folder.symlink_to(elsewhere)
        else:
            folder.write_bytes(b"")
        file = adoption(self.storage, b"abc")
        [error] = result_of(self.storage.adopt([file]))
        assert isinstance(error, StorageDamaged)
        assert str(folder) in str(error)
        os.unlink(file.path)
        for call in (
            lambda: self.storage.has([sha]),
            lambda: self.storage.read(sha),
            lambda: self.storage.check(sha),
            lambda: self.storage.remove([sha]),
            lambda: self.storage.export(sha, tmp_path / "x", mode="hardlink"),
            lambda: self.storage.produce(sha, None),
        ):
            with pytest.raises(StorageDamaged):
                result_of(call())
        assert [] == os.listdir(elsewhere)

    @pytest.mark.parametrize("name", ["artifact", "tmp"])
    def test_link_at_the_root(self, tmp_path: Path, fsync: str, name: str) -> None:
        """Directories of the storage itself are no links either."""
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StorageDamaged, match=name):
            opened(tmp_path / "other", fsync=fsync)

    def test_root_is_a_link(self, tmp_path: Path, fsync: str) -> None:
        """The storage's directory may be a link: whoever opens it has chosen that."""
        (tmp_path / "link").symlink_to(tmp_path / "storage")
        other = opened(tmp_path / "link", fsync=fsync)
        assert b"abc" == result_of(other.read(store(self.storage, b"abc")))
        result_of(other.close())

    def test_directory_in_place(self) -> None:
        """A directory where an artifact is to be is an error, and no artifact."""
        path = Path(self.storage.path(digest(b"abc")))
        path.mkdir(parents=True)
        file = adoption(self.storage, b"abc")
        [error] = result_of(self.storage.adopt([file]))
        assert isinstance(error, StorageError)
        os.unlink(file.path)
        assert "missing" == result_of(self.storage.check(digest(b"abc")))
        assert [] == drained(self.storage.each())
        with pytest.raises(StorageError):
            result_of(self.storage.remove([digest(b"abc")]))

    def test_linked_file(self, tmp_path: Path) -> None:
        """A file that has another name is copied: whoever has that can change it."""
        mine = tmp_path / "mine"
        mine.write_bytes(b"abc")
        path = self.storage.temporary("a")
        os.link(mine, path)
        assert [None] == result_of(self.storage.adopt([Adoption(path, digest(b"abc"), 3)]))
        mine.write_bytes(b"changed")
        assert None is result_of(self.storage.check(digest(b"abc"), 3))
        assert 0o200 & mine.stat().st_mode
        assert not os.path.exists(path)

    def test_linked_file_changed(self, tmp_path: Path) -> None:
        """One that has changed since it was proven is refused."""
        mine = tmp_path / "mine"
        mine.write_bytes(b"abd")
        path = self.storage.temporary("a")
        os.link(mine, path)
        [error] = result_of(self.storage.adopt([Adoption(path, digest(b"abc"), 3)]))
        assert isinstance(error, StorageDamaged)
        os.unlink(path)

    @pytest.mark.parametrize(("change", "found"), [(b"abd", "flipped"), (b"ab", "truncated"), (b"abcd", "flipped")])
    def test_damaged(self, change: bytes, found: str) -> None:
        """Damage is found, and a new file repairs it."""
        sha = store(self.storage, b"abc")
        path = Path(self.storage.path(sha))
        path.chmod(0o644)
        path.write_bytes(change)
        assert found == result_of(self.storage.check(sha, 3))
        assert "flipped" == result_of(self.storage.check(sha))
        assert [None] == result_of(self.storage.adopt([adoption(self.storage, b"abc")], replace=True))
        assert None is result_of(self.storage.check(sha, 3))

    def test_damaged_size(self) -> None:
        """An artifact of another size is replaced, whether or not that was asked for."""
        path = Path(self.storage.path(store(self.storage, b"abc")))
        path.chmod(0o644)
        path.write_bytes(b"")
        store(self.storage, b"abc")
        assert b"abc" == path.read_bytes()

    def test_touched(self) -> None:
        """What is adopted counts as stored now, whatever its file's time and whether or not it was there."""
        sha = digest(b"abc")
        for _ in range(2):
            file = adoption(self.storage, b"abc")
            os.utime(file.path, (1, 1))
            assert [None] == result_of(self.storage.adopt([file]))
            assert 1e9 < os.stat(self.storage.path(sha)).st_mtime
            os.utime(self.storage.path(sha), (1, 1))

    def test_strangers(self) -> None:
        """What is no artifact, whoever put it there, is not listed."""
        sha = store(self.storage, b"abc")
        path = Path(self.storage.path(sha))
        for stranger in (
            path.parent / "x",
            path.parent / ("0" * 64),
            path.parents[1] / "xyz",
            path.parents[2] / "notes",
        ):
            stranger.write_bytes(b"")
        (path.parent / (sha[:-1] + ("0" if sha[-1] != "0" else "1"))).symlink_to(path)
        assert [sha] == [each[0] for each in drained(self.storage.each())]

    def test_hard_link(self, tmp_path: Path) -> None:
        """On request the path is the artifact itself."""
        sha = store(self.storage, b"abc")
        for _ in range(2):  # two names of one file survive a rename(2)
            result_of(self.storage.export(sha, tmp_path / "out" / "x", mode="hardlink"))
            assert os.path.samefile(self.storage.path(sha), tmp_path / "out" / "x")
        assert ["x"] == os.listdir(tmp_path / "out")

    def test_reflink(self, tmp_path: Path) -> None:
        """Blocks are shared where the file system can do that; else it is an error, and nothing is left."""
        sha = store(self.storage, b"abc")
        (tmp_path / "out").mkdir()
        try:
            result_of(self.storage.export(sha, tmp_path / "out" / "x", mode="reflink"))
        except StorageError as error:
            assert "cannot share" in str(error)  # noqa: PT017 -- either is right
            assert [] == os.listdir(tmp_path / "out")
        else:
            assert b"abc" == (tmp_path / "out" / "x").read_bytes()

    def test_exported_link(self, tmp_path: Path) -> None:
        """A link at the path is replaced, not followed."""
        (tmp_path / "target").write_bytes(b"mine")
        (tmp_path / "x").symlink_to(tmp_path / "target")
        result_of(self.storage.export(store(self.storage, b"abc"), tmp_path / "x"))
        assert (b"mine", b"abc") == ((tmp_path / "target").read_bytes(), (tmp_path / "x").read_bytes())

    def test_shown(self) -> None:
        """It says where it is."""
        assert f"fsync={self.storage._fsync} writers=0>" in repr(self.storage)


class TestWriter(WriterContract):
    """The contract of writers, where small bodies are written at once."""

    @pytest.fixture(autouse=True)
    def _storage(self, tmp_path: Path) -> Iterator[None]:
        self.storage = opened(tmp_path, fsync="none")
        yield
        result_of(self.storage.close())
        assert [] == os.listdir(tmp_path / "tmp")

    def writer(self) -> Any:
        return self.storage.writer()

    def written(self, writer: Any) -> bytes | None:
        found = result_of(self.storage.has([digest(b"abc")]))
        return b"abc" if found else b""


def test_checked_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large artifact is read in several calls of the thread, so that others have their turn."""
    monkeypatch.setattr("twisted_pulp.storage._reading._STEP", 1 << 20)
    calls: list[Any] = []

    def in_thread(f: Any, *args: Any) -> Any:
        calls.append(f)
        return execute(f, *args)

    storage = result_of(DirectoryStorage.open(None, tmp_path, fsync="none", in_thread=in_thread))  # type: ignore[arg-type]
    data = os.urandom(3 << 20)
    sha = store(storage, data)
    calls.clear()
    assert None is result_of(storage.check(sha, len(data)))
    assert 4 == len(calls)
    path = Path(storage.path(sha))
    path.chmod(0o644)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "flipped" == result_of(storage.check(sha, len(data)))
    result_of(storage.close())


def test_small_batches_of_files(tmp_path: Path) -> None:
    """More files than are opened at once are adopted in one call all the same, whatever becomes of some."""
    storage = opened(tmp_path, fsync="none")
    files = [adoption(storage, b"%d" % number) for number in range(200)]
    wrong = set(range(0, 200, 7))
    told = [Adoption(each.path, each.sha256, each.size + (n in wrong)) for n, each in enumerate(files)]
    found = result_of(storage.adopt(told))
    assert wrong == {number for number, error in enumerate(found) if error is not None}
    assert 200 - len(wrong) == len(drained(storage.each()))
    result_of(storage.close())

"""Artifacts that are put one by one, without a thread."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from errno import EACCES, EIO, ENOSPC
from functools import cache
from pathlib import Path

import pytest

from tests.fakes import result_of
from tests.unit.storage.contract import digest, drained
from tests.unit.storage.system import FaultySystem, number_of_faults
from tests.unit.storage.test_directory import opened
from twisted_pulp.errors import StorageDamaged, StorageError
from twisted_pulp.storage import DirectoryStorage

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells what a descriptor is of")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[DirectoryStorage]:
    """Give a storage that brings nothing to the disk, and leaves nothing in tmp."""
    made = opened(tmp_path / "storage", fsync="none")
    yield made
    result_of(made.close())
    assert [] == os.listdir(tmp_path / "storage" / "tmp")


def put(storage: DirectoryStorage, data: bytes) -> Path:
    """Put *data*, and return its path."""
    path = storage.put(digest(data), data)
    assert path is not None
    return Path(path)


@cache
def neighbours() -> tuple[bytes, bytes]:
    """Return two bodies whose artifacts are in one folder."""
    known: dict[str, bytes] = {}
    for number in range(1 << 17):
        data = b"%d" % number
        other = known.setdefault(digest(data)[:4], data)
        if other is not data:
            return other, data
    raise AssertionError("no two are in one folder")


def test_read_only(storage: DirectoryStorage) -> None:
    """They are read-only, whatever the umask hides."""
    before = os.umask(0o077)
    try:
        path = put(storage, b"abc")
    finally:
        os.umask(before)
    assert (b"abc", 0o100444) == (path.read_bytes(), os.stat(path).st_mode)


def test_one_folder(storage: DirectoryStorage) -> None:
    """Several in one folder do not harm each other."""
    bodies = neighbours()
    paths = [put(storage, data) for data in bodies]
    assert paths[0].parent == paths[1].parent
    assert [*bodies] == [path.read_bytes() for path in paths]


def test_there(storage: DirectoryStorage) -> None:
    """One that is there already stays the same file, and is as good as new."""
    path = put(storage, b"abc")
    inode = path.stat().st_ino
    os.utime(path, (1.0, 1.0))
    put(storage, b"abc")
    facts = path.stat()
    assert inode == facts.st_ino
    assert facts.st_mtime > 1.0


def test_damaged(storage: DirectoryStorage) -> None:
    """One that is there with another size is replaced."""
    path = put(storage, b"abc")
    path.chmod(0o600)
    path.write_bytes(b"ab")
    put(storage, b"abc")
    assert b"abc" == path.read_bytes()


@pytest.mark.parametrize("depth", [0, 1])
def test_link_on_the_way(storage: DirectoryStorage, tmp_path: Path, depth: int) -> None:
    """No link is followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = Path(storage.path(digest(b"abc"))).parents[1 - depth]
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(elsewhere)
    with pytest.raises(StorageDamaged):
        put(storage, b"abc")
    assert [] == os.listdir(elsewhere)


@pytest.mark.parametrize("depth", [0, 1])
def test_cleared_up(storage: DirectoryStorage, depth: int) -> None:
    """Folders that somebody removed meanwhile are made again."""
    path = put(storage, b"abc")
    shutil.rmtree(path.parents[1 - depth])
    assert b"abc" == put(storage, b"abc").read_bytes()


def test_few_descriptors(tmp_path: Path) -> None:
    """Where a process has few descriptors, few folders are held open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/dev/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        storage = opened(tmp_path, fsync="none")
        for number in range(100):
            put(storage, b"%d" % number)
        assert before + 1 + 4 >= len(os.listdir("/dev/fd"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 100 == len(drained(storage.each()))
    result_of(storage.close())
    assert before == len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("soft", [resource.RLIM_INFINITY, 1])
def test_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    """A process with any number of descriptors, or next to none, can put, too."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    storage = opened(tmp_path, fsync="none")
    for data in (b"abc", b"def", b"abc"):
        assert data == put(storage, data).read_bytes()
    result_of(storage.close())


def test_closed(tmp_path: Path) -> None:
    """A storage that is closed takes nothing."""
    storage = opened(tmp_path, fsync="none")
    result_of(storage.close())
    with pytest.raises(StorageError, match="closed"):
        put(storage, b"abc")


@linux
@pytest.mark.parametrize(
    ("name", "errno"),
    [(name, errno) for name in ("create", "write", "mkdir", "rename") for errno in (EIO, ENOSPC, EACCES)],
)
def test_faults(tmp_path: Path, name: str, errno: int) -> None:
    """Whichever call fails, that is told, nothing of the body is seen, and the next one is stored."""

    def attempt(number: int) -> bool:
        system = FaultySystem()
        place = tmp_path / str(number)
        storage = opened(place, fsync="none", system=system)
        system.fail(name, number, errno)
        for data in (b"abc", *neighbours()):
            try:
                put(storage, data)
            except StorageError:
                assert set() == result_of(storage.has([digest(data)]))
                put(storage, data)
            assert data == result_of(storage.read(digest(data)))
        result_of(storage.close())
        assert [] == os.listdir(place / "tmp")
        return system.struck

    assert 2 <= number_of_faults(attempt)


@linux
def test_short_writes(tmp_path: Path) -> None:
    """What is written in part is gone on with."""
    storage = opened(tmp_path, fsync="none", system=FaultySystem(short=True))
    assert b"abc" * 100 == put(storage, b"abc" * 100).read_bytes()
    result_of(storage.close())

"""What dead processes have left, at the start of the next."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from tests.fakes import head, result_of
from tests.unit.storage.contract import REPORT, adoption, digest
from tests.unit.storage.test_directory import opened
from twisted_pulp.errors import StorageDamaged
from twisted_pulp.interfaces import Recovered
from twisted_pulp.names import JOURNAL, PARTIAL

pytestmark = pytest.mark.leaves_partials

HOUR, DAY = 3600.0, 86400.0


def leave(path: Path, *names: str, age: float = 0.0) -> None:
    """Put files of 3 bytes with *names* in tmp, that were last written *age* seconds ago."""
    tmp = path / "tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    for name in names:
        (tmp / name).write_bytes(b"abc")
        os.utime(tmp / name, (time.time() - age,) * 2)


def recover(path: Path, *expected: str) -> Recovered:
    """Recover the storage in *path*, which shall leave what was *expected*."""
    storage = opened(path)
    found: Recovered = result_of(storage.recover())
    result_of(storage.close())
    assert sorted(expected) == sorted(os.listdir(path / "tmp"))
    return found


def test_dead(tmp_path: Path) -> None:
    """What no download goes on with is removed, however new, when nobody else writes."""
    leave(tmp_path, f".a{PARTIAL}", f".1f-2{PARTIAL}", f".b{JOURNAL}")
    assert Recovered(3, 9, 0) == recover(tmp_path)


def test_resumable(tmp_path: Path) -> None:
    """Partial files with their journals, and finished ones, are kept for a while."""
    names = [f".a{PARTIAL}", f".a{JOURNAL}", "b", f".b{JOURNAL}", "c"]
    leave(tmp_path, *names, age=6 * DAY)
    assert Recovered(0, 0, 5) == recover(tmp_path, *names)
    leave(tmp_path, *names, age=8 * DAY)
    assert Recovered(5, 15, 0) == recover(tmp_path)


def test_stored(tmp_path: Path) -> None:
    """What was to be an artifact that is there by now, since another download was faster, is of no use to anybody."""
    storage, body = opened(tmp_path), b"body"
    assert [None] == result_of(storage.adopt([adoption(storage, body)]))
    result_of(storage.close())
    there, other = digest(body), digest(b"other")
    ours = [f".{other}{PARTIAL}", f".{other}{JOURNAL}", other]
    leave(tmp_path, f".{there}{PARTIAL}", f".{there}{JOURNAL}", there, f".{there}-0f{PARTIAL}", f".{there}-0f{JOURNAL}")
    leave(tmp_path, *ours)
    assert Recovered(5, 15, 3) == recover(tmp_path, *ours)


def test_keep(tmp_path: Path) -> None:
    """How long is a setting."""
    leave(tmp_path, "a", age=10)
    storage = opened(tmp_path, keep=5)
    assert Recovered(1, 3, 0) == result_of(storage.recover())
    result_of(storage.close())


def test_locked(tmp_path: Path) -> None:
    """What a living process has locked is its own, however old."""
    name = f".a{PARTIAL}"
    leave(tmp_path, name, age=30 * DAY)
    with (tmp_path / "tmp" / name).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert Recovered(0, 0, 1) == recover(tmp_path, name)
    assert Recovered(1, 3, 0) == recover(tmp_path)


def test_others(tmp_path: Path) -> None:
    """While another writes, only what is an hour old counts as left; a reader is no writer."""
    other, reader = opened(tmp_path), opened(tmp_path)
    assert set() == result_of(reader.has([digest(b"")]))
    name, old = f".a{PARTIAL}", f".b{PARTIAL}"
    leave(tmp_path, name)
    leave(tmp_path, old, age=HOUR + 60)
    other.temporary("x")
    assert Recovered(1, 3, 1) == recover(tmp_path, name)
    result_of(other.close())
    assert Recovered(1, 3, 0) == recover(tmp_path)
    result_of(reader.close())


def test_own(tmp_path: Path) -> None:
    """What this process has begun itself is not left, whoever recovers."""
    storage = opened(tmp_path)
    writer = storage.writer()
    writer.begin(head())
    writer.write(bytes(1 << 19))
    [name] = os.listdir(tmp_path / "tmp")
    os.utime(tmp_path / "tmp" / name, (1, 1))
    for _ in range(2):
        assert Recovered(0, 0, 1) == result_of(storage.recover())
    result_of(writer.commit(REPORT))  # type: ignore[arg-type]
    result_of(storage.close())


def test_twice(tmp_path: Path) -> None:
    """Who has recovered is a writer from then on."""
    one, two = opened(tmp_path), opened(tmp_path)
    assert Recovered(0, 0, 0) == result_of(one.recover())
    leave(tmp_path, f".a{PARTIAL}")
    assert Recovered(0, 0, 1) == result_of(two.recover())
    for each in (one, two):
        result_of(each.close())
    assert Recovered(1, 3, 0) == recover(tmp_path)


def test_strange(tmp_path: Path) -> None:
    """A directory is nobody's temporary file; a link is removed, not what it leads to."""
    (tmp_path / "tmp" / f".d{PARTIAL}").mkdir(parents=True)
    (tmp_path / "mine").write_bytes(b"abc")
    (tmp_path / "tmp" / f".l{PARTIAL}").symlink_to(tmp_path / "mine")
    assert 1 == recover(tmp_path, f".d{PARTIAL}").removed
    assert b"abc" == (tmp_path / "mine").read_bytes()


def test_no_lock(tmp_path: Path) -> None:
    """A link where the lock is to be is not followed."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    storage = opened(tmp_path)
    for call in (lambda: storage.temporary("a"), lambda: result_of(storage.recover())):
        with pytest.raises(StorageDamaged, match="lock"):
            call()
    result_of(storage.close())
    assert not (tmp_path / "elsewhere").exists()

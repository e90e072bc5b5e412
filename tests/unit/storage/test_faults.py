"""What a disk does when it fails: at each call, the error is told, and nothing counts as stored that may not be."""

from __future__ import annotations

import os
from errno import EACCES, EDQUOT, EIO, ENOSPC, EXDEV
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import head, result_of
from tests.unit.storage.contract import REPORT, adoption, digest, settle
from tests.unit.storage.system import FaultySystem, number_of_faults
from tests.unit.storage.test_directory import opened
from twisted_pulp.errors import PulpError, StorageError, StorageFull

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells what a descriptor is of")

BODIES = [b"%d" % number * 100 for number in range(5)]
LARGE = bytes(1 << 20)
FAULTS = [
    ("fsync", EIO),
    ("fsync", ENOSPC),
    ("write", EIO),
    ("write", ENOSPC),
    ("write", EDQUOT),
    ("rename", EXDEV),
    ("rename", EACCES),
    ("rename", ENOSPC),
    ("rename", EIO),
    ("mkdir", ENOSPC),
    ("mkdir", EACCES),
    ("create", ENOSPC),
    ("create", EACCES),
    ("unlink", EIO),
]


# How often each is called: there is no other call that could fail.
EXPECTED = {"fsync": 24, "write": 3, "rename": 7, "mkdir": 14, "create": 2, "unlink": 0}


def attempt(storage: Any, bodies: list[bytes]) -> dict[str, PulpError | None]:
    """Store *bodies* in a batch, a small and a large one through writers; return what became of each."""
    files = [adoption(storage, body) for body in bodies]
    results = {file.sha256: error for file, error in zip(files, result_of(storage.adopt(files)), strict=True)}
    for body in (b"small", LARGE):
        results[digest(body)] = written(storage, body)
    return results


def written(storage: Any, body: bytes) -> PulpError | None:
    """Bring *body* through a writer; return why it could not be."""
    writer = storage.writer()
    try:
        settle(writer.begin(head()))
        for start in range(0, len(body), 1 << 18):
            writer.write(body[start : start + (1 << 18)])
        settle(writer.commit(REPORT))
    except PulpError as error:
        settle(writer.abort(error))
        return error
    return None


@pytest.mark.parametrize(("name", "errno"), FAULTS)
@pytest.mark.parametrize("fsync", ["none", "full"])
def test_every_call(tmp_path: Path, name: str, errno: int, fsync: str) -> None:
    """
    Whichever call fails, that is told of what it was for and of nothing else: what is stored is whole, what is not
    is not there, and when the disk is well again all can be stored.
    """
    full = errno in (ENOSPC, EDQUOT)

    def once(number: int) -> bool:
        system = FaultySystem()
        storage = opened(tmp_path / str(number), fsync=fsync, system=system)
        system.fail(name, number, errno)
        results = attempt(storage, BODIES)
        for sha, error in results.items():
            there = result_of(storage.check(sha))
            assert there is None if error is None else there == "missing"
            assert error is None or full == isinstance(error, StorageFull)
        assert system.struck or not any(results.values())
        struck = system.struck
        system.fail(None)
        assert {None} == set(attempt(storage, BODIES).values())
        result_of(storage.recover())
        result_of(storage.close())
        return struck

    struck = number_of_faults(once)
    assert (0 if (name, fsync) == ("fsync", "none") else EXPECTED[name]) == struck


def test_fsync_failed(tmp_path: Path) -> None:
    """Bytes of which a disk has said once that it could not keep them are gone, since it may say yes the next time."""
    storage = opened(tmp_path, system=FaultySystem("fsync", 2, EIO))  # the first is the root's
    file = adoption(storage, b"abc")
    [error] = result_of(storage.adopt([file]))
    assert "Input/output error" in str(error)
    assert not os.path.exists(file.path)
    [again] = result_of(storage.adopt([file]))
    assert isinstance(again, StorageError)
    result_of(storage.close())


def test_full_disk_keeps(tmp_path: Path) -> None:
    """What did not fit stays where the download put it, and can be adopted as it is when there is room."""
    storage = opened(tmp_path, system=FaultySystem("rename", 1, ENOSPC))
    file = adoption(storage, b"abc")
    [error] = result_of(storage.adopt([file]))
    assert isinstance(error, StorageFull)
    assert [None] == result_of(storage.adopt([file]))
    result_of(storage.close())


def test_there_but_unsure(tmp_path: Path) -> None:
    """An artifact that the disk cannot vouch for is replaced by the new file, which it can."""
    system = FaultySystem("fsync", 7, EIO)  # one when opened, four for the artifact, one for the new file, and this
    storage = opened(tmp_path, system=system)
    for name in ("a", "b"):
        assert [None] == result_of(storage.adopt([adoption(storage, b"abc", name)]))
    assert system.struck
    assert 2 == [name for name, *_ in system.asked].count("rename")
    assert None is result_of(storage.check(digest(b"abc"), 3))
    result_of(storage.close())


def test_short_writes(tmp_path: Path) -> None:
    """A call that writes less than it was given is gone on with."""
    storage = opened(tmp_path, fsync="none", system=FaultySystem(short=True))
    assert {None} == set(attempt(storage, BODIES).values())
    assert None is result_of(storage.check(digest(LARGE), len(LARGE)))
    result_of(storage.close())


def test_root_refused(tmp_path: Path) -> None:
    """Where no directory can be made, there is no storage."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Not a directory"):
        opened(tmp_path / "file" / "storage")
    with pytest.raises(ValueError, match="fsync"):
        opened(tmp_path, fsync="perhaps")

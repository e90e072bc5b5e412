"""What is on the disk if the power goes: at any moment, by the order in which the disk is told."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes import result_of
from tests.unit.storage.contract import adoption, digest
from tests.unit.storage.system import FaultySystem
from tests.unit.storage.test_directory import opened
from tests.unit.storage.test_faults import BODIES, LARGE, written

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells what a descriptor is of")

Asked = list[tuple[str, str, str]]


def on_disk(asked: Asked) -> tuple[set[str], set[str]]:
    """
    Return what is surely on the disk after the calls *asked*: the names of artifacts that are, all the way from the
    root, and those names that may be there without their bytes.
    """
    whole: set[str] = set()  # temporary files whose bytes are there
    given: dict[str, str] = {}  # name -> file that was given it, not yet on the disk
    names: set[str] = set()  # files and directories whose names are on the disk in their directory
    made: set[str] = set()
    empty: set[str] = set()
    for name, path, other in asked:
        if name == "mkdir":
            made.add(path)
        elif name == "rename":
            given[other] = path
            if path not in whole:
                empty.add(other)
        elif name == "fsync" and other == "file":
            whole.add(path)
        elif name == "fsync":
            names |= {each for each in (*given, *made) if os.path.dirname(each) == path}
    return {each for each in given if reachable(each, names)}, empty


def reachable(path: str, names: set[str]) -> bool:
    """Return whether *path* and each directory above it, up to the storage's, have their names."""
    while os.path.basename(path) != "artifact":
        if path not in names:
            return False
        path = os.path.dirname(path)
    return path in names


def calls(tmp_path: Path, fsync: str) -> tuple[Asked, list[tuple[int, str]]]:
    """Store some in batches and through writers; return the calls, and after how many of them each was stored."""
    system = FaultySystem()
    storage = opened(tmp_path, fsync=fsync, system=system)
    stored = []
    for batch in (BODIES, [b"%d" % number for number in range(60)], [*BODIES[:2], b"new"]):
        files = [adoption(storage, body) for body in batch]
        assert {None} == set(result_of(storage.adopt(files)))
        stored += [(len(system.asked), storage.path(file.sha256)) for file in files]
    for body in (b"small", LARGE):
        assert None is written(storage, body)
        stored.append((len(system.asked), storage.path(digest(body))))
    result_of(storage.close())
    return system.asked, stored


def test_full(tmp_path: Path) -> None:
    """
    Whenever the power goes, what was said to be stored is there with its bytes, and nothing is there without them.
    """
    asked, stored = calls(tmp_path, "full")
    assert 200 < len(asked)
    for moment in range(len(asked) + 1):
        there, empty = on_disk(asked[:moment])
        assert {path for when, path in stored if when <= moment} <= there
        assert set() == empty


def test_file(tmp_path: Path) -> None:
    """With "file", a name may be lost, and is never there without its bytes."""
    asked, _ = calls(tmp_path, "file")
    assert (set(), set()) == on_disk(asked)
    assert {"file"} == {kind for name, _, kind in asked if name == "fsync"}


def test_none(tmp_path: Path) -> None:
    """With "none", nobody waits for the disk."""
    asked, stored = calls(tmp_path, "none")
    assert "fsync" not in {name for name, *_ in asked}
    there, empty = on_disk(asked)
    assert (set(), {path for _, path in stored}) == (there, empty)


def test_grouped(tmp_path: Path) -> None:
    """Each directory is brought to the disk once for a batch, and those above only when they may not be there."""
    system = FaultySystem()
    storage = opened(tmp_path, system=system)
    bodies = [b"%d" % number for number in range(100)]
    shas = [digest(body) for body in bodies]
    assert {None} == set(result_of(storage.adopt([adoption(storage, body) for body in bodies])))
    told = Counter(path for name, path, kind in system.asked if (name, kind) == ("fsync", "directory"))
    artifact = f"{tmp_path}/artifact"
    wanted = {str(tmp_path), artifact, *(f"{artifact}/{sha[:2]}" for sha in shas)}
    wanted |= {f"{artifact}/{sha[:2]}/{sha[2:4]}" for sha in shas}
    assert dict.fromkeys(wanted, 1) == told
    system.asked.clear()
    assert [None] == result_of(storage.adopt([adoption(storage, bodies[0])], replace=True))
    told = Counter(path for name, path, kind in system.asked if (name, kind) == ("fsync", "directory"))
    assert {f"{artifact}/{shas[0][:2]}/{shas[0][2:4]}": 1} == told
    result_of(storage.close())


def test_model(tmp_path: Path) -> None:
    """The model itself sees a name without bytes, and a name that nobody brought to the disk."""
    name = f"{tmp_path}/artifact/ab/cd/x"
    assert {name} == on_disk([("rename", "tmp/x", name), ("fsync", "tmp/x", "file")])[1]
    way = [(f"{tmp_path}/artifact", ""), (f"{tmp_path}/artifact/ab", ""), (f"{tmp_path}/artifact/ab/cd", "")]
    asked = [("mkdir", path, kind) for path, kind in way]
    asked += [("fsync", "tmp/x", "file"), ("rename", "tmp/x", name)]
    asked += [("fsync", os.path.dirname(path), "directory") for path, _ in way]
    assert set() == on_disk(asked)[0]
    assert {name} == on_disk([*asked, ("fsync", way[-1][0], "directory")])[0]

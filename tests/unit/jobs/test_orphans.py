"""What killed processes have left beside downloads."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from twisted_pulp.jobs._orphans import KEEP, orphans, remove_orphans

NOW = 1e9
DAY = 86400.0
pytestmark = pytest.mark.leaves_partials


def put(directory: Path, *names: str, age: float = DAY) -> None:
    """Make files that were written *age* seconds ago."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (NOW - age, NOW - age))


def left(directory: Path) -> set[str]:
    """Give the files that there are."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def removed(directory: str, **given: Any) -> int:
    """Remove what was left, and return how many files that were."""
    count, over = remove_orphans(orphans(directory, **given))
    assert over
    return count


def test_removed(tmp_path: Path) -> None:
    """What no download goes on with is removed, however new it is, in all directories."""
    put(tmp_path, ".0123456789ab-1f.pulp-part", "a/b/.file.pulp-part", "a/.gone.pulp-journal", "a/file", age=0)
    assert 3 == removed(str(tmp_path), now=NOW)
    assert {"a/file"} == left(tmp_path)


def test_resumable(tmp_path: Path) -> None:
    """A partial file with a journal stays for a week since it was written last, and then goes with its journal."""
    put(tmp_path, ".new.pulp-part", ".new.pulp-journal")
    put(tmp_path, ".old.pulp-part", ".old.pulp-journal", age=KEEP + 1)
    put(tmp_path, ".half.pulp-journal", age=KEEP + 1)
    put(tmp_path, ".half.pulp-part")
    assert 2 == removed(str(tmp_path), now=NOW)
    assert {".new.pulp-part", ".new.pulp-journal", ".half.pulp-part", ".half.pulp-journal"} == left(tmp_path)


def test_revalidated(tmp_path: Path) -> None:
    """The journal by which a finished file is revalidated stays with it."""
    put(tmp_path, "file", ".file.pulp-journal", age=2 * KEEP)
    assert 0 == removed(str(tmp_path), now=NOW)
    assert {"file", ".file.pulp-journal"} == left(tmp_path)


def test_links(tmp_path: Path) -> None:
    """No link is followed out of the directory, and one that has such a name goes alone."""
    put(tmp_path, "outside/.file.pulp-part", "inside/file")
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / ".file.pulp-part").symlink_to(tmp_path / "outside" / ".file.pulp-part")
    assert 1 == removed(str(tmp_path / "inside"), now=NOW)
    assert {"outside/.file.pulp-part", "inside/file"} == left(tmp_path)


def test_nothing(tmp_path: Path) -> None:
    """Where there is no directory there is nothing to remove; what cannot be removed stays."""
    assert 0 == removed(str(tmp_path / "none"))
    (tmp_path / ".directory.pulp-part").mkdir()
    assert 0 == removed(str(tmp_path))


def test_steps(tmp_path: Path) -> None:
    """It is done in steps, each of which looks at so many names."""
    put(tmp_path, *(f"{n % 7}/file{n}" for n in range(40)), *(f"{n % 7}/.gone{n}.pulp-part" for n in range(10)))
    found, counts = orphans(str(tmp_path), now=NOW), []
    while not counts or not counts[-1][1]:
        counts.append(remove_orphans(found, 10))
    assert (10, 6) == (sum(count for count, _ in counts), len(counts))
    assert 40 == len(left(tmp_path))


def test_others(tmp_path: Path) -> None:
    """What was written since the search began is left to its writer, and so is what somebody is about to go on with."""
    put(tmp_path, ".new.pulp-part", ".both.pulp-part", age=-1)
    put(tmp_path, ".old.pulp-part", ".both.pulp-journal", ".half.pulp-journal", age=1)
    put(tmp_path, "a/.busy.pulp-part", "a/.busy.pulp-journal", "a/.free.pulp-part", age=2 * KEEP)
    assert 3 == removed(str(tmp_path), now=NOW, begun=NOW, unused=lambda path: nullcontext(path != "a/busy"))
    assert {".new.pulp-part", ".both.pulp-part", ".both.pulp-journal", "a/.busy.pulp-part", "a/.busy.pulp-journal"} == (
        left(tmp_path)
    )

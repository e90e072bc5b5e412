"""Lines of a log that are written by a thread."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from twisted_pulp.service._lines import Lines


def test_file(tmp_path: Path) -> None:
    """Lines are appended to a file that others cannot read."""
    path = tmp_path / "log"
    path.write_text("before\n")
    lines = Lines(str(path))
    for number in range(1000):
        lines.write(f"line {number}")
    lines.flush()
    assert ["before", *(f"line {number}" for number in range(1000))] == path.read_text().splitlines()
    other = Lines(str(tmp_path / "new"))
    other.write("ü\udc80")
    other.flush()
    assert "ü\\udc80\n" == (tmp_path / "new").read_text()
    assert 0 == stat.S_IMODE((tmp_path / "new").stat().st_mode) & 0o007


def test_reopened(tmp_path: Path) -> None:
    """A file that was moved away is made anew when it is to be."""
    path = tmp_path / "log"
    lines = Lines(str(path))
    lines.write("one")
    lines.flush()
    path.rename(tmp_path / "log.1")
    lines.reopen()
    lines.write("two")
    lines.flush()
    assert ("one\n", "two\n") == ((tmp_path / "log.1").read_text(), path.read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full(tmp_path: Path) -> None:
    """What cannot be written is counted, and said once writing is possible again."""
    link = tmp_path / "log"
    link.symlink_to("/dev/full")
    lines = Lines(str(link))
    lines.write("one")
    lines.flush()
    lines.write("two")
    lines.flush()
    link.unlink()
    lines.write("three")
    lines.flush()
    assert ["2 lines were lost here", "three"] == link.read_text().splitlines()


def test_fork(tmp_path: Path) -> None:
    """A child process, as a daemon that goes into the background is, writes too."""
    path = tmp_path / "log"
    lines = Lines(str(path))
    lines.write("parent")
    child = os.fork()
    if not child:  # pragma: no cover -- in a process of its own
        lines.write("child")
        lines.flush()
        os._exit(0)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lines.flush()
    assert ["child", "parent"] == sorted(path.read_text().splitlines())


def test_nothing() -> None:
    """What wrote nothing has nothing to flush."""
    Lines().flush()

"""Tests for `twisted_pulp.transfer._partial`: what happens to a partial file when the disk does not play along."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from twisted_pulp.errors import PathError, WriterError
from twisted_pulp.transfer import Journal, Place, _partial
from twisted_pulp.transfer._partial import Partial
from twisted_pulp.transfer._range import Version

VERSION = Version("http://h/f", '"a"', 10)


def opened(path: Path, kept: bool = True) -> Partial:
    """Return the partial file of *path*, open and empty."""
    partial = Partial(Place.at(str(path)), ["sha256"], kept)
    partial.open(False)
    partial.version = VERSION
    return partial


def test_short_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes less than it was given is gone on with."""
    writes = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda file, pieces, offset: writes(file, [pieces[0][:3]], offset))
    partial = opened(tmp_path / "f")
    partial.write([b"abcd", b"efgh"], 0, 8)
    partial.take_name(8, remembered=False)
    partial.close(8, keep=False, committed=True)
    assert b"abcdefgh" == (tmp_path / "f").read_bytes()
    assert hashlib.sha256(b"abcdefgh").hexdigest() == partial.hashes.values()["sha256"]


def test_failed_once(tmp_path: Path) -> None:
    """After the first failure nothing more is done."""
    partial = opened(tmp_path / "f")
    with pytest.raises(WriterError, match="No such file"):
        partial.unless_failed(os.stat, tmp_path / "none")
    assert None is partial.unless_failed(partial.write, [b"x"], 0, 1)
    assert isinstance(partial.error, WriterError)
    partial.close(1, keep=False, committed=False)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.leaves_partials
def test_cannot_be_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial file whose journal cannot be written is let go of all the same."""
    partial = opened(tmp_path / "f")
    partial.write([b"x"], 0, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Place, "replace", full)
    partial.close(1, keep=True, committed=False)
    assert [".f.pulp-part"] == [each.name for each in tmp_path.iterdir()]


def test_not_kept(tmp_path: Path) -> None:
    """One that is not for keeping leaves nothing, whatever it is told."""
    partial = opened(tmp_path / "f", kept=False)
    partial.write([b"x"], 0, 1)
    partial.empty(("sha256",))
    partial.close(1, keep=True, committed=False)
    assert [] == list(tmp_path.iterdir())


def test_hashed_elsewhere(tmp_path: Path) -> None:
    """Bytes that are hashed elsewhere are not hashed once more."""
    partial = opened(tmp_path / "f")
    partial.write([b"ab"], 0, 2, True)
    partial.write([b"c"], 2, 1)
    assert hashlib.sha256(b"c").hexdigest() == partial.hashes.values()["sha256"]
    partial.take_name(3, remembered=False)
    partial.close(3, keep=False, committed=True)
    assert b"abc" == (tmp_path / "f").read_bytes()


def noted(partial: Partial) -> int | None:
    """Return how many bytes the journal beside *partial* tells of."""
    journal = Journal.read(partial._place)
    return None if journal is None else journal.done


def test_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is brought up to date every so many bytes, once it is known of what they are."""
    monkeypatch.setattr(_partial, "_NOTE_EVERY", 10)
    partial = opened(tmp_path / "f")
    partial.version, version = None, partial.version
    partial.write([b"x" * 10], 0, 10)
    assert None is noted(partial)
    partial.version = version
    seen = []
    for offset in range(10, 30, 5):
        partial.write([b"x" * 5], offset, 5)
        seen.append(noted(partial))
    assert [15, 15, 25, 25] == seen
    partial.close(30, keep=False, committed=False)
    assert [] == list(tmp_path.iterdir())


def test_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not for keeping has no journal, however long it grows."""
    monkeypatch.setattr(_partial, "_NOTE_EVERY", 1)
    partial = opened(tmp_path / "f", kept=False)
    partial.write([b"x"], 0, 1)
    assert [".f.pulp-part"] == [each.name for each in tmp_path.iterdir()]
    partial.close(1, keep=False, committed=False)


@pytest.mark.leaves_partials
def test_last_note_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure what was noted before can still be used, and nothing more."""
    monkeypatch.setattr(_partial, "_NOTE_EVERY", 4)
    partial = opened(tmp_path / "f")
    partial.write([b"abcd"], 0, 4)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(WriterError):
        partial.unless_failed(partial.write, [b"efgh"], 4, 4)
    partial.close(8, keep=True, committed=False)
    assert 4 == noted(partial)
    assert b"abcd" == (tmp_path / ".f.pulp-part").read_bytes()


def test_other_process(tmp_path: Path) -> None:
    """One that another process has is not touched, and its descriptor is given back."""
    first = opened(tmp_path / "f")
    first.write([b"x"], 0, 1)
    before = len(os.listdir("/proc/self/fd"))
    second = Partial(Place.at(str(tmp_path / "f")), [], True)
    with pytest.raises(PathError, match="another process"):
        second.open(True)
    second.close(0, keep=False, committed=False)
    assert before == len(os.listdir("/proc/self/fd"))
    assert b"x" == (tmp_path / ".f.pulp-part").read_bytes()
    first.close(1, keep=False, committed=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to link to."""
    (tmp_path / "source").mkdir()
    source = tmp_path / "source/s"
    source.write_bytes(b"theirs")
    return source


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_link(tmp_path: Path, source: Path, symbolic: bool, again: bool) -> None:
    """A link takes the name, has its file's digests, no journal, and leaves nothing when it is made again."""
    for _ in range(1 + again):
        partial = Partial(Place.at(str(tmp_path / "f")), [], True)
        partial.version = VERSION
        assert 6 == partial.link(str(source), symbolic)
        assert hashlib.sha256(b"theirs").hexdigest() == partial.hashes.values()["sha256"]
        partial.take_name(6, remembered=True)
        partial.close(6, keep=True, committed=True)
    assert ["f", "source"] == sorted(each.name for each in tmp_path.iterdir())
    file = tmp_path / "f"
    assert (symbolic, True) == (file.is_symlink(), file.samefile(source))


@pytest.mark.parametrize("symbolic", [True, False])
def test_link_not_kept(tmp_path: Path, source: Path, symbolic: bool) -> None:
    """A link is never kept for later: there is nothing to go on with."""
    partial = Partial(Place.at(str(tmp_path / "f")), [], True)
    partial.version = VERSION
    partial.link(str(source), symbolic)
    partial.close(6, keep=True, committed=False)
    assert (["source"], b"theirs") == ([each.name for each in tmp_path.iterdir()], source.read_bytes())


@pytest.mark.parametrize("symbolic", [True, False])
def test_empty_link(tmp_path: Path, source: Path, symbolic: bool) -> None:
    """Bytes that come after a link go to a file of ours, and never through the link."""
    partial = Partial(Place.at(str(tmp_path / "f")), [], True)
    partial.link(str(source), symbolic)
    partial.empty(("sha256",))
    partial.write([b"ours"], 0, 4)
    assert hashlib.sha256(b"ours").hexdigest() == partial.hashes.values()["sha256"]
    partial.take_name(4, remembered=False)
    partial.close(4, keep=False, committed=True)
    file = tmp_path / "f"
    assert (b"theirs", b"ours", False) == (source.read_bytes(), file.read_bytes(), file.is_symlink())


@pytest.mark.leaves_partials
@pytest.mark.parametrize("kept", [True, False])
def test_journal_gone(tmp_path: Path, kept: bool) -> None:
    """A finished file that needs no journal has none; beside one that was not for keeping none is looked for."""
    partial = opened(tmp_path / "f", kept)
    partial.write([b"x"], 0, 1)
    journal = tmp_path / ".f.pulp-journal"
    journal.write_bytes(b"{}")
    partial.take_name(1, remembered=False)
    partial.close(1, keep=False, committed=True)
    assert (b"x", not kept) == ((tmp_path / "f").read_bytes(), journal.exists())

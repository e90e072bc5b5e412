"""Tests for `twisted_pulp.transfer._partial`: what happens to a partial file when the disk does not play along."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from twisted_pulp.errors import WriterError
from twisted_pulp.transfer import Place
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
    partial.empty()
    partial.close(1, keep=True, committed=False)
    assert [] == list(tmp_path.iterdir())

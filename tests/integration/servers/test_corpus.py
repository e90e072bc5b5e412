"""Tests for `tests.servers.corpus`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.servers.corpus import Corpus


def test_files(corpus: Corpus) -> None:
    """A file has the size asked for, and tells its digests."""
    first, second = corpus.files([0, 1000], prefix="sub/name")
    assert (b"", 1000) == (first.path.read_bytes(), second.size)
    assert second.path == corpus.root / "sub" / "name-1"
    assert hashlib.sha256(second.path.read_bytes()).hexdigest() == second.sha256
    assert hashlib.md5(second.body).hexdigest() == second.digest("md5")


def test_body(corpus: Corpus) -> None:
    """A file can have a body of the test's own."""
    assert b"mine" == corpus.file("file", body=b"mine").path.read_bytes()


def test_same_seed(tmp_path: Path) -> None:
    """The same seed and name give the same bytes, others give others."""
    one, same, other = Corpus(tmp_path, 1), Corpus(tmp_path, 1), Corpus(tmp_path, 2)
    assert one.file("a").body == same.file("a").body
    assert 3 == len({one.file("a").body, one.file("b").body, other.file("a").body})

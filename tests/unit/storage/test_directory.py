"""A directory as storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import execute

from tests.fakes import result_of
from tests.unit.storage.contract import StorageContract, digest, store
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

"""An object store as storage, in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore
from twisted.internet.defer import execute

from tests.contracts import WriterContract
from tests.fakes import result_of
from tests.unit.storage.contract import REPORT, StorageContract, digest, settle
from twisted_pulp.storage import ObjectStorage


def opened(spool: Path, store: Any) -> Any:
    """Return an object storage in *store* whose threads do everything at once."""
    return result_of(ObjectStorage.open(None, "s3://bucket/prefix", spool, in_thread=execute, store=store))  # type: ignore[arg-type]


class TestObjectStorage(StorageContract):
    """The contract, and what is its own."""

    @pytest.fixture(autouse=True)
    def _storage(self, object_runtime: None, tmp_path: Path) -> Iterator[None]:
        self.store = MemoryStore()
        self.storage = opened(tmp_path / "storage", self.store)
        yield
        result_of(self.storage.close())
        assert [] == os.listdir(tmp_path / "storage" / "tmp")


class TestObjectWriter(WriterContract):
    """The contract of writers."""

    @pytest.fixture(autouse=True)
    def _storage(self, object_runtime: None, tmp_path: Path) -> Iterator[None]:
        self.storage = opened(tmp_path, MemoryStore())
        yield
        result_of(self.storage.close())

    def writer(self) -> object:
        return self.storage.writer()

    def test_committed(self) -> None:
        """What was written is there once the commit is done."""
        writer = self.writer()
        self._given(writer, b"ab", b"", b"c", length=3)
        settle(writer.commit(REPORT))  # type: ignore[attr-defined]
        assert b"abc" == self.written(writer)

    def written(self, writer: object) -> bytes | None:
        found = result_of(self.storage.has([digest(b"abc")]))
        return b"abc" if found else b""

"""Memory as storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts import WriterContract
from tests.fakes import result_of
from tests.unit.storage.contract import StorageContract, digest, store
from twisted_pulp.errors import StorageError
from twisted_pulp.storage import MemoryStorage


class TestMemoryStorage(StorageContract):
    """The contract, and what is memory's own."""

    @pytest.fixture(autouse=True)
    def _storage(self) -> Iterator[None]:
        self.storage = MemoryStorage()
        yield
        result_of(self.storage.close())

    def test_no_paths(self) -> None:
        """There are no files."""
        assert None is self.storage.path(store(self.storage, b"abc"))

    def test_no_links(self) -> None:
        """There is nothing to link to."""
        sha = store(self.storage, b"abc")
        for mode in ("reflink", "hardlink"):
            with pytest.raises(StorageError, match="memory"):
                result_of(self.storage.export(sha, "x", mode=mode))

    def test_kept(self) -> None:
        """Bytes can be put there at once."""
        assert digest(b"abc") == self.storage.keep(b"abc")
        assert "<MemoryStorage artifacts=1>" == repr(self.storage)

    def test_flipped(self) -> None:
        """Bytes that are not their digest's are found."""
        self.storage.keep(b"abc", digest(b"abd"))
        assert "flipped" == result_of(self.storage.check(digest(b"abd"), 3))


class TestMemoryWriter(WriterContract):
    """The contract of writers."""

    def writer(self) -> object:
        self.storage = MemoryStorage()
        return self.storage.writer()

    def written(self, writer: object) -> bytes | None:
        found = result_of(self.storage.has([digest(b"abc")]))
        return b"abc" if found else b""

"""A bucket of a real S3 server as storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import execute

from tests.fakes import result_of
from tests.servers.ceph import Ceph
from tests.unit.storage.contract import StorageContract
from twisted_pulp.storage import ObjectStorage


class TestObjectStorage(StorageContract):
    """The contract of storages."""

    @pytest.fixture(autouse=True)
    def _storage(self, ceph: Ceph, bucket: str, tmp_path: Path) -> Iterator[None]:
        self.storage = result_of(
            ObjectStorage.open(None, ceph.url(bucket), tmp_path / "storage", in_thread=execute)  # type: ignore[arg-type]
        )
        yield
        result_of(self.storage.close())

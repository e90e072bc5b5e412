"""Object storage as fixtures; tests/conftest.py gives them to every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.ceph import Ceph

__all__ = ["bucket", "ceph", "object_runtime"]


@pytest.fixture(scope="session")
def object_runtime() -> None:
    """Let obstore start the threads that it keeps to the end of the process, and open their files."""
    import obstore
    from obstore.store import MemoryStore

    obstore.put(MemoryStore(), "a", b"")


@pytest.fixture(scope="session")
def ceph(object_runtime: None) -> Iterator[Ceph]:
    """An S3 server; without it the test skips, or fails when ``CI=true``."""
    server = Ceph.made()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.remove()


@pytest.fixture
def bucket(ceph: Ceph) -> str:
    """The name of an empty bucket."""
    return ceph.bucket()

"""
An object store of yours, which no test starts, as storage: Google Cloud Storage, Azure, or another S3 server.

It takes the URL of a bucket, below whose prefix everything is made anew::

    pytest tests/integration/objects_elsewhere.py --objects 'az://CONTAINER?account_name=...'
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import execute

from tests.fakes import result_of
from tests.integration.cluster import StartCluster
from tests.integration.pool import Pool
from tests.integration.test_objects_daemon import LARGE, done, kept, mended, pulled, served
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor
from tests.unit.storage.contract import StorageContract, adoption, digest, drained
from twisted_pulp.storage import ObjectStorage


@pytest.fixture
def url(request: pytest.FixtureRequest, object_runtime: None) -> str:
    """The URL of a place of its own in the bucket that was given."""
    given: str | None = request.config.getoption("--objects")
    if given is None:
        pytest.skip("it tests a bucket of yours: --objects URL")
    place, mark, options = given.partition("?")
    return f"{place.rstrip('/')}/{uuid4().hex}{mark}{options}"


class TestObjectStorage(StorageContract):
    """The contract of storages."""

    @pytest.fixture(autouse=True)
    def _storage(self, url: str, tmp_path: Path) -> Iterator[None]:
        self.storage = result_of(ObjectStorage.open(None, url, tmp_path / "storage", in_thread=execute))  # type: ignore[arg-type]
        yield
        result_of(self.storage.close())
        again: Any = result_of(ObjectStorage.open(None, url, tmp_path / "storage", in_thread=execute))  # type: ignore[arg-type]
        names = [sha256 for sha256, _, _ in drained(again.each())]
        assert len(names) == result_of(again.remove(names))
        result_of(again.close())

    def test_in_parts(self) -> None:
        """A large file is uploaded in parts, before its end or after it, or not at all."""
        for ahead in (False, True):
            data = LARGE[ahead:]
            file = adoption(self.storage, data)
            follower: Any = self.storage.follow(file.path, file.sha256, file.size)
            if ahead:
                follower.grown(9 << 20)
            assert set() == result_of(self.storage.has([file.sha256]))
            assert [None] == result_of(self.storage.adopt([file]))
            assert None is result_of(self.storage.check(file.sha256, file.size))
        file = adoption(self.storage, LARGE[2:])
        follower = self.storage.follow(file.path, file.sha256, file.size)
        follower.grown(9 << 20)
        follower.cancel()
        follower.join()
        assert set() == result_of(self.storage.has([digest(LARGE[2:])]))
        Path(file.path).unlink()


@pytest.mark.limit(300)
@ensureDeferred
async def test_daemon(
    start_cluster: StartCluster, start_nginx: StartNginx, url: str, reactor: IReactor, tmp_path: Path
) -> None:
    """A daemon syncs and pulls through into the bucket, serves from there, mends and clears it up."""
    pool = Pool.of(tmp_path / "pool")
    pool.put("large.bin", LARGE)
    pool.write()
    upstream = await start_nginx(pool.root)
    cluster = start_cluster(storage=url)
    node = cluster.add()
    await cluster.start()
    await node.made("/api/v1/remotes", {"name": "up", "url": upstream.url("/PULP_MANIFEST")})
    await node.made("/api/v1/remotes", {"name": "tree", "url": upstream.url("/")})
    await node.made("/api/v1/repositories", {"name": "mine", "remote": "up"})
    assert 6 == (await done(cluster, node, "syncs", repository="mine"))["downloaded"]
    assert {pool.sha256(name): len(data) for name, data in pool.files.items()} == await kept(
        reactor, url, tmp_path / "s"
    )
    await served(node, pool)
    await pulled(node, pool)
    await mended(cluster, node, url, pool, reactor, tmp_path)

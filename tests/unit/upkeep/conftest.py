"""What the tests of upkeep work on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted

from tests.servers.reactor import IReactor
from tests.unit.upkeep.stock import NOW, Stock
from twisted_pulp.catalog import Catalog, remotes
from twisted_pulp.settings import Remote
from twisted_pulp.storage import DirectoryStorage


@pytest_twisted.async_yield_fixture
async def stock(reactor: IReactor, catalog: Catalog, tmp_path: Path) -> AsyncIterator[Stock]:
    """A stock that is empty yet; its Remote may read the upstream's directory, which no other may."""
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    storage = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")
    remote = Remote(file_roots=(str(upstream),))
    row = await catalog.write(remotes.create, "up", remote, NOW)
    yield Stock(catalog, storage, upstream, row.id)
    await storage.close()

"""Fixtures: what a sync needs, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_twisted

from tests.unit.stages.surroundings import NOW, MemoryCatalog, World
from twisted_pulp.catalog import repositories
from twisted_pulp.context import Context
from twisted_pulp.stages import Sync
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeSite


@pytest.fixture
def catalog() -> Iterator[MemoryCatalog]:
    """A catalog in memory."""
    made = MemoryCatalog()
    yield made
    made.close()


@pytest_twisted.async_yield_fixture
async def storage() -> AsyncIterator[MemoryStorage]:
    """A storage in memory."""
    made = MemoryStorage()
    yield made
    await made.close()


@pytest.fixture
def site() -> FakeSite:
    """A site without files, so far."""
    return FakeSite({})


@pytest.fixture
def world(context: Context, site: FakeSite) -> World:
    """A Context that reaches this site only."""
    return World(context, site)


@pytest.fixture
def fields(world: World, catalog: MemoryCatalog, storage: MemoryStorage) -> dict[str, Any]:
    """What a sync needs at least, beside the repository."""
    return {"context": world, "catalog": catalog, "storage": storage, "now": lambda: NOW}


@pytest.fixture
def repository(catalog: MemoryCatalog) -> Any:
    """A repository with nothing in it."""
    return catalog.now(repositories.create, "r", "file", now=NOW)


@pytest.fixture
def sync(fields: dict[str, Any], repository: Any) -> Sync:
    """The surroundings of a sync that downloads all."""
    return Sync(repository=repository, **fields)

"""Syncs from real servers into a real catalog and storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted
from pytest_twisted import ensureDeferred

from tests.integration.data import Data, Declared, unit_of
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from twisted_pulp.context import Context
from twisted_pulp.stages import DeclarativeVersion


@pytest_twisted.async_yield_fixture
async def data(reactor: IReactor, context: Context, tmp_path: Path) -> AsyncIterator[Data]:
    """An empty data directory."""
    opened = await Data.open(reactor, context, tmp_path)
    yield opened
    await opened.close()


@ensureDeferred
async def test_sync(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """What the upstream has is downloaded, stored and a version; the same again is nothing."""
    files = corpus.files([1024] * 300 + [2 << 20] * 3)
    first = Declared([unit_of(file, nginx.url("/" + file.name)) for file in files])
    made = await DeclarativeVersion(first, data.repository, **data.fields).create()
    assert (1, 303, 303) == (made.number, made.added, made.present)
    assert sorted(file.name for file in files) == await data.places(1)
    for file in files[-4:]:
        assert file.body == await data.storage.read(file.sha256)
    again = DeclarativeVersion(
        Declared([unit_of(file, nginx.url("/" + file.name)) for file in files]), data.repository, **data.fields
    )
    assert await again.create() is None
    assert 0 == again.sync.downloaded

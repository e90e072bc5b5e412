"""Syncs from real servers into a real catalog and storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.data import NOW, Data, Declared, unit_of
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Reset, Scripted, Until, cut, ok, ranged, status
from twisted_pulp.catalog import runs, versions
from twisted_pulp.catalog._tables import version
from twisted_pulp.context import Context
from twisted_pulp.errors import ConnectionLost, DigestMismatch, HTTPStatusError
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.stages import Budget, DeclarativeContent, DeclarativeVersion


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


ONCE = Remote(retry=Retry(retries=0))


@ensureDeferred
async def test_two_at_once(reactor: IReactor, data: Data, scripted: Scripted, corpus: Corpus) -> None:
    """The second sync of a repository waits for the first, and sees what that one has left."""
    file, held = corpus.file("f"), Deferred[None]()
    scripted.on(b"/f", [(Until(held), *ok(file.body))])
    first, second = (
        DeclarativeVersion(Declared([unit_of(file, scripted.url("/f"))]), data.repository, **data.fields)
        for _ in range(2)
    )
    both = [first.create(), second.create()]
    while not scripted.requests:
        await deferLater(reactor, 0.01)
    assert 1 == len(await data.catalog.read(runs.list, data.repository.id))
    held.callback(None)
    assert 1 == (await both[0]).number
    assert await both[1] is None
    assert (1, 1) == (len(scripted.requests), len(await data.catalog.read(versions.list, data.repository.id)))


@pytest.mark.leaves_partials
@ensureDeferred
async def test_resume(data: Data, scripted: Scripted, corpus: Corpus) -> None:
    """A large file that was cut off in a sync that failed is resumed by the next one."""
    file = corpus.file("f", 3 << 20)
    scripted.on(b"/f", [cut(ranged(file.body), 2 << 20, Reset()), ranged(file.body)])
    with pytest.raises(ConnectionLost):
        await sync_of(data, [unit_of(file, scripted.url("/f"))]).create()
    assert 1 == (await sync_of(data, [unit_of(file, scripted.url("/f"))]).create()).present
    begun = str(scripted.requests[1].header(b"range"))
    assert "bytes=0-" not in begun
    assert "bytes=" in begun
    assert file.body == await data.storage.read(file.sha256)


@ensureDeferred
async def test_keep_going(data: Data, scripted: Scripted, corpus: Corpus) -> None:
    """A missing file and a damaged one are two lines in the report; no byte of either is stored."""
    files = corpus.files([1000] * 10)
    for file in files:
        scripted.on(f"/{file.name}".encode(), [ok(file.body)])
    scripted.on(b"/file-3", [status(404)])
    scripted.on(b"/file-7", [ok(bytes([files[7].body[0] ^ 1]) + files[7].body[1:])])
    sync = sync_of(data, [unit_of(file, scripted.url("/" + file.name)) for file in files], keep_going=True)
    assert 8 == (await sync.create()).present
    failed = {each.path: type(each.error) for each in sync.sync.failed}
    assert {"file-3", "file-7"} == failed.keys()
    assert issubclass(failed["file-3"], HTTPStatusError)
    assert DigestMismatch is failed["file-7"]
    assert {files[0].sha256} == await data.storage.has([files[index].sha256 for index in (0, 3, 7)])
    assert (0, 0) == (sync.sync.budget.used_items, sync.sync.budget.used_bytes)


@ensureDeferred
async def test_in_flight(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """However many there are, no more lies in the directory for temporaries than the budget says."""
    files = corpus.files([1000] * 200)
    most, directory = 0, Path(data.storage.temporary("x")).parent
    budget = Budget(items=7)

    class Looking(Declared):
        """Look how much lies there."""

        async def put_all(self, items: object) -> None:
            """Put one after the other."""
            nonlocal most
            for each in self.units:
                most = max(most, sum(not name.name.startswith(".") for name in directory.iterdir()))
                await self.put(each)

    first = Looking([unit_of(file, nginx.url("/" + file.name)) for file in files])
    made = await DeclarativeVersion(first, data.repository, budget=budget, **data.fields).create()
    assert 200 == made.present
    assert most <= 7
    assert [] == [name for name in directory.iterdir() if not name.name.startswith(".")]


@ensureDeferred
async def test_dead_draft(data: Data, nginx: Nginx, corpus: Corpus) -> None:
    """What a process that died had begun of a version is gone with the next sync, and its run has failed."""
    await data.catalog.write(versions.begin, data.repository.id, NOW)
    dead = await data.catalog.write(runs.start, "sync", data.repository.id, NOW)
    file = corpus.file("f")
    made = await sync_of(data, [unit_of(file, nginx.url("/f"))]).create()
    assert (1, 1) == (made.number, made.present)
    assert "failed" == (await data.catalog.read(runs.get, dead)).state
    left = await data.catalog.read(lambda connection: len(connection.execute(version.select()).all()))
    assert 1 == left


def sync_of(data: Data, units: list[DeclarativeContent], **fields: object) -> DeclarativeVersion:
    """Return a sync that tries once."""
    return DeclarativeVersion(Declared(units), data.repository, **{**data.fields, "remote": ONCE, **fields})

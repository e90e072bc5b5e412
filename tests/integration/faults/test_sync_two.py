"""Several syncs at once: of one repository, of two, and of two that want the same new files."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from pytest_twisted import async_fixture, async_yield_fixture, ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.faults.forks import Forks
from tests.integration.faults.kept import looked, whole
from tests.integration.faults.upstream import Upstream
from tests.servers.fixtures import StartScripted
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Until, ok
from twisted_pulp.catalog import Catalog, repositories, versions
from twisted_pulp.content import SyncResult, content_type, synchronize
from twisted_pulp.context import Context
from twisted_pulp.settings import Remote
from twisted_pulp.storage import DirectoryStorage


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Upstream:
    """Thirty files."""
    made = Upstream(scripted, rng)
    made.add(29)
    made.add(1, 300_000)
    return made


def hold(upstream: Upstream) -> Deferred[None]:
    """Let one of its files wait; return what lets it come."""
    gate: Deferred[None] = Deferred()
    path = next(iter(upstream.files))
    upstream.broken[path] = (Until(gate), *ok(upstream.files[path]))
    return gate


# Processes


@pytest.mark.parametrize(("on", "names"), [("sqlite", "one one"), ("sqlite", "one two"), ("postgresql", "one one")])
@ensureDeferred
async def test_processes(
    start_forks: Callable[..., Forks],
    forks: Forks,
    upstream: Upstream,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    on: str,
    names: str,
) -> None:
    """Of two processes on one data directory one waits, and says so; both succeed, and each file is fetched once."""
    data, server = tmp_path / "data", None
    if on == "postgresql":
        server = request.getfixturevalue("postgres")
        assert isinstance(server, Postgres)
        database = server.create()
    options = ["--json", "--data", data, *(() if server is None else ("--database", server.url(database)))]
    first_name, second_name = names.split()
    gate = hold(upstream)
    try:
        first = await forks.start(*options, "sync", "file", upstream.url, "--repository", first_name)
        await forks.until(lambda: len(upstream.server.requests) == 31)
        other = start_forks()
        second = await other.start(*options, "sync", "file", upstream.url, "--repository", second_name)
        await other.until(lambda: f"waiting for process {first.pid}, which writes to {data}\n" == second.err)
        gate.callback(None)
        assert (0, 0) == (await first.ended(), await second.ended())
        assert (1, 30, 30) == tuple(first.result()[key] for key in ("version", "present", "downloaded"))
        again = None if first_name == second_name else 1
        assert (again, 30, 0) == tuple(second.result()[key] for key in ("version", "present", "downloaded"))
        assert 30 == sum(b"PULP" not in each.path for each in upstream.server.requests)
        looked(data, None if server is None else server.url(database))
    finally:
        if server is not None:
            server.drop(database)


# In one process, with one catalog or several


@define
class Part:
    """A catalog and context, and the storage that all share."""

    catalog: Catalog
    storage: DirectoryStorage
    context: Context

    async def repository(self, name: str) -> Any:
        """Return a new repository."""
        return await self.catalog.write(repositories.create, name, "file", 1.0)

    def sync(self, repository: Any, upstream: Upstream, **fields: Any) -> Deferred[SyncResult]:
        """Sync."""
        shared = {"context": self.context, "catalog": self.catalog, "storage": self.storage}
        return synchronize(content_type("file"), repository, remote=Remote(url=upstream.url), **shared, **fields)

    async def close(self) -> None:
        """Give everything back."""
        await self.context.close()
        await self.catalog.close()


@async_yield_fixture
async def parts(reactor: IReactor, database: str, tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Part]]]:
    """Make any number of them, on one database and one storage."""
    made: list[Part] = []
    storage = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")

    async def part() -> Part:
        catalog = await Catalog.open(reactor, database)
        made.append(Part(catalog, storage, Context(reactor)))
        return made[-1]

    yield part
    for each in made:
        await each.close()
    await storage.close()


@ensureDeferred
async def test_one_repository(parts: Callable[[], Awaitable[Part]], upstream: Upstream, reactor: IReactor) -> None:
    """A sync of a repository that another one syncs waits for it, whichever catalog it has, and finds its version."""
    first, second = await parts(), await parts()
    repository, gate = await first.repository("one"), hold(upstream)
    one = first.sync(repository, upstream)
    while len(upstream.server.requests) < 31:
        await deferLater(reactor, 0.005)
    another, third = second.sync(repository, upstream, force=True), first.sync(repository, upstream)
    await deferLater(reactor, 0.1)
    assert (False, False, 31) == (another.called, third.called, len(upstream.server.requests))
    gate.callback(None)
    results = await gatherResults([one, another, third])
    assert [1, None, None] == [each.version for each in results]
    assert [30, 0, 0] == [each.downloaded for each in results]
    assert 1 == len(await first.catalog.read(versions.list, repository.id))


@ensureDeferred
async def test_cancelled_while_it_waits(
    parts: Callable[[], Awaitable[Part]], upstream: Upstream, reactor: IReactor
) -> None:
    """Who waits for another sync may be cancelled; those behind it still get their turn."""
    first, second = await parts(), await parts()
    repository, gate = await first.repository("one"), hold(upstream)
    one = first.sync(repository, upstream)
    while len(upstream.server.requests) < 31:
        await deferLater(reactor, 0.005)
    waiting = [second.sync(repository, upstream) for _ in range(3)]
    for each in waiting[:2]:
        each.cancel()
        each.addErrback(lambda failure: None)
    gate.callback(None)
    assert (1, None) == ((await one).version, (await waiting[2]).version)


@ensureDeferred
async def test_two_repositories(
    parts: Callable[[], Awaitable[Part]], upstream: Upstream, start_scripted: StartScripted, rng: random.Random
) -> None:
    """Two repositories are synced at once: one ends while the other is in the middle."""
    here, there = await parts(), await parts()
    other = Upstream(await start_scripted(), rng)
    other.add(100)
    gate = hold(upstream)
    slow = here.sync(await here.repository("one"), upstream)
    for part, name in ((here, "two"), (there, "three")):
        result = await part.sync(await part.repository(name), other, mirror=True)
        assert (1, 100) == (result.version, result.present)
    assert not slow.called
    gate.callback(None)
    assert 1 == (await slow).version


@pytest.mark.parametrize("policy", ["immediate", "on_demand"])
@ensureDeferred
async def test_same_files(
    parts: Callable[[], Awaitable[Part]], upstream: Upstream, tmp_path: Path, policy: str
) -> None:
    """Several syncs that want the same new files at once all get them, whole, and none fails for another's sake."""
    here, there = await parts(), await parts()
    upstream.add(300)
    upstream.add(3, 400_000)
    syncing = []
    for number, part in enumerate((here, there, here, there)):
        syncing.append(part.sync(await part.repository(str(number)), upstream, policy=policy, mirror=bool(number % 2)))
    results = await gatherResults(syncing, consumeErrors=True)
    assert [(1, 333, ())] * 4 == [(each.version, each.present, each.failed) for each in results]
    stored = whole(tmp_path / "storage")
    wanted = {digest for _, digest in upstream.units} if policy == "immediate" else set()
    assert wanted <= stored.keys()
    assert [] == list((tmp_path / "storage" / "tmp").iterdir())

"""Rows 71 to 74 for syncs: very many units, cancelled at any moment, stages and callbacks that raise or never end."""

from __future__ import annotations

import os
import random
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_fixture, async_yield_fixture, ensureDeferred
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.data import NOW, Data, Declared
from tests.integration.faults.forks import Forks
from tests.integration.faults.kept import whole
from tests.integration.faults.memory import peak_of
from tests.integration.faults.upstream import Upstream, sha256
from tests.leaks import LoggedErrors
from tests.servers.answers import head
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Send, SendSlowly, Stall, ok
from twisted_pulp.catalog import repositories, runs
from twisted_pulp.content import content_type, synchronize
from twisted_pulp.context import Context
from twisted_pulp.errors import StageStuck
from twisted_pulp.settings import Remote, Timeouts
from twisted_pulp.stages import (
    Budget,
    Content,
    ContentSaver,
    DeclarativeArtifact,
    DeclarativeContent,
    DeclarativeVersion,
    Pipeline,
    Stage,
)
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.transfer import Memory


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Upstream:
    """Thirty files, one of them large."""
    made = Upstream(scripted, rng)
    made.add(29)
    made.add(1, 300_000)
    return made


@async_yield_fixture
async def data(reactor: IReactor, context: Context, tmp_path: Path) -> AsyncIterator[Data]:
    """An empty data directory."""
    opened = await Data.open(reactor, context, tmp_path)
    yield opened
    await opened.close()


@pytest.mark.limit(1500)
@ensureDeferred
async def test_row_71_many_units(forks: Forks, tmp_path: Path, campaign_count: Callable[[int, int], int]) -> None:
    """Row 71: a sync of very many units stays below 200 MiB."""
    count = campaign_count(20_000, 1_000_000)
    with (tmp_path / "PULP_MANIFEST").open("w") as manifest:
        manifest.writelines(f"some/directory/file-{number}.bin,{number:064x},1000\n" for number in range(count))
    url = f"file://{tmp_path}/PULP_MANIFEST"
    arguments = ("--json", "--data", tmp_path / "data", "sync", "file", url, "--repository", "one")
    more = ("--policy", "on_demand", "--set", f"limits.max_metadata_size={count * 200}")
    process, peaks = await forks.start(*arguments, *more), [0]

    def over() -> bool:
        peaks.append(peak_of(process.pid))
        return not process.running()

    await forks.until(over, 1200)
    assert count == process.result()["present"]
    assert 0 < max(peaks) < 200 << 20


class Endless(Stage):
    """Put units for ever."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self.count = url, 0

    async def run(self) -> None:
        """Put them."""
        while True:
            self.count += 1
            name, digests = f"{self.count}", {"sha256": f"{self.count:064x}"}
            artifact = DeclarativeArtifact(sources=self._url + name, relative_path=name, size=1, digests=digests)
            await self.put(DeclarativeContent(content=Content(type="file", key=(name,)), artifacts=(artifact,)))


@ensureDeferred
async def test_row_72_pulled(data: Data, scripted: Scripted, reactor: IReactor) -> None:
    """Row 72: while nothing comes from the server, no more units are declared than the budget and channels have."""
    scripted.default = lambda _: (Stall(),)
    first = Endless(scripted.url("/"))
    syncing = DeclarativeVersion(first, data.repository, **data.fields).create()
    while len(scripted.requests) < 8:
        await deferLater(reactor, 0.01)
    before = -1
    while before != first.count:
        before = first.count
        await deferLater(reactor, 0.3)
    assert 8 <= first.count <= 3 * 500 + 100
    syncing.cancel()
    with pytest.raises(CancelledError):
        await syncing


@pytest.mark.leaves_partials
@pytest.mark.limit(3000)
@ensureDeferred
async def test_row_73_cancelled(
    data: Data,
    upstream: Upstream,
    reactor: IReactor,
    rng: random.Random,
    tmp_path: Path,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 73: syncs cancelled at random moments end once and give everything back; the next ones complete."""
    ends: dict[str, int] = {}

    async def one(repository: Any, budget: Budget) -> None:
        upstream.add(3)
        policy = rng.choice(["immediate", "immediate", "on_demand"])
        d = sync_of(data, upstream, repository, policy=policy, mirror=rng.random() < 0.5, budget=budget)
        if rng.random() < 0.9:
            reactor.callLater(rng.choice([0, 0.02, 0.2, 0.5]) * rng.random(), d.cancel)
        try:
            await d
            ends["done"] = ends.get("done", 0) + 1
        except CancelledError:
            ends["cancelled"] = ends.get("cancelled", 0) + 1
        assert (0, 0) == (budget.used_items, budget.used_bytes)

    async def some(name: str, count: int) -> None:
        repository = await data.catalog.write(repositories.create, name, "file", NOW)
        budget = Budget()
        for _ in range(count):
            await one(repository, budget)

    each = campaign_count(50, 2500)
    await gatherResults([Deferred.fromCoroutine(some(str(number), each)) for number in range(4)], consumeErrors=True)
    for repository in await data.catalog.read(repositories.list):
        assert len(upstream.files) == (await sync_of(data, upstream, repository, mirror=True)).present
    assert 4 * each == sum(ends.values())
    assert {"done", "cancelled"} == ends.keys()
    assert {digest for _, digest in upstream.units} <= whole(tmp_path / "storage").keys()
    # What two wanted at once may be left of the one that was cancelled, until a start removes it; and nothing else.
    named = re.compile(r"\.[0-9a-f]{64}(-[0-9a-f]{16})?\.pulp-(part|journal)").fullmatch
    assert [] == [name for name in os.listdir(tmp_path / "storage" / "tmp") if named(name) is None]
    await data.storage.close()
    storage = await DirectoryStorage.open(reactor, tmp_path / "storage", fsync="none")
    await storage.recover()
    await storage.close()
    assert [] == os.listdir(tmp_path / "storage" / "tmp")


def sync_of(data: Data, upstream: Upstream, repository: Any, **fields: Any) -> Deferred[Any]:
    """Sync."""
    return synchronize(content_type("file"), repository, remote=Remote(url=upstream.url), **data.fields, **fields)


class Raising(Stage):
    """Raise at the third unit, or at the end."""

    async def run(self) -> None:
        """Do so."""
        async for batch in self.batches(3):
            await self.put_all(batch)
            raise ZeroDivisionError("of a plugin")


class Waiting(Stage):
    """Wait, with the third unit in hand, for what never comes."""

    patience: float | None = 0.2

    async def run(self) -> None:
        """Do so."""
        async for batch in self.batches(3):
            await self.put_all(batch[:2])
            await Deferred()


class Broken(DeclarativeVersion):
    """A sync with a stage that raises, or waits for ever, after so many others."""

    at = 0
    stage: type[Stage] = Raising

    def pipeline(self, draft: Any) -> Pipeline:
        """Insert it."""
        stages = super().pipeline(draft).stages
        return Pipeline([*stages[: self.at], self.stage(), *stages[self.at :]])


class Refused(ContentSaver):
    """Have the database refuse the first transaction at its end."""

    refused = 0

    def saving(self, connection: Any, batch: list[DeclarativeContent]) -> None:
        """Refuse."""
        self.refused += 1
        if self.refused == 1:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise OperationalError("COMMIT", {}, error)


class Again(DeclarativeVersion):
    """A sync some of whose work is done twice."""

    def pipeline(self, draft: Any) -> Pipeline:
        """Replace the stage."""
        return super().pipeline(draft).replace(ContentSaver, Refused())


@ensureDeferred
async def test_row_67_again(data: Data, upstream: Upstream) -> None:
    """Row 67: units whose transaction is undone and tried again are saved as if nothing had been."""
    made = Again(content_type("file").first_stage(), data.repository, remote=Remote(url=upstream.url), **data.fields)
    version = await made.create()
    assert (1, 30) == (version.number, version.present)


@pytest.mark.parametrize("at", range(1, 10))
@ensureDeferred
async def test_row_74_stage(data: Data, upstream: Upstream, at: int) -> None:
    """Row 74: wherever a stage of a plugin raises, the sync fails with that, and all is given back."""
    made = Broken(content_type("file").first_stage(), data.repository, remote=Remote(url=upstream.url), **data.fields)
    made.at = at
    with pytest.raises(ZeroDivisionError, match="of a plugin"):
        await made.create()
    assert (0, 0) == (made.sync.budget.used_items, made.sync.budget.used_bytes)
    result = await sync_of(data, upstream, data.repository)
    assert (1, 30) == (result.version, result.present)


@pytest.mark.parametrize("at", [1, 3, 5, 9])
@ensureDeferred
async def test_row_74_stage_that_never_ends(data: Data, upstream: Upstream, at: int) -> None:
    """
    Row 74: a stage of a plugin that waits for what never comes fails its own sync, which says which stage that was.

    Another one, and the next one of that repository, are not affected.
    """
    made = Broken(content_type("file").first_stage(), data.repository, remote=Remote(url=upstream.url), **data.fields)
    made.at, made.stage = at, Waiting
    stuck = made.create()
    other = await data.catalog.write(repositories.create, "other", "file", NOW)
    assert 30 == (await sync_of(data, upstream, other)).present
    with pytest.raises(StageStuck, match=r"Waiting went on for 0\.2 s"):
        await stuck
    assert (0, 0) == (made.sync.budget.used_items, made.sync.budget.used_bytes)
    (run,) = await data.catalog.read(runs.list, data.repository.id)
    assert "failed" == run.state
    result = await sync_of(data, upstream, data.repository)
    assert (1, 30) == (result.version, result.present)


def unit(name: str, body: bytes, source: str) -> DeclarativeContent:
    """Return the unit of one file."""
    path = name.strip("/")
    artifact = DeclarativeArtifact(sources=source, relative_path=path, size=len(body), digests={"sha256": sha256(body)})
    return DeclarativeContent(content=Content(type="file", key=(path,), place=path), artifacts=(artifact,))


class Resolving(Stage):
    """Wait for each unit before the next one is put."""

    patience: float | None = 0.2

    def __init__(self, units: list[DeclarativeContent]) -> None:
        self._units = units

    async def run(self) -> None:
        """Do so."""
        for each in self._units:
            await self.put(each)
            await each.resolution()


@ensureDeferred
async def test_row_74_slow_download(data: Data, scripted: Scripted) -> None:
    """Row 74: a stage that waits for a unit is not stuck while its file is on its way, however long that takes."""
    body = b"x" * 20
    scripted.on(b"/file", [(Send(head(200, [(b"Content-Length", b"20")])), SendSlowly(body, delay=0.05))])
    first = Resolving([unit("file", body, scripted.url("/file"))])
    version = await DeclarativeVersion(first, data.repository, remote=Remote(), **data.fields).create()
    assert 1 == version.present


class Asking(Stage):
    """Ask for something of its own for each unit."""

    patience: float | None = 0.2

    async def run(self) -> None:
        """Do so."""
        downloader = self.sync.downloader()
        async for each in self.items():
            await downloader.download(f"{self.sync.remote.url}", writer=Memory())
            await self.put(each)
        await downloader.close()


@ensureDeferred
async def test_row_74_slow_request(data: Data, scripted: Scripted) -> None:
    """Row 74: nor is one that waits for a download of its own."""
    scripted.on(b"/about", [(Send(head(200, [(b"Content-Length", b"20")])), SendSlowly(b"x" * 20, delay=0.05))])
    fields = {**data.fields, "remote": Remote(url=scripted.url("/about")), "policy": "on_demand"}
    made = Broken(Declared([unit("file", b"x", scripted.url("/file"))]), data.repository, **fields)
    made.at, made.stage = 1, Asking
    assert 1 == (await made.create()).present


@ensureDeferred
async def test_row_74_no_room(data: Data, scripted: Scripted) -> None:
    """Row 74: what waits for room in the budget, which nobody gives back, is not on its way."""
    budget = Budget(items=1)
    assert budget.take(None) is not None
    first = Resolving([unit("file", b"x", scripted.url("/file"))])
    with pytest.raises(StageStuck, match="Resolving"):
        await DeclarativeVersion(first, data.repository, budget=budget, **data.fields).create()
    assert [] == scripted.requests


@ensureDeferred
async def test_row_74_hook_that_never_ends(data: Data, scripted: Scripted) -> None:
    """Row 74: a list of mirrors that never comes is waited for until its time is over, and the files come without."""
    scripted.default = lambda request: ok(request.path)
    asked: list[object] = []

    def mirrors(remote: object) -> Deferred[list[str]]:
        asked.append(remote)
        return Deferred()

    remote = Remote(url=scripted.url("/slow/"), mirror_list=mirrors, timeouts=Timeouts(hook=0.2))
    first = Declared([unit(name, name.encode(), scripted.url(name)) for name in ("/a", "/slow/b", "/c")])
    version = await DeclarativeVersion(first, data.repository, remote=remote, **data.fields).create()
    assert ([remote], 3) == (asked, version.present)


@ensureDeferred
async def test_row_74_observer(data: Data, upstream: Upstream, logged_errors: LoggedErrors) -> None:
    """Row 74: who looks at the progress and raises harms nothing; it is logged."""

    def observe(_: object) -> None:
        raise ZeroDivisionError("of an observer")

    result = await sync_of(data, upstream, data.repository, observe=observe)
    assert (1, 30) == (result.version, result.present)
    assert logged_errors.flush(ZeroDivisionError)

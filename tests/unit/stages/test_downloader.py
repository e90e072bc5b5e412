"""Bring the files of units that are wanted now."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.stages.surroundings import SITE, World, file_of, through, unit_of
from twisted_pulp.download import Source
from twisted_pulp.errors import NotFound, SettingsError, SizeMismatch
from twisted_pulp.settings import Remote
from twisted_pulp.stages import ArtifactDownloader, Budget, Content, DeclarativeContent, QueryExistingArtifacts, Sync
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.testing import FakeResponse, FakeSite, SpyAgent


def bodies_of(units: list[DeclarativeContent]) -> list[list[bytes]]:
    """Return what lies at the paths of the artifacts."""
    return [[Path(str(each.path)).read_bytes() for each in unit.artifacts] for unit in units]


def whole(spy: SpyAgent, number: int, body: bytes) -> None:
    """Answer a request."""
    asked = spy.requests[number]
    asked.answer.callback(FakeResponse(200, body, {"Content-Length": str(len(body))}, asked.url))


@ensureDeferred
async def test_several_of_one_unit(sync: Sync, site: FakeSite) -> None:
    """Several files of one unit that are missing each get their own bytes, however they are known."""
    bodies = {name: name.encode() * 3 for name in "abcd"}
    site.files.update((SITE + name, body) for name, body in bodies.items())
    artifacts = [
        file_of("a", bodies["a"]),
        file_of("b", bodies["b"], size=None),
        file_of("c", bodies["c"], digests={"sha512": hashlib.sha512(bodies["c"]).hexdigest()}),
        file_of("d", bodies["d"], digests={}, size=None),
    ]
    unit = DeclarativeContent(content=Content(type="t", key=("u",)), artifacts=artifacts)
    taken = await through(sync, [unit], ArtifactDownloader())
    assert [list(bodies.values())] == bodies_of(taken)
    assert [hashlib.sha256(body).hexdigest() for body in bodies.values()] == [each.sha256 for each in artifacts]
    assert [3] * 4 == [each.size for each in artifacts]


@ensureDeferred
async def test_same_file_twice(sync: Sync, world: World) -> None:
    """A file that several units want is fetched once; its digest alone does not make up for a wrong size."""
    spy = world.sites[None] = SpyAgent()
    sync.keep_going = True
    units = [unit_of("a", b"body"), unit_of("b", b"body", SITE + "a"), unit_of("c", b"body", SITE + "a", size=5)]
    running = Deferred.fromCoroutine(through(sync, units, ArtifactDownloader()))
    assert 1 == len(spy.requests)
    whole(spy, 0, b"body")
    assert [[b"body"], [b"body"]] == bodies_of(await running)
    assert (1, ["c"]) == (len(spy.requests), [each.path for each in sync.failed])
    assert isinstance(sync.failed[0].error, SizeMismatch)


@ensureDeferred
async def test_same_file_again(sync: Sync, site: FakeSite) -> None:
    """A file that waits to be stored is not fetched again for another unit."""
    site.files[SITE + "a"] = b"body"
    sync.concurrency = 1
    taken = await through(sync, [unit_of("a", b"body"), unit_of("b", b"body", SITE + "a")], ArtifactDownloader())
    assert (1, [[b"body"], [b"body"]]) == (len(site.requests), bodies_of(taken))


@ensureDeferred
async def test_order(sync: Sync, site: FakeSite) -> None:
    """Files are asked for in the order of their units, whether a unit has one file, several or none to be fetched."""
    names = "abcdefg"
    site.files.update((SITE + name, name.encode()) for name in names)
    two = [file_of(name, name.encode()) for name in "bc"]
    units = [
        unit_of("a", b"a"),
        DeclarativeContent(content=Content(type="t", key=("bc",)), artifacts=two),
        unit_of("d", b"d"),
        unit_of("stored", b"stored", deferred=True),
        unit_of("e", b"e"),
        DeclarativeContent(content=Content(type="t", key=("none",))),
        unit_of("f", b"f"),
        unit_of("g", b"g"),
    ]
    sync.concurrency = 1
    taken = await through(sync, units, ArtifactDownloader())
    assert [SITE + name for name in names] == [each.url for each in site.requests]
    assert {id(unit) for unit in units} == {id(unit) for unit in taken}


@ensureDeferred
async def test_progress(sync: Sync, world: World) -> None:
    """How many files there are is known before they come, and is right in the end, what came with others left out."""
    spy = world.sites[None] = SpyAgent()
    sync.keep_going = True
    units = [unit_of("a", b"a"), unit_of("again", b"a", SITE + "a"), unit_of("later", b"l", deferred=True)]
    units += [unit_of("b", b"b"), unit_of("lost", b"lost")]
    running = Deferred.fromCoroutine(through(sync, units, QueryExistingArtifacts(), ArtifactDownloader()))
    (report,) = sync.reports.reports
    assert (4, 0, "running") == (report.total, report.done, report.state)
    for number, body in enumerate((b"a", b"b")):
        whole(spy, number, body)
    assert (4, 2) == (report.total, report.done)
    spy.requests[2].answer.errback(NotFound(spy.requests[2].url, 404))
    await running
    assert (3, 2, "completed") == (report.total, report.done, report.state)


@ensureDeferred
async def test_what_is_wanted(sync: Sync, site: FakeSite) -> None:
    """What is stored, what is deferred and what has no source is not downloaded."""
    units = [unit_of(name, b"body", **fields) for name, fields in (("a", {"deferred": True}), ("b", {}), ("c", {}))]
    units[1].artifacts[0].artifact_id = 7
    units[2].artifacts[0].sources = ()
    assert units == await through(sync, units, ArtifactDownloader())
    assert [] == site.requests


@ensureDeferred
async def test_next_source(sync: Sync, site: FakeSite) -> None:
    """When a source has not got a file, the next one is asked."""
    site.files["http://other/a"] = b"body"
    taken = await through(sync, [unit_of("a", b"body", SITE + "a", "http://other/a")], ArtifactDownloader())
    assert [[b"body"]] == bodies_of(taken)
    assert [SITE + "a", "http://other/a"] == [each.url for each in site.requests]


@ensureDeferred
async def test_credentials_of_a_source(sync: Sync, world: World, site: FakeSite) -> None:
    """A source that brings a Remote of its own is reached as that one says, and the others are not."""
    other = world.sites["them"] = FakeSite({"http://other/a": b"body"})
    theirs = Remote(url="http://other/", username="them", password="secret")
    source = Source("http://other/a", 2, theirs)
    taken = await through(sync, [unit_of("a", b"body", SITE + "a", source)], ArtifactDownloader())
    assert [[b"body"]] == bodies_of(taken)
    assert ([SITE + "a"], ["http://other/a"]) == (
        [each.url for each in site.requests],
        [each.url for each in other.requests],
    )


@ensureDeferred
async def test_one_of_several_fails(sync: Sync, site: FakeSite) -> None:
    """A unit goes on with all of its files or not at all; the others go on."""
    site.files.update({SITE + "a": b"a", SITE + "c": b"c"})
    sync.keep_going = True
    unit = DeclarativeContent(content=Content(type="t", key=("u",)), artifacts=[file_of("a", b"a"), file_of("b", b"b")])
    waiting = unit.resolution()
    taken = await through(sync, [unit, unit_of("c", b"c")], ArtifactDownloader())
    assert [[b"c"]] == bodies_of(taken)
    assert [("b", NotFound)] == [(each.path, type(each.error)) for each in sync.failed]
    with pytest.raises(NotFound):
        await waiting


@ensureDeferred
async def test_digest_that_nobody_knows(sync: Sync) -> None:
    """What cannot be asked for ends the sync as a failure of its unit, like any other."""
    unit = unit_of("a", b"a")
    unit.artifacts[0].size = -1
    with pytest.raises(SettingsError, match="size"):
        await through(sync, [unit], ArtifactDownloader())


@ensureDeferred
async def test_budget(sync: Sync, world: World, site: FakeSite) -> None:
    """Never more is in flight than the budget says; what fails gives its place back, of unknown size too."""
    sync.budget = Budget(bytes=10, items=2)
    sync.flight._budget = sync.budget
    sync.keep_going = True
    seen: list[tuple[int, int]] = []

    class Counting(FakeSite):
        def request(self, *args: Any, **fields: Any) -> Any:
            seen.append((sync.budget.used_items, sync.budget.used_bytes))
            return super().request(*args, **fields)

    world.sites[None] = Counting({})
    units = [unit_of(str(number), b"12345678", **({} if number % 2 else {"size": None})) for number in range(20)]
    assert [] == await through(sync, units, ArtifactDownloader())
    assert (20, 20) == (len(sync.failed), len(seen))
    assert (2, 10) >= (max(items for items, _ in seen), max(size for _, size in seen))
    assert (0, 0) == (sync.budget.used_items, sync.budget.used_bytes)


@ensureDeferred
async def test_concurrency(sync: Sync, world: World) -> None:
    """So many downloads are at work and no more; each that ends lets the next one begin."""
    spy = world.sites[None] = SpyAgent()
    sync.concurrency = 3
    running = Deferred.fromCoroutine(
        through(sync, [unit_of(str(n), b"%d" % n) for n in range(5)], ArtifactDownloader())
    )
    assert 3 == len(spy.requests)
    whole(spy, 1, b"1")
    assert 4 == len(spy.requests)
    for number in (0, 2, 3):
        whole(spy, number, b"%d" % number)
    whole(spy, 4, b"4")
    assert [[b"1"], [b"0"], [b"2"], [b"3"], [b"4"]] == bodies_of(await running)


@ensureDeferred
async def test_first_failure(sync: Sync, world: World) -> None:
    """The first failure ends all other downloads, and gives back what they hold."""
    spy = world.sites[None] = SpyAgent()
    units = [unit_of(str(n), b"%d" % n, size=None) for n in range(5)]
    running = Deferred.fromCoroutine(through(sync, units, ArtifactDownloader()))
    spy.requests[2].answer.errback(NotFound(spy.requests[2].url, 404))
    with pytest.raises(NotFound):
        await running
    assert (4, 0) == (len(spy.cancelled), sync.budget.used_items)


@ensureDeferred
async def test_cancel(sync: Sync, world: World, storage: MemoryStorage) -> None:
    """A cancelled stage leaves no request, no place in the budget and no file."""
    spy = world.sites[None] = SpyAgent()
    running = Deferred.fromCoroutine(
        through(sync, [unit_of(str(n), b"%d" % n) for n in range(5)], ArtifactDownloader())
    )
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert (5, 0) == (len(spy.cancelled), sync.budget.used_items)
    assert [] == list(Path(storage.temporary("x")).parent.iterdir())

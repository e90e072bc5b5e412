"""Cleanup: what nothing refers to goes, what is wanted stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.unit.upkeep.stock import NOW, Stock
from twisted_pulp.catalog import artifacts, contents, links, pulled, remotes, repositories, versions
from twisted_pulp.settings import Remote
from twisted_pulp.upkeep import Cleaned, Cleanup

DAY = 86400.0


def cleanup(stock: Stock, now: float = NOW + 2 * DAY) -> Cleanup:
    """Return a cleanup two days later."""
    return Cleanup(stock.catalog, stock.storage, now=lambda: now)


async def keep(stock: Stock, *names: str) -> None:
    """Make a version of a repository with some of the units."""

    def make(connection: Any) -> None:
        row = repositories.create(connection, "kept", "file", NOW)
        draft = versions.begin(connection, row.id, NOW)
        found = contents.find(connection, "file", [f'["{name}"]' for name in names])
        versions.add(connection, draft, list(found.values()))
        versions.finish(connection, draft, NOW, None)

    await stock.catalog.write(make)


def aged(stock: Stock, path: Path) -> None:
    """Let a file have been stored when everything was."""
    os.utime(path, (NOW, NOW))


async def stored(stock: Stock) -> set[str]:
    """Return what the storage has."""
    return {sha256 async for sha256, _, _ in stock.storage.each()}


@ensureDeferred
async def test_orphans(stock: Stock) -> None:
    """Units of no version go, their artifacts and files too; what a version has stays."""
    await stock.fill(5)
    await keep(stock, "0.bin", "3.bin")
    done = await cleanup(stock).run()
    assert Cleaned(content=3, artifacts=3, files=0, bytes=3 * 100) == done
    assert {stock.sha256s[0], stock.sha256s[3]} == await stored(stock)
    assert Cleaned() == await cleanup(stock).run()


@ensureDeferred
async def test_grace(stock: Stock) -> None:
    """What was wanted within the grace period stays."""
    await stock.fill(2)
    assert Cleaned() == await cleanup(stock, NOW + DAY / 2).run()
    assert set(stock.sha256s) == await stored(stock)


@ensureDeferred
async def test_unknown_files(stock: Stock) -> None:
    """Files that the catalog does not know go, once they are old enough."""
    await stock.fill(2)
    await keep(stock, "0.bin", "1.bin")
    old, new = (stock.path(digit * 64) for digit in "ab")
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12345")
    aged(stock, old)
    os.utime(new, (NOW + 2 * DAY, NOW + 2 * DAY))
    done = await cleanup(stock).run()
    assert (Cleaned(files=1, bytes=5), False, True) == (done, old.exists(), new.exists())


@ensureDeferred
async def test_killed_between(stock: Stock) -> None:
    """When a cleanup was killed between catalog and file, the next one finds the file."""
    await stock.fill(1)
    aged(stock, stock.path(stock.sha256s[0]))
    known = await stock.catalog.read(artifacts.each, 0, 10)
    await stock.catalog.write(artifacts.delete, [each.id for each in known])
    done = await cleanup(stock).run()
    assert (1, set()) == (done.files, await stored(stock))


@ensureDeferred
async def test_many(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is, a page at a time goes, and all of it."""
    monkeypatch.setattr("twisted_pulp.upkeep._cleanup._PAGE", 3)
    await stock.fill(10)
    done = await cleanup(stock).run()
    assert (10, 10, set()) == (done.content, done.artifacts, await stored(stock))


@ensureDeferred
async def test_many_unknown_files(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that the catalog does not know go a page at a time, too."""
    monkeypatch.setattr("twisted_pulp.upkeep._cleanup._PAGE", 3)
    await stock.fill(7)
    await keep(stock, "6.bin")
    for sha256 in stock.sha256s:
        aged(stock, stock.path(sha256))
    known = await stock.catalog.read(artifacts.each, 0, 10)
    await stock.catalog.write(artifacts.delete, [each.id for each in known if each.sha256 != stock.sha256s[6]])
    done = await cleanup(stock).run()
    assert (6, {stock.sha256s[6]}) == (done.files, await stored(stock))


@ensureDeferred
async def test_sync_meanwhile(stock: Stock) -> None:
    """A sync that takes a file for its own in the moment in which it goes is asked to download it again."""
    await stock.fill(2)
    again = stock.sha256s[0]
    remove = stock.storage.remove

    async def late(sha256s: list[str]) -> int:
        # The file is there still, so that the sync need not keep what it has downloaded.
        await stock.catalog.write(artifacts.save, [artifacts.NewArtifact(again, 100)], NOW + 2 * DAY)
        return await remove(sha256s)

    stock.storage.remove = late  # type: ignore[method-assign,assignment]
    await cleanup(stock).run()
    known = await stock.catalog.read(artifacts.find, [("sha256", again)])
    assert ({}, set()) == (known, await stored(stock))


async def pull(stock: Stock) -> None:
    """Have what is in stock been pulled through a Remote, and a page have named something else."""

    def save(connection: Any) -> None:
        remote = remotes.create(connection, "r", Remote(), NOW)
        found = artifacts.find(connection, [("sha256", sha256) for sha256 in stock.sha256s])
        new = [pulled.NewPulled(remote.id, f"http://h/{each.id}", each.id) for each in found.values()]
        pulled.save(connection, new, NOW)
        links.save(connection, remote.id, [links.LinkRow("http://h/x", "http://h/x", {})], NOW)

    await stock.catalog.write(save)


@ensureDeferred
async def test_pulled_stays(stock: Stock) -> None:
    """What was pulled through stays, unless something else is said."""
    await stock.fill(3)
    await pull(stock)
    assert Cleaned(content=3) == await cleanup(stock, NOW + 900 * DAY).run()


@ensureDeferred
async def test_pulled_unused(stock: Stock) -> None:
    """What was pulled through goes when nobody wanted it for so long, and so does what is not named any more."""
    await stock.fill(3)
    await pull(stock)
    late = {"now": lambda: NOW + 30 * DAY}
    assert Cleaned(content=3) == await Cleanup(stock.catalog, stock.storage, unused=31 * DAY, **late).run()
    done = await Cleanup(stock.catalog, stock.storage, unused=29 * DAY, **late).run()
    assert Cleaned(artifacts=3, bytes=300, pulled=3, links=1) == done
    assert set() == await stored(stock)


@ensureDeferred
async def test_pulled_size(stock: Stock) -> None:
    """Of what was pulled through no more stays than may."""
    await stock.fill(3)
    await pull(stock)
    done = await Cleanup(stock.catalog, stock.storage, capacity=250, now=lambda: NOW + 2 * DAY).run()
    assert Cleaned(content=3, artifacts=1, bytes=100, pulled=1) == done
    assert 2 == len(await stored(stock))

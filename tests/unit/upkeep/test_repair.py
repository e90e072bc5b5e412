"""Repair: from the sources by priority, each by its own Remote."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.unit.upkeep.stock import NOW, Stock
from twisted_pulp.catalog import artifacts, contents, remotes, sources
from twisted_pulp.context import Context
from twisted_pulp.settings import Remote
from twisted_pulp.upkeep import Damage, Repair


async def damage(stock: Stock) -> Damage:
    """Lose the first artifact."""
    sha256 = stock.sha256s[0]
    stock.lose(sha256)
    known = (await stock.catalog.read(artifacts.find, [("sha256", sha256)]))["sha256", sha256]
    return Damage(id=known.id, sha256=sha256, size=known.size, kind="missing")


async def more(stock: Stock, *new: tuple[str, int, int | None]) -> None:
    """Give the first file further sources: URL, priority and Remote."""

    def save(connection: Any) -> None:
        unit = contents.find(connection, "file", ['["0.bin"]'])['["0.bin"]']
        (file,) = contents.artifacts_of(connection, [unit])[unit]
        rows = [sources.NewSource(file.id, url, remote, priority) for url, priority, remote in new]
        sources.save(connection, rows)

    await stock.catalog.write(save)


async def failures(stock: Stock, number: int) -> dict[str, tuple[float | None, str | None]]:
    """Return file name -> when it failed and why, of the sources of an artifact."""
    rows = await stock.catalog.read(sources.of_artifact, number)
    return {row.url.rpartition("/")[2]: (row.failed, row.failure) for row in rows}


def repair(stock: Stock, context: Context) -> Repair:
    """Return what repairs the stock."""
    return Repair(stock.catalog, stock.storage, context, now=lambda: NOW)


@ensureDeferred
async def test_by_priority(stock: Stock, context: Context) -> None:
    """The source with the lowest number is asked first; one that fails is remembered, and the next one asked."""
    await stock.fill(1)
    gone = f"file://{stock.upstream}/gone.bin"
    await more(stock, (f"file://{stock.upstream}/0.bin", 2, stock.remote_id), (gone, 1, stock.remote_id))
    lost = await damage(stock)
    assert None is await repair(stock, context).mend(lost)
    assert None is await stock.storage.check(lost.sha256, lost.size)
    noted = await failures(stock, lost.id)
    assert ((None, None), NOW) == (noted["0.bin"], noted["gone.bin"][0])
    assert noted["gone.bin"][1]


@ensureDeferred
async def test_own_remote(stock: Stock, context: Context) -> None:
    """A source is reached by its own Remote: what only the second one may read is read by it."""
    await stock.fill(1)
    other = await stock.catalog.write(remotes.create, "other", Remote(), NOW)
    await more(stock, (f"file://{stock.upstream}/./0.bin", 1, other.id))
    await more(stock, (f"file://{stock.upstream}/0.bin", 2, stock.remote_id))
    lost = await damage(stock)
    assert None is await repair(stock, context).mend(lost)
    noted = await stock.catalog.read(sources.of_artifact, lost.id)
    assert [(other.id, NOW), (stock.remote_id, None)] == [(row.remote_id, row.failed) for row in noted]


@pytest.mark.parametrize("kind", ["flipped", "truncated"])
@ensureDeferred
async def test_replaced(stock: Stock, context: Context, kind: str) -> None:
    """A damaged file is replaced, and is read-only again."""
    await stock.fill(1)
    {"flipped": stock.flip, "truncated": stock.truncate}[kind](stock.sha256s[0])
    known = await stock.catalog.read(artifacts.each, 0, 1)
    one = Damage(id=known[0].id, sha256=known[0].sha256, size=known[0].size, kind=kind)  # type: ignore[arg-type]
    assert None is await repair(stock, context).mend(one)
    mode = stock.path(one.sha256).stat().st_mode & 0o777
    assert (None, 0o444) == (await stock.storage.check(one.sha256, one.size), mode)

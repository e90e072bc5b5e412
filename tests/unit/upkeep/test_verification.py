"""Verification: every fault is found, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.upkeep.stock import NOW, Stock
from twisted_pulp.catalog import artifacts
from twisted_pulp.context import Context
from twisted_pulp.interfaces import Adoption
from twisted_pulp.upkeep import Damage, Repair, Verification


def verification(stock: Stock, **options: Any) -> Verification:
    """Return a verification of everything."""
    return Verification(stock.catalog, stock.storage, **options)


@ensureDeferred
async def test_nothing(stock: Stock) -> None:
    """Where nothing is stored nothing is damaged."""
    found = await verification(stock).run()
    assert (0, 0, 0, []) == (found.checked, found.damaged, found.repaired, found.unrepairable)


@pytest.mark.limit(300)
@ensureDeferred
async def test_planted(
    stock: Stock, context: Context, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """100 of 100 planted faults are found and repaired, and nothing that is whole is taken for damaged."""
    await stock.fill(10_000 if stock.catalog.dialect == "sqlite" else campaign_count(1000, 10_000))
    planted = stock.plant(100, rng)
    seen: list[Damage] = []
    repair = Repair(stock.catalog, stock.storage, context)
    found = await verification(stock, damaged=seen.append, repair=repair).run()
    assert planted == {damage.sha256: damage.kind for damage in seen}
    assert (len(stock.sha256s), 100, 100, []) == (found.checked, found.damaged, found.repaired, found.unrepairable)
    again = await verification(stock).run()
    assert (len(stock.sha256s), 0) == (again.checked, again.damaged)


@ensureDeferred
async def test_orphan(stock: Stock) -> None:
    """Bytes that the catalog does not know are no damage, whatever they are."""
    await stock.fill(3)
    writer = stock.storage.writer()
    stock.path(stock.sha256s[0]).with_name("f" * 64).write_bytes(b"not what its name says")
    del writer
    found = await verification(stock).run()
    assert (3, 0) == (found.checked, found.damaged)


@ensureDeferred
async def test_several_at_once(stock: Stock) -> None:
    """As many files are read at once as was said, and not one more."""
    await stock.fill(20)
    reading: list[int] = []
    check, running = stock.storage.check, 0

    def counted(*arguments: Any) -> Deferred[str | None]:
        nonlocal running
        running += 1
        reading.append(running)

        def over(result: Any) -> Any:
            nonlocal running
            running -= 1
            return result

        return check(*arguments).addBoth(over)

    stock.storage.check = counted  # type: ignore[method-assign]
    await verification(stock, jobs=3).run()
    assert (20, 3) == (len(reading), max(reading))


@ensureDeferred
async def test_removed_meanwhile(stock: Stock) -> None:
    """An artifact that a cleanup removes while we verify is no damage."""
    await stock.fill(3)
    gone = stock.sha256s[1]
    check = stock.storage.check

    async def removing(sha256: str, size: int | None) -> str | None:
        if sha256 == gone:
            known = await stock.catalog.read(artifacts.find, [("sha256", gone)])
            await stock.catalog.write(artifacts.delete, [known["sha256", gone].id])
            await stock.storage.remove([gone])
        return await check(sha256, size)

    stock.storage.check = removing  # type: ignore[method-assign,assignment]
    found = await verification(stock, jobs=1).run()
    assert (3, 0) == (found.checked, found.damaged)


@ensureDeferred
async def test_pages(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog is asked for a page at a time, and no artifact is left out between two."""
    monkeypatch.setattr("twisted_pulp.upkeep._verification._PAGE", 7)
    await stock.fill(20)
    stock.lose(stock.sha256s[6])
    stock.lose(stock.sha256s[7])
    found = await verification(stock).run()
    assert (20, 2) == (found.checked, found.damaged)


@ensureDeferred
async def test_cancelled(stock: Stock) -> None:
    """To cancel it ends the work, and what was found is known."""
    await stock.fill(20)
    stock.storage.check = lambda *_: Deferred()  # type: ignore[method-assign]
    verifying = verification(stock)
    running = verifying.run()
    await stock.catalog.read(artifacts.each, 0, 1)
    running.cancel()
    with pytest.raises(CancelledError):
        await running
    assert 0 == verifying.found.checked


@ensureDeferred
async def test_no_artifact_is_adopted_unproven(stock: Stock, context: Context) -> None:
    """What an upstream has that is no longer the same takes nothing's place, and the reason names the digests."""
    await stock.fill(2)
    bad = stock.sha256s[0]
    stock.flip(bad)
    damaged = stock.path(bad).read_bytes()
    (stock.upstream / "0.bin").write_bytes(b"x" * len(damaged))
    found = await verification(stock, repair=Repair(stock.catalog, stock.storage, context)).run()
    (failed,) = found.unrepairable
    assert (1, 0, ("0.bin",), "flipped") == (found.damaged, found.repaired, failed.paths, failed.damage.kind)
    assert (True, damaged) == (bad in failed.reason, stock.path(bad).read_bytes())


@ensureDeferred
async def test_no_source(stock: Stock, context: Context) -> None:
    """An artifact of no unit can come from nowhere, and the others are repaired."""
    await stock.fill(2)
    path = stock.storage.temporary("0" * 64)
    with open(path, "wb") as file:
        file.write(b"abc")
    alone = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [None] == await stock.storage.adopt([Adoption(path, alone, 3)])
    await stock.catalog.write(artifacts.save, [artifacts.NewArtifact(alone, 3)], NOW)
    stock.lose(alone)
    stock.lose(stock.sha256s[0])
    found = await verification(stock, repair=Repair(stock.catalog, stock.storage, context)).run()
    assert (2, 1, [((), "no source is known that it could come from")]) == (
        found.damaged,
        found.repaired,
        [(each.paths, each.reason) for each in found.unrepairable],
    )

"""What was learnt of hosts outlasts the process."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from twisted_pulp.catalog import Catalog, paces
from twisted_pulp.catalog.paces import PaceRow
from twisted_pulp.errors import CatalogError
from twisted_pulp.http import Paces
from twisted_pulp.upkeep import KeptPaces

NOW = 1_000_000.0
KEY = ("h.example", 443)


class _Pool:
    def __init__(self, clock: Clock) -> None:
        self.paces = Paces(clock, 8, {})


@define(eq=False)
class Life:
    """What one process has: a clock that begins anew, and what it learns."""

    catalog: Any
    at: float = NOW
    reactor: Clock = field(init=False, factory=Clock)
    pool: _Pool = field(init=False)
    kept: KeptPaces = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pool = _Pool(self.reactor)
        context: Any = self
        self.kept = KeptPaces(context, self.catalog, now=lambda: self.at + self.reactor.seconds())

    def learn(self) -> None:
        """Learn that the host had enough."""
        self.pool.paces.note(KEY, False)

    @property
    def lowered(self) -> dict[Any, int]:
        """What is known, in short."""
        return {key: pace.allowed for key, pace in self.pool.paces.lowered.items()}


@ensureDeferred
async def test_kept(catalog: Catalog) -> None:
    """The next process goes on with what one has learnt, and forgets it when that would have."""
    first = Life(catalog)
    first.learn()
    known = first.lowered
    first.reactor.advance(100)
    await first.kept.save()
    later = Life(catalog, NOW + 500)
    await later.kept.recall()
    assert {KEY: 1} == known == later.lowered
    much_later = Life(catalog, NOW + 700)
    await much_later.kept.recall()
    assert {} == much_later.lowered


@ensureDeferred
async def test_recovered(catalog: Catalog) -> None:
    """A host that bears as much as others again is forgotten in the catalog too, and so are old ones."""
    await catalog.write(paces.keep, [PaceRow("old.example", 80, 2, NOW - 90_000), PaceRow(*KEY, 7, NOW)])
    life = Life(catalog)
    await life.kept.recall()
    assert {KEY: 7} == life.lowered
    for _ in range(20):
        life.pool.paces.note(KEY, True)
    await life.kept.save()
    assert [] == await catalog.read(paces.list)


@ensureDeferred
async def test_now_and_then(catalog: Catalog) -> None:
    """It is kept each minute, for a process that is killed; and once more at the end, after what is under way."""
    life = Life(catalog)
    life.kept.start()
    life.learn()
    life.reactor.advance(59)
    assert [] == await catalog.read(paces.list)
    life.reactor.advance(1)
    life.pool.paces.note(("other.example", 80), False)
    await life.kept.save()
    assert {KEY, ("other.example", 80)} == {(row.host, row.port) for row in await catalog.read(paces.list)}
    assert [] == life.reactor.getDelayedCalls()


class _Away:
    """A catalog that cannot be used."""

    def read(self, *_: object) -> Deferred[Any]:
        """Fail."""
        d: Deferred[Any] = Deferred()
        d.errback(CatalogError("away"))
        return d

    write = read


@ensureDeferred
async def test_away() -> None:
    """A catalog that does not answer keeps nobody from downloading; it is logged."""
    life, heard = Life(_Away()), []
    globalLogPublisher.addObserver(heard.append)
    try:
        await life.kept.recall()
        life.learn()
        await life.kept.save()
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert ["away", "away"] == [str(event["error"]) for event in heard if "error" in event]


@ensureDeferred
async def test_nothing(catalog: Catalog) -> None:
    """Where nothing was learnt, nothing is written."""
    life = Life(catalog)
    await life.kept.recall()
    await catalog.close()
    await life.kept.save()

"""Jobs that other processes run and change, on real databases: two books over one catalog."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.task import Clock

from tests.integration.job_fixtures import ByHand, Heard, Shop, shop, site
from twisted_pulp.jobs import Jobs, LocalBroker, Orders, Watch

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")


@define
class Company:
    """Nodes, as far as somebody asks whether there are others."""

    others: tuple[str, ...] = ("other",)


def book(shop: Shop) -> Jobs:
    """Return the book of another process, which runs nothing."""
    return Jobs(shop.reactor, shop.catalog, broker=LocalBroker())


async def running(shop: Shop, kind: ByHand) -> str:
    """Let a job run, and return its uid."""
    uid = (await shop.jobs.submit("hand", {})).job.uid
    await shop.worker({"hand": kind}, poll=3600.0, lease=36000.0).start()
    await kind.has(1)
    return uid


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("verb", ["cancel", "pause"])
async def test_ended_by_others(shop: Shop, verb: str) -> None:
    """What another process ends or pauses is broken off at the next look, and stays as that one has said."""
    kind, elsewhere = ByHand(), book(shop)
    uid = await running(shop, kind)
    orders = Orders(shop.jobs, Clock())
    await orders.look()
    assert [] == kind.cancelled
    changed = await getattr(elsewhere, verb)(uid)
    await orders.look()
    assert 1 == len(kind.cancelled)
    await shop.settled()
    assert changed.state == (await shop.jobs.get(uid)).state
    elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_reordered_by_others(shop: Shop) -> None:
    """A priority that another process gives counts here."""
    kind, elsewhere = ByHand(), book(shop)
    uid = await running(shop, kind)
    await elsewhere.prioritise(uid, 7)
    await Orders(shop.jobs, Clock()).look()
    assert [-7] == [run.row.rank for run in shop.jobs.runs.values()]
    kind.begun[0][1].callback({})
    assert "completed" == (await shop.ended(uid)).state
    elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_noted_for_others(shop: Shop) -> None:
    """How far a job is can be asked of every process."""
    kind, elsewhere = ByHand(), book(shop)
    uid = await running(shop, kind)
    orders = Orders(shop.jobs, Clock())
    kind.begun[0][0].progress(total=10, done=4, bytes=400)
    assert 0 == (await elsewhere.get(uid)).done
    await orders.look()
    seen = await elsewhere.get(uid)
    assert (10, 4, 400) == (seen.total, seen.done, seen.bytes)
    kind.begun[0][1].callback({})
    assert 4 == (await shop.ended(uid)).done
    await orders.look()
    elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_rounds(shop: Shop) -> None:
    """Orders are looked for every second, and no more after the end."""
    kind, elsewhere, clock = ByHand(), book(shop), Clock()
    uid = await running(shop, kind)
    orders = Orders(shop.jobs, clock)
    orders.start()
    await elsewhere.cancel(uid)
    clock.advance(1.0)
    await orders.stop()
    assert 1 == len(kind.cancelled)
    assert [] == clock.getDelayedCalls()
    await shop.settled()
    elsewhere.close()


async def told(watch: Watch, heard: Heard) -> list[tuple[str, int]]:
    """Let *watch* look, and return what it has told: states, and how much is done."""
    before = len(heard.events)
    await watch.look()
    return [(data["state"], data["done"]) for _, data in heard.events[before:]]


@pytest_twisted.ensureDeferred
async def test_watched(shop: Shop) -> None:
    """What others do with jobs is told once: handed in, begun, how far, ended, retried; and nothing that is older."""
    kind, heard, elsewhere = ByHand(), Heard(), book(shop)
    old = (await shop.jobs.submit("hand", {})).job.uid
    await shop.jobs.cancel(old)
    watch = Watch(elsewhere, Company(), Clock(), heard.tell)  # type: ignore[arg-type]
    assert [] == await told(watch, heard)
    uid = (await shop.jobs.submit("hand", {})).job.uid
    assert [("waiting", 0)] == await told(watch, heard)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    assert [("running", 0)] == await told(watch, heard)
    assert [] == await told(watch, heard)
    kind.begun[0][0].progress(total=10, done=4)
    await Orders(shop.jobs, Clock()).look()
    assert [("running", 4)] == await told(watch, heard)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    assert [("completed", 4)] == await told(watch, heard)
    await shop.jobs.delete(uid)
    await shop.jobs.retry(old)
    await kind.has(2)
    assert [("running", 0)] == await told(watch, heard)
    kind.begun[1][1].callback({})
    await shop.ended(old)
    assert [("completed", 0)] == await told(watch, heard)
    assert {"hand"} == {data["kind"] for _, data in heard.events}
    elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_own(shop: Shop) -> None:
    """What is done here is told by who does it, and not a second time."""
    kind = ByHand()
    heard = shop.heard
    watch = Watch(shop.jobs, Company(), Clock(), heard.tell)  # type: ignore[arg-type]
    shop.jobs.telling._tell = lambda event, data: (heard.tell(event, data), watch.note(data))
    await watch.look()
    uid = await running(shop, kind)
    assert [] == await told(watch, heard)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    assert [] == await told(watch, heard)


@pytest_twisted.ensureDeferred
async def test_alone(shop: Shop, catalog: Any) -> None:
    """While there are no others nothing is looked at; what one has done before it was seen is told afterwards."""
    heard, company = Heard(), Company(())
    watch = Watch(shop.jobs, company, Clock(), heard.tell)  # type: ignore[arg-type]
    await shop.jobs.submit("hand", {})
    assert [] == await told(watch, heard)
    await shop.jobs.submit("hand", {})
    assert [] == await told(watch, heard)
    company.others = ("other",)
    assert [("waiting", 0)] == await told(watch, heard)
    await shop.jobs.submit("hand", {})
    assert [("waiting", 0)] == await told(watch, heard)


@pytest_twisted.ensureDeferred
async def test_many(shop: Shop) -> None:
    """However many jobs there are, a look takes some of them; those that were told of are followed to their end."""
    heard, elsewhere = Heard(), book(shop)
    watch = Watch(elsewhere, Company(), Clock(), heard.tell)  # type: ignore[arg-type]
    await watch.look()
    first = (await shop.jobs.submit("hand", {})).job.uid
    await watch.look()
    for _ in range(120):
        await shop.jobs.submit("hand", {})
    assert 100 == len(await told(watch, heard))
    await shop.jobs.cancel(first)
    assert [("cancelled", 0)] == await told(watch, heard)
    elsewhere.close()

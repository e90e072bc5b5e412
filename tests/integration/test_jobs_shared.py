"""Workers who are told of jobs by a broker that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from sqlalchemy import update
from twisted.internet.task import Clock

from tests.integration.job_fixtures import SITE, ByHand, Heard, Shop, site
from tests.servers.reactor import IReactor
from tests.unit.stages.surroundings import World
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog._job_tables import job as job_table
from twisted_pulp.context import Context
from twisted_pulp.errors import BrokerUnavailable, ConnectionRefused, JobNotFound
from twisted_pulp.jobs import DeadLetter, DeadLetters, Depth, Jobs, LocalBroker, Reminders
from twisted_pulp.testing import FakeSite

__all__ = ["site"]

pytestmark = pytest.mark.usefixtures("reactor")


@pytest_twisted.async_yield_fixture
async def shop(
    reactor: IReactor, catalog: Catalog, context: Context, site: FakeSite, tmp_path: Path
) -> AsyncIterator[Shop]:
    """Jobs on each database, with a broker that keeps what its workers are not done with."""
    heard = Heard()
    jobs = Jobs(reactor, catalog, broker=LocalBroker(shared=True), tell=heard.tell)
    made = Shop(reactor, catalog, tmp_path, World(context, site), jobs, heard)
    yield made
    for worker in made.workers:
        await worker.stop()
    jobs.close()


async def depth(shop: Shop) -> tuple[int, int, int]:
    """Return how many messages are ready, held and dead."""
    await shop.settled()
    found: Depth = await shop.jobs.broker.depth()
    return found.ready, found.held, found.dead


async def handed_in(shop: Shop, **fields: Any) -> str:
    """Hand in a job, and return its uid."""
    return (await shop.jobs.submit("hand", {}, **fields)).job.uid


async def test_held_until_committed(shop: Shop) -> None:
    """A message is held until the run of its job is in the catalog."""
    kind = ByHand()
    await shop.worker({"hand": kind}).start()
    uid = await handed_in(shop)
    await kind.has(1)
    assert (0, 1, 0) == await depth(shop)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    assert (0, 0, 0) == await depth(shop)


@pytest.mark.parametrize("uid", ["unknown", "no uid at all", "nul \0"])
@pytest_twisted.ensureDeferred
async def test_nothing_to_do(shop: Shop, uid: str) -> None:
    """A message that names no job is done with."""
    await shop.worker({"hand": ByHand()}).start()
    await shop.jobs.broker.publish(uid)
    assert (0, 0, 0) == await depth(shop)


async def test_over(shop: Shop) -> None:
    """A message of a job that is over, or waits for a later time, or rests, is done with."""
    over, later, resting = await handed_in(shop), await handed_in(shop, after=2e9), await handed_in(shop)
    await shop.jobs.cancel(over)
    await shop.jobs.pause(resting)
    kind = ByHand()
    await shop.worker({"hand": kind}).start()
    for uid in (over, later, resting):
        await shop.jobs.broker.publish(uid)
    assert (0, 0, 0) == await depth(shop)
    assert [] == kind.begun


async def test_twice(shop: Shop) -> None:
    """A message that comes twice, while the job runs and afterwards, makes it run once."""
    kind = ByHand()
    await shop.worker({"hand": kind}, concurrency=2).start()
    uid = await handed_in(shop)
    await kind.has(1)
    await shop.jobs.broker.publish(uid)
    assert (0, 1, 0) == await depth(shop)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    await shop.jobs.broker.publish(uid)
    assert (0, 0, 0) == await depth(shop)
    assert 1 == len(kind.begun)


async def test_prefetch(shop: Shop) -> None:
    """A worker holds as many messages as it can run jobs; the rest is for others."""
    one, two = ByHand(), ByHand()
    await shop.worker({"hand": one}, concurrency=1).start()
    uids = [await handed_in(shop) for _ in range(3)]
    await one.has(1)
    assert (2, 1, 0) == await depth(shop)
    await shop.worker({"hand": two}, concurrency=1, holder="two").start()
    await two.has(1)
    assert (1, 2, 0) == await depth(shop)
    assert 2 == len({one.begun[0][0].job.uid, two.begun[0][0].job.uid} & set(uids))


async def test_told(shop: Shop) -> None:
    """Of jobs that are as good as each other, a worker begins the one that it was told of; a better one goes first."""
    kind = ByHand()
    uids = [await handed_in(shop) for _ in range(3)]
    await shop.jobs.broker.close()
    shop.jobs.broker.connected = True
    await shop.jobs.broker.publish(uids[2])
    await shop.worker({"hand": kind}, concurrency=1).start()
    await kind.has(1)
    assert uids[2] == kind.begun[0][0].job.uid
    await shop.jobs.broker.publish(uids[1])
    urgent = await handed_in(shop, priority=1)
    kind.begun[0][1].callback({})
    await kind.has(2)
    assert urgent == kind.begun[1][0].job.uid


async def test_stopped(shop: Shop) -> None:
    """A worker that stops leaves a message for what it had begun, and for what it was told of, as if they were new."""
    kind = ByHand()
    worker = shop.worker({"hand": kind}, concurrency=1)
    await worker.start()
    uid = await handed_in(shop)
    await kind.has(1)
    await worker.stop()
    found = await depth(shop)
    assert 1 <= found[0]
    assert found[1:] == (0, 0)
    heir = ByHand()
    await shop.worker({"hand": heir}, holder="two").start()
    await heir.has(1)
    assert uid == heir.begun[0][0].job.uid


async def test_looks_less(shop: Shop) -> None:
    """Who is told of jobs looks for others only now and then, and as soon as there is no connection."""
    clock, kind = Clock(), ByHand()
    broker: LocalBroker = shop.jobs.broker
    clock.advance(100)
    await shop.worker({"hand": kind}, clock=clock).start()
    clock.advance(1)
    await shop.settled()
    broker.connected = False
    await handed_in(shop)  # nobody is told
    broker.connected = True
    clock.advance(1)
    await shop.settled()
    assert [] == kind.begun
    broker.connected = False
    clock.advance(1)
    await kind.has(1)


async def test_reminded(shop: Shop) -> None:
    """Jobs that have waited without a message get one; those that have one, and new ones, do not."""
    now = [1000.0]
    shop.jobs.now = lambda: now[0]
    broker: LocalBroker = shop.jobs.broker
    broker.connected = False
    for _ in range(3):
        await handed_in(shop)
    broker.connected = True
    reminders = Reminders(shop.jobs, Clock())
    await reminders.look()
    assert (0, 0, 0) == await depth(shop)
    now[0] += 60
    await reminders.look()
    await reminders.look()
    assert (3, 0, 0) == await depth(shop)
    broker.connected = False
    await reminders.look()


async def test_given_up(shop: Shop) -> None:
    """A job that failed too often leaves a message aside, which lets it be tried again."""
    kind = ByHand()
    await shop.worker({"hand": kind}, attempts=1).start()
    uid = await handed_in(shop)
    await kind.has(1)
    kind.begun[0][1].errback(ConnectionRefused(SITE))
    await shop.ended(uid)
    await shop.settled()
    (parked,) = await DeadLetters(shop.jobs).list()
    assert (DeadLetter(uid, 0), "failed", True) == (parked.letter, parked.job.state, parked.job.parked)
    await DeadLetters(shop.jobs).tidy()
    assert "waiting" == (await DeadLetters(shop.jobs).replay(uid)).state
    with pytest.raises(JobNotFound):
        await DeadLetters(shop.jobs).replay(uid)
    await kind.has(2)


async def test_killer(shop: Shop) -> None:
    """A job that has killed whoever ran it is given up once its message is put aside; others get theirs back."""
    killer, innocent, over = [await handed_in(shop) for _ in range(3)]
    broker: LocalBroker = shop.jobs.broker
    broker._ready.clear()
    await shop.jobs.cancel(over)
    await shop.catalog.write(lambda c: c.execute(update(job_table).where(job_table.c.uid == killer).values(deaths=5)))
    for uid in (killer, innocent, over, "garbage"):
        await broker.park(uid)
    await DeadLetters(shop.jobs).tidy()
    assert [killer] == [each.uid for each in await broker.dead(10)]
    found = await shop.jobs.get(killer)
    assert ("failed", True) == (found.state, found.parked)
    assert (1, 0, 1) == await depth(shop)


async def test_replay_unreachable(shop: Shop) -> None:
    """What cannot be told now is told by nobody, and said so."""
    await shop.jobs.broker.park("garbage")
    with pytest.raises(JobNotFound):
        await DeadLetters(shop.jobs).replay("other")
    with pytest.raises(JobNotFound):
        await DeadLetters(shop.jobs).replay("garbage")
    shop.jobs.broker.connected = False
    with pytest.raises(BrokerUnavailable):
        await shop.jobs.broker.publish("a")

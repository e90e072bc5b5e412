"""A broker that is killed, wiped and lied to, workers that are killed and paused: no job is lost, none done twice."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from sqlalchemy import text
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater

from tests.broker_fixtures import StartBroker
from tests.integration.cluster import Cluster, Member, StartCluster
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs import AMQPBroker, ItemSpec, Jobs

_LEASE = 3
_GARBAGE = "", "no job", "\N{SNOWMAN}" * 50, "x" * 22, "'; DROP TABLE job; --"


@define(eq=False)
class Book:
    """Who hands in jobs, and says things to the broker that are not so."""

    jobs: Jobs
    catalog: Catalog
    broker: AMQPBroker
    url: str
    uids: list[str] = field(init=False, factory=list)

    async def hand_in(self, count: int) -> None:
        """Hand in jobs of one file each."""
        some = DeferredSemaphore(16)

        async def one(number: int) -> None:
            specs = [ItemSpec(self.url, f"{number % 100}/{number}")]
            self.uids.append((await self.jobs.submit("download", {}, specs, remote=f"r{number % 3}")).job.uid)

        async def bounded(number: int) -> None:
            await some.run(lambda: Deferred.fromCoroutine(one(number)))

        await gatherResults([Deferred.fromCoroutine(bounded(number)) for number in range(count)])

    async def lie(self, rng: random.Random, count: int) -> None:
        """Tell of jobs once more, three times, in any order, and of what is none."""
        said = [*rng.choices(self.uids, k=count) * 3, *_GARBAGE]
        rng.shuffle(said)
        for uid in said:
            self.broker.publish(uid).addErrback(lambda why: why.trap(BrokerUnavailable))

    async def left(self) -> int:
        """Return how many jobs are not completed."""
        return sum(count for state, count in (await self.jobs.counts()).items() if state != "completed")

    async def effects(self) -> dict[str, int]:
        """Return what has become of the jobs."""

        def count(connection: Any) -> dict[str, int]:
            row = connection.execute(
                text("SELECT count(*), sum(done), sum(failed), max(done), max(attempts), sum(attempts) FROM job")
            ).one()
            return dict(zip(("jobs", "done", "failed", "most", "runs", "all"), map(int, row), strict=True))

        return await self.catalog.read(count)


@pytest_twisted.async_yield_fixture
async def book(
    reactor: IReactor, start_broker: StartBroker, cluster: Cluster, nginx: Nginx, corpus: Corpus
) -> AsyncIterator[Book]:
    """Jobs of the cluster's, from outside it."""
    await cluster.start()
    catalog = await Catalog.open(reactor, cluster.database)
    broker = await start_broker()
    jobs = Jobs(reactor, catalog, broker=broker)
    yield Book(jobs, catalog, broker, nginx.url("/" + corpus.file("f", 64).name))
    jobs.close()
    await broker.close()
    await catalog.close()


@pytest.fixture
def cluster(start_cluster: StartCluster, rabbitmq: RabbitMQ) -> Cluster:
    """Two workers that share a broker; they do not run yet."""
    made = start_cluster(broker=rabbitmq.url, limits={"lease": _LEASE, "jobs": 4})
    made.add("worker")
    made.add("worker")
    return made


async def wait(reactor: Any, seconds: float) -> None:
    """Let some time pass."""
    await deferLater(reactor, seconds)


async def restarted(reactor: Any, server: RabbitMQ, wiped: bool) -> None:
    """Kill the broker, perhaps with all it knows, and start it again."""
    server.kill()
    if wiped:
        server.wipe()
    server.begin()
    while not server.ready:
        await wait(reactor, 0.1)


async def killed(member: Member) -> None:
    """Kill a worker, and start it again."""
    await member.kill()
    await member.start()


async def paused(reactor: Any, member: Member) -> None:
    """Let a worker stand still until its lease is over."""
    member.pause()
    try:
        await wait(reactor, _LEASE * 2)
    finally:
        member.resume()


@pytest.mark.limit(3600)
async def test_nothing_lost(
    reactor: IReactor,
    cluster: Cluster,
    book: Book,
    rabbitmq: RabbitMQ,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Whatever is killed, wiped, paused, said twice or out of order, each job is done, and its effect is there once."""
    total = campaign_count(60, 10_000)
    one, two = cluster.members
    began = reactor.seconds()
    await book.hand_in(total // 2)
    await book.lie(rng, total // 4)
    troubles: list[str] = []
    pausing = Deferred.fromCoroutine(paused(reactor, one))
    await restarted(reactor, rabbitmq, wiped=True)
    await killed(two)
    await pausing
    await book.hand_in(total - total // 2)
    await book.lie(rng, total // 4)
    while total > 1_000 and await book.left() > 0:
        kind = rng.choice(["kill", "kill", "pause", "restart", "wipe"])
        troubles.append(kind)
        if kind == "kill":
            await killed(rng.choice([one, two]))
        elif kind == "pause":
            await paused(reactor, rng.choice([one, two]))
        else:
            await restarted(reactor, rabbitmq, wiped=kind == "wipe")
        await book.lie(rng, 20)
        await wait(reactor, rng.uniform(2, 10))
    await cluster.until(lambda: Deferred.fromCoroutine(over(book)), 120)
    found = await book.effects()
    sent = {"confirmed": book.broker.confirms.confirmed, "refused": book.broker.confirms.refused}
    sys.stdout.write(f"{found} {sent} in {reactor.seconds() - began:.0f} s with {dict(Counter(troubles))}\n")
    assert (total, total, 0, 1) == (found["jobs"], found["done"], found["failed"], found["most"])


async def over(book: Book) -> bool:
    """Tell whether all jobs are completed."""
    return await book.left() == 0

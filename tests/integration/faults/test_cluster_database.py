"""Row 68 for the daemons of a cluster: a database whose connections are ended all the time, and that goes away."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from sqlalchemy import Connection, text
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.integration.cluster import Cluster, StartCluster
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.jobs import ItemSpec, Jobs, LocalBroker

#: Of everybody but the one that asks; what ends while the server itself is away is no trouble.
_END = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"


@define(eq=False)
class Database:
    """
    A database of the test's own, and who troubles it.

    :ivar ended: connections that were.
    """

    reactor: IReactor
    server: Postgres
    name: str
    ended: int = field(init=False, default=0)
    _troubled: bool = field(init=False, default=True)
    _away: bool = field(init=False, default=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url(self.name)

    async def trouble(self, every: float) -> None:
        """End all connections to it again and again."""
        while self._troubled:
            await deferLater(self.reactor, every)
            if not self._away:
                self.ended += (await deferToThread(self.server.run, _END.format(name=self.name)))[0][0]

    async def leave(self, seconds: float) -> None:
        """Let the server be away for a while."""
        self._away = True
        await deferToThread(self.server.stop)
        await deferLater(self.reactor, seconds)
        await deferToThread(self.server.start)
        self._away = False

    def rest(self) -> None:
        """End no more connections."""
        self._troubled = False


@pytest.fixture
def troubled(reactor: IReactor) -> Iterator[Database]:
    """A PostgreSQL of the test's own with a database."""
    server = Postgres.made()
    try:
        server.start()
        yield Database(reactor, server, server.create())
    finally:
        server.stop()
        server.remove()


@pytest.fixture
def cluster(start_cluster: StartCluster, troubled: Database) -> Cluster:
    """Two workers over it; they do not run yet."""
    made = start_cluster(limits={"lease": 30, "jobs": 8})
    made.database = troubled.url
    made.add("worker")
    made.add("worker")
    return made


@pytest_twisted.async_yield_fixture
async def jobs(reactor: IReactor, cluster: Cluster) -> AsyncIterator[Jobs]:
    """The jobs of the cluster, which runs, from outside it."""
    await cluster.start()
    catalog = await Catalog.open(reactor, cluster.database, patience=120)
    yield (made := Jobs(reactor, catalog, broker=LocalBroker()))
    made.close()
    await catalog.close()


async def handed_in(jobs: Jobs, url: str, numbers: range) -> None:
    """Hand in a job of one file for each number, each as somebody does who tries again with the same key."""
    some = DeferredSemaphore(16)

    async def one(number: int) -> None:
        specs = [ItemSpec(url, f"{number % 100}/{number}")]
        await jobs.submit("download", {}, specs, remote=f"r{number % 3}", key=f"k{number}", fingerprint="f", owner=1)

    async def bounded(number: int) -> None:
        await some.run(lambda: Deferred.fromCoroutine(one(number)))

    await gatherResults([Deferred.fromCoroutine(bounded(number)) for number in numbers], consumeErrors=True)


def _effects(connection: Connection) -> dict[str, int]:
    row = connection.execute(
        text("SELECT count(*), sum(done), sum(failed), max(done), sum(attempts) FROM job WHERE state = 'completed'")
    ).one()
    return dict(zip(("jobs", "done", "failed", "most", "runs"), (int(each or 0) for each in row), strict=True))


@pytest.mark.limit(3600)
async def test_row_68_jobs(
    reactor: IReactor,
    cluster: Cluster,
    jobs: Jobs,
    troubled: Database,
    nginx: Nginx,
    corpus: Corpus,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 68: whose connections end each second, and whose server goes away, loses no job, and does none twice."""
    total, away = campaign_count(60, 10_000), campaign_count(2, 30)
    url = nginx.url("/" + corpus.file("f", 64).name)
    began = reactor.seconds()
    trouble = Deferred.fromCoroutine(troubled.trouble(1.0))
    await handed_in(jobs, url, range(total // 2))
    await troubled.leave(away)
    await handed_in(jobs, url, range(total // 2, total))

    async def over() -> bool:
        found: Any = await jobs.catalog.read(_effects)
        return bool(found["jobs"] == total)

    await cluster.until(lambda: Deferred.fromCoroutine(over()), 120 + total / 5)
    troubled.rest()
    await trouble
    found = await jobs.catalog.read(_effects)
    seconds = reactor.seconds() - began
    sys.stdout.write(f"{found}, {troubled.ended} connections ended, server away {away} s, in {seconds:.0f} s\n")
    assert (total, total, 0, 1) == (found["jobs"], found["done"], found["failed"], found["most"])
    assert total == sum((await jobs.counts()).values())
    assert troubled.ended > 2

"""Several that share a catalog and a storage, in one process: each has its own of everything else."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_twisted
from attrs import define, field
from twisted.internet.task import deferLater

from tests.servers.reactor import IReactor
from tests.unit.stages.surroundings import SITE, World
from twisted_pulp.catalog import Catalog, remotes
from twisted_pulp.cluster import Claims
from twisted_pulp.context import Context
from twisted_pulp.jobs import Crew, FetchKind, Job, Jobs, LocalBroker, SyncKind, Worker
from twisted_pulp.settings import Remote
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.testing import FakeSite

__all__ = ["Crews", "Hand", "crews"]


@define(eq=False)
class Hand:
    """One of them."""

    reactor: Any
    catalog: Catalog
    storage: DirectoryStorage
    context: Context
    world: Any
    jobs: Jobs
    claims: Claims
    crew: Crew
    worker: Worker

    async def sync(self, repository: str, remote: str = "upstream", **payload: Any) -> str:
        """Hand in a sync, and return its uid."""
        given = {"repository": repository, "remote": remote, "type": "file", **payload}
        return (await self.jobs.submit("sync", given, remote=remote)).job.uid

    async def ended(self, uid: str) -> Job:
        """Wait until a job is over, whoever runs it, and return it."""
        while (job := await self.jobs.get(uid)).state in ("waiting", "running"):
            await deferLater(self.reactor, 0.02)
        return job

    async def close(self) -> None:
        """Give everything back."""
        await self.worker.stop()
        self.jobs.close()
        await self.claims.close()
        await self.context.close()
        await self.storage.close()
        await self.catalog.close()


@define(eq=False)
class Crews:
    """
    All of them, and the site that they fetch from.

    :ivar site: files by URL.
    :ivar hands: those that were added.
    """

    reactor: Any
    url: str
    directory: Path
    site: FakeSite
    hands: list[Hand] = field(init=False, factory=list)
    working: int = field(init=False, default=0)

    async def add(self, *, lease: float = 60.0, site: Any = None, works: bool = True, **fields: Any) -> Hand:
        """Add one, that runs jobs, if it *works*, once its worker is started."""
        reactor, name = self.reactor, f"hand{len(self.hands)}"
        catalog = await Catalog.open(reactor, self.url)
        storage = await DirectoryStorage.open(reactor, self.directory / "storage", fsync="none")
        context = Context(reactor)
        world: Any = World(context, site or self.site)
        jobs = Jobs(reactor, catalog, broker=LocalBroker())
        claims = Claims(reactor, catalog, name, lease=lease)
        crew = Crew(jobs, claims, lambda: self.working - 1, lambda: len(self.hands) > 1)
        self.working += works
        kinds = {
            "sync": SyncKind(world, catalog, storage, crew=crew),
            "fetch": FetchKind(world, catalog, storage, claims),
        }
        worker = Worker(jobs, kinds, reactor, holder=name, lease=lease, **{"poll": 0.05, **fields})
        worker.barred = crew.barred
        hand = Hand(reactor, catalog, storage, context, world, jobs, claims, crew, worker)
        self.hands.append(hand)
        return hand

    def publish(self, count: int, prefix: str = "f", size: int = 10, manifest: str = "PULP_MANIFEST") -> list[bytes]:
        """Let the site have *count* files and a manifest of them."""
        bodies = [f"{prefix}{number}".encode().ljust(size, b".") for number in range(count)]
        lines = []
        for number, body in enumerate(bodies):
            name = f"{prefix}{number}"
            self.site.files[SITE + name] = body
            lines.append(f"{name},{hashlib.sha256(body).hexdigest()},{len(body)}\n")
        self.site.files[SITE + manifest] = "".join(lines).encode()
        return bodies

    def gets(self) -> Counter[str]:
        """Return how often each file was asked for."""
        return Counter(each.url for each in self.site.requests if each.method == "GET" and "MANIFEST" not in each.url)

    async def remote(self, name: str = "upstream", manifest: str = "PULP_MANIFEST", **fields: Any) -> None:
        """Keep a remote that reaches the site."""
        await self.hands[0].catalog.write(remotes.create, name, Remote(url=SITE + manifest, **fields), 1.0)


@pytest_twisted.async_yield_fixture
async def crews(reactor: IReactor, database: str, tmp_path: Path) -> AsyncIterator[Crews]:
    """Nobody yet, on each database."""
    made = Crews(reactor, database, tmp_path, FakeSite({}))
    yield made
    for each in made.hands:
        await each.close()

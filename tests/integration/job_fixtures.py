"""Jobs, a worker, and a site in memory that downloads come from; the catalog is a real one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tests.servers.reactor import IReactor
from tests.unit.stages.surroundings import World
from twisted_pulp.catalog import Catalog
from twisted_pulp.context import Context
from twisted_pulp.jobs import DownloadKind, IJobKind, ItemSpec, Job, Jobs, LocalBroker, Task, Worker
from twisted_pulp.testing import FakeSite

__all__ = ["ByHand", "Heard", "Shop", "offered", "shop", "site"]

SITE = "http://site/"


def later(d: Deferred[Any], result: Any) -> None:
    """Fire *d* when whoever says so has done what it does."""
    from twisted.internet import reactor  # not before pytest-twisted has chosen it

    reactor.callLater(0, d.callback, result)  # type: ignore[attr-defined]


@define(eq=False)
class Heard:
    """
    What was told of jobs.

    :ivar events: all of it, in order.
    """

    events: list[tuple[str, dict[str, Any]]] = field(init=False, factory=list)
    _waiting: list[tuple[Callable[[dict[str, Any]], bool], Deferred[dict[str, Any]]]] = field(init=False, factory=list)

    def tell(self, event: str, data: Any) -> None:
        """Hear it."""
        self.events.append((event, data))
        for waits in list(self._waiting):
            if event == "job" and waits[0](data):
                self._waiting.remove(waits)
                later(waits[1], data)

    def until(self, uid: str, *states: str) -> Deferred[dict[str, Any]]:
        """Wait until the job is in one of these states."""
        for event, data in reversed(self.events):
            if event == "job" and data["uid"] == uid:
                if data["state"] in states:
                    d: Deferred[dict[str, Any]] = Deferred()
                    d.callback(data)
                    return d
                break
        waiting: Deferred[dict[str, Any]] = Deferred()
        self._waiting.append((lambda data: data.get("uid") == uid and data.get("state") in states, waiting))
        return waiting


@implementer(IJobKind)
@define(eq=False)
class ByHand:
    """
    A kind of job that the test does.

    :ivar yields: whether its jobs can be interrupted.
    :ivar begun: tasks, in the order in which they were begun, with what is to be fired.
    """

    yields: bool = False
    begun: list[tuple[Task, Deferred[Any]]] = field(init=False, factory=list)
    cancelled: list[Task] = field(init=False, factory=list)
    _waiting: list[tuple[int, Deferred[None]]] = field(init=False, factory=list)

    def run(self, task: Task) -> Deferred[Any]:
        """Begin, and wait for the test."""
        d: Deferred[Any] = Deferred(lambda _: self.cancelled.append(task))
        self.begun.append((task, d))
        for count, waiting in [each for each in self._waiting if each[0] <= len(self.begun)]:
            self._waiting.remove((count, waiting))
            later(waiting, None)
        return d

    async def has(self, count: int) -> None:
        """Wait until so many were begun."""
        if len(self.begun) < count:
            waiting: Deferred[None] = Deferred()
            self._waiting.append((count, waiting))
            await waiting


@define(eq=False)
class Shop:
    """Everything that runs jobs."""

    reactor: Any
    catalog: Catalog
    directory: Path
    context: Any
    jobs: Jobs
    heard: Heard
    workers: list[Worker] = field(init=False, factory=list)

    def worker(
        self, kinds: dict[str, Any] | None = None, *, holder: str = "one", clock: Any = None, **fields: Any
    ) -> Worker:
        """Return a worker that is not started yet; it is stopped at the end."""
        stock = {"download": DownloadKind(self.context, str(self.directory))}
        made = Worker(self.jobs, kinds or stock, clock or self.reactor, holder=holder, **fields)
        self.workers.append(made)
        return made

    async def ended(self, uid: str) -> Job:
        """Wait until a job is over, and return it."""
        await self.heard.until(uid, "completed", "failed", "cancelled")
        return await self.jobs.get(uid)

    async def settled(self) -> None:
        """Wait until the workers have done what they do with the catalog."""
        while any(worker._working for worker in self.workers):
            await self.catalog.read(lambda connection: None)

    def file(self, path: str) -> bytes:
        """Return a downloaded file."""
        return (self.directory / path).read_bytes()


@pytest.fixture
def site() -> FakeSite:
    """A site without files, so far."""
    return FakeSite({})


@pytest_twisted.async_yield_fixture
async def shop(
    reactor: IReactor, catalog: Catalog, context: Context, site: FakeSite, tmp_path: Path
) -> AsyncIterator[Shop]:
    """Jobs on each database, and a context that reaches the site only."""
    heard = Heard()
    jobs = Jobs(reactor, catalog, broker=LocalBroker(), tell=heard.tell)
    made = Shop(reactor, catalog, tmp_path / "downloads", World(context, site), jobs, heard)
    made.directory.mkdir()
    yield made
    for worker in made.workers:
        await worker.stop()
    jobs.close()


def offered(site: FakeSite, count: int, prefix: str = "") -> list[ItemSpec]:
    """Let *site* have files, and return the items that ask for them."""
    specs = []
    for number in range(count):
        body = f"{prefix}{number}".encode()
        site.files[f"{SITE}{prefix}{number}"] = body
        digest = hashlib.sha256(body).hexdigest()
        specs.append(ItemSpec(f"{SITE}{prefix}{number}", f"{prefix}{number}", len(body), {"sha256": digest}))
    return specs

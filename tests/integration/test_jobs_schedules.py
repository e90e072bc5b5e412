"""Schedules on real databases: due, missed, never twice at once, and whatever the wall clock does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.task import Clock

from twisted_pulp.catalog import Catalog, jobs, leases
from twisted_pulp.errors import NotInCatalog, SettingsError
from twisted_pulp.jobs import Job, Jobs, LocalBroker, Schedule, Scheduler

HOUR = 3600.0


@define(eq=False)
class Office:
    """
    A scheduler whose clocks the test moves.

    :ivar wall: seconds since the epoch.
    """

    catalog: Catalog
    clock: Clock
    wall: float
    jobs: Jobs
    scheduler: Scheduler

    async def pass_(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self.wall += seconds
        self.clock.advance(seconds)
        await self.settled()

    async def settled(self) -> None:
        """Wait until the scheduler has done what it does."""
        while self.scheduler._working:
            await self.catalog.read(jobs.counts)

    async def made(self) -> list[Job]:
        """Return all jobs, the oldest first."""
        return [*(await self.jobs.list()).items][::-1]

    async def finish(self, job: Job) -> None:
        """Let a job be completed."""

        def finish(connection: Any) -> None:
            row = jobs.get(connection, job.uid)
            begun = leases.begin(connection, row.id, "test", 0.0)
            assert begun is not None
            leases.end(connection, row.id, begun.fence, row.uid, "completed", now=1.0)

        await self.catalog.write(finish)


@pytest_twisted.async_yield_fixture
async def office(reactor: Any, catalog: Catalog) -> AsyncIterator[Office]:
    """A scheduler that is not started."""
    made = office_of(catalog)
    yield made
    await made.scheduler.stop()


def office_of(catalog: Catalog, wall: float = 1e9) -> Office:
    """Return a scheduler that is not started."""
    clock = Clock()
    book = Jobs(clock, catalog, broker=LocalBroker(), now=lambda: made.wall)
    made = Office(catalog, clock, wall, book, Scheduler(book, clock, uniform=lambda low, high: low))
    return made


def hourly(**fields: Any) -> Schedule:
    """Return a schedule."""
    return Schedule(**{"name": "nightly", "kind": "sync", "payload": {"repository": "r"}, "every": HOUR, **fields})


async def test_due(office: Office) -> None:
    """A new schedule is due at once, and then every so often; its jobs say whose they are."""
    await office.scheduler.start()
    await office.scheduler.put(hourly())
    await office.pass_(0)
    (first,) = await office.made()
    assert ("nightly", "sync", {"repository": "r"}) == (first.schedule, first.kind, first.payload)
    await office.finish(first)
    await office.pass_(HOUR - 1)
    assert 1 == len(await office.made())
    await office.pass_(1)
    assert 2 == len(await office.made())
    assert (await office.made())[1].uid == (await office.scheduler.get("nightly")).last


async def test_never_two(office: Office) -> None:
    """As long as its job is not over, a schedule makes no other."""
    await office.scheduler.start()
    await office.scheduler.put(hourly())
    await office.pass_(0)
    for _ in range(3):
        await office.pass_(HOUR)
    (job,) = await office.made()
    await office.finish(job)
    await office.pass_(HOUR)
    assert 2 == len(await office.made())


async def test_missed(office: Office) -> None:
    """What was missed while nothing ran is made up for once."""
    await office.scheduler.start()
    await office.scheduler.put(hourly())
    await office.pass_(0)
    await office.finish((await office.made())[0])
    await office.scheduler.stop()
    later = office_of(office.catalog, office.wall + 10.5 * HOUR)
    await later.scheduler.start()
    await later.pass_(0)
    assert 2 == len(await later.made())
    await later.finish((await later.made())[1])
    await later.pass_(HOUR - 1)
    assert 2 == len(await later.made())
    await later.pass_(1)
    assert 3 == len(await later.made())
    await later.scheduler.stop()


@pytest.mark.parametrize("jump", [-10 * 365 * 24 * HOUR, -HOUR, HOUR, 10 * 365 * 24 * HOUR])
@pytest_twisted.ensureDeferred
async def test_wall_clock(office: Office, jump: float) -> None:
    """A wall clock that jumps neither begins anything nor keeps it from beginning."""
    await office.scheduler.start()
    await office.scheduler.put(hourly())
    await office.pass_(0)
    await office.finish((await office.made())[0])
    office.wall += jump
    await office.pass_(HOUR - 1)
    assert 1 == len(await office.made())
    await office.pass_(1)
    assert 2 == len(await office.made())


async def test_wall_clock_back_at_start(office: Office) -> None:
    """A schedule that a wrong clock has put far into the future is due after one turn at most."""
    office.wall += 10 * 365 * 24 * HOUR
    await office.scheduler.start()
    await office.scheduler.put(hourly())
    await office.pass_(0)
    await office.finish((await office.made())[0])
    await office.scheduler.stop()
    later = office_of(office.catalog)
    await later.scheduler.start()
    await later.pass_(HOUR)
    assert 2 == len(await later.made())
    await later.scheduler.stop()


async def test_two_processes(office: Office) -> None:
    """Of two processes with the same schedules, one makes each job."""
    other = office_of(office.catalog, office.wall)
    await office.scheduler.put(hourly())
    for each in (office, other):
        await each.scheduler.start()
    for _ in range(3):
        for each in (office, other):
            each.wall += HOUR
            each.clock.advance(HOUR)
        await office.settled()
        await other.settled()
        for job in await office.made():
            if job.state == "waiting":
                await office.finish(job)
    assert 3 == len(await office.made())
    await other.scheduler.stop()


async def test_changed(office: Office) -> None:
    """A schedule can be changed and removed; what is the same stays as it is."""
    await office.scheduler.start()
    first = await office.scheduler.put(hourly())
    await office.pass_(0)
    assert HOUR == (await office.scheduler.get("nightly")).next_at - office.wall  # type: ignore[operator]
    await office.scheduler.put(hourly())
    assert first.every == (await office.scheduler.list())[0].every
    await office.pass_(1)
    assert 1 == len(await office.made())
    await office.finish((await office.made())[0])
    await office.scheduler.put(hourly(every=60.0))
    await office.pass_(0)
    assert 2 == len(await office.made())
    await office.scheduler.remove("nightly")
    await office.pass_(HOUR)
    assert 2 == len(await office.made())
    with pytest.raises(NotInCatalog):
        await office.scheduler.get("nightly")


@pytest.mark.parametrize("fields", [{"every": 0.5}, {"name": ""}, {"jitter": -1.0}, {"every": float("inf")}])
def test_refused(fields: dict[str, Any]) -> None:
    """A schedule that cannot be kept is refused, naming the field."""
    with pytest.raises(SettingsError, match=next(iter(fields))):
        hourly(**fields)

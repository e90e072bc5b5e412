"""What keeps jobs in order, on real databases: room on the disk, quotas, retention, drafts of the dead."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from sqlalchemy import Connection, func, select, text, update
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.integration.job_fixtures import ByHand, Shop, offered, shop, site
from twisted_pulp import settings
from twisted_pulp.catalog import jobs
from twisted_pulp.catalog._job_tables import item as item_table
from twisted_pulp.catalog._job_tables import job as job_table
from twisted_pulp.errors import JobNotFound, KeyConflict, QueueFull, StorageFull
from twisted_pulp.jobs import Jobs, LocalBroker, Retention, Space
from twisted_pulp.jobs._space import room_of
from twisted_pulp.testing import FakeSite

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")

DAY = 86400.0


@define(eq=False)
class Disk:
    """
    A disk whose room the test says.

    :ivar told: what was said of it.
    """

    free: int = 1000
    files: int | None = None
    error: OSError | None = None
    told: list[str | None] = field(factory=list)

    def look(self, reactor: Any, room: Any, path: str) -> Deferred[Any]:
        """Say it."""
        return succeed((self.free, self.files)) if self.error is None else fail(self.error)


def watched(shop: Shop, disk: Disk, clock: Clock) -> tuple[ByHand, Any, Space]:
    """Return a kind of job, its worker, and what watches the disk."""
    kind = ByHand()
    worker = shop.worker({"hand": kind}, clock=clock)
    space = Space(shop.jobs, worker, clock, "/data", reserve=100, changed=disk.told.append, in_thread=disk.look)
    return kind, worker, space


@pytest.mark.parametrize("tight", [{"free": 99}, {"files": 10}, {"error": OSError(2, "No such file or directory")}])
async def test_tight(shop: Shop, tight: dict[str, Any]) -> None:
    """Without room nothing is begun and nothing is taken; with room again, everything goes on by itself."""
    disk, clock = Disk(), Clock()
    kind, worker, space = watched(shop, disk, clock)
    await shop.jobs.submit("hand", {})
    before = {name: getattr(disk, name) for name in tight}
    for name, value in tight.items():
        setattr(disk, name, value)
    space.start()
    await worker.start()
    await shop.settled()
    assert (True, []) == (worker.paused, kind.begun)
    with pytest.raises(StorageFull):
        await shop.jobs.submit("hand", {})
    with pytest.raises(StorageFull):
        await shop.jobs.draft("hand", {})
    for name, value in before.items():
        setattr(disk, name, value)
    clock.advance(5)
    await kind.has(1)
    assert (await shop.jobs.submit("hand", {})).fresh
    assert [False, True] == [reason is None for reason in disk.told]
    space.stop()


async def test_met_full(shop: Shop) -> None:
    """A run that meets a full disk, although there seems to be room, is tried again after longer and longer whiles."""
    disk, clock = Disk(), Clock()
    kind, worker, space = watched(shop, disk, clock)
    await shop.jobs.submit("hand", {})
    space.start()
    await worker.start()
    for number, seconds in enumerate((10, 20, 40), 1):
        await kind.has(number)
        kind.begun[-1][1].errback(StorageFull())
        await shop.settled()
        assert worker.paused
        clock.advance(seconds - 5)
        await shop.settled()
        assert number == len(kind.begun)
        clock.advance(5)
    await kind.has(4)
    job = await shop.jobs.get(kind.begun[0][0].job.uid)
    assert ("running", 4, False) == (job.state, job.attempts, job.parked)
    space.stop()


def test_room(tmp_path: Any) -> None:
    """The room of a real disk is a number of bytes."""
    free, files = room_of(str(tmp_path))
    assert free > 0
    assert files is None or files > 0


async def test_queue_full(shop: Shop, site: FakeSite) -> None:
    """More than may wait is refused, until some of it is done."""
    clock = Clock()
    book = Jobs(clock, shop.catalog, broker=LocalBroker(), queued=5)
    first = await book.submit("hand", {}, offered(site, 4))
    await book.submit("hand", {})
    with pytest.raises(QueueFull, match="5 items wait, and 5 may"):
        await book.submit("hand", {})
    draft = await book.draft("hand", {})
    with pytest.raises(QueueFull):
        await draft.add(offered(site, 1))
    await draft.abandon()
    await book.cancel(first.job.uid)
    clock.advance(60)
    assert (await book.submit("hand", {}, offered(site, 4))).fresh
    with pytest.raises(QueueFull):
        await book.submit("hand", {})


# What is forgotten


async def count(shop: Shop, table: Any) -> int:
    """Return how many rows there are."""
    found: int = await shop.catalog.read(lambda connection: connection.scalar(select(func.count()).select_from(table)))
    return found


async def finished(shop: Shop, site: FakeSite, when: float, state: str = "completed") -> str:
    """Keep a job that was over some time ago."""
    uid = (await shop.jobs.submit("hand", {}, offered(site, 3))).job.uid

    def put(connection: Connection) -> None:
        connection.execute(update(job_table).where(job_table.c.uid == uid).values(state=state, finished=when))

    await shop.catalog.write(put)
    return uid


async def test_retention(shop: Shop, site: FakeSite) -> None:
    """Old jobs go with their items: those that failed later than others, those that are not over never."""
    shop.jobs.now = lambda: 100 * DAY
    gone = [await finished(shop, site, 69 * DAY), await finished(shop, site, 69 * DAY, "cancelled")]
    gone.append(await finished(shop, site, 9 * DAY, "failed"))
    kept = [await finished(shop, site, 71 * DAY), await finished(shop, site, 11 * DAY, "failed")]
    kept.append((await shop.jobs.submit("hand", {}, offered(site, 3))).job.uid)
    retention = Retention(shop.jobs, Clock(), settings.Retention(jobs=30 * DAY, failed=90 * DAY))
    assert 3 + 9 == await retention.run()
    assert set(kept) == {job.uid for job in (await shop.jobs.list()).items}
    for uid in gone:
        with pytest.raises(JobNotFound):
            await shop.jobs.get(uid)
    assert (3, 9) == (await count(shop, job_table), await count(shop, item_table))


async def test_retained_count(shop: Shop, site: FakeSite) -> None:
    """Of jobs that are over, the latest so many are kept."""
    shop.jobs.now = lambda: 100.0
    uids = [await finished(shop, site, 99.0) for _ in range(5)]
    retention = Retention(shop.jobs, Clock(), settings.Retention(jobs=None, failed=None, count=2))
    await retention.run()
    assert uids[:2:-1] == [job.uid for job in (await shop.jobs.list()).items]


async def test_retention_clock(shop: Shop, site: FakeSite) -> None:
    """A wall clock that jumps ten years makes no job old."""
    wall, clock = [100.0], Clock()
    shop.jobs.now = lambda: wall[0]
    await finished(shop, site, 99.0)
    retention = Retention(shop.jobs, clock, settings.Retention())
    wall[0] += 10 * 365 * DAY
    await retention.run()
    assert 1 == await count(shop, job_table)
    clock.advance(31 * DAY)
    await retention.run()
    assert 0 == await count(shop, job_table)


async def test_bounded(shop: Shop) -> None:
    """A job with very many items goes in transactions that others wait for a moment at most."""
    (uid,) = [(await shop.jobs.submit("hand", {})).job.uid]

    def fill(connection: Connection) -> int:
        row = jobs.get(connection, uid)
        connection.execute(text(MANY), {"job": row.id, "count": 20_000})
        return row.id

    await shop.catalog.write(fill)
    await shop.jobs.cancel(uid)
    deletions: list[int] = []
    write = shop.catalog.write

    def counted(work: Any, *args: Any) -> Any:
        d = write(work, *args)
        if work.__name__ == "sweep":
            d.addCallback(lambda gone: deletions.append(gone) or gone)
        return d

    shop.catalog.write = counted  # type: ignore[method-assign]
    await shop.jobs.delete(uid)
    assert [5000, 5000, 5000, 5000, 1, 0] == deletions
    assert 0 == await count(shop, item_table)


MANY = """
INSERT INTO item (job_id, number, url, path, state)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
SELECT CAST(:job AS integer), n, 'http://site/' || n, CAST(n AS text), 'waiting' FROM numbers
"""


# Drafts


async def test_dead_drafts(shop: Shop, site: FakeSite) -> None:
    """A draft of a process that died is forgotten at the next start; one of our own is not."""
    dead = Jobs(shop.reactor, shop.catalog, broker=LocalBroker())
    await (await dead.draft("hand", {})).add(offered(site, 3))
    alive = await shop.jobs.draft("hand", {})
    await alive.add(offered(site, 2))
    assert 1 == await shop.jobs.recover()
    await Retention(shop.jobs, Clock(), settings.Retention()).run()
    assert (1, 2) == (await count(shop, job_table), await count(shop, item_table))
    assert 2 == (await alive.commit()).job.total


async def test_abandoned(shop: Shop, site: FakeSite) -> None:
    """A draft that is abandoned, or whose request was made before, is no job."""
    first = await shop.jobs.submit("hand", {}, key="k", fingerprint="f")
    again = await shop.jobs.draft("hand", {})
    await again.add(offered(site, 2))
    submitted = await again.commit(key="k", fingerprint="f")
    assert (first.job.uid, False) == (submitted.job.uid, submitted.fresh)
    other = await shop.jobs.draft("hand", {})
    with pytest.raises(KeyConflict):
        await other.commit(key="k", fingerprint="another")
    await other.abandon()
    with pytest.raises(JobNotFound):
        await other.commit()
    assert 1 == len((await shop.jobs.list()).items)

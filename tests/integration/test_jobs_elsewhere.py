"""Jobs that other processes run and change, on real databases: two books over one catalog."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.task import Clock

from tests.integration.job_fixtures import ByHand, Heard, Shop, shop, site
from twisted_pulp.catalog import reports
from twisted_pulp.catalog._cluster_tables import report
from twisted_pulp.catalog.reports import ReportRow
from twisted_pulp.jobs import Jobs, LocalBroker, Orders, Watch
from twisted_pulp.jobs._reports import Report, reports_of

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


PARTS = [
    {"code": "sync.x", "message": "Reading", "state": "running", "total": 9, "done": 3, "bytes": 7, "suffix": None}
]


@pytest_twisted.ensureDeferred
async def test_reported_for_others(shop: Shop) -> None:
    """How far parts are, and what has come of files that are not finished, is known elsewhere while the job runs."""
    kind, heard, elsewhere = ByHand(), Heard(), book(shop)
    uid = await running(shop, kind)
    watch = Watch(elsewhere, Company(), Clock(), heard.tell)  # type: ignore[arg-type]
    orders = Orders(shop.jobs, Clock())
    await watch.look()
    task = kind.begun[0][0]
    task.progress(parts=PARTS, bytes=100)
    task.coming(50)
    assert {} == await reports_of(elsewhere, {uid: 0})
    await orders.look()
    await watch.look()
    assert (100, 50, PARTS) == tuple(heard.events[-1][1][name] for name in ("bytes", "coming", "parts"))
    expected = {uid: Report(50, PARTS)}
    assert expected == await reports_of(elsewhere, {uid: 100, "other": 0}) == await reports_of(shop.jobs, {uid: 100})
    assert {uid: Report(20, PARTS)} == await reports_of(elsewhere, {uid: 130})  # some is finished by now
    task.coming(60)
    await orders.look()
    await watch.look()
    assert 60 == heard.events[-1][1]["coming"]
    count = len(heard.events)
    await watch.look()
    assert count == len(heard.events)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    await watch.look()
    assert ("completed", False) == (heard.events[-1][1]["state"], "parts" in heard.events[-1][1])
    assert {} == await reports_of(elsewhere, {uid: 100})
    await orders.look()
    assert 0 == await reported(shop)
    elsewhere.close()


async def reported(shop: Shop) -> int:
    """Return how many rows there are of how far runs are."""
    return len(await shop.catalog.read(lambda connection: connection.execute(report.select()).all()))


@pytest_twisted.ensureDeferred
async def test_reported_to_nobody(shop: Shop) -> None:
    """Where nobody can look nothing of it is written, and what was is taken away; runs without parts write nothing."""
    kind, watched = ByHand(), [False]
    await running(shop, kind)
    orders = Orders(shop.jobs, Clock(), lambda: watched[0])
    await orders.look()
    kind.begun[0][0].progress(parts=PARTS)
    counts = []
    for watched[0] in (False, True, False):
        await orders.look()
        counts.append(await reported(shop))
    assert [0, 1, 0] == counts
    kind.begun[0][1].callback({})
    await shop.settled()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("parts", [[{"code": object()}], [{"code": "x" * 70_000}], [{"code": "\ud800"}]])
async def test_odd_parts(shop: Shop, parts: Any) -> None:
    """Parts that cannot be said, or are too long to be, do not keep what else is known from being noted."""
    kind, elsewhere = ByHand(), book(shop)
    uid = await running(shop, kind)
    task = kind.begun[0][0]
    task.parts = parts
    task._given = True
    task._figures["done"] = 5
    await Orders(shop.jobs, Clock()).look()
    assert (5, {uid: Report(0, [])}) == ((await elsewhere.get(uid)).done, await reports_of(elsewhere, {uid: 0}))
    kind.begun[0][1].callback({})
    await shop.settled()
    elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_late_report(shop: Shop) -> None:
    """What a run says that has lost its job is not taken for what the later one says; a job that is gone has none."""
    kind = ByHand()
    uid = await running(shop, kind)
    row = kind.begun[0][0].row
    rows = {(row.id, row.fence): ReportRow(2, "[]"), (row.id + 1000, 1): ReportRow(9, "[]")}
    await shop.catalog.write(reports.note, rows)
    await shop.catalog.write(reports.note, {(row.id, row.fence - 1): ReportRow(1, "[]")})
    await shop.catalog.write(reports.forget, [(row.id, row.fence - 1)])
    assert {uid: ReportRow(2, "[]")} == await shop.catalog.read(reports.running, 10)
    await shop.catalog.write(reports.note, {(row.id, row.fence + 1): ReportRow(3, "[]")})
    assert {} == await shop.catalog.read(reports.running, 10)
    kind.begun[0][1].callback({})
    await shop.ended(uid)
    await shop.jobs.delete(uid)
    assert 0 == await reported(shop)


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

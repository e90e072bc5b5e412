"""Workers on real databases: states, failures, leases, turns."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from sqlalchemy import Connection, text, update
from twisted.internet.task import Clock

from tests.integration.job_fixtures import ByHand, Shop, offered, shop, site
from tests.leaks import LoggedErrors
from twisted_pulp.catalog import jobs, leases
from twisted_pulp.catalog._job_tables import job as job_table
from twisted_pulp.catalog.items import Ended
from twisted_pulp.errors import (
    ConnectionRefused,
    JobNotFound,
    JobStateError,
    LeaseLost,
    NotFound,
    PulpError,
    SettingsError,
)
from twisted_pulp.jobs import ItemSpec
from twisted_pulp.testing import FakeSite

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")

LEASE = 60.0
MANY = """
INSERT INTO job (uid, kind, state, payload, created, remote)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
SELECT 'many ' || n, 'hand', 'waiting', '{}', 0.0, 'busy' FROM numbers
"""


def refused() -> PulpError:
    """Return an error that may be over soon."""
    return ConnectionRefused("http://site/")


async def handed_in(shop: Shop, count: int = 1, **fields: Any) -> list[str]:
    """Hand in jobs, and return their uids."""
    return [(await shop.jobs.submit("hand", {}, **fields)).job.uid for _ in range(count)]


async def test_completed(shop: Shop) -> None:
    """A job runs, says how far it is, and is completed with what came of it."""
    kind = ByHand()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    task, done = kind.begun[0]
    task.progress(total=10, done=4, bytes=400)
    running = await shop.jobs.get(uid)
    assert ("running", 10, 4, 400, 1) == (running.state, running.total, running.done, running.bytes, running.attempts)
    done.callback({"what": "came"})
    job = await shop.ended(uid)
    assert ("completed", {"what": "came"}, 10, None) == (job.state, job.result, job.total, job.error)
    assert ["waiting", "running", "completed"] == list(
        dict.fromkeys(data["state"] for event, data in shop.heard.events if event == "job")
    )


async def test_progress_told(shop: Shop) -> None:
    """Progress is told four times a second at most, however often there is some."""
    kind = ByHand()
    await handed_in(shop)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    before = len(shop.heard.events)
    for done in range(1000):
        kind.begun[0][0].progress(done=done)
    assert before + 1 == len(shop.heard.events)


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("cancel", "cancelled")])
@pytest_twisted.ensureDeferred
async def test_halted(shop: Shop, verb: str, state: str) -> None:
    """A job that is paused or cancelled while it runs is broken off, and takes no more results."""
    kind = ByHand()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    assert state == (await getattr(shop.jobs, verb)(uid)).state
    assert [kind.begun[0][0]] == kind.cancelled
    with pytest.raises(LeaseLost):
        await kind.begun[0][0].finished([Ended(0, "completed")])
    again = await getattr(shop.jobs, verb)(uid)
    assert state == again.state
    await getattr(shop.jobs, "resume" if verb == "pause" else "retry")(uid)
    await kind.has(2)
    kind.begun[1][1].callback({})
    assert "completed" == (await shop.ended(uid)).state


async def test_paused_items(shop: Shop, site: FakeSite) -> None:
    """Items that were finished before a job was paused are not done again after it goes on."""
    kind = ByHand()
    uid = (await shop.jobs.submit("hand", {}, offered(site, 4))).job.uid
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    await kind.begun[0][0].finished([Ended(1, "completed", 5, "0" * 64), Ended(2, "failed", error="why")])
    await shop.jobs.pause(uid)
    await shop.jobs.resume(uid)
    await kind.has(2)
    left = [item.number async for page in kind.begun[1][0].items() for item in page]
    assert [0, 3] == left
    job = await shop.jobs.get(uid)
    assert (4, 1, 1, 5) == (job.total, job.done, job.failed, job.bytes)


async def test_effect_once(shop: Shop, site: FakeSite) -> None:
    """A result that is noted twice counts once."""
    kind = ByHand()
    uid = (await shop.jobs.submit("hand", {}, offered(site, 2))).job.uid
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    for _ in range(2):
        await kind.begun[0][0].finished([Ended(0, "completed", 5), Ended(0, "completed", 5)])
    job = await shop.jobs.get(uid)
    assert (1, 0, 5) == (job.done, job.failed, job.bytes)


@pytest.mark.parametrize(
    ("states", "verb"),
    [
        (["completed"], "pause"),
        (["completed"], "cancel"),
        (["completed"], "retry"),
        (["failed"], "resume"),
        (["waiting", "paused"], "delete"),
        (["waiting"], "retry"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_transitions(shop: Shop, states: list[str], verb: str) -> None:
    """What a job's state does not allow is refused, and changes nothing."""
    (uid,) = await handed_in(shop)

    def put(connection: Connection, state: str) -> None:
        connection.execute(update(job_table).values(state=state))

    for state in states:
        await shop.catalog.write(put, state)
        if verb == "retry" and state == "waiting":
            assert "waiting" == (await shop.jobs.retry(uid)).state
            continue
        with pytest.raises(JobStateError, match=f"cannot {verb}"):
            await getattr(shop.jobs, verb)(uid)
        assert state == (await shop.jobs.get(uid)).state


async def test_unknown(shop: Shop) -> None:
    """What is not there is not found, whatever is asked of it."""
    for verb in ("get", "cancel", "pause", "resume", "retry", "delete", "items"):
        with pytest.raises(JobNotFound, match="nothing"):
            await getattr(shop.jobs, verb)("nothing")
    (uid,) = await handed_in(shop)
    with pytest.raises(JobNotFound):
        await shop.jobs.item(uid, 0)


async def test_deleted(shop: Shop, site: FakeSite) -> None:
    """A job that is deleted is gone with its items, and its key is free."""
    submitted = await shop.jobs.submit("hand", {}, offered(site, 3), key="k")
    await shop.jobs.cancel(submitted.job.uid)
    items = await shop.jobs.items(submitted.job.uid)
    assert ["cancelled"] * 3 == [item.state for item in items.items]
    await shop.jobs.delete(submitted.job.uid)
    with pytest.raises(JobNotFound):
        await shop.jobs.get(submitted.job.uid)
    assert [] == (await shop.jobs.list()).items
    assert (await shop.jobs.submit("hand", {}, key="k")).fresh


# Failures


async def test_retried(shop: Shop) -> None:
    """A failure that may be over soon is tried again after a while, and parked in the end; `retry` begins anew."""
    kind, clock = ByHand(), Clock()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}, clock=clock, attempts=2, uniform=lambda low, high: high).start()
    await kind.has(1)
    assert not kind.begun[0][0].last
    kind.begun[0][1].errback(refused())
    await shop.heard.until(uid, "waiting")
    await shop.settled()
    clock.advance(9)
    await shop.settled()
    assert 1 == len(kind.begun)
    clock.advance(1)
    await kind.has(2)
    assert kind.begun[1][0].last
    kind.begun[1][1].errback(refused())
    job = await shop.ended(uid)
    assert ("failed", True, 2) == (job.state, job.parked, job.attempts)
    assert "Nothing listens" in (job.error or "")
    await shop.jobs.retry(uid)
    await kind.has(3)
    assert not kind.begun[2][0].last


async def test_final(shop: Shop) -> None:
    """A failure that trying again does not help is final at once, and parks nothing."""
    kind = ByHand()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)
    kind.begun[0][1].errback(NotFound("http://site/", 404))
    job = await shop.ended(uid)
    assert ("failed", False) == (job.state, job.parked)


async def test_defect(shop: Shop, logged_errors: LoggedErrors) -> None:
    """An error that nobody foresaw is logged, and parks the job when it does not go away."""
    kind = ByHand()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}, attempts=1).start()
    await kind.has(1)
    kind.begun[0][1].errback(ZeroDivisionError("a defect"))
    job = await shop.ended(uid)
    assert ("failed", True, "a defect") == (job.state, job.parked, job.error)
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


async def test_no_kind(shop: Shop) -> None:
    """A kind of job that nobody knows fails, and says so."""
    (uid,) = await handed_in(shop)
    await shop.worker({"other": ByHand()}).start()
    job = await shop.ended(uid)
    assert ("failed", False) == (job.state, job.parked)
    assert "hand" in (job.error or "")


async def test_after(shop: Shop) -> None:
    """A job is not begun before its time."""
    kind, clock = ByHand(), Clock()
    now = [1000.0]
    shop.jobs.now = lambda: now[0]
    await handed_in(shop, after=1010.0)
    await shop.worker({"hand": kind}, clock=clock).start()
    clock.advance(1)
    await shop.settled()
    assert [] == kind.begun
    now[0] = 1010.0
    clock.advance(1)
    await kind.has(1)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 10 * 365 * 86400.0])
@pytest_twisted.ensureDeferred
async def test_wall_clock(shop: Shop, jump: float) -> None:
    """A wall clock that jumps takes no job from its holder, and keeps none waiting longer than it should."""
    kind, clock, now = ByHand(), Clock(), [1e9]
    shop.jobs.now = lambda: now[0]
    await handed_in(shop, 2)
    worker = shop.worker({"hand": kind}, clock=clock, uniform=lambda low, high: high)
    await worker.start()
    await kind.has(2)
    kind.begun[0][1].errback(refused())
    await shop.settled()
    now[0] += jump
    clock.pump([1.0] * 9)
    await shop.settled()
    clock.advance(1)
    await kind.has(3)
    assert [] == kind.cancelled
    assert 2 == worker.running


# Leases


async def begun_by(shop: Shop, uid: str, holder: str) -> None:
    """Let a job be begun by a worker that is nowhere."""

    def begin(connection: Connection) -> None:
        assert leases.begin(connection, jobs.get(connection, uid).id, holder, 0.0) is not None

    await shop.catalog.write(begin)


async def test_predecessor(shop: Shop) -> None:
    """A worker that starts takes back at once what a dead one of its name had; what others have it leaves alone."""
    kind = ByHand()
    mine, others = await handed_in(shop, 2)
    await begun_by(shop, mine, "one")
    await begun_by(shop, others, "two")
    await shop.worker({"hand": kind}, holder="one").start()
    await kind.has(1)
    assert [mine] == [task.job.uid for task, _ in kind.begun]
    assert 2 == kind.begun[0][0].job.attempts


async def test_taken_over(shop: Shop) -> None:
    """A job whose holder says nothing for a lease is taken over then, and not before."""
    kind, clock = ByHand(), Clock()
    (uid,) = await handed_in(shop)
    await begun_by(shop, uid, "dead")
    await shop.worker({"hand": kind}, clock=clock, lease=LEASE).start()
    for _ in range(int(LEASE)):
        clock.advance(1)
        await shop.settled()
    assert [] == kind.begun
    clock.advance(1)
    await shop.settled()
    await kind.has(1)


async def test_alive(shop: Shop) -> None:
    """A job whose holder lives is left alone, however long it takes."""
    kinds, clock = (ByHand(), ByHand()), Clock()
    await handed_in(shop)
    for holder, kind in zip("ab", kinds, strict=True):
        await shop.worker({"hand": kind}, holder=holder, clock=clock, lease=LEASE).start()
    await shop.settled()
    for _ in range(3 * int(LEASE)):
        clock.advance(1)
        await shop.settled()
    assert 1 == len(kinds[0].begun) + len(kinds[1].begun)
    assert [] == kinds[0].cancelled + kinds[1].cancelled


async def test_fenced(shop: Shop, site: FakeSite) -> None:
    """A holder that was paused past its lease and wakes commits nothing, hears that it has lost, and stops."""
    slow, quick, asleep, clock = ByHand(), ByHand(), Clock(), Clock()
    uid = (await shop.jobs.submit("hand", {}, offered(site, 2))).job.uid
    await shop.worker({"hand": slow}, holder="slow", clock=asleep, lease=LEASE).start()
    await slow.has(1)
    await shop.worker({"hand": quick}, holder="quick", clock=clock, lease=LEASE).start()
    for _ in range(int(LEASE) + 1):
        clock.advance(1)
        await shop.settled()
    await quick.has(1)
    with pytest.raises(LeaseLost):
        await slow.begun[0][0].finished([Ended(0, "completed", 5)])
    assert 0 == (await shop.jobs.get(uid)).done
    asleep.advance(LEASE)
    await shop.settled()
    assert [slow.begun[0][0]] == slow.cancelled
    await quick.begun[0][0].finished([Ended(0, "completed", 5), Ended(1, "completed", 5)])
    quick.begun[0][1].callback({"by": "quick"})
    job = await shop.ended(uid)
    assert ("completed", 2, 10, {"by": "quick"}) == (job.state, job.done, job.bytes, job.result)


async def test_late_end(shop: Shop) -> None:
    """A holder that has lost its job does not end it."""
    kind = ByHand()
    (uid,) = await handed_in(shop)
    await shop.worker({"hand": kind}).start()
    await kind.has(1)

    def take(connection: Connection) -> None:
        leases.drop(connection, leases.running(connection), lambda row: leases.Lost("waiting"), 0.0)

    await shop.catalog.write(take)
    kind.begun[0][1].callback({"by": "the first"})
    await kind.has(2)
    assert ("running", None) == ((await shop.jobs.get(uid)).state, (await shop.jobs.get(uid)).result)


async def test_deadly(shop: Shop) -> None:
    """A job that kills whoever runs it is parked in the end."""
    (uid,) = await handed_in(shop)
    for _ in range(30):

        def die(connection: Connection) -> None:
            connection.execute(update(job_table).values(run_after=None))
            assert leases.begin(connection, jobs.get(connection, uid).id, "one", 0.0) is not None

        await shop.catalog.write(die)
        worker = shop.worker({"hand": ByHand()}, concurrency=0)
        await worker.start()
        await worker.stop()
    job = await shop.jobs.get(uid)
    assert ("failed", True) == (job.state, job.parked)
    assert "died" in (job.error or "")


# Turns


async def test_priority(shop: Shop) -> None:
    """The job with the highest priority is begun first; of equal ones, the oldest."""
    kind = ByHand()
    low, normal, high, later = [(await handed_in(shop, priority=n))[0] for n in (-5, 0, 5, 0)]
    await shop.jobs.prioritise(low, 1)
    await shop.worker({"hand": kind}, concurrency=1).start()
    for count in range(1, 5):
        await kind.has(count)
        kind.begun[-1][1].callback({})
    assert [high, low, normal, later] == [task.job.uid for task, _ in kind.begun]
    with pytest.raises(SettingsError):
        await shop.jobs.submit("hand", {}, priority=2_000_000)


async def test_fair(shop: Shop) -> None:
    """A remote with 100,000 jobs that wait does not keep another one waiting."""
    kind = ByHand()

    def many(connection: Connection) -> None:
        connection.execute(text(MANY), {"count": 100_000})

    await shop.catalog.write(many)
    few = await handed_in(shop, 3, remote="quiet")
    await shop.worker({"hand": kind}, concurrency=4).start()
    await kind.has(4)
    assert ["busy", "quiet", "busy", "quiet"] == [task.job.remote for task, _ in kind.begun]
    kind.begun[1][1].callback({})
    await kind.has(5)
    assert few[2] == kind.begun[4][0].job.uid


async def test_makes_room(shop: Shop) -> None:
    """A long job that can be interrupted makes room for a remote that has nothing that runs, after its slice."""
    kind, clock = ByHand(yields=True), Clock()
    long = await handed_in(shop, 2, remote="busy")
    await shop.worker({"hand": kind}, clock=clock, concurrency=2, slice=30.0).start()
    await kind.has(2)
    await handed_in(shop, remote="quiet")
    clock.pump([1.0] * 29)
    await shop.settled()
    assert [False, False] == [task.stopping for task, _ in kind.begun]
    clock.advance(1)
    await shop.settled()
    clock.advance(1)
    await shop.settled()
    (stopped,) = [pair for pair in kind.begun if pair[0].stopping]
    for _ in range(40):  # it does not end by itself
        clock.advance(1)
        await shop.settled()
    assert [stopped[0]] == kind.cancelled
    await kind.has(3)
    assert "quiet" == kind.begun[2][0].job.remote
    assert "waiting" == (await shop.jobs.get(stopped[0].job.uid)).state
    assert stopped[0].job.uid in long


async def test_urgent(shop: Shop) -> None:
    """A job with a higher priority does not wait for a long one that can be interrupted."""
    kind, clock = ByHand(yields=True), Clock()
    await handed_in(shop)
    await shop.worker({"hand": kind}, clock=clock, concurrency=1).start()
    await kind.has(1)
    await handed_in(shop, priority=1)
    clock.advance(1)
    await shop.settled()
    assert kind.begun[0][0].stopping


# The end


async def test_stop(shop: Shop) -> None:
    """A worker that stops lets what runs finish for a while, and breaks it off then; it waits for the next start."""
    kind, clock = ByHand(), Clock()
    uids = await handed_in(shop, 3)
    worker = shop.worker({"hand": kind}, clock=clock, concurrency=2)
    await worker.start()
    await kind.has(2)
    stopped = worker.stop(10.0)
    assert [True, True] == [task.stopping for task, _ in kind.begun]
    kind.begun[0][1].callback({})
    await shop.heard.until(uids[0], "completed")
    clock.advance(9)
    assert not stopped.called
    clock.advance(1)
    await stopped
    assert [kind.begun[1][0]] == kind.cancelled
    assert ["completed", "waiting", "waiting"] == [(await shop.jobs.get(uid)).state for uid in uids]
    assert 0 == worker.running
    await shop.worker({"hand": kind}).start()
    await kind.has(4)


async def test_paused_worker(shop: Shop) -> None:
    """A worker that is paused begins nothing, and goes on afterwards."""
    kind = ByHand()
    worker = shop.worker({"hand": kind})
    await worker.start()
    worker.pause()
    await handed_in(shop)
    await shop.settled()
    assert ([], True) == (kind.begun, worker.paused)
    worker.unpause()
    await kind.has(1)


async def test_secret_urls(shop: Shop, site: FakeSite) -> None:
    """Without a key, a URL with secrets is refused rather than kept in the open."""
    with pytest.raises(PulpError, match="key"):
        await shop.jobs.submit("hand", {}, [ItemSpec("http://user:secret@site/file")])

"""What runs jobs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import leases
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.errors import PulpError
from twisted_pulp.jobs._delays import Delays
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._kind import UNKNOWN
from twisted_pulp.jobs._messages import Messages
from twisted_pulp.jobs._outcome import BACKOFF, Outcome, after_death, after_run
from twisted_pulp.jobs._run import Run
from twisted_pulp.jobs._silence import Silence
from twisted_pulp.jobs._task import Task
from twisted_pulp.jobs._turns import Place, Turns, begun, crowding
from twisted_pulp.jobs._values import job_of
from twisted_pulp.settings import Retry
from twisted_pulp.threads import followed

__all__ = ["Worker"]

#: How many times within a lease its holder says that it lives.
_BEATS = 3


@define(eq=False)
class Worker:
    """
    Runs jobs, some at once.

    :param jobs: the book.
    :param kinds: what is done for each kind of job, by its name.
    :param holder: who this is. A worker that starts takes back at once what one of the same name had; so two that live
        must never have one name.
    :param concurrency: jobs that run at once; default 4.
    :param lease: seconds after which a worker that says nothing is taken to be dead; default 60.
    :param attempts: runs of one job in a row that may fail; default 5.
    :param backoff: how long a job waits after each; its retries do not count.
    :param poll: seconds between two looks for what nobody has told; default 1.
    :param slice: seconds after which a job that can be interrupted makes room for one of a remote that has none;
        default 30. For a job with a higher priority it does so at once.
    :param uniform: as `random.uniform`, the default; for jitter.
    :ivar barred: called with what runs, says which kind of job must not be begun now.
    :ivar filled: called when a run has met a full disk, and so nothing more is begun; `Space` lets it go on.
    """

    _log = Logger()
    _jobs: Jobs
    _kinds: Mapping[str, Any]
    _reactor: Any
    holder: str = field(kw_only=True)
    concurrency: int = field(kw_only=True, default=4)
    lease: float = field(kw_only=True, default=60.0)
    attempts: int = field(kw_only=True, default=5)
    backoff: Retry = field(kw_only=True, default=BACKOFF)
    poll: float = field(kw_only=True, default=1.0)
    slice: float = field(kw_only=True, default=30.0)
    _uniform: Callable[[float, float], float] = field(kw_only=True, default=random.uniform)
    barred: Callable[[Iterable[Run]], str] = field(init=False, default=lambda runs: "")
    filled: Callable[[], object] = field(init=False, default=lambda: None)
    _runs: dict[int, Run] = field(init=False, factory=dict)
    _ends: dict[Run, Deferred[None]] = field(init=False, factory=dict)
    _turns: Turns = field(init=False, factory=Turns)
    _lock: DeferredLock = field(init=False, factory=DeferredLock)
    _looks: list[LoopingCall] = field(init=False, factory=list)
    _working: set[Deferred[None]] = field(init=False, factory=set)
    _silence: Silence = field(init=False, factory=Silence)
    _delays: Delays = field(init=False)
    _messages: Messages = field(init=False)
    _unsubscribe: Callable[[], Deferred[None]] | None = field(init=False, default=None)
    _paused: bool = field(init=False, default=False)
    _wanted: bool = field(init=False, default=False)
    _beaten: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._delays = Delays(self._reactor)
        self._messages = Messages(self._jobs, self._reactor, self.holder, self.wake)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._runs)

    @property
    def paused(self) -> bool:
        """Whether nothing new is begun."""
        return self._paused

    def start(self) -> Deferred[None]:
        """
        Take back what a dead worker of this name had, and begin.

        :returns: a Deferred that fires when the first jobs can be begun.
        """
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        await self._recover()
        self._beaten = self._reactor.seconds()
        self._unsubscribe = self._jobs.broker.consume(self._messages.take, max(1, self.concurrency))
        for seconds, look in ((self.lease / _BEATS, self._beat), (self.poll, self._look)):
            call = LoopingCall(lambda do=look: self._work(do()))
            call.clock = self._reactor
            self._looks.append(call)
            call.start(seconds, now=False).addErrback(lambda why: self._log.failure("a look failed", failure=why))
        self.wake()

    def pause(self) -> None:
        """Begin nothing new; what runs goes on."""
        self._paused = True

    def unpause(self) -> None:
        """Begin jobs again."""
        self._paused = False
        self.wake()

    def stop(self, grace: float = 0.0) -> Deferred[None]:
        """
        End: nothing new is begun, what runs may finish within *grace* seconds and is broken off then.

        What is not finished waits for the next start, with what was finished of it.

        :returns: a Deferred that fires when nothing runs.
        """
        return Deferred.fromCoroutine(self._stop(grace))

    async def _stop(self, grace: float) -> None:
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        deaf = unsubscribe() if unsubscribe is not None else None
        for run in self._runs.values():
            run.stop(self._reactor.seconds())
        late = self._reactor.callLater(grace, self._halt_all) if self._ends and grace > 0 else None
        if late is None:
            self._halt_all()
        while self._ends or self._working:
            await DeferredList([*map(followed, self._ends.values()), *map(followed, self._working)])
        if late is not None and late.active():
            late.cancel()
        if deaf is not None:
            await deaf
        await self._messages.empty()
        looks, self._looks = self._looks, []
        for call in looks:
            call.stop()

    def _halt_all(self) -> None:
        for run in list(self._runs.values()):
            run.halt("waiting").addErrback(lambda why: why.trap(CancelledError))

    def _work(self, coroutine: Any) -> Deferred[None]:
        """Do some work with the catalog; what fails is tried again by the next look."""
        d: Deferred[None] = Deferred.fromCoroutine(self._once(coroutine))
        self._working.add(d)
        return d.addBoth(lambda _: self._working.discard(d))

    async def _once(self, coroutine: Any) -> None:
        try:
            await coroutine
        except PulpError as error:
            self._log.warn("the catalog did not answer: {error}", error=error)
        except Exception:
            self._log.failure("the worker failed")

    def wake(self) -> None:
        """Look whether something is to be begun."""
        if self._unsubscribe is None or self._wanted:
            return
        self._wanted = True
        self._work(self._fill())

    async def _fill(self) -> None:
        async with self._lock:
            self._wanted = False
            while self._unsubscribe is not None and not self._paused and len(self._runs) < self.concurrency:
                given = self._jobs.now(), self.backoff.cap, self._delays.due(), self.barred(self._runs.values())
                row = await self._jobs.catalog.write(begun, self.holder, self._turns, *given, self._messages.uids)
                if row is None:
                    break
                self._turns.had(row.remote)
                self._begin(row)
            await self._messages.settle()

    def _begin(self, row: JobRow) -> None:
        jobs, kind = self._jobs, self._kinds.get(row.kind, UNKNOWN)
        self._delays.forget(row.id)
        last = row.failures + 1 >= self.attempts
        task = Task(jobs.catalog, jobs.telling, jobs.now, row, last)
        run = self._runs[row.id] = Run(jobs, row, kind, task, self._judged, self._reactor.seconds())
        jobs.telling.changed(job_of(row))
        self._ends[run] = Deferred()
        Deferred.fromCoroutine(self._run(run))
        if self._unsubscribe is None and self._runs.get(row.id) is run:
            run.halt("waiting")

    async def _run(self, run: Run) -> None:
        try:
            outcome = await run.go()
        except Exception:
            self._log.failure("job {uid} could not be ended", uid=run.row.uid)
            outcome = None
        if self._runs.get(run.row.id) is run:  # else it was begun again before we heard that its end was saved
            del self._runs[run.row.id]
        self._ends.pop(run).callback(None)
        if outcome is not None:
            self._delays.note(run.row.id, outcome.delay)
            self._messages.tell(run.row)
        self.wake()

    def _judged(self, row: JobRow, error: BaseException | None, result: Any) -> Outcome:
        outcome = after_run(row, error, result, attempts=self.attempts, retry=self.backoff, uniform=self._uniform)
        if outcome.full:
            self.pause()
            self.filled()
        return outcome

    async def _recover(self) -> None:
        """Take back what this holder had, and does not have any more."""
        async with self._lock:
            rows = await self._jobs.catalog.read(leases.running)
            lost = [row for row in rows if row.holder == self.holder and row.id not in self._runs]
            await self._drop(lost)

    async def _drop(self, lost: list[JobRow]) -> None:
        if not lost:
            return
        now = self._jobs.now()
        for row in await self._jobs.catalog.write(
            leases.drop, lost, lambda row: after_death(row, now, self._uniform), now
        ):
            self._log.info("job {uid} was left", uid=row.uid)
            self._jobs.telling.changed(job_of(row))
            self._messages.tell(row)
        self.wake()

    async def _beat(self) -> None:
        """Say that we live, and hear what we have lost."""
        async with self._lock:
            mine = dict(self._runs)
            began = self._reactor.seconds()
            try:
                kept = await self._jobs.catalog.write(leases.beat, self.holder, mine) if mine else {}
                figures = {(each.row.id, each.row.fence): each.task.figures for each in mine.values()}
                if any(figures.values()):
                    await self._jobs.catalog.write(leases.progress, figures)
            except PulpError:
                if self._reactor.seconds() - self._beaten >= self.lease:
                    for run in mine.values():
                        run.lose()
                raise
            self._beaten = began
        for id, run in mine.items():  # noqa: A001 -- the column
            if kept.get(id) != run.row.fence and self._runs.get(id) is run:
                run.lose()

    async def _look(self) -> None:
        """Look for jobs that nobody has told us of, whose time has come, or whose holder says nothing any more."""
        jobs = self._jobs
        rows = await jobs.catalog.read(leases.running)
        now = self._reactor.seconds()
        if any(row.holder == self.holder and row.id not in self._runs for row in rows):
            await self._recover()  # its end could not be saved
        await self._drop(self._silence.broken(rows, self._runs, now, self.lease))
        if self._messages.rests():
            return
        await self._messages.settle()
        if self._paused:
            return
        if len(self._runs) >= self.concurrency:
            await self._make_room()
            return
        if await jobs.catalog.read(leases.anything, jobs.now(), self.backoff.cap, self._delays.due()):
            self.wake()

    async def _make_room(self) -> None:
        """Interrupt a job, if there is one that should be begun before it; and those that were, and do not end."""
        now, places = self._reactor.seconds(), []
        for run in list(self._runs.values()):
            if run.stopping:
                if now - run.stopped >= self.slice:
                    run.halt("waiting").addErrback(lambda why: why.trap(CancelledError))
                return
            if run.yields:
                places.append(Place(run.row.id, run.row.remote, run.row.rank, now - run.began))
        if places:
            barred = self.barred(self._runs.values())
            out = crowding(places, *await self._jobs.catalog.read(leases.candidates, barred), self.slice)
            if out is not None and out.id in self._runs:
                self._runs[out.id].stop(now)

"""Jobs that are handed in again and again."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_pulp.catalog import schedules
from twisted_pulp.catalog.jobs import NewJob
from twisted_pulp.catalog.schedules import ScheduleRow
from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._values import job_of

__all__ = ["Schedule", "Scheduler"]

#: Seconds between two looks for what other processes have changed, and before another try of what failed.
_LOOK = 60.0
_LONGEST = 255


@frozen(kw_only=True)
class Schedule:
    """
    What is done again and again.

    :ivar name: of the schedule.
    :ivar kind: of its jobs, as *payload*, *remote* and *priority* are theirs.
    :ivar every: seconds from one begin to the next.
    :ivar jitter: seconds by which a begin may be later, at random; default 0.
    :ivar next_at: when it is due, in seconds since the epoch; None until it is kept.
    :ivar last: uid of its latest job, or None.
    """

    name: str
    kind: str
    payload: Mapping[str, Any]
    every: float
    jitter: float = 0.0
    remote: str | None = None
    priority: int = 0
    next_at: float | None = None
    last: str | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 < len(self.name) <= _LONGEST or "\0" in self.name:
            raise SettingsError("name", self.name, f"a text of 1 to {_LONGEST} characters")
        if not 1 <= self.every < float("inf"):
            raise SettingsError("every", self.every, "a number of seconds from 1")
        if not 0 <= self.jitter < float("inf"):
            raise SettingsError("jitter", self.jitter, "a number of seconds from 0")


_KEPT = "kind", "payload", "every", "jitter", "remote", "priority"


def _schedule_of(row: ScheduleRow) -> Schedule:
    return Schedule(name=row.name, next_at=row.next_at, last=row.last_uid, **row.spec)


@define(eq=False)
class Scheduler:
    """
    Hands in the jobs of schedules when they are due.

    What was missed while nothing ran is made up for once. As long as the job of one time is not over, the next time is
    left out. Once it runs only the monotonic clock counts: a wall clock that jumps begins nothing, and keeps nothing
    from beginning.

    :param jobs: the book.
    :param reactor: its clock.
    :param uniform: as `random.uniform`, the default; for jitter.
    """

    _log = Logger()
    _jobs: Jobs
    _reactor: Any
    _uniform: Callable[[float, float], float] = field(kw_only=True, default=random.uniform)
    _calls: dict[str, tuple[ScheduleRow, IDelayedCall]] = field(init=False, factory=dict)
    _look: IDelayedCall | None = field(init=False, default=None)
    _working: set[Deferred[None]] = field(init=False, factory=set)
    _started: bool = field(init=False, default=False)

    # what there is
    def put(self, schedule: Schedule) -> Deferred[Schedule]:
        """
        Keep a schedule, in place of the one of its name; it is due at once, unless it is the same.

        :returns: a Deferred of it.
        """
        spec = {name: value for name, value in asdict(schedule, recurse=False).items() if name in _KEPT}
        return Deferred.fromCoroutine(self._put(schedule.name, spec))

    async def _put(self, name: str, spec: Mapping[str, Any]) -> Schedule:
        row = await self._jobs.catalog.write(schedules.put, name, spec, self._jobs.now())
        if self._started:
            self._arm(row)
        return _schedule_of(row)

    def get(self, name: str) -> Deferred[Schedule]:
        """Return a Deferred of a schedule; it fails with `NotInCatalog`."""
        return self._jobs.catalog.read(schedules.get, name).addCallback(_schedule_of)

    def list(self, after: str = "", limit: int | None = None) -> Deferred[list[Schedule]]:
        """Return a Deferred of schedules in the order of their names: *limit* (default all) that come after *after*."""
        d = self._jobs.catalog.read(schedules.list, after, limit)
        return d.addCallback(lambda rows: [_schedule_of(row) for row in rows])

    def remove(self, name: str) -> Deferred[None]:
        """Forget a schedule; its jobs stay. The Deferred fails with `NotInCatalog`."""
        self._disarm(name)
        return self._jobs.catalog.write(schedules.delete, name)

    # what is done
    def start(self) -> Deferred[None]:
        """Begin; the Deferred fires when it is known what is due."""
        self._started = True
        return Deferred.fromCoroutine(self._read())

    def stop(self) -> Deferred[None]:
        """End; what is being handed in is awaited."""
        self._started = False
        if self._look is not None:
            self._look.cancel()
            self._look = None
        for name in list(self._calls):
            self._disarm(name)
        return Deferred.fromCoroutine(self._ended())

    async def _ended(self) -> None:
        while self._working:
            ended: Deferred[None] = Deferred()
            next(iter(self._working)).addBoth(ended.callback)
            await ended

    def _do(self, coroutine: Any) -> None:
        d: Deferred[None] = Deferred.fromCoroutine(coroutine)
        self._working.add(d)
        d.addErrback(lambda why: self._log.failure("a schedule failed", failure=why))
        d.addBoth(lambda _: self._working.discard(d))

    def _look_again(self) -> None:
        self._look = None
        self._do(self._read())

    async def _read(self) -> None:
        try:
            rows = await self._jobs.catalog.read(schedules.list)
        except PulpError as error:
            self._log.warn("the schedules could not be read: {error}", error=error)
        else:
            for name in self._calls.keys() - {row.name for row in rows}:
                self._disarm(name)
            for row in rows:
                known = self._calls.get(row.name)
                if self._started and (known is None or (known[0].spec, known[0].fired) != (row.spec, row.fired)):
                    self._arm(row)
        if self._started and self._look is None:
            self._look = self._reactor.callLater(_LOOK, self._look_again)

    def _arm(self, row: ScheduleRow) -> None:
        self._disarm(row.name)
        schedule = _schedule_of(row)
        # What is due later than after one turn was written by a wall clock that has jumped since.
        delay = min(max(0.0, row.next_at - self._jobs.now()), schedule.every + schedule.jitter)
        if row.next_at <= self._jobs.now():
            delay = self._uniform(0.0, min(schedule.jitter, schedule.every))
        self._calls[row.name] = row, self._reactor.callLater(delay, self._due, row)

    def _disarm(self, name: str) -> None:
        known = self._calls.pop(name, None)
        if known is not None and known[1].active():
            known[1].cancel()

    def _due(self, row: ScheduleRow) -> None:
        self._do(self._fire(row))

    async def _fire(self, row: ScheduleRow) -> None:
        schedule, jobs = _schedule_of(row), self._jobs
        wait = schedule.every + (self._uniform(0.0, schedule.jitter) if schedule.jitter else 0.0)
        now = jobs.now()
        new = NewJob(
            uid=secrets.token_urlsafe(16),
            kind=schedule.kind,
            payload=schedule.payload,
            priority=schedule.priority,
            remote=schedule.remote,
            schedule=schedule.name,
        )
        self._calls.pop(row.name, None)
        try:
            await jobs.quota.admit(1)
            made, fresh = await jobs.catalog.write(schedules.fire, row.name, row.fired, now + wait, new, now)
            rows = await jobs.catalog.read(schedules.list)
        except PulpError as error:  # the next look tries again
            self._log.warn("the schedule {name} could not be begun: {error}", name=row.name, error=error)
            return
        if made is not None and fresh:
            jobs.telling.changed(job_of(made))
            jobs.dispatch(made.uid)
        elif made is not None:
            self._log.info("the schedule {name} waits: {uid} is not over", name=row.name, uid=made.uid)
        for each in rows:
            if each.name == row.name and self._started:
                self._arm(each)

"""Messages that were put aside, and the jobs they name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from attrs import define, frozen
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import dispatch
from twisted_pulp.errors import JobNotFound
from twisted_pulp.jobs._broker import DELIVERIES, DeadLetter
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._values import Job

__all__ = ["DeadLetters", "Parked"]

T = TypeVar("T")
_TIDIED = 100


@frozen
class Parked:
    """
    A message that was put aside.

    :ivar letter: the message.
    :ivar job: that it names; None: there is none.
    """

    letter: DeadLetter
    job: Job | None


@define(eq=False)
class DeadLetters:
    """
    Shows what was put aside, and lets it be tried again.

    To look is to hold all of it for a moment, so that one process does at a time.

    :param jobs: the book, with its broker.
    """

    _jobs: Jobs

    def list(self, limit: int = 100) -> Deferred[Sequence[Parked]]:
        """Return a Deferred of messages, the oldest first; it fails with `BrokerUnavailable`."""
        return Deferred.fromCoroutine(self._alone(lambda: self._list(limit)))

    async def _list(self, limit: int) -> Sequence[Parked]:
        return [Parked(each, await self._job(each.uid)) for each in await self._jobs.broker.dead(limit)]

    async def _job(self, uid: str) -> Job | None:
        try:
            return None if "\0" in uid else await self._jobs.get(uid)
        except JobNotFound:
            return None

    def replay(self, uid: str) -> Deferred[Job]:
        """
        Let the job that a message names wait again, if it has failed, and tell workers of it.

        :returns: a Deferred of the job. It fails with `JobNotFound`, also when no such message was put aside, and with
            `BrokerUnavailable`.
        """
        return Deferred.fromCoroutine(self._alone(lambda: self._replay(uid)))

    async def _replay(self, uid: str) -> Job:
        job, broker = await self._job(uid), self._jobs.broker
        if job is None or job.state != "failed":
            if not await broker.replay(uid) or job is None:
                raise JobNotFound(uid)
            return job
        if not await broker.bury(uid):
            raise JobNotFound(uid)
        return await self._jobs.retry(uid)

    def tidy(self) -> Deferred[None]:
        """Keep only messages of jobs that were given up; those who kill whoever runs them are."""
        return Deferred.fromCoroutine(self._alone(self._tidy))

    async def _tidy(self) -> None:
        jobs, broker = self._jobs, self._jobs.broker
        for each in await broker.dead(_TIDIED):
            job = await self._job(each.uid)
            if job is not None and job.state == "failed":
                continue
            if job is not None and await jobs.catalog.write(dispatch.give_up, each.uid, DELIVERIES, jobs.now()):
                jobs.telling.changed(await jobs.get(each.uid))
            elif job is not None and job.state == "waiting":
                await broker.replay(each.uid)
            else:
                await broker.bury(each.uid)

    async def _alone(self, do: Callable[[], Awaitable[T]]) -> T:
        lock = await self._jobs.catalog.lock("dead letters")
        try:
            return await do()
        finally:
            await lock.release()

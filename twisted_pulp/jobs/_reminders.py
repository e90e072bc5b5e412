"""Messages for jobs that wait without one."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList

from twisted_pulp.catalog import dispatch
from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs._dead_letters import DeadLetters
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._rounds import Rounds

__all__ = ["Reminders"]

#: Seconds between two looks; a job that has waited so long should have a message.
_EVERY = 10.0
#: Messages that are published in one look: more than workers use up until the next.
_MOST = 5_000


@define(eq=False)
class Reminders:
    """
    Publishes again what a broker has lost: as many messages as there are jobs that wait without one.

    Which of them have one, nobody knows; it does not matter, since a message only makes a worker look, and one too many
    is no harm.

    :param every: seconds between two looks; default 10.
    """

    _jobs: Jobs
    _reactor: Any
    _every: float = _EVERY
    _rounds: Rounds = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rounds = Rounds(self._reactor, self.look, "jobs were not dispatched again")

    def start(self) -> None:
        """Look from now on."""
        self._rounds.start(self._every)

    def stop(self) -> Deferred[None]:
        """Look no more; the Deferred fires when nothing of a look is left."""
        return self._rounds.stop()

    async def look(self) -> None:
        """Look once, if nobody else does."""
        jobs = self._jobs
        if not jobs.broker.connected:
            return
        lock = await jobs.catalog.lock("dispatch")
        try:
            await self._remind()
        except BrokerUnavailable:
            return  # it says so itself
        finally:
            await lock.release()

    async def _remind(self) -> None:
        jobs = self._jobs
        depth = await jobs.broker.depth()
        if depth.ready < _MOST:
            waiting = await jobs.catalog.read(dispatch.unheard, jobs.now() - self._every, _MOST)
            await DeferredList([jobs.broker.publish(uid) for uid in waiting[depth.ready :]], consumeErrors=True)
        if depth.dead:
            await DeadLetters(jobs).tidy()

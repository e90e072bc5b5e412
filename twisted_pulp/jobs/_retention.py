"""How long jobs are remembered."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import retention
from twisted_pulp.errors import PulpError
from twisted_pulp.jobs._jobs import Jobs

__all__ = ["Retention"]

#: Seconds between two looks; jobs, and rows, of one transaction; seconds after which nobody adds to a draft any more.
_LOOK, _JOBS, _ROWS, _DRAFT = 600.0, 500, 5000, 86400.0


@define(eq=False)
class Retention:
    """
    Forgets jobs that were over long ago, in transactions that keep nobody waiting for long.

    How long ago is told by the monotonic clock, from the start on: a wall clock that jumps forgets nothing.

    :param jobs: the book.
    :param reactor: its clock.
    :ivar ages: a `twisted_pulp.settings.Retention`: for how long, and how many; may be replaced.
    """

    _log = Logger()
    _jobs: Jobs
    _reactor: Any
    ages: Any
    _epoch: float = field(init=False)
    _look: LoopingCall = field(init=False)
    _running: Deferred[int] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._epoch = self._jobs.now() - self._reactor.seconds()
        self._look = LoopingCall(self._looked)
        self._look.clock = self._reactor

    def start(self) -> None:
        """Look now, and every ten minutes."""
        self._look.start(_LOOK)

    def stop(self) -> Deferred[None]:
        """End; what is being done is awaited."""
        if self._look.running:
            self._look.stop()
        ended: Deferred[None] = Deferred()
        if self._running is None:
            ended.callback(None)
        else:
            running, self._running = self._running, None
            running.addBoth(lambda _: ended.callback(None))
            running.cancel()
        return ended

    def _looked(self) -> Deferred[Any]:
        self._running = self.run()

        def over(_: Any) -> None:
            self._running = None

        return self._running.addErrback(self._failed).addBoth(over)

    def _failed(self, why: Any) -> None:
        if why.check(PulpError):
            self._log.warn("old jobs could not be forgotten: {error}", error=why.value)
        elif self._look.running:
            self._log.failure("old jobs could not be forgotten", failure=why)

    def run(self) -> Deferred[int]:
        """
        Forget what is old.

        :returns: a Deferred of how many rows went.
        """
        return Deferred.fromCoroutine(self._run())

    async def _run(self) -> int:
        now, ages, write = self._epoch + self._reactor.seconds(), self.ages, self._jobs.catalog.write
        for states, age in ((("completed", "cancelled"), ages.jobs), (("failed",), ages.failed)):
            while age is not None and await write(retention.expire, states, now - age, _JOBS) == _JOBS:
                pass
        last = None if ages.count is None else await self._jobs.catalog.read(retention.oldest, ages.count)
        while last is not None and await write(retention.shorten, last, _JOBS) == _JOBS:
            pass
        await self._jobs.recover(now - _DRAFT)
        gone = 0
        while count := await write(retention.sweep, _ROWS):
            gone += count
        return gone

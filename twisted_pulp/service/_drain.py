"""The end of a daemon in good order: what is being done may be finished, for a while."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import DeferredList

from twisted_pulp.errors import Stopping
from twisted_pulp.live import Running
from twisted_pulp.service._door import Door
from twisted_pulp.service._endpoints import Ports

__all__ = ["Drain"]


@define(eq=False)
class Drain:
    """
    Waits for jobs, then for answers, all together for a while.

    Until the jobs have ended everything can still be asked: readiness has to say that it is over, and a client that is
    refused would only have to wait for the next daemon.
    """

    _running: Running
    _work: Any
    _ports: Ports
    _doors: list[Door]
    _timer: Any = field(init=False, default=None)
    _over: bool = field(init=False, default=False)

    def words(self, grace: float) -> str:
        """Return what is said of that which is under way."""
        jobs = 0 if self._work is None else self._work.running
        requests = sum(door.busy for door in self._doors)
        if not jobs and not requests:
            return ""
        return (
            f": {_many(jobs, 'job')} and {_many(requests, 'request')} may end within {grace:g} s, or until asked again"
        )

    async def run(self, grace: float) -> None:
        """Wait until everything has ended, *grace* seconds at most."""
        self._timer = self._running.reactor.callLater(grace, self._end)
        try:
            self._running.jobs.refuse(Stopping())
            if self._work is not None:
                await self._work.rest()
                self._running.jobs.refuse(Stopping())
                await self._work.stop(0 if self._over else grace)
            self._running.feed.close()
            await self._ports.close()
            gone = DeferredList([door.close() for door in self._doors])
            if self._over:
                self._abort()
            await gone
        finally:
            if self._timer.active():
                self._timer.cancel()

    def _end(self) -> None:
        self._over = True
        self._abort()

    def hurry(self) -> None:
        """Wait no longer."""
        if not self._over:
            if self._timer.active():
                self._timer.cancel()
            self._end()
            if self._work is not None:
                self._work.stop(0)

    def _abort(self) -> None:
        for door in self._doors:
            if door.closing:
                door.abort()


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"

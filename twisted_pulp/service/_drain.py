"""The end of a daemon in good order: what is being done may be finished, for a while."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import DeferredList

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
    _ports: Ports
    _doors: list[Door]
    _timer: Any = field(init=False, default=None)
    _over: bool = field(init=False, default=False)

    async def run(self, grace: float) -> None:
        """Wait until everything has ended, *grace* seconds at most."""
        self._timer = self._running.reactor.callLater(grace, self._end)
        try:
            if self._running.worker is not None:
                await self._running.worker.stop(grace)
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
            worker = self._running.worker
            if worker is not None:
                worker.stop(0)

    def _abort(self) -> None:
        for door in self._doors:
            if door.closing:
                door.abort()

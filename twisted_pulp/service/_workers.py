"""The worker processes of one daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from twisted_pulp.jobs import LocalBroker, Space
from twisted_pulp.live import Running
from twisted_pulp.live._tally import add
from twisted_pulp.service._probe import least_room, places_of
from twisted_pulp.service._sweep import Sweep, downloads_of
from twisted_pulp.service._worker import WorkerProcess
from twisted_pulp.settings import Settings

__all__ = ["Workers"]

#: Seconds beyond the grace after which a process that has not ended is killed.
_BEYOND = 4.0
#: Messages that are passed on at once.
_MANY = 1_000


@define(eq=False)
class Workers:
    """
    Lets other processes of this machine run the jobs, over the same database and directory.

    :param running: the parts of the daemon.
    :param orders: what every process is to be, as plain data; see `_worker_main`.
    :param write: called with each line of their logs.
    :ivar filled: for `Space`: nobody calls it, since each process looks for itself.
    """

    _log = Logger()

    _running: Running
    _orders: Mapping[str, Any]
    _write: Callable[[str], object]
    filled: Callable[[], object] = field(init=False, default=lambda: None)
    _processes: list[WorkerProcess] = field(init=False, factory=list)
    _deaf: Callable[[], object] = field(init=False, default=lambda: None)
    _space: Space = field(init=False)
    _sweep: Sweep = field(init=False)

    def __attrs_post_init__(self) -> None:
        running, limits = self._running, self._running.settings.limits
        this: Any = self
        room = partial(least_room, places_of(running.data))
        path, reserve = running.data.path, limits.reserve
        self._space = Space(running.jobs, this, running.reactor, path, reserve=reserve, changed=self._room, room=room)
        self._sweep = Sweep(downloads_of(running, alone=False))
        for number in range(1, running.settings.workers + 1):
            orders = {**self._orders, "number": number}
            counted = partial(add, running.metrics)
            self._processes.append(WorkerProcess(running.reactor, number, orders, self._write, counted, limits.lease))

    def _room(self, reason: str | None) -> None:
        health = self._running.health
        if reason is None:
            health.recover("storage")
        else:
            health.degrade("storage", reason)

    def pause(self) -> None:
        """Do nothing: each process looks for itself whether there is room."""

    unpause = pause

    @property
    def running(self) -> int:
        """How many jobs run, as the processes have said last."""
        return sum(each.jobs for each in self._processes)

    async def start(self) -> None:
        """Start them, and clean up what killed ones have left."""
        running = self._running
        self._sweep.start()
        for each in self._processes:
            each.start()
        broker = running.jobs.broker
        if isinstance(broker, LocalBroker):  # of one for many machines they are told themselves
            self._deaf = broker.consume(self._wake, _MANY)
        self._space.start()

    def _wake(self, delivery: Any) -> None:
        for each in self._processes:
            each.tell("wake")
        delivery.done()

    async def reload(self, settings: Settings) -> None:
        """Go by these settings; the processes read them again."""
        self._space.reserve = settings.limits.reserve
        for each in self._processes:
            each.tell("reload")

    async def rest(self) -> None:
        """Begin nothing by itself any more."""
        self._space.stop()
        self._sweep.stop()
        self._deaf()

    def stop(self, grace: float = 0.0) -> Deferred[None]:
        """
        End: what runs may finish within *grace* seconds; see `Worker.stop`.

        :returns: a Deferred that fires when there is no process any more.
        """
        late = self._running.reactor.callLater(grace + _BEYOND, self._kill)
        ended = DeferredList([each.stop(grace) for each in self._processes])

        def over(_: object) -> None:
            if late.active():
                late.cancel()

        return ended.addCallback(over)

    def _kill(self) -> None:
        for each in self._processes:
            if each.alive:
                self._log.warn("worker {number} did not end, and was killed", number=each.number)
                each.kill()

"""What a daemon of the role worker does: jobs, their schedules, and what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from twisted_pulp.jobs import (
    CleanupKind,
    Crew,
    DownloadKind,
    FetchKind,
    IJobKind,
    Orders,
    Reminders,
    Retention,
    Schedule,
    Scheduler,
    Space,
    SyncKind,
    VerifyKind,
    Worker,
)
from twisted_pulp.live import Running
from twisted_pulp.service._correlated import Correlated
from twisted_pulp.service._probe import least_room, places_of
from twisted_pulp.service._sweep import Sweep, downloads_of
from twisted_pulp.settings import Schedule as Wanted
from twisted_pulp.settings import ServiceLimits, Settings

__all__ = ["Work"]

#: In the payload of schedules that a settings file has, so that they go when they are in it no more.
_ORIGIN = "origin"
#: Seconds after which work that is not handed in to its end is taken to be abandoned, where others may be handing in.
_ABANDONED = 86_400.0


@define(eq=False)
class Work:
    """
    Runs jobs, hands in those of schedules, pauses while there is no room, and forgets what is old.

    :param running: the parts of the daemon, which get a worker.
    :param holder: by which the worker is known.
    :param alone: whether nobody else writes to the data directory, so that what dead processes left can go.
    :ivar orders: hears what other processes want of its jobs.
    """

    _running: Running
    _holder: str
    _alone: bool = True
    worker: Worker = field(init=False)
    scheduler: Scheduler = field(init=False)
    _space: Space = field(init=False)
    _retention: Retention = field(init=False)
    _sweep: Sweep = field(init=False)
    _downloads: DownloadKind = field(init=False)
    _sync: SyncKind = field(init=False)
    orders: Orders = field(init=False)
    _reminders: Reminders = field(init=False)

    def __attrs_post_init__(self) -> None:
        running = self._running
        reactor, jobs, settings = running.reactor, running.jobs, running.settings
        limits = settings.limits
        crew = self._crew_of(running)
        self.worker = Worker(
            jobs,
            {name: Correlated(kind, running.tracing) for name, kind in self._kinds(crew).items()},
            reactor,
            holder=self._holder,
            concurrency=limits.jobs,
            lease=limits.lease,
            attempts=limits.attempts,
        )
        if crew is not None:
            self.worker.barred = crew.barred
        self.scheduler = Scheduler(jobs, reactor)
        self._space = Space(
            jobs,
            self.worker,
            reactor,
            running.data.path,
            reserve=limits.reserve,
            changed=self._room,
            room=partial(least_room, places_of(running.data)),
        )
        self._sweep = Sweep(self._downloads)
        self._retention = Retention(jobs, reactor, settings.retention)
        self.orders = Orders(jobs, reactor, self._watched)
        self._reminders = Reminders(jobs, reactor)

    def _crew_of(self, running: Running) -> Crew | None:
        if running.claims is None:
            return None
        from twisted_pulp.service._share import crew_of

        return crew_of(running)

    def _kinds(self, crew: Crew | None) -> Mapping[str, IJobKind]:
        running, limits = self._running, self._running.settings.limits
        downloads, in_flight = limits.downloads, _in_flight(limits)
        context, catalog, storage = running.context, running.data.catalog, running.data.storage
        self._downloads = downloads_of(running, alone=self._alone)
        self._sync = SyncKind(context, catalog, storage, concurrency=downloads, in_flight=in_flight, crew=crew)
        fetch: dict[str, IJobKind] = {}
        if crew is not None:
            fetch["fetch"] = FetchKind(context, catalog, storage, crew.claims, concurrency=downloads)
        return {
            **fetch,
            "download": self._downloads,
            "sync": self._sync,
            "verify": VerifyKind(context, catalog, storage),
            "cleanup": CleanupKind(running.reactor, catalog, storage),
        }

    def _watched(self) -> bool:
        return any("api" in each.roles for each in self._running.nodes.others)

    def _room(self, reason: str | None) -> None:
        if reason is None:
            self._running.health.recover("storage")
        else:
            self._running.health.degrade("storage", reason)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return self.worker.running

    def wake(self) -> None:
        """Look whether there is a job to begin."""
        self.worker.wake()

    def stop(self, grace: float = 0.0) -> Deferred[None]:
        """End; see `Worker.stop`."""
        return self.worker.stop(grace)

    async def start(self) -> None:
        """Take back what a dead worker of this name had, and begin."""
        shared = self._running.nodes.shared
        await self._running.jobs.recover(self._running.jobs.now() - _ABANDONED if shared else None)
        self._running.worker, self._running.scheduler = self.worker, self.scheduler
        await self.worker.start()
        await self.keep_schedules(self._running.settings)
        await self.scheduler.start()
        self._space.start()
        self._retention.start()
        if shared:
            self.orders.start()
        if self._running.jobs.broker.shared:
            self._reminders.start()
        if self._alone:
            self._sweep.start()

    async def keep_schedules(self, settings: Settings) -> None:
        """
        Keep the schedules of *settings*, and forget those that earlier ones had.

        Settings without any forget none where there may be other daemons: it is theirs to say.
        """
        ours = settings.schedules or not self._running.nodes.shared
        for each in await self.scheduler.list() if ours else ():
            if each.payload.get(_ORIGIN) == "settings" and each.name not in settings.schedules:
                await self.scheduler.remove(each.name)
        for name, wanted in settings.schedules.items():
            await self.scheduler.put(_schedule(name, wanted))

    async def reload(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        limits = settings.limits
        self.worker.concurrency, self.worker.attempts = limits.jobs, limits.attempts
        self._downloads.concurrency = self._sync.concurrency = limits.downloads
        self._sync.in_flight = _in_flight(limits)
        self._space.reserve = limits.reserve
        self._retention.ages = settings.retention
        await self.keep_schedules(settings)
        self.worker.wake()

    async def rest(self) -> None:
        """Begin nothing by itself any more."""
        self._space.stop()
        self._sweep.stop()
        await self.scheduler.stop()
        await self._retention.stop()
        await self._reminders.stop()


def _schedule(name: str, wanted: Wanted) -> Schedule:
    payload: dict[str, Any] = {_ORIGIN: "settings"}
    if wanted.kind == "sync":
        payload |= {"repository": wanted.repository, "type": wanted.type, "mirror": wanted.mirror}
        if wanted.remote is not None:
            payload["remote"] = wanted.remote
    jitter = wanted.every / 10 if wanted.jitter is None else wanted.jitter
    return Schedule(
        name=name, kind=wanted.kind, payload=payload, every=wanted.every, jitter=jitter, remote=wanted.remote
    )


def _in_flight(limits: ServiceLimits) -> tuple[int | None, int | None]:
    """Return how much of one sync may be under way."""
    return limits.in_flight, limits.in_flight_files

"""The parts of a daemon: opened one after another, closed the other way round."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, remotes, tokens
from twisted_pulp.context import Context
from twisted_pulp.jobs import Jobs, Watch
from twisted_pulp.live import Feed, Health, Metrics, Running
from twisted_pulp.service._broker import broker_of
from twisted_pulp.service._directory import make_directory, name_in
from twisted_pulp.service._nodes import nodes_of
from twisted_pulp.service._policy import policy_of
from twisted_pulp.service._probe import Probe, places_of
from twisted_pulp.service._seal import check_key
from twisted_pulp.settings import Settings
from twisted_pulp.streamer import Streamer
from twisted_pulp.threads import outlasting
from twisted_pulp.upkeep import DataDirectory, KeptPaces

if TYPE_CHECKING:
    from twisted_pulp.service._member import Member
    from twisted_pulp.service._workers import Workers

__all__ = ["Parts", "keep_remotes"]

_ENDED = frozenset({"completed", "failed", "cancelled"})


@define(eq=False)
class Parts:
    """
    Opens what a daemon needs for its roles.

    :ivar health: known before anything else is.
    :ivar running: the parts, once `open` has fired.
    :param workers: makes the worker processes, where the settings want some.
    :param member: what this process has to do with a daemon that it belongs to; None: it is one itself.
    :ivar work_done: the `Work`, or the `Workers`, where that is a role.
    """

    _log = Logger()

    _reactor: Any
    _settings: Settings
    _workers: Callable[[Running], Workers] | None = None
    _member: Member | None = None
    feed: Feed = field(init=False)
    health: Health = field(init=False)
    metrics: Metrics = field(init=False, factory=Metrics)
    running: Running = field(init=False)
    _stack: AsyncExitStack = field(init=False, factory=AsyncExitStack)
    work_done: Any = field(init=False, default=None)
    _watch: Watch | None = field(init=False, default=None)
    _begun: dict[str, float] = field(init=False, factory=dict)
    _probe: Probe | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.feed = Feed(self._settings.retention.events)
        self.health = Health(self.feed.publish)

    async def open(self) -> Running:
        """
        Open everything.

        :raises PulpError: what keeps it from being opened; what was opened is closed by `close`.
        """
        from twisted_pulp import __version__

        settings = self._settings
        data = await self._data(settings)
        await check_key(self._reactor, data, settings.key)
        context = self._context(settings)
        await self._paces(context, data.catalog)
        await keep_remotes(data.catalog, settings)
        streamer = None
        if "content" in settings.roles:
            streamer = Streamer(context, data.catalog, data.storage, cache=settings.retention.cached)
            self._closing(streamer.close)
        broker = broker_of(self._reactor, settings, self.health)
        self._closing(broker.close)
        jobs = Jobs(self._reactor, data.catalog, broker=broker, tell=self._tell, queued=settings.limits.queued)
        self._closing(jobs.close)
        self.running = Running(
            reactor=self._reactor,
            settings=settings,
            data=data,
            context=context,
            jobs=jobs,
            streamer=streamer,
            feed=self.feed,
            metrics=self.metrics,
            health=self.health,
            started=time.time(),
            version=__version__,
        )
        self.running.nodes = nodes_of(self.running, await self._name(data.path), self._roles)
        if self.running.nodes.shared:
            from twisted_pulp.service._share import share

            share(self.running, self._closing)
        self.running.throughput.start()
        self._closing(self.running.throughput.stop)
        return self.running

    async def _data(self, settings: Settings) -> DataDirectory:
        assert settings.data is not None
        await self._in_thread(make_directory, settings.data)
        data = await DataDirectory.open(
            self._reactor,
            settings.data,
            database=settings.database,
            storage=settings.storage,
            key=settings.key,
            connections=settings.limits.database,
            lease=settings.limits.lease,
            write="worker" in settings.roles and self._member is None,
            wait=False,
            fsync="full",
        )
        self._closing(data.close)
        return data

    @property
    def _divided(self) -> bool:
        """Whether other processes run the jobs of this daemon."""
        return "worker" in self._settings.roles and self._settings.workers > 0 and self._member is None

    @property
    def _roles(self) -> tuple[str, ...]:
        """What this process does."""
        return tuple(each for each in self._settings.roles if each != "worker" or not self._divided)

    async def _name(self, path: str) -> str:
        """Return how others know this daemon: by the name of its data directory, where it is the one to write."""
        if self._member is not None:
            self._closing(self._member.leave)
            await self._member.enter(self._reactor, path)
            return self._member.name
        if "worker" in self._settings.roles:
            name: str = await self._in_thread(name_in, os.path.join(path, "locks", "worker"))
            return name
        return secrets.token_hex(8)

    def _context(self, settings: Settings) -> Context:
        limits = settings.limits
        policy = policy_of(settings, ())
        context = Context(self._reactor, connections=limits.connections, per_host=limits.per_host, policy=policy)
        context.rates.bytes_per_second = limits.rate
        context.traffic.budget = limits.retry_budget
        self._closing(context.close)
        return context

    async def _paces(self, context: Context, catalog: Catalog) -> None:
        paces = KeptPaces(context, catalog)
        self._closing(paces.save)
        await paces.recall()
        paces.start()

    async def work(self, urls: Sequence[str] = ()) -> None:
        """
        Begin to run jobs, if that is a role of the daemon; what a dead one had is taken back first.

        :param urls: where clients find the daemon.
        """
        running = self.running
        self._closing(running.nodes.stop)
        await running.nodes.start(urls)
        if running.nodes.shared and "api" in self._settings.roles:
            self._watch = Watch(running.jobs, running.nodes, self._reactor, self.feed.publish)
            self._closing(self._watch.stop)
            self._watch.start()
        await self._begin(running)
        data = running.data
        self._probe = Probe(running, places_of(data), (os.path.join(data.path, "downloads"),))
        self._closing(self._probe.stop)
        self._probe.start()

    async def _begin(self, running: Running) -> None:
        if self._divided:
            assert self._workers is not None
            self.work_done = self._workers(running)
        elif "worker" in self._settings.roles:
            from twisted_pulp.service._work import Work

            self.work_done = Work(running, running.nodes.name, alone=self._member is None)
            self._closing(self.work_done.orders.stop)
        else:
            return
        self._closing(self.work_done.stop)
        self._closing(lambda: Deferred.fromCoroutine(self._rest()))
        await self.work_done.start()

    async def _rest(self) -> None:
        if self.work_done is not None:
            await self.work_done.rest()

    async def first_token(self) -> str | None:
        """Return a token that was made, if there was none; who reads it may do anything."""
        if "api" not in self._settings.roles:
            return None

        def made(connection: Any) -> str | None:
            if tokens.list(connection, limit=1):
                return None
            return tokens.create(connection, "first", "admin", time.time())[1]

        catalog = self.running.data.catalog
        lock = await catalog.lock("first token")  # of several daemons that start at once one makes it
        try:
            return cast("str | None", await catalog.write(made))
        finally:
            await lock.release()

    async def reload(self, settings: Settings) -> None:
        """Go by these settings, as far as other parts have to be told."""
        await keep_remotes(self.running.data.catalog, settings)
        if self.work_done is not None:
            await self.work_done.reload(settings)

    def _in_thread(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), f, *args)

    def _tell(self, event: str, data: Mapping[str, Any]) -> None:
        """Tell everybody what happens to jobs, and count those that end."""
        self.feed.publish(event, data)
        if event != "job":
            return
        if self._watch is not None:
            self._watch.note(data)
        uid, state = data["uid"], data["state"]
        if state == "failed" and self._probe is not None:
            self._probe.soon()  # it may be our fault
        if state == "running":
            self._begun.setdefault(uid, self._reactor.seconds())
        elif (began := self._begun.pop(uid, None)) is not None and state in _ENDED:
            self.metrics.observe_job(data["kind"], state, self._reactor.seconds() - began)
            self._log.info("{kind} {state}", kind=data["kind"], state=state, job=uid, error=data["error"])

    def _closing(self, close: Callable[[], Any]) -> None:
        async def closed() -> None:
            await outlasting(maybeDeferred(close))

        self._stack.push_async_callback(closed)

    def close(self) -> Awaitable[None]:
        """Close what was opened; what goes wrong with one part does not keep the others open."""
        return self._stack.aclose()


async def keep_remotes(catalog: Catalog, settings: Settings) -> None:
    """Keep the remotes of *settings* in the catalog, in the place of those with the same names."""

    def keep(connection: Any) -> None:
        for name, remote in settings.remotes.items():
            remotes.replace(connection, name, remote, time.time(), key=catalog.key)

    if settings.remotes:
        await catalog.write(keep)

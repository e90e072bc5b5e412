"""The parts of a daemon: opened one after another, closed the other way round."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from twisted_pulp.context import Context
from twisted_pulp.errors import StorageError
from twisted_pulp.live import Feed, Health, Metrics, Running
from twisted_pulp.streamer import Streamer
from twisted_pulp.threads import outlasting
from twisted_pulp.upkeep import DataDirectory

__all__ = ["Parts"]


@define(eq=False)
class Parts:
    """
    Opens what a daemon needs for its roles.

    :ivar health: known before anything else is.
    :ivar running: the parts, once `open` has fired.
    """

    _log = Logger()

    _reactor: Any
    _settings: Any
    feed: Feed = field(init=False)
    health: Health = field(init=False)
    running: Running = field(init=False)
    _stack: AsyncExitStack = field(init=False, factory=AsyncExitStack)

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
        works = "worker" in settings.roles
        await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), _make, settings.data)
        data = await DataDirectory.open(
            self._reactor, settings.data, database=settings.database, write=works, wait=False, fsync="full"
        )
        self._closing(data.close)
        context = Context(self._reactor, connections=settings.limits.connections, per_host=settings.limits.per_host)
        context.rates.bytes_per_second = settings.limits.rate
        self._closing(context.close)
        streamer = None
        if "content" in settings.roles:
            streamer = Streamer(context, data.catalog, data.storage, cache=settings.retention.cached)
            self._closing(streamer.close)
        self.running = Running(
            reactor=self._reactor,
            settings=settings,
            data=data,
            context=context,
            streamer=streamer,
            feed=self.feed,
            metrics=Metrics(),
            health=self.health,
            started=time.time(),
            version=__version__,
        )
        return self.running

    def _closing(self, close: Callable[[], Deferred[Any]]) -> None:
        async def closed() -> None:
            await outlasting(close())

        self._stack.push_async_callback(closed)

    def close(self) -> Awaitable[None]:
        """Close what was opened; what goes wrong with one part does not keep the others open."""
        return self._stack.aclose()


def _make(path: str) -> None:
    """Make the data directory, its owner's alone; one that is there is left as it is."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error

"""A site with stored artifacts on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest_twisted
from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.stored_site import StoredResource, keep
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.streamer import ContentSite
from twisted_pulp.streamer._body import Stored
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.threads import WriterThreads

_TICK = 0.01

StartSite = Callable[..., Awaitable["Served"]]


@define(eq=False)
class Served:
    """A site that is served; clients of tests can connect to it."""

    resource: StoredResource
    port: int
    _reactor: IReactor

    async def keep(self, path: bytes, data: bytes, **known: Any) -> Entity:
        """Store *data* and serve it at *path*."""
        return await keep(self.resource, path, data, **known)

    async def ask(self, request: bytes) -> bytes:
        """Send *request* on a connection of its own, and return all that comes back until it is closed."""
        client = await Socket.to(self._reactor, self.port)
        client.send(request)
        try:
            return await client.heard_all()
        finally:
            await client.leave()

    async def get(self, path: str, *headers: str, method: str = "GET") -> bytes:
        """Return the answer to a request, to the end of the connection."""
        lines = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", "")
        return await self.ask("\r\n".join(lines).encode("latin-1"))

    def url(self, path: str) -> str:
        """Return the URL of *path*."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Wait until *condition* holds, and fail when the time is over before."""
        deadline = self._reactor.seconds() + seconds
        while not condition():
            assert self._reactor.seconds() < deadline
            await deferLater(self._reactor, _TICK)


@pytest_twisted.async_yield_fixture
async def start_site(reactor: Any, tmp_path: Path) -> AsyncIterator[StartSite]:
    """Start sites: ``await start_site(clock=..., site=..., stored=...)``; the last two are options of theirs."""
    ends: list[Callable[[], Any]] = []

    async def start(
        clock: IReactorTime | None = None, site: dict[str, Any] | None = None, tls: Any = None, **stored: Any
    ) -> Served:
        threads = WriterThreads(reactor)
        lanes = cycle([threads.lane(), threads.lane()])
        storage = await DirectoryStorage.open(reactor, tmp_path / f"storage{len(ends)}", fsync="none")

        def in_thread(f: Any, *args: Any) -> Deferred[Any]:
            return next(lanes)(f, *args)

        resource = StoredResource(Stored(storage, clock or reactor, in_thread, **stored))
        made = ContentSite(resource, clock or reactor, **(site or {}))
        listen = (reactor.listenTCP,) if tls is None else (reactor.listenSSL, tls)
        port = listen[0](0, made, *listen[1:], interface="127.0.0.1")

        async def end() -> None:
            await port.stopListening()
            await storage.close()
            threads.close()

        ends.append(end)
        return Served(resource, port.getHost().port, reactor)

    yield start
    for end in ends:
        await Deferred.fromCoroutine(end())

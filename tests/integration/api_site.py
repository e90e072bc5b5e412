"""A daemon's API on a port of its own, over a data directory, with jobs that nobody runs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest_twisted
from attrs import define, evolve, field
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.task import deferLater
from twisted.web.resource import Resource

from tests.servers.client import Socket
from twisted_pulp.api import API, APISite
from twisted_pulp.catalog import tokens
from twisted_pulp.context import Context
from twisted_pulp.jobs import Jobs, LocalBroker
from twisted_pulp.live import Feed, Health, Metrics, Running
from twisted_pulp.settings import AddressPolicy, Settings
from twisted_pulp.upkeep import DataDirectory

__all__ = ["Reply", "Site", "StartAPI", "start_api"]

ROOT = "/api/v1"


@define
class Reply:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


def parsed(answer: bytes) -> Reply:
    """Return the answer that *answer*, all that came, begins with."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return Reply(int(lines[0].split(" ")[1]), headers, body)


@define(eq=False)
class Site:
    """
    An API that is served.

    :ivar token: of an administrator.
    """

    reactor: Any
    running: Running
    api: API
    port: int
    socket: str
    token: str = field(init=False)

    async def make_token(self, scope: Any, name: str | None = None, **more: Any) -> str:
        """Return a token that allows *scope*."""
        _, secret = await self.running.data.catalog.write(tokens.create, name or scope, scope, time.time(), **more)
        return str(secret)

    def request(
        self, method: str, path: str, body: bytes | None = None, token: str | None = None, **headers: str
    ) -> bytes:
        """Return a request of *path* below the API; headers are given with underscores."""
        lines = [f"{method} {ROOT}{path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")

    async def raw(self, request: bytes) -> bytes:
        """Send *request*, and return all that is answered."""
        client = await Socket.to(self.reactor, self.port)
        client.send(request)
        try:
            return await client.heard_all()
        finally:
            await client.leave()

    async def ask(
        self, method: str, path: str, document: Any = None, *, token: str | None = None, **headers: str
    ) -> Reply:
        """Ask for *path* with *document* as JSON, or with bytes, by default as the administrator."""
        body = document if isinstance(document, bytes | None) else json.dumps(document).encode()
        if body is not None:
            headers.setdefault("Content_Type", "application/json")
        sent = self.request(method, path, body, self.token if token is None else token, **headers)
        return parsed(await self.raw(sent))

    async def ask_locally(self, method: str, path: str, **headers: str) -> Reply:
        """Ask for *path* over the unix socket, without a token."""
        client = Socket(self.reactor)
        endpoint = UNIXClientEndpoint(self.reactor, self.socket, 5)  # type: ignore[no-untyped-call]
        await connectProtocol(endpoint, client)
        client.send(self.request(method, path, **headers))
        try:
            return parsed(await client.heard_all())
        finally:
            await client.leave()


StartAPI = Callable[..., Awaitable[Site]]


@pytest_twisted.async_yield_fixture
async def start_api(reactor: Any, tmp_path: Path) -> AsyncIterator[StartAPI]:
    """Start APIs: ``await start_api(limits={...}, failures=10, database=None, **site_options)``."""
    ends: list[Callable[[], Any]] = []

    async def start(
        limits: Mapping[str, Any] | None = None,
        failures: int = 10,
        queued: int | None = None,
        database: str | None = None,
        **options: Any,
    ) -> Site:
        data = await DataDirectory.open(
            reactor, tmp_path / f"data{len(ends)}", database=database, write=True, fsync="none"
        )
        ends.append(data.close)
        context = Context(reactor, policy=AddressPolicy())
        ends.append(context.close)
        feed = Feed()
        jobs = Jobs(reactor, data.catalog, broker=LocalBroker(), tell=feed.publish, queued=queued)
        ends.append(jobs.close)
        settings = Settings()
        settings = evolve(settings, limits=evolve(settings.limits, **(limits or {})))
        health = Health(feed.publish)
        health.ready = True
        running = Running(
            reactor=reactor,
            settings=settings,
            data=data,
            context=context,
            jobs=jobs,
            feed=feed,
            metrics=Metrics(),
            health=health,
            started=time.time(),
            version="1.2.3",
        )
        api = API(running, failures=failures)
        root, below = Resource(), Resource()
        root.putChild(b"api", below)
        below.putChild(b"v1", api.resource())
        site = APISite(root, reactor, api, **options)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        socket = str(tmp_path / f"s{len(ends)}")
        local = reactor.listenUNIX(socket, site, mode=0o600)
        ends.extend([port.stopListening, local.stopListening, feed.close])
        made = Site(reactor, running, api, port.getHost().port, socket)
        made.token = await made.make_token("admin")
        return made

    yield start
    for end in reversed(ends):
        await maybeDeferred(end)
    await deferLater(reactor, 0)

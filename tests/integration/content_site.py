"""A site of ours that serves distributions, on a port of its own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field
from pytest_twisted import async_yield_fixture
from sqlalchemy import Connection
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater
from twisted.web.resource import Resource

from tests.integration.cold_site import Got
from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import (
    Catalog,
    Key,
    artifacts,
    contents,
    distributions,
    remotes,
    repositories,
    sources,
    versions,
)
from twisted_pulp.context import Context
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.streamer import ContentResource, ContentSite, Streamer

__all__ = ["QUICK", "Content", "Lazy", "content", "opened"]

QUICK = Remote(retry=Retry(retries=1, base=0.001, cap=0.01))


@define
class Lazy:
    """
    A file that is not downloaded yet.

    :ivar body: that it is to have; what is expected of it follows from that.
    :ivar urls: where it can come from, in this order.
    """

    body: bytes
    urls: tuple[str, ...]
    known: bool = True


@define(eq=False)
class Content:
    """Distributions, served below /content/."""

    reactor: Any
    context: Context
    catalog: Catalog
    storage: DirectoryStorage
    streamer: Streamer
    port: int = 0
    _made: int = field(init=False, default=0)

    async def repository(self, files: Mapping[str, bytes | Lazy], name: str = "r") -> int:
        """Make a version of a repository that has exactly these files, and return its number."""
        stored = {path: body for path, body in files.items() if isinstance(body, bytes)}
        for body in set(stored.values()):
            await keep(self.storage, body)
        return await self.catalog.write(self._version, name, files)

    def _version(self, connection: Connection, name: str, files: Mapping[str, bytes | Lazy]) -> int:
        known = {each.name: each for each in repositories.list(connection)}
        row = known.get(name) or repositories.create(connection, name, "file", 1.0)
        draft = versions.begin(connection, row.id, 1.6e9)
        for path, file in files.items():
            versions.add(connection, draft, [self._unit(connection, path, file)])
        versions.remove_unseen(connection, draft)
        made = versions.finish(connection, draft, 1.6e9 + draft.number, None)
        assert made is not None
        return made.number

    def _unit(self, connection: Connection, path: str, file: bytes | Lazy) -> int:
        body = file if isinstance(file, bytes) else file.body
        sha256 = hashlib.sha256(body).hexdigest()
        key = f'["{path}", "{sha256}"]'
        unit = contents.NewContent("file", key, path, {})
        content = contents.save(connection, [unit], 1.0)["file", key]
        artifact = None
        if isinstance(file, bytes):
            artifact = artifacts.save(connection, [artifacts.NewArtifact(sha256, len(body))], 1.0)[sha256]
        expected = {"sha256": sha256} if not isinstance(file, Lazy) or file.known else {}
        new = contents.NewFile(content, path, artifact, len(body) if expected else None, expected)
        number = contents.attach(connection, [new])[content, path]
        if isinstance(file, Lazy):
            some = [sources.NewSource(number, url, None, at) for at, url in enumerate(file.urls, 1)]
            sources.save(connection, some)
        return content

    async def remote(self, url: str, name: str = "upstream", **fields: Any) -> int:
        """Keep a Remote, and return its number."""
        made = Remote(url=url, retry=QUICK.retry, **fields)
        return (await self.catalog.write(remotes.create, name, made, 1.0, key=self.catalog.key)).id

    async def distribute(self, base: str, repository: str | None = None, **fields: Any) -> None:
        """Serve a repository, a Remote or both below *base*."""
        await self.catalog.write(_distributed, base, repository, fields)

    async def client(self, path: str, *headers: str, method: str = "GET") -> Socket:
        """Return a client that has asked for *path*, and lets the connection end with the response."""
        client = await Socket.to(self.reactor, self.port)
        client.get(f"/content/{path}", "Connection: close", *headers, method=method)
        return client

    async def get(self, path: str, *headers: str, method: str = "GET") -> Got:
        """Return what a client gets for a path below /content/."""
        client = await self.client(path, *headers, method=method)
        return Got.of(await client.heard_all(), method)

    async def raw(self, request: bytes) -> bytes:
        """Return all that comes back for the bytes of a request."""
        client = await Socket.to(self.reactor, self.port)
        client.send(request)
        return await client.heard_all()

    async def landed(self) -> None:
        """Wait until every transfer is over: what has come is stored by then, and noted down."""
        for flight in list(self.streamer.flights._all):
            await flight.landed.wait()

    async def aged(self) -> None:
        """Wait until what is served is looked at again."""
        await deferLater(self.reactor, 1.01)


async def keep(storage: DirectoryStorage, body: bytes) -> None:
    """Store *body*."""
    writer: Any = storage.writer()
    writer.write(body)
    await maybeDeferred(writer.commit, None)


def _distributed(connection: Connection, base: str, repository: str | None, fields: dict[str, Any]) -> None:
    if repository is not None:
        fields["repository_id"] = repositories.get(connection, repository).id
    distributions.create(connection, base, base, 1.0, **fields)


async def opened(reactor: Any, context: Context, catalog: Catalog, directory: Path) -> AsyncIterator[Content]:
    """Give a site that serves what *catalog* says."""
    storage = await DirectoryStorage.open(reactor, directory / "storage", fsync="none")
    streamer = Streamer(context, catalog, storage)
    root = Resource()
    root.putChild(b"content", ContentResource(streamer))  # type: ignore[no-untyped-call]
    listening = reactor.listenTCP(0, ContentSite(root, reactor), interface="127.0.0.1")
    yield Content(reactor, context, catalog, storage, streamer, listening.getHost().port)
    await listening.stopListening()
    await streamer.close()
    await storage.close()


@async_yield_fixture
async def content(reactor: IReactor, context: Context, tmp_path: Path) -> AsyncIterator[Content]:
    """A site that serves nothing yet, with a catalog in SQLite."""
    key = Key.open(tmp_path / "key")
    catalog = await Catalog.open(reactor, f"sqlite:///{tmp_path}/catalog.sqlite", key=key)
    async for made in opened(reactor, context, catalog, tmp_path):
        yield made
    await catalog.close()

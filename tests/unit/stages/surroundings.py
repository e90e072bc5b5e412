"""What a sync needs, in memory: a catalog without threads, a storage, and a site that answers at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field
from sqlalchemy import create_engine, event, select
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred, execute, succeed

from twisted_pulp.catalog._tables import metadata
from twisted_pulp.context import Context
from twisted_pulp.download import Source
from twisted_pulp.stages import Content, DeclarativeArtifact, DeclarativeContent, Pipeline, Stage, Sync
from twisted_pulp.testing import FakeSite

NOW = 1_000_000.0
SITE = "http://site/"


class Lock:
    """One that is never waited for."""

    def __init__(self, catalog: MemoryCatalog, name: str) -> None:
        self._catalog, self._name = catalog, name

    def release(self) -> Deferred[None]:
        self._catalog.locked.remove(self._name)
        return succeed(None)


class MemoryCatalog:
    """
    A catalog in memory, whose calls are done when they return.

    :ivar failing: work -> what it fails with.
    :ivar locked: names of the locks that are held.
    :ivar written: names of the functions that wrote, in order.
    """

    dialect = "sqlite"

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self._engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
        metadata.create_all(self._engine)
        self.failing: dict[str, Exception] = {}
        self.locked: list[str] = []
        self.written: list[str] = []

    def now(self, work: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        """Return what *work* does in a transaction."""
        if work.__name__ in self.failing:
            raise self.failing[work.__name__]
        with self._engine.begin() as connection:
            return work(connection, *args, **fields)

    def read(self, work: Callable[..., Any], *args: Any, **fields: Any) -> Deferred[Any]:
        """Do *work*."""
        return execute(self.now, work, *args, **fields)

    def write(self, work: Callable[..., Any], *args: Any, **fields: Any) -> Deferred[Any]:
        """Do *work* in a transaction."""
        self.written.append(work.__name__)
        return execute(self.now, work, *args, **fields)

    def lock(self, name: str) -> Deferred[Lock]:
        """Take a lock."""
        self.locked.append(name)
        return succeed(Lock(self, name))

    def rows(self, table: Any, *columns: str) -> list[tuple[Any, ...]]:
        """Return *columns* of all rows, in order."""
        with self._engine.connect() as connection:
            wanted = [table.c[name] for name in columns]
            return [tuple(row) for row in connection.execute(select(*wanted).order_by(table.primary_key.columns[0]))]

    def close(self) -> None:
        """Forget everything."""
        self._engine.dispose()


class World:
    """A Context whose requests a site in memory answers; of Remotes with a user name, a site of their own."""

    def __init__(self, context: Context, site: FakeSite) -> None:
        self._context, self.site = context, site
        self.sites: dict[str | None, Any] = {None: site}

    def agent(self, remote: Any) -> Any:
        """Return the site that *remote* sees."""
        return self.sites[remote.username]

    def downloader(self, remote: Any, **fields: Any) -> Any:
        """Return a downloader for that site."""
        made: Any = self._context.downloader(remote, **fields)
        made.agent, made.context = self.agent(remote), self
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


def file_of(path: str, body: bytes, *sources: str | Source, **fields: Any) -> DeclarativeArtifact:
    """Return the artifact that has *body* and is found below the site, or at *sources*."""
    expected = {"size": len(body), "digests": {"sha256": hashlib.sha256(body).hexdigest()}}
    return DeclarativeArtifact(sources=sources or (SITE + path,), relative_path=path, **{**expected, **fields})


def unit_of(path: str, body: bytes, *sources: str | Source, **fields: Any) -> DeclarativeContent:
    """Return the unit of one file, which is known by its path and digest."""
    artifact = file_of(path, body, *sources, **fields)
    key = (path, hashlib.sha256(body).hexdigest())
    return DeclarativeContent(content=Content(type="file", key=key, place=path), artifacts=(artifact,))


@define(eq=False)
class Declared(Stage):
    """Put what it was given."""

    units: Iterable[Any]

    async def run(self) -> None:
        """Put it."""
        for unit in self.units:
            await self.put(unit)


@define(eq=False)
class Taken(Stage):
    """Keep what comes."""

    units: list[Any] = field(factory=list)

    async def run(self) -> None:
        """Take it."""
        async for unit in self.items():
            self.units.append(unit)


async def through(sync: Sync, units: Iterable[Any], *stages: Stage) -> list[Any]:
    """Return what comes out of *stages* when *units* are put into them."""
    last = Taken()
    pipeline = Pipeline([Declared(units), *stages, last])
    for stage in pipeline.stages:
        stage.sync = sync
    await pipeline.run(sync.context.reactor, budget=sync.budget)
    return last.units

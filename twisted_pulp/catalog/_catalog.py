"""What is known, behind threads of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from twisted.internet.defer import Deferred

from twisted_pulp.catalog._engine import Database, database_at
from twisted_pulp.catalog._key import Key
from twisted_pulp.catalog._lock import Lock, Locks
from twisted_pulp.catalog._migrations import HEAD
from twisted_pulp.catalog._schema import bring_up_to_date, revision_of
from twisted_pulp.catalog._threads import Threads
from twisted_pulp.catalog._work import Work
from twisted_pulp.errors import CatalogError

__all__ = ["Catalog"]

P = ParamSpec("P")
T = TypeVar("T")
#: Seconds that a transaction is tried for.
PATIENCE = 30.0
# Those who ask for a lock do not wait for it in a thread.
_LOCKERS = 2


class Catalog:
    """
    A database, opened by `open`.

    Work with it is a plain function that gets a `sqlalchemy.Connection`, in a transaction, in one of the catalog's own
    threads.

    :ivar url: of the database, without the password.
    :ivar dialect: "sqlite" or "postgresql".
    :ivar key: what seals secrets; None: there must be none.
    """

    def __init__(self, reactor: Any, database: Database, key: Key | None, patience: float, lease: float) -> None:
        self._reactor, self._database, self._patience = reactor, database, patience
        self.url, self.dialect, self.key = database.url, database.dialect, key
        self._writers = Threads(reactor, database.writers, "catalog writer")
        self._readers = Threads(reactor, database.readers, "catalog reader")
        self._lockers = Threads(reactor, _LOCKERS, "catalog lock")
        self._locks = Locks(reactor, database, self._lockers, patience, lease)
        self._waiting: set[Deferred[Lock]] = set()
        self._working: dict[Work[Any], Deferred[Any]] = {}
        self._closing: Deferred[None] | None = None

    @classmethod
    def open(
        cls,
        reactor: Any,
        url: str,
        *,
        key: Key | None = None,
        patience: float = PATIENCE,
        durable: bool = True,
        connections: int = 8,
        lease: float = 60.0,
    ) -> Deferred[Catalog]:
        """
        Open the database at *url*, and make its tables or bring them up to date where needed.

        :param url: ``sqlite:////PATH/catalog.sqlite``, a file that is made if missing, or
            ``postgresql://USER:PASSWORD@HOST/NAME``.
        :param key: seals the secrets of remotes; default None: remotes with secrets are refused.
        :param patience: seconds for which a transaction waits for a lock, a conflict or a lost connection; default 30.
        :param durable: whether what was committed in an SQLite file is on the disk, also when the machine loses power;
            default true. PostgreSQL settles that itself.
        :param connections: to PostgreSQL for transactions, at most, from 2; half of them write. Default 8.
        :param lease: seconds after which a process that stands still loses its locks on PostgreSQL; the same for all.
            Default 60.
        :raises SettingsError: *url* is none of these.
        :raises CatalogError: what keeps it from being opened.
        """
        database = database_at(url, durable, connections, lease)
        return Deferred.fromCoroutine(cls(reactor, database, key, patience, lease)._opened())

    async def _opened(self) -> Catalog:
        try:
            # A server that cannot be reached now is told at once: the URL may be wrong.
            at_once = 0.0 if self.dialect == "postgresql" else self._patience
            if await self._begin(self._database.reading, self._readers, self._looked, at_once) != HEAD:
                await self.write(bring_up_to_date)
        except BaseException:
            await self.close()
            raise
        return self

    def _looked(self, connection: Connection) -> str | None:
        if self._database.sound is not None:
            self._database.sound(connection)
        return revision_of(connection)

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **given: P.kwargs) -> Deferred[T]:
        """Call *work* in a transaction that only reads, and give what it returns."""
        return self._begin(self._database.reading, self._readers, functools.partial(_call, work, args, given))

    def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **given: P.kwargs) -> Deferred[T]:
        """Call *work* in a transaction, commit it, and give what it returned."""
        return self._begin(self._database.writing, self._writers, functools.partial(_call, work, args, given))

    def lock(self, name: str) -> Deferred[Lock]:
        """
        Wait for the lock of this *name*, which one in all processes holds at a time; give it back by its `release`.

        On SQLite it is an flock on a file in ``locks`` beside the database, on PostgreSQL an advisory lock on a
        connection of its own, which a process loses that says nothing for a lease. Who waits may be cancelled, and
        those of one process take turns.
        """
        self._check_open()
        d = Deferred.fromCoroutine(self._locks.take(name))
        self._waiting.add(d)

        def end(result: Any) -> Any:
            self._waiting.discard(d)
            return result

        return d.addBoth(end)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise CatalogError("the catalog is closed")

    def _begin(
        self, engine: Engine, threads: Threads, do: Callable[[Connection], T], patience: float | None = None
    ) -> Deferred[T]:
        self._check_open()
        work = Work(self._database, engine, do, self._reactor.seconds, self._patience if patience is None else patience)
        d = Deferred.fromCoroutine(threads.call(work.run, work.given_up.set))
        self._working[work] = d

        def end(result: Any) -> Any:
            del self._working[work]
            return result

        return d.addBoth(end)

    def close(self) -> Deferred[None]:
        """
        End: what is being done is awaited, what waits is cancelled, and locks that are held are given back.

        Again waits for the end of the first.
        """
        if self._closing is None:
            self._closing = Deferred()
            return Deferred.fromCoroutine(self._close(self._closing))
        later: Deferred[None] = Deferred()
        self._closing.chainDeferred(later)
        return later

    async def _close(self, closed: Deferred[None]) -> None:
        for work in self._working:
            work.closing.set()
        waiting = [*self._working.values(), *self._waiting]
        for d in list(self._waiting):
            d.cancel()
        for one in waiting:
            await _end_of(one)
        await self._locks.give_all()
        for engine in (self._database.writing, self._database.reading):
            await self._writers.call(engine.dispose)
        for threads in (self._writers, self._readers, self._lockers):
            threads.stop()
        closed.callback(None)


async def _end_of(d: Deferred[Any]) -> None:
    ended: Deferred[None] = Deferred()

    def pass_on(result: Any) -> Any:
        ended.callback(None)
        return result

    d.addBoth(pass_on)
    await ended


def _call(work: Any, args: Any, given: Any, connection: Connection) -> Any:
    return work(connection, *args, **given)

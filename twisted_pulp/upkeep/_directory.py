"""The data directory: catalog, storage, key and locks in one place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, Key, versions
from twisted_pulp.errors import StorageError
from twisted_pulp.interfaces import IStorage
from twisted_pulp.storage import DirectoryStorage
from twisted_pulp.threads import InThread, WriterThreads, outlasting
from twisted_pulp.upkeep._late_key import LateKey
from twisted_pulp.upkeep._lock import WriterLock

__all__ = ["DataDirectory"]

T = TypeVar("T")
_log = Logger()


@define(eq=False)
class DataDirectory:
    """
    Everything that is kept::

        DIR/catalog.sqlite   what is known, unless the catalog is elsewhere
        DIR/storage/         the bytes, unless they are elsewhere
        DIR/spool/           bytes on their way into a bucket, if that is where they are
        DIR/key              for secrets in the catalog
        DIR/locks/           who writes

    One process writes, others may read meanwhile.

    :ivar path: absolute.
    :ivar catalog: what is known.
    :ivar storage: the bytes.
    """

    path: str
    catalog: Catalog
    storage: IStorage
    _lock: WriterLock
    _threads: WriterThreads

    @classmethod
    def open(cls, reactor: Any, path: str | os.PathLike[str], **options: Any) -> Deferred[DataDirectory]:
        """
        Open the data directory at *path*, which is made if it is missing.

        :param options: those of `Opening`, by name.
        :returns: a Deferred of it. It fails with `DataInUse`, `CatalogError` or `StorageError`: nobody writes in a
            directory in which everybody may. To cancel it gives everything back.
        """
        return Deferred.fromCoroutine(Opening(reactor, os.path.abspath(path), **options).run())

    def close(self) -> Deferred[None]:
        """Finish what was begun, and give everything back."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        try:
            await outlasting(self.catalog.close())
        finally:
            await outlasting(self.storage.close())
            self._lock.release()
            self._threads.close()


@define(eq=False)
class Opening:
    """
    How a data directory is opened.

    :ivar database: URL of the catalog; default None: a file in the directory.
    :ivar storage: path of the directory with the bytes, or URL of a bucket; default None: ``storage`` in the directory.
    :ivar key: path of the file with the key for secrets; default None: ``key`` in the directory.
    :ivar connections: to a database on a server, at most; default 8.
    :ivar lease: seconds after which a process that stands still loses its locks of such a database; default 60.
    :ivar fsync: of the storage: "full" (default), "file" or "none"; with "none" the catalog is not durable either.
    :ivar write: whether this process is the one that writes; what a killed one has left is then cleaned up. Default
        false.
    :ivar wait: whether to wait for another one that writes; default true.
    :ivar busy: called with that one's number, or None, before the wait.
    :ivar threads: in which files are read and written; default 2.
    """

    _reactor: Any
    _path: str
    database: str | None = None
    storage: str | None = None
    key: str | None = None
    connections: int = 8
    lease: float = 60.0
    fsync: Literal["none", "file", "full"] = "full"
    write: bool = False
    wait: bool = True
    busy: Callable[[int | None], object] = lambda pid: None
    threads: int = 2
    _open: list[Callable[[], Any]] = field(init=False, factory=list)

    async def run(self) -> DataDirectory:
        """Open it."""
        try:
            return await self._run()
        except BaseException:
            for close in reversed(self._open):
                await outlasting(Deferred.fromCoroutine(_closed(close)))
            raise

    async def _run(self) -> DataDirectory:
        threads = WriterThreads(self._reactor, self.threads)
        self._open.append(threads.close)
        in_thread = _lanes(threads)
        await outlasting(in_thread(_make, self._path))
        if self.write:
            await outlasting(in_thread(_check, self._path))
        lock = WriterLock(self._reactor, os.path.join(self._path, "locks", "writer"))
        self._open.append(lock.release)
        if self.write:
            await lock.acquire(wait=self.wait, busy=self.busy)
        storage = await self._storage(in_thread)
        self._open.append(storage.close)
        url = self.database or f"sqlite:///{os.path.join(self._path, 'catalog.sqlite')}"
        key = LateKey(self.key or os.path.join(self._path, "key"))
        durable = self.fsync != "none"
        catalog = await Catalog.open(
            self._reactor,
            url,
            key=cast(Key, key),
            durable=durable,
            connections=self.connections,
            lease=self.lease,
        )
        self._open.append(catalog.close)
        if self.write:
            await storage.recover()
        if self.write and self.database is None:
            # Nobody else has the catalog: every version that is not complete is a dead process's. In a catalog that
            # others share, the next sync of the same repository undoes it.
            await catalog.write(versions.recover)
        return DataDirectory(self._path, catalog, storage, lock, threads)

    async def _storage(self, in_thread: InThread) -> IStorage:
        where = self.storage or os.path.join(self._path, "storage")
        if "://" not in where:
            return await DirectoryStorage.open(self._reactor, where, fsync=self.fsync, in_thread=in_thread)
        from twisted_pulp.storage import ObjectStorage

        return await ObjectStorage.open(self._reactor, where, os.path.join(self._path, "spool"))


async def _closed(close: Callable[[], Any]) -> None:
    given = close()
    if given is not None:
        await given


def _make(path: str) -> None:
    try:
        os.makedirs(os.path.join(path, "locks"), exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error


def _check(path: str) -> None:
    """Refuse a directory in which anybody may put a catalog or a key of their own."""
    if os.stat(path).st_mode & stat.S_IWOTH:
        raise StorageError(f"{path}: everybody may write there: chmod o-w {path}, or choose a directory of your own")
    parent = os.path.dirname(os.path.realpath(path))
    while parent != os.path.dirname(parent):
        if os.stat(parent).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            _log.warn(
                "everybody may put another directory in the place of {path}: chmod o-w {parent}",
                path=path,
                parent=parent,
            )
        parent = os.path.dirname(parent)


def _lanes(threads: WriterThreads) -> InThread:
    """Return what calls in the threads in turn."""

    def call(f: Callable[..., T], *args: Any) -> Deferred[T]:
        return threads.lane()(f, *args)

    return call

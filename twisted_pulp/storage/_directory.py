"""A directory as storage."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar, get_args

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorFromThreads
from zope.interface import implementer

from twisted_pulp.errors import StorageError
from twisted_pulp.interfaces import Adoption, ExportMode, IStorage, Recovered
from twisted_pulp.storage import _reading
from twisted_pulp.storage._adopt import Batch
from twisted_pulp.storage._busy import Busy
from twisted_pulp.storage._delivery import Delivery
from twisted_pulp.storage._export import exported
from twisted_pulp.storage._growing import Growing
from twisted_pulp.storage._names import checked, parts, span, temporary_name
from twisted_pulp.storage._recover import recovered
from twisted_pulp.storage._root import Root
from twisted_pulp.storage._shelves import Shelves
from twisted_pulp.storage._system import OS, Fsync, System
from twisted_pulp.storage._writer import Share, Writer
from twisted_pulp.threads import InThread, WriterThreads, outlasting

__all__ = ["DirectoryStorage"]

T = TypeVar("T")
# Seconds for which a download that was broken off can be gone on with.
_KEEP = 7 * 86400.0


@implementer(IStorage)
class DirectoryStorage:
    """
    Keep artifacts in a directory, each a read-only file named by its sha256; made by `open`.

    Several processes may have one directory open, and write.
    """

    follows = False

    def __init__(
        self, root: Root, fsync: Fsync, keep: float, in_thread: InThread, threads: WriterThreads | None
    ) -> None:
        self._root, self._fsync, self._keep, self._in_thread, self._threads = root, fsync, keep, in_thread, threads
        self._share = Share()
        # On the reactor's thread alone.
        self._shelves = Shelves(root) if fsync == "none" else None
        self._deliveries: set[Delivery] = set()
        self._busy = Busy()
        self._closed = False

    @classmethod
    def open(
        cls,
        reactor: IReactorFromThreads,
        root: str | os.PathLike[str],
        *,
        fsync: Fsync = "full",
        keep: float = _KEEP,
        in_thread: InThread | None = None,
        system: System = OS,
    ) -> Deferred[DirectoryStorage]:
        """
        Open the storage in *root*, which is made if it is missing.

        :param fsync: what is on the disk when something counts as stored: "full", the default, files and directories;
            "file", files only; "none", neither.
        :param keep: seconds for which `recover` keeps what a download can go on with; default 7 days.
        :param in_thread: calls a function in a thread and returns a Deferred; default two threads of its own.
        :param system: makes the calls that change the disk; for tests.
        :returns: a Deferred of the storage. It fails with `StorageError`.
        :raises ValueError: when *fsync* is none of these.
        """
        if fsync not in ("none", "file", "full"):
            raise ValueError(f"fsync is {fsync!r}, but it must be none, file or full")
        threads = None if in_thread is not None else WriterThreads(reactor)
        call = in_thread if threads is None else _lanes(threads)
        assert call is not None
        return Deferred.fromCoroutine(cls._opened(os.path.abspath(root), fsync, keep, call, threads, system))

    @classmethod
    async def _opened(
        cls, path: str, fsync: Fsync, keep: float, call: InThread, threads: WriterThreads | None, system: System
    ) -> DirectoryStorage:
        try:
            root = await outlasting(call(Root, path, system, fsync == "full"))
        except BaseException:
            if threads is not None:
                threads.close()
            raise
        return cls(root, fsync, keep, call, threads)

    def __repr__(self) -> str:
        return f"<DirectoryStorage {self._root.path} fsync={self._fsync} writers={len(self._share.writers)}>"

    def _do(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        """Call *f* in a thread, to its end even when nobody waits for it any more."""
        return Deferred.fromCoroutine(self._busy.counted(self._hop(f, *args)))

    async def _hop(self, f: Callable[..., T], *args: Any) -> T:
        return await outlasting(self._call(f, *args))

    def _call(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        if self._closed:
            raise StorageError(f"{self._root.path} is closed")
        return self._in_thread(f, *args)

    # what comes
    def temporary(self, name: str) -> str:
        """Return a path in tmp."""
        self._root.begin(wait=False)
        return f"{self._root.temporaries}/{temporary_name(name)}"

    def adopt(self, files: Sequence[Adoption], *, replace: bool = False) -> Deferred[list[StorageError | None]]:
        """Give *files* the names of artifacts, in one thread hop; directories are brought to the disk once for all."""
        for file in files:
            checked(file.sha256)
            if os.path.dirname(file.path) != self._root.temporaries:
                raise ValueError(f"{file.path!r} is not in {self._root.temporaries}")
        return self._do(Batch(self._root, self._fsync, replace=replace).adopt, files)

    def follow(self, path: str, sha256: str, size: int) -> None:
        """Do nothing: to adopt it takes no time."""

    def put(self, sha256: str, data: bytes) -> str | None:
        """Store *data* at once when nothing is brought to the disk; else do nothing."""
        path = self.path(sha256)
        if self._shelves is None:
            return None
        self._shelves.put(sha256, data)
        return path

    def writer(self, *, sha256: str | None = None, size: int | None = None) -> Writer:
        """Return a writer, whose small bodies are written at once when nothing is brought to the disk."""
        growing = Growing(self._root, self._fsync, None if sha256 is None else checked(sha256), size, self._shelves)
        return Writer(growing, self._do, self._fsync == "none", self._share, size)

    # what is there
    def has(self, sha256s: Sequence[str]) -> Deferred[set[str]]:
        """Look which are there."""
        return self._do(_reading.present, self._root, [checked(each) for each in sha256s])

    def size(self, sha256: str) -> Deferred[int | None]:
        """Look how large it is."""
        return self._do(_reading.size_of, self._root, checked(sha256))

    def path(self, sha256: str) -> str:
        """Return where its file is, or would be."""
        first, second = parts(checked(sha256))
        return f"{self._root.path}/artifact/{first}/{second}/{sha256}"

    def read(self, sha256: str, offset: int = 0, length: int | None = None) -> Deferred[bytes]:
        """Read some of it in a thread."""
        span(offset, length)
        return self._do(_reading.read, self._root, checked(sha256), offset, length)

    def produce(self, sha256: str, consumer: IConsumer, offset: int = 0, length: int | None = None) -> Deferred[int]:
        """Read it piece by piece in a thread, as *consumer* takes it."""
        span(offset, length)
        return Deferred.fromCoroutine(self._busy.counted(self._produce(checked(sha256), consumer, offset, length)))

    async def _produce(self, sha256: str, consumer: IConsumer, offset: int, length: int | None) -> int:
        fd = await self._hop(_reading.open_artifact, self._root, sha256)
        delivery = Delivery(lambda *wanted: Deferred.fromCoroutine(self._hop(_reading.pread, fd, *wanted)), consumer)
        self._deliveries.add(delivery)
        try:
            size = os.fstat(fd).st_size
            return await delivery.run(offset, max(0, size - offset) if length is None else length)
        finally:
            self._deliveries.discard(delivery)
            os.close(fd)

    def check(self, sha256: str, size: int | None = None) -> Deferred[str | None]:
        """Hash it in a thread, with pauses for others."""
        artifact = _reading.Checked(self._root, checked(sha256), size)
        return Deferred.fromCoroutine(self._busy.counted(self._check(artifact)))

    async def _check(self, artifact: _reading.Checked) -> str | None:
        try:
            while not await self._hop(artifact.step):
                pass
            return artifact.verdict
        finally:
            artifact.close()

    def remove(self, sha256s: Sequence[str]) -> Deferred[int]:
        """Remove them; their directories stay."""
        return self._do(_reading.removed, self._root, [checked(each) for each in sha256s])

    async def each(self) -> AsyncIterator[tuple[str, int, float]]:
        """List one first-level directory after another."""
        for first in await self._do(_reading.folder_names, self._root):
            for artifact in await self._do(_reading.listed, self._root, first):
                yield artifact

    def export(self, sha256: str, path: str | os.PathLike[str], *, mode: ExportMode = "auto") -> Deferred[None]:
        """
        Put it at *path*: "auto" shares blocks (reflink) where it can, and copies elsewhere.

        :raises ValueError: when *mode* is none.
        """
        if mode not in get_args(ExportMode):
            raise ValueError(f"mode is {mode!r}, but it must be one of {', '.join(get_args(ExportMode))}")
        return self._do(exported, self._root, checked(sha256), os.fspath(path), mode)

    def url(self, sha256: str) -> Deferred[str | None]:
        """Clients get it from here."""
        checked(sha256)
        return succeed(None)

    # beginning and end
    def recover(self) -> Deferred[Recovered]:
        """Remove temporary files of dead processes; what a download can go on with is kept for `keep` seconds."""
        return self._do(recovered, self._root, self._keep)

    def close(self) -> Deferred[None]:
        """Finish what was begun, abort writers that were not committed, and give everything back."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._closed:
            return
        for writer in list(self._share.writers):
            aborted = writer.abort(StorageError("the storage is closed"))
            if aborted is not None:
                await aborted
        for delivery in list(self._deliveries):
            delivery.stopProducing()
        self._closed = True
        await self._busy.ended()
        if self._threads is not None:
            self._threads.close()
        if self._shelves is not None:
            self._shelves.close()
        self._root.close()


def _lanes(threads: WriterThreads) -> InThread:
    """Return what calls in the threads in turn."""

    def call(f: Callable[..., T], *args: Any) -> Deferred[T]:
        return threads.lane()(f, *args)

    return call

"""Memory as storage: for tests, and for what is not worth a directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar, get_args

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import NotStored, SizeMismatch, StorageDamaged, StorageError
from twisted_pulp.interfaces import Adoption, ExportMode, Head, IStorage, IWriter, Recovered
from twisted_pulp.storage._adopt import READ
from twisted_pulp.storage._delivery import Delivery
from twisted_pulp.storage._growing import agree
from twisted_pulp.storage._names import checked, span, temporary_name
from twisted_pulp.storage._placing import placed
from twisted_pulp.storage._system import storage_error

__all__ = ["MemoryStorage"]

T = TypeVar("T")


@implementer(IStorage)
class MemoryStorage:
    """
    Keep artifacts in memory, all of them, until it is closed.

    What a `Download` brings still goes through a file: `temporary` gives paths in a private directory.

    :param now: seconds since the epoch; default `time.time`.
    """

    follows = False

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._artifacts: dict[str, tuple[bytes, float]] = {}
        self._tmp: str | None = None
        self._deliveries: set[Delivery] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<MemoryStorage artifacts={len(self._artifacts)}>"

    def _open(self) -> None:
        if self._closed:
            raise StorageError("the storage is closed")

    def temporary(self, name: str) -> str:
        """Return a path in a directory of its own."""
        self._open()
        if self._tmp is None:
            self._tmp = tempfile.mkdtemp(prefix="twisted_pulp-")
        return f"{self._tmp}/{temporary_name(name)}"

    def adopt(self, files: Sequence[Adoption], *, replace: bool = False) -> Deferred[list[StorageError | None]]:
        """Read *files*, and remove them."""
        for file in files:
            checked(file.sha256)
            if os.path.dirname(file.path) != self._tmp:
                raise ValueError(f"{file.path!r} is not in {self._tmp}")
        return execute(lambda: [self._adopted(file, replace) for file in files])

    def _adopted(self, file: Adoption, replace: bool) -> StorageError | None:
        there = self._artifacts.get(file.sha256)
        try:
            self._open()
            if os.path.exists(file.path) or there is None or len(there[0]) != file.size:
                data = _file_of(file)
                if there is None or replace or len(there[0]) != file.size:
                    self.keep(data, file.sha256)
                os.unlink(file.path)
        except OSError as error:
            return storage_error(error, file.path)
        except StorageError as error:
            return error
        return None

    def keep(self, data: bytes, sha256: str | None = None) -> str:
        """
        Keep *data* as an artifact, at once.

        :param sha256: of it, trusted; None looks.
        :returns: its sha256.
        """
        self._open()
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        self._artifacts[sha256] = data, self._now()
        return sha256

    def follow(self, path: str, sha256: str, size: int) -> None:
        """Do nothing: to adopt it takes no time."""

    def put(self, sha256: str, data: bytes) -> None:
        """Do nothing: an artifact is no file."""
        checked(sha256)

    def writer(self, *, sha256: str | None = None, size: int | None = None) -> MemoryStorageWriter:
        """Return a writer that gathers what comes."""
        return MemoryStorageWriter(self.keep, None if sha256 is None else checked(sha256), size)

    def has(self, sha256s: Sequence[str]) -> Deferred[set[str]]:
        """Look which are there."""
        wanted = {checked(each) for each in sha256s}
        return self._at_once(lambda: wanted & self._artifacts.keys())

    def size(self, sha256: str) -> Deferred[int | None]:
        """Return its length."""
        checked(sha256)
        return self._at_once(lambda: len(self._artifacts[sha256][0]) if sha256 in self._artifacts else None)

    def path(self, sha256: str) -> None:
        """There are no files."""
        checked(sha256)

    def read(self, sha256: str, offset: int = 0, length: int | None = None) -> Deferred[bytes]:
        """Return a copy of some of it."""
        span(offset, length)
        return self._at_once(self._part, checked(sha256), offset, length)

    def _part(self, sha256: str, offset: int, length: int | None) -> bytes:
        if sha256 not in self._artifacts:
            raise NotStored(sha256)
        return self._artifacts[sha256][0][offset : None if length is None else offset + length]

    def produce(self, sha256: str, consumer: IConsumer, offset: int = 0, length: int | None = None) -> Deferred[int]:
        """Give it piece by piece, as *consumer* takes it."""
        span(offset, length)
        return Deferred.fromCoroutine(self._produce(checked(sha256), consumer, offset, length))

    async def _produce(self, sha256: str, consumer: IConsumer, offset: int, length: int | None) -> int:
        self._open()
        data = self._part(sha256, 0, None)
        delivery = Delivery(lambda start, size: succeed(data[start : start + size]), consumer)
        self._deliveries.add(delivery)
        try:
            return await delivery.run(offset, max(0, len(data) - offset) if length is None else length)
        finally:
            self._deliveries.discard(delivery)

    def check(self, sha256: str, size: int | None = None) -> Deferred[str | None]:
        """Hash it."""
        return self._at_once(self._verdict, checked(sha256), size)

    def _verdict(self, sha256: str, size: int | None) -> str | None:
        if sha256 not in self._artifacts:
            return "missing"
        data = self._artifacts[sha256][0]
        if size is not None and len(data) != size:
            return "truncated" if len(data) < size else "flipped"
        return None if hashlib.sha256(data).hexdigest() == sha256 else "flipped"

    def remove(self, sha256s: Sequence[str]) -> Deferred[int]:
        """Forget them."""
        wanted = {checked(each) for each in sha256s}
        return self._at_once(lambda: sum(self._artifacts.pop(each, None) is not None for each in wanted))

    async def each(self) -> AsyncIterator[tuple[str, int, float]]:
        """List them."""
        self._open()
        for sha256, (data, when) in sorted(self._artifacts.items()):
            yield sha256, len(data), when

    def export(self, sha256: str, path: str | os.PathLike[str], *, mode: ExportMode = "auto") -> Deferred[None]:
        """
        Write it to *path*; there is nothing to link to.

        :raises ValueError: when *mode* is none.
        """
        if mode not in get_args(ExportMode):
            raise ValueError(f"mode is {mode!r}, but it must be one of {', '.join(get_args(ExportMode))}")
        return self._at_once(self._export, checked(sha256), os.fspath(path), mode)

    def _export(self, sha256: str, path: str, mode: ExportMode) -> None:
        data = self._part(sha256, 0, None)
        if mode in ("reflink", "hardlink"):
            raise StorageError(f"{path}: memory has no files to link to")

        def write(temporary: str) -> None:
            with open(temporary, "xb") as file:
                file.write(data)

        placed(path, write)

    def url(self, sha256: str) -> Deferred[str | None]:
        """Clients get it from here."""
        checked(sha256)
        return succeed(None)

    def recover(self) -> Deferred[Recovered]:
        """Nothing outlives a process."""
        return self._at_once(Recovered, 0, 0, 0)

    async def _close(self) -> None:
        for delivery in list(self._deliveries):
            delivery.stopProducing()
        self._closed = True
        self._artifacts = {}
        tmp, self._tmp = self._tmp, None
        if tmp is not None:
            shutil.rmtree(tmp)

    def close(self) -> Deferred[None]:
        """Forget everything."""
        return Deferred.fromCoroutine(self._close())

    def _at_once(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        def call() -> T:
            self._open()
            return f(*args)

        return execute(call)


def _file_of(file: Adoption) -> bytes:
    fd = os.open(file.path, READ)
    with os.fdopen(fd, "rb") as opened:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size != file.size:
            raise StorageDamaged(f"{file.path} is not the file of {file.size} bytes that was announced")
        return opened.read()


@implementer(IWriter)
class MemoryStorageWriter:
    """
    Gather what comes.

    :param keep: makes bytes an artifact.
    :ivar sha256: of what was committed, else None.
    :ivar size: of it.
    """

    rewindable = True

    def __init__(self, keep: Callable[[bytes], str], sha256: str | None, size: int | None) -> None:
        self._keep, self._expected = keep, (sha256, size)
        self._data = bytearray()
        self.sha256: str | None = None
        self.size: int | None = None

    def begin(self, head: Head) -> None:
        """Forget what came before, unless it goes on from there."""
        if head.offset == 0:
            self._data = bytearray()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Nothing to pause."""

    def unregisterProducer(self) -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        size = self._expected[1]
        if size is not None and len(self._data) + len(data) > size:
            raise SizeMismatch(expected=size, actual=len(self._data) + len(data))
        self._data += data

    def commit(self, report: DownloadReport | None = None) -> None:
        """Make it an artifact."""
        data, self._data = bytes(self._data), bytearray()
        agree(*self._expected, hashlib.sha256(data).hexdigest(), len(data))
        self.sha256, self.size = self._keep(data), len(data)

    def abort(self, error: BaseException) -> None:
        """Forget it."""
        self._data = bytearray()

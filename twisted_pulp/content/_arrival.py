"""The bytes of metadata on their way in: a writer at one end, a reader at the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.content._spool import Spool
from twisted_pulp.digests import Hashes
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import MetadataError
from twisted_pulp.interfaces import Head, IWriter

__all__ = ["Arrival"]

# Bytes in memory: from the first on they go to a file, and with the second the upstream waits for that.
_ENOUGH, _TOO_MUCH = 1 << 20, 2 << 20


@implementer(IWriter)
@define(eq=False)
class Arrival:
    """
    Take what a download writes, and give it to one reader, who may begin at once and be slower.

    A download that begins again from the start must bring the same bytes: some may have been read.

    :param url: of the metadata.
    :param spool: keeps the bytes.
    :param waits: called with the length that was announced, or None: whether the reader gets nothing before the end.
    """

    rewindable = True
    _url: str
    _spool: Spool
    _waits: Callable[[int | None], bool]
    _hashes: Hashes = field(init=False, factory=Hashes)
    _again: Hashes | None = field(init=False, default=None)
    _left: int = field(init=False, default=0)  # bytes that have to come again
    _held: bool = field(init=False, default=True)
    _ended: bool = field(init=False, default=False)
    _failure: Failure | None = field(init=False, default=None)
    _reader: Deferred[None] | None = field(init=False, default=None)
    _flushing: Deferred[None] | None = field(init=False, default=None)
    _producer: Any = field(init=False, default=None)
    _paused: bool = field(init=False, default=False)

    @property
    def sha256(self) -> str:
        """The digest of what has come."""
        return self._hashes.values()["sha256"]

    # The writer's end.

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let *producer* be paused while the file is behind."""
        self._producer, self._paused = producer, False

    def unregisterProducer(self) -> None:
        """Let go of it."""
        self._producer = None

    def begin(self, head: Head) -> None:
        """Go on, or compare what comes with what came before."""
        self._held = self._held and self._waits(head.length)
        if head.offset == 0 and self._spool.size:
            self._again, self._left = Hashes(), self._spool.size

    def write(self, data: bytes) -> None:
        """
        Take *data*.

        :raises MetadataError: when it is not what came before.
        """
        if self._left:
            data = self._compared(data)
        self._hashes.update(data)
        self._spool.write(data)
        if self._spool.waiting >= _ENOUGH:
            self._relieve()
        if not self._held:
            self._tell()

    def _compared(self, data: bytes) -> bytes:
        known, rest = data[: self._left], data[self._left :]
        assert self._again is not None
        self._again.update(known)
        self._left -= len(known)
        if not self._left and self._again.values() != self._hashes.values():
            raise MetadataError(self._url, None, "it changed while it was read; sync again")
        return rest

    def commit(self, report: DownloadReport) -> None:
        """
        All of it came.

        :raises MetadataError: when that is less than came before.
        """
        if self._left:
            raise MetadataError(self._url, None, "it changed while it was read; sync again")

    def abort(self, error: BaseException) -> None:
        """Nothing: who waits for the download says how it ended."""

    def end(self, failure: Failure | None = None) -> None:
        """No more will come, because of *failure* if there is one."""
        self._ended, self._failure = True, self._failure or failure
        self._tell()

    def _relieve(self) -> None:
        if self._flushing is None:
            self._flushing = Deferred.fromCoroutine(self._spool.flush())
            self._flushing.addBoth(self._relieved)
        if self._spool.waiting >= _TOO_MUCH and self._producer is not None and not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def _relieved(self, result: Any) -> None:
        self._flushing = None
        if isinstance(result, Failure):
            self._failure = self._failure or result
            self._tell()
        elif self._paused and self._producer is not None:
            self._paused = False
            self._producer.resumeProducing()

    # The reader's end.

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Give the bytes in pieces, as they come; what the download failed with is raised at once."""
        offset = 0
        while True:
            await self._something(offset)
            data = await self._spool.read(offset)
            if not data:
                return
            offset += len(data)
            yield data

    async def ready(self) -> bool:
        """Wait until the reader may begin, or all of it is here; return whether it is, without a failure."""
        while self._held and not self._ended:
            await self._woken()
        return self._ended and self._failure is None

    async def _something(self, offset: int) -> None:
        while self._failure is None and not self._ended and (self._held or offset >= self._spool.size):
            await self._woken()
        if self._failure is not None:
            self._failure.raiseException()

    def _woken(self) -> Deferred[None]:
        self._reader = Deferred()
        return self._reader

    def _tell(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.callback(None)

    async def settled(self) -> None:
        """Wait until nothing goes to the file any more; only then may others write or close it."""
        if self._flushing is not None:
            settled: Deferred[None] = Deferred()

            def tell(result: Any) -> Any:
                settled.callback(None)
                return result

            self._flushing.addBoth(tell)
            await settled

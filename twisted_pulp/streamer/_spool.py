"""Where the bytes of an artifact are while they come, for those who read along."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import PulpError, StorageError
from twisted_pulp.interfaces import Adoption, Head, IFollower, IStorage, IWriter
from twisted_pulp.streamer._audience import Audience
from twisted_pulp.streamer._backlog import Backlog, temporary
from twisted_pulp.streamer._growing import GrowingFile
from twisted_pulp.threads import outlasting

__all__ = ["Spool"]

# Bytes up to which there is no file: nobody reads so small a one before its end.
_SMALL = 256 << 10
# Bytes that are written together, and seconds after which fewer are.
_BATCH, _LATEST = 256 << 10, 0.05


@implementer(IWriter)
class Spool:
    """
    Gather a body in a file of the storage's, which becomes an artifact at the end.

    :param storage: whose artifact it becomes.
    :param threads: in which is written, as `Context.threads`.
    :param clock: a batch does not wait longer than 50 ms.
    :param audience: hears of it.
    :param backlog: stores small ones; default one of its own.
    :param sha256: of all of it, as expected; None: nobody knows.
    :ivar written: bytes that can be read.
    :ivar forgets: whether what was read is not kept: no.
    :ivar joinable: whether somebody can still begin to read: always.
    """

    rewindable = True
    forgets = False
    joinable = True
    _follower: IFollower | None

    def __init__(
        self,
        storage: IStorage,
        threads: Any,
        clock: IReactorTime,
        audience: Audience,
        backlog: Backlog | None = None,
        sha256: str | None = None,
    ) -> None:
        self._storage, self._threads, self._clock, self._audience = storage, threads, clock, audience
        self._backlog = Backlog(storage, threads) if backlog is None else backlog
        self._lane = threads.lane()
        self._storing: Deferred[None] | None = None
        self._memory = bytearray()
        self._file: GrowingFile | None = None
        self._sha256, self._follower = sha256 if storage.follows else None, None
        self._pieces: list[bytes] = []
        self._gathered = self._writing = self._length = 0  # bytes here, with the thread, in all
        self._later: IDelayedCall | None = None
        self._idle: Deferred[None] | None = None
        self._error: PulpError | None = None
        self._producer: Any = None
        self._paused = self._kept = self._distrusted = False
        self.written = 0

    @property
    def fd(self) -> int | None:
        """The descriptor of the file, or None while there is none; the bytes are then in memory."""
        return None if self._file is None or self._file.fd < 0 else self._file.fd

    def read(self, offset: int, length: int) -> bytes:
        """
        Return up to *length* of the bytes that are there, from *offset* on.

        :raises StorageError: when they cannot be read.
        """
        length = min(length, self.written - offset)
        if length <= 0:
            return b""
        if self._file is None:
            return bytes(self._memory[offset : offset + length])
        return self.read_part(offset, length)

    def read_part(self, offset: int, length: int) -> bytes:
        """Return what was `put`, as `read` does."""
        assert self._file is not None
        try:
            data = os.pread(self._file.fd, length, offset)
        except OSError as error:
            raise StorageError(f"a growing file: {error.strerror or error}") from error
        if not data:
            raise StorageError("a growing file has become shorter")
        return data

    def put(self, offset: int, pieces: Sequence[bytes]) -> Deferred[None]:
        """Write *pieces* of a part that begins at *offset*, ahead of the rest."""
        file = self._file or self._to_file()
        return self._lane(file.put, offset, pieces)  # type: ignore[no-any-return]

    def trim(self) -> None:
        """Nothing is forgotten."""

    def distrust(self) -> None:
        """Let nobody read what is here, which is wrong somewhere, before it has come again."""
        self._distrusted, self.written = True, 0

    # IWriter
    def begin(self, head: Head) -> Deferred[None] | None:
        """Go on, or begin again: what then comes is compared with what is there."""
        restarted = None if head.offset else self._restart()
        if self._file is None and head.length is not None and head.length > _SMALL:
            self._to_file()
        if self._sha256 is not None and self._file is not None and head.length is not None and self._follower is None:
            self._follower = self._storage.follow(self._file.path, self._sha256, head.length)
        self._audience.begun(head)
        return restarted

    def _restart(self) -> Deferred[None] | None:
        self._memory, self._pieces, self._gathered, self._length = bytearray(), [], 0, 0
        if self._file is None:
            self._distrusted, self.written = False, 0
            return None
        return Deferred.fromCoroutine(self._restarted(self._file))

    async def _restarted(self, file: GrowingFile) -> None:
        await outlasting(self._lane(file.restart))
        self._distrusted, self.written = False, 0
        self._audience.grown()

    def _to_file(self) -> GrowingFile:
        self._file = file = GrowingFile(temporary(self._storage))
        self._threads.active += 1
        self._pieces, self._memory = [bytes(self._memory)] if self._memory else [], bytearray()
        self._gathered = sum(map(len, self._pieces))
        return file

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which pushes, as the disk keeps up."""
        self._producer, self._paused = producer, False

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """
        Take *data*.

        :raises StorageError: when what came before could not be written.
        """
        if self._error is not None:
            raise self._error
        self._length += len(data)
        if self._file is None:
            self._memory += data
            if self._length <= _SMALL:
                return
            self._to_file()
        else:
            self._pieces.append(data)
            self._gathered += len(data)
        if self._gathered >= _BATCH:
            self._flush()
            self._balance()
        elif self._later is None and not self._writing:
            self._later = self._clock.callLater(_LATEST, self._due)

    def _due(self) -> None:
        self._later = None
        self._flush()

    def _flush(self) -> None:
        if self._writing or not self._pieces or self._error is not None:
            return
        if self._later is not None:
            self._later.cancel()
            self._later = None
        assert self._file is not None
        pieces, self._pieces = self._pieces, []
        self._writing, self._gathered = self._gathered, 0
        self._lane(self._file.write, pieces).addCallbacks(self._landed, self._failed).addCallback(self._next)

    def _landed(self, result: tuple[int, int | None]) -> None:
        written, differs = result
        if differs is not None:
            self._audience.differs(differs)
        if not self._distrusted:  # what it was told of before
            self.written = written
            if self._follower is not None:
                self._follower.grown(written)
            self._audience.grown()

    def _failed(self, why: Failure) -> None:
        error = why.value
        self._error = error if isinstance(error, PulpError) else StorageError(f"{type(error).__name__}: {error}")

    def _next(self, _: object) -> None:
        self._writing = 0
        if self._gathered >= _BATCH or (self._gathered and (self._paused or self._idle is not None)):
            self._flush()
        elif self._gathered and self._later is None:
            self._later = self._clock.callLater(_LATEST, self._due)
        self._balance()
        if self._idle is not None and not self._writing:
            idle, self._idle = self._idle, None
            idle.callback(None)

    def _balance(self) -> None:
        """Pause while the disk does not keep up; after an error the next bytes are told."""
        waiting = self._writing + self._gathered
        too_much = self._error is None and waiting >= max(2 * _BATCH, self._threads.high_water)
        if too_much != self._paused and self._producer is not None:
            self._paused = too_much
            if too_much:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    # the end
    def commit(self, report: DownloadReport) -> Deferred[None] | None:
        """Let it be an artifact. A small one may be read at once, and `stored` tells when it is."""
        if self._file is None:
            return self._commit_small(report)
        return Deferred.fromCoroutine(self._commit(self._file, report))

    def _commit_small(self, report: DownloadReport) -> Deferred[None] | None:
        self._storing = self._backlog.add(report.digests["sha256"], bytes(self._memory))
        self.written = self._length
        self._audience.grown()
        return self._backlog.room()

    def stored(self) -> Deferred[None] | None:
        """
        Return a Deferred that fires when all of it is an artifact; None: it is one.

        It fails with `StorageError` when it cannot be one. What stores it goes on also when nobody waits any more.
        """
        storing, self._storing = self._storing, None
        return storing

    async def _commit(self, file: GrowingFile, report: DownloadReport) -> None:
        await self._settled()
        if self._error is not None:
            raise self._error
        differs = await outlasting(self._lane(file.finish))
        if differs is not None:
            self._audience.differs(differs)
        adopting = self._storage.adopt([Adoption(file.path, report.digests["sha256"], self._length)])
        error = (await outlasting(adopting))[0]
        if error is not None:
            raise error
        self._kept = True

    async def _settled(self) -> None:
        """Wait until nothing is being written, and nothing waits to be."""
        self._flush()
        while self._writing:
            idle: Deferred[None] = Deferred()
            self._idle = idle
            await outlasting(idle)

    def abort(self, error: BaseException) -> Deferred[None] | None:
        """Take no more; those who read are told by others, and `close` gives everything back."""
        self._error = self._error or StorageError(f"given up: {error}")
        self._forget()
        return None

    def _forget(self) -> None:
        self._pieces, self._gathered, self._producer = [], 0, None
        if self._follower is not None:
            self._follower.cancel()
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def close(self) -> Deferred[None] | None:
        """Give everything back, once nobody reads any more."""
        self._forget()
        file, self._file, self.written = self._file, None, 0
        if file is None:
            return None
        self._threads.active -= 1
        return Deferred.fromCoroutine(outlasting(self._lane(file.close, not self._kept)))

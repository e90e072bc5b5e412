"""
A file on disk as a consumer.

A body that is small is kept until it is complete and proven, and then written at once. A larger one grows in a partial
file: pieces are gathered into batches, which a writer thread hashes and writes while the next one is being received.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.digests import Hashes, digests_of_file
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import PathError, PulpError
from twisted_pulp.interfaces import Head
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._place import Place, writer_error
from twisted_pulp.transfer._range import Version
from twisted_pulp.transfer._threads import WriterThreads, outlasting

__all__ = ["SMALL", "FileTarget"]

#: Bytes up to which a body is hashed and written in one go on the reactor's thread.
SMALL = 256 << 10
_BATCH = 512 << 10
# How much a kill may cost: the journal is brought up to date this often.
_NOTE_EVERY = 16 << 20
# Records of TLS come in 16 KiB: from this many pieces on, one copy is cheaper than a call for each.
_FEW = 4


@implementer(IConsumer)
class FileTarget:
    """
    Bring a download's bytes to a file, with their digests.

    :param place: of the file.
    :param threads: that hash and write.
    :param algorithms: of the digests.
    :param small: bytes up to which the file is written in one go; -1 when validators must see it first.
    :param kept: whether a partial file may be kept to resume later.
    """

    rewindable = True

    def __init__(self, place: Place, threads: WriterThreads, algorithms: Iterable[str], small: int = SMALL, kept: bool = True) -> None:
        self.place, self._threads, self._algorithms = place, threads, algorithms
        self._small, self._kept = small, kept
        self._hashes: Hashes  # of a body that is not small
        self._pieces: list[bytes] = []
        self._gathered = 0  # bytes in _pieces
        self._waiting = 0  # bytes on their way to the disk
        self._call: Any = None  # the lane of the partial file, once there is one
        self._file = -1
        self._noted = 0
        self._last: Deferred[Any] | None = None
        self._producer: Any = None
        self._paused = False
        self._version: Version | None = None
        self.error: BaseException | None = None
        self.size = 0

    # the beginning
    async def adopt(self, usable: Any) -> Version | None:
        """
        Take up the partial file of an earlier run, if there is one.

        :param usable: tells whether a `Journal` is of what is wanted.
        :returns: the version its bytes are of; `size` says how many there are.
        """
        if not self._kept or not self.place.exists(self.place.journal):
            return None
        journal = Journal.read(self.place)
        if journal is None or journal.modified or not journal.done or not usable(journal):
            return None
        self._open()
        found, hashed = await outlasting(self._call(self._take_up, journal.done))
        if not hashed:
            return None
        self._hashes, self.size, self._noted = found, hashed, hashed
        return Version(journal.url, journal.validator, journal.length)

    def _take_up(self, done: int) -> tuple[Hashes, int]:
        if os.fstat(self._file).st_size < done:
            return Hashes(self._algorithms), 0
        return digests_of_file(self._file, self._algorithms, done)

    def begin(self, head: Head, version: Version) -> None:
        """Bytes of *version* come from *head*.offset on; 0 forgets what came before."""
        self._version = version
        if head.offset == 0 and (self.size or self._pieces):
            self._pieces, self._gathered, self.size, self._noted = [], 0, 0, 0
            if self._call is not None:
                self._hashes = Hashes(self._algorithms)
                self._do(self._emptied)
        if self._call is None and (self._small < 0 or (head.length is not None and head.length > self._small)):
            self._open()

    def _open(self) -> None:
        self._hashes = Hashes(self._algorithms)
        self._call = self._threads.lane()
        self._threads.active += 1
        self._do(self._opened)

    def _opened(self) -> None:
        self._file = self.place.open_partial() if self._kept else self.place.open(self.place.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file, self._file = self._file, -1
            os.close(file)
            raise PathError(detail=f"{self.place.path} is being written by another process") from None

    def _emptied(self) -> None:
        if self._kept:
            self.place.unlink(self.place.journal)
        os.ftruncate(self._file, 0)

    # IConsumer
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which pushes, as the disk keeps up."""
        self._producer, self._paused = producer, False
        if self._waiting:
            self._balance()

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Take *data*."""
        self._pieces.append(data)
        self._gathered += len(data)
        self.size += len(data)
        if self._call is None:
            if self._gathered <= self._small:
                return
            self._open()
        if self._gathered >= _BATCH or self._gathered * 2 > self._threads.high_water:
            self._flush()
        self._balance()

    def _balance(self) -> None:
        too_much = self._waiting + self._gathered > self._threads.high_water
        if too_much != self._paused and self._producer is not None:
            self._paused = too_much
            if too_much:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def _flush(self) -> None:
        if not self._gathered:
            return
        pieces, size = self._pieces, self._gathered
        self._pieces, self._gathered = [], 0
        self._waiting += size
        self._do(self._write, pieces, self.size - size, size, self._hashes).addCallback(self._written, size)

    def _written(self, _: object, size: int) -> None:
        self._waiting -= size
        self._balance()

    def _do(self, f: Any, *args: Any) -> Deferred[Any]:
        self._last = d = self._call(self._unless_failed, f, *args)
        return d.addErrback(self._failed)  # type: ignore[no-any-return]

    def _unless_failed(self, f: Any, *args: Any) -> Any:
        # On the writer's thread: nothing may be written behind a write that failed.
        if self.error is not None:
            return None
        try:
            return f(*args)
        except OSError as error:
            self.error = writer_error(error, self.place.path)
        except PulpError as error:
            self.error = error
        raise self.error

    def _failed(self, why: Failure) -> None:
        if self.error is None:
            self.error = why.value
        if self._producer is not None:
            self._producer.stopProducing()

    def _write(self, pieces: list[bytes], offset: int, size: int, hashes: Hashes) -> None:
        if len(pieces) > _FEW:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            hashes.update(piece)
        written = os.pwritev(self._file, pieces, offset)
        while written < size:  # a short write: go on behind it
            rest = b"".join(pieces)[written:]
            written += os.pwrite(self._file, rest, offset + written)
        done = offset + size
        if self._kept and self._version is not None and done - self._noted >= _NOTE_EVERY:
            self._note(done)

    def _note(self, done: int) -> None:
        if self._version is not None:
            Journal.of(self._version, done).write(self.place)
            self._noted = done

    # the end
    def finish(self) -> Deferred[None] | None:
        """
        Bring everything to the disk, and the digests up to date.

        :returns: None when that is done, or a Deferred; it does not fail, look at `error`.
        """
        if self._call is None:
            return None
        self._flush()
        return self._settled()

    def _settled(self) -> Deferred[None]:
        return self._do(lambda: None)  # the lane keeps its order: when this is done, all is

    def values(self) -> dict[str, str]:
        """Return the digests of all that came."""
        hashes = self._hashes if self._call is not None else Hashes(self._algorithms)
        if self._call is None:  # small: only once all of it is here, for a try that fails would be hashed again
            for piece in self._pieces:
                hashes.update(piece)
        return hashes.values()

    @property
    def path(self) -> str | None:
        """Where the bytes are before they are committed, or None while they are in memory."""
        return None if self._call is None else self.place.beside(self.place.partial)

    def commit(self, report: DownloadReport, remembered: bool) -> Deferred[None] | None:
        """
        Let the bytes take the file's name.

        :param remembered: whether to keep a journal beside it, by which it can be revalidated.
        :raises WriterError: when that fails; so does the Deferred.
        """
        if self._call is None:
            try:
                self.place.put(b"".join(self._pieces))
            except OSError as error:
                raise writer_error(error, self.place.path) from error
            return None
        return self._call(self._unless_failed, self._take_name, remembered)  # type: ignore[no-any-return]

    def _take_name(self, remembered: bool) -> None:
        modified = os.fstat(self._file).st_mtime_ns
        self.place.rename(self.place.partial)
        if remembered and self._version is not None and self._version.validator is not None:
            Journal.of(self._version, self.size, modified).write(self.place)
        elif self._kept:
            self.place.unlink(self.place.journal)

    async def close(self, *, keep: bool, committed: bool = False) -> None:
        """
        Give everything back.

        :param keep: whether the partial file is worth keeping.
        :param committed: whether it has the file's name by now.
        """
        self._producer = None
        try:
            if self._call is not None:
                if keep and not committed:
                    self._flush()
                self._pieces = []
                await outlasting(self._call(self._closed, keep and self._kept, committed))
        finally:
            if self._call is not None:
                self._call = None
                self._threads.active -= 1
            self.place.release()

    def _closed(self, keep: bool, committed: bool) -> None:
        file, self._file = self._file, -1
        if file < 0:
            return
        try:
            if committed:
                return
            if keep and self.error is None and self.size:
                self._note(self.size)
            elif not keep or not self._noted:
                self.place.unlink(self.place.partial)
                if self._kept:
                    self.place.unlink(self.place.journal)
        except OSError:  # the disk is full, or gone: the journal of before still holds
            pass
        finally:
            os.close(file)

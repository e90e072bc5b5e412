"""A file while it grows: what a writer's thread does to it, one thing after another."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted_pulp.digests import Hashes, digests_of_file
from twisted_pulp.download import Pieces
from twisted_pulp.errors import PathError, PulpError, WriterError
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._place import Place, writer_error
from twisted_pulp.transfer._range import Version

if TYPE_CHECKING:
    from twisted_pulp.transfer._filling import Filled, Filling

__all__ = ["Partial"]

# How much a kill may cost: the journal is brought up to date this often.
_NOTE_EVERY = 16 << 20
# From this many pieces on, one copy is cheaper than a call for each.
_FEW = 4


class Partial:
    """
    The partial file of a target, its digests and its journal. Every method blocks.

    :param place: of the finished file.
    :param algorithms: of the digests.
    :param kept: whether it may be kept to resume later, with a journal.
    :ivar error: the first that a call met; nothing is done after it.
    :ivar version: that the bytes are of.
    :ivar hashes: of the bytes.
    :ivar written: bytes that `write` has written so far, those forgotten since too; any thread may look.
    """

    def __init__(self, place: Place, algorithms: Iterable[str], kept: bool) -> None:
        self._place, self._algorithms, self._kept = place, algorithms, kept
        self._file = -1
        self._noted = self._unnoted = 0
        self._linked = False
        self.written = 0
        self.error: PulpError | None = None
        self.version: Version | None = None
        self.hashes = Hashes(algorithms)
        self._filling: Filling | None = None  # while it is filled at several places

    def unless_failed(self, f: Callable[..., Any], *args: Any) -> Any:
        """Call *f*, unless a call has failed: nothing may be written behind a write that failed."""
        if self.error is not None:
            return None
        try:
            return f(*args)
        except OSError as error:
            self.error = writer_error(error, self._place.path)
        except PulpError as error:
            self.error = error
        except Exception as error:
            self.error = WriterError(detail=f"{self._place.path}: {type(error).__name__}: {error}")
        raise self.error

    def open(self, fresh: bool) -> None:
        """
        Open it for this process alone.

        :param fresh: whether what an earlier run has left is forgotten.
        :raises PathError: when another process has it.
        """
        place = self._place
        self._file = (
            place.open_partial() if self._kept else place.open(place.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        )
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file, self._file = self._file, -1
            os.close(file)
            raise PathError(detail=f"{place.path} is being written by another process") from None
        if fresh:
            self.empty(self._algorithms)

    def take_up(self, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Read the first of *ranges*, which an earlier run has left; return those that are there: all or none."""
        if os.fstat(self._file).st_size < ranges[-1][1]:
            return []
        self.hashes, hashed = digests_of_file(self._file, self._algorithms, ranges[0][1])
        os.ftruncate(self._file, ranges[-1][1])  # what was written since the last note may not be what comes now
        self._noted = hashed
        return ranges

    def empty(self, algorithms: Iterable[str]) -> None:
        """Forget what is in it; from now on its digests are those of *algorithms*."""
        self._algorithms = algorithms
        if self._linked:
            self._linked = False
            self._place.unlink(self._place.partial)
            self.open(False)
        if self._kept:
            self._place.unlink(self._place.journal)
        os.ftruncate(self._file, 0)
        self._noted = 0
        self.hashes = Hashes(self._algorithms)
        self._filling = None

    def fill(
        self, front: int, hashes: Hashes | None, ranges: list[tuple[int, int]], length: int, pieces: Pieces | None
    ) -> None:
        """
        Be filled at several places from now on, with `put`.

        :param front: bytes that are hashed, here or, if there are *hashes*, elsewhere.
        :param ranges: what is there.
        :param length: of the whole file.
        :param pieces: that are checked, those that are there too.
        """
        if pieces is not None:
            front, hashes = 0, Hashes(self._algorithms)
        self.hashes = self.hashes if hashes is None else hashes
        from twisted_pulp.transfer._filling import Filling  # few files are filled at several places

        self._filling = Filling(self.hashes, front, ranges, length, pieces)

    def put(self, blocks: list[bytes], offset: int, size: int) -> Filled:
        """Write *blocks*, *size* bytes in all, at *offset*, and hash what is in order."""
        assert self._filling is not None
        self._store(blocks, offset, size)
        self._unnoted += size
        filled = self._filling.came(self._file, blocks, offset, size)
        self.hashes = self._filling.hashes
        if self._kept and self._unnoted >= _NOTE_EVERY:
            self._note(0)
        return filled

    def catch_up(self) -> Filled:
        """Hash some of what is there behind the front."""
        assert self._filling is not None
        filled = self._filling.catch_up(self._file)
        self.hashes = self._filling.hashes
        return filled

    def cut(self, done: int) -> None:
        """Forget everything behind the first *done* bytes, all of which are hashed."""
        self._filling = None
        os.ftruncate(self._file, done)
        self._noted = min(self._noted, done)

    def write(self, pieces: list[bytes], offset: int, size: int, hashed: bool = False) -> None:
        """Write *pieces*, *size* bytes in all, at *offset*; hash them too, unless they are *hashed* elsewhere."""
        if len(pieces) > _FEW:
            pieces = [b"".join(pieces)]
        if not hashed:
            for piece in pieces:
                self.hashes.update(piece)
        self._store(pieces, offset, size)
        self.written += size
        done = offset + size
        if self._kept and done - self._noted >= _NOTE_EVERY:
            self._note(done)

    def _store(self, pieces: list[bytes], offset: int, size: int) -> None:
        written = os.pwritev(self._file, pieces, offset)
        while written < size:  # a short write: go on behind it
            written += os.pwrite(self._file, b"".join(pieces)[written:], offset + written)

    def _note(self, done: int) -> None:
        if self.version is None:
            return
        if self._filling is None:
            Journal.of(self.version, done).write(self._place)
        else:
            ranges = list(self._filling.ranges)
            Journal.with_gaps(self.version, ranges).write(self._place)
            done, self._unnoted = sum(end - start for start, end in ranges), 0
        self._noted = done

    def link(self, path: str, symbolic: bool) -> int:
        """Be a link to the file at *path*, and read its digests; return its size."""
        file, self._file, self._linked = self._file, -1, True
        if file >= 0:
            os.close(file)
        self._place.unlink(self._place.partial)
        self._place.link_from(path, symbolic)
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self.hashes, size = digests_of_file(file, self._algorithms)
        finally:
            os.close(file)
        return size

    def take_name(self, size: int, remembered: bool) -> None:
        """
        Become the finished file of *size* bytes.

        :param remembered: whether a journal stays beside it, by which it can be revalidated.
        """
        self._place.rename(self._place.partial)
        if self._linked:  # to give a file the name that it has leaves the other name (rename(2))
            self._place.unlink(self._place.partial)
        if remembered and not self._linked and self.version is not None and self.version.validator is not None:
            Journal.of(self.version, size, os.fstat(self._file).st_mtime_ns).write(self._place)
        elif self._kept:
            self._place.unlink(self._place.journal)

    def close(self, size: int, keep: bool, committed: bool) -> None:
        """
        Let go of it: it is finished, kept for later with the note that *size* bytes are there, or removed.
        """
        file, self._file = self._file, -1
        place = self._place
        try:
            if committed or (file < 0 and not self._linked):
                return
            if keep and self._kept and not self._linked and self.error is None and size:
                self._note(size)
            elif self._linked or not keep or not self._noted:
                place.unlink(place.partial)
                if self._kept:
                    place.unlink(place.journal)
        except OSError:  # the disk is full, or gone: the journal of before still holds
            pass
        finally:
            if file >= 0:
                os.close(file)

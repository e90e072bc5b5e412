"""A file that grows while it is read: what a thread does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from twisted_pulp.streamer._backlog import storage_error

__all__ = ["GrowingFile"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 256 << 10


class GrowingFile:
    """
    A file that grows while it is read. Every method blocks.

    A body that comes again from its first byte is compared with what is there, and written only from the first byte
    that differs: who has read no further has read nothing wrong. So are parts that were put there ahead of the rest,
    once the rest has come as far.

    :ivar path: of the file, that does not exist before the first byte.
    :ivar fd: its descriptor, or -1 while there is none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1
        self._at = self._size = 0  # where the next byte belongs, and bytes there are
        self._parts: list[tuple[int, int]] = []  # that are behind those, with their ends
        self._furthest = 0

    def write(self, pieces: Sequence[bytes]) -> tuple[int, int | None]:
        """
        Take in *pieces*.

        :returns: how many bytes are right as far as is known, and the first of those before them that was another.
        :raises StorageError: when it cannot.
        """
        try:
            self._open()
            differs = None
            for piece in pieces:
                found = self._take(memoryview(piece))
                differs = found if differs is None else differs
            return self._at, differs
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _open(self) -> None:
        if self.fd < 0:
            self.fd = os.open(self.path, _FLAGS, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_SH)  # whoever clears up sees that somebody lives

    def put(self, offset: int, pieces: Sequence[bytes]) -> None:
        """
        Take in a part that begins at *offset*, ahead of the rest; what the rest has brought already stays.

        :raises StorageError: when it cannot.
        """
        try:
            self._open()
            start = max(offset, self._size)
            data = memoryview(b"".join(pieces))[start - offset :]
            if data:
                self._parts.append((start, start + len(data)))
                self._furthest = max(self._furthest, start + len(data))
                self._write(data, start)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def _write(self, data: memoryview, at: int) -> None:
        while data:
            done = os.pwrite(self.fd, data, at)
            at += done
            data = data[done:]

    def _take(self, data: memoryview) -> int | None:
        differs = None
        if self._at < self._size:
            same = self._same(data[: self._size - self._at], self._at)
            self._at += same
            data = data[same:]
            if data and self._at < self._size:
                differs = self._at
                self._cut()
        unlike = self._unlike(data) if self._parts else None
        if unlike is not None:
            differs = unlike if differs is None else differs
            self._parts.clear()
        self._write(data, self._at)
        self._at += len(data)
        self._size = max(self._size, self._at)
        return differs

    def _unlike(self, data: memoryview) -> int | None:
        """Return the first byte at which *data* is not what parts say."""
        at, end = self._at, self._at + len(data)
        for first, last in sorted(self._parts):
            first, last = max(first, at), min(last, end)
            if first < last:
                same = self._same(data[first - at : last - at], first)
                if first + same < last:
                    return first + same
        self._parts = [part for part in self._parts if part[1] > end]
        return None

    def _same(self, data: memoryview, at: int) -> int:
        """Return how many bytes at the beginning of *data* are at *at* already."""
        for start in range(0, len(data), _BLOCK):
            new = data[start : start + _BLOCK]
            old = os.pread(self.fd, len(new), at + start)
            if old != new:
                return start + next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old))
        return len(data)

    def _cut(self) -> None:
        os.ftruncate(self.fd, self._at)
        self._size = self._at
        self._parts.clear()
        self._furthest = 0

    def restart(self) -> None:
        """The bytes come again, from the first."""
        self._at = 0

    def finish(self) -> int | None:
        """That was all; return the first byte that was too many, if there were some."""
        size = self._size
        if max(size, self._furthest) <= self._at:
            return None
        try:
            self._cut()
        except OSError as error:
            raise storage_error(error, self.path) from error
        return self._at if size > self._at else None

    def close(self, remove: bool) -> None:
        """Let go of it, and *remove* it if it is to be."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        os.close(fd)
        if remove:
            try:
                os.unlink(self.path)
            except OSError:  # the storage clears up what is left
                pass

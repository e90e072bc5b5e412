"""Bytes that arrive: the last ones in memory, those before in a file, and all of them to be read at any moment."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import suppress

from attrs import define, field
from twisted.internet.defer import Deferred

from twisted_pulp.threads import InThread, outlasting

__all__ = ["Spool"]

_PIECE = 1 << 16


@define(eq=False)
class Spool:
    """
    Keep what is written.

    :param path: of the file, which is made when it is needed and must not be there.
    :param in_thread: calls what blocks, one after another.
    :ivar size: bytes that were written.
    """

    path: str
    _in_thread: InThread
    size: int = field(init=False, default=0)
    _memory: bytearray = field(init=False, factory=bytearray)
    _start: int = field(init=False, default=0)  # of what is in memory
    _file: int | None = field(init=False, default=None)

    @property
    def waiting(self) -> int:
        """Bytes that are in memory."""
        return len(self._memory)

    def write(self, data: bytes) -> None:
        """Take *data*."""
        self._memory += data
        self.size += len(data)

    async def flush(self) -> None:
        """Bring what is in memory to the file; nothing else is to be flushed or closed meanwhile."""
        if self._file is None:
            await outlasting(self._in_thread(self._open))
        # What goes to the file can be read from memory until it is there.
        data = bytes(self._memory)
        await outlasting(self._in_thread(_written, self._file, data))
        self._start += len(data)
        del self._memory[: len(data)]

    async def read(self, offset: int, length: int = _PIECE) -> bytes:
        """Return the bytes from *offset* on, *length* of them at most; none at the end."""
        at = offset - self._start
        if at >= 0:
            return bytes(self._memory[at : at + length])
        data: bytes = await outlasting(self._in_thread(os.pread, self._file, min(length, -at), offset))
        return data

    async def lines(self) -> AsyncGenerator[list[bytes]]:
        """Give the lines of what is there, as many together as were read together."""
        rest, offset = b"", 0
        while data := await self.read(offset):
            offset += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield lines
        yield [rest]

    def close(self) -> Deferred[None]:
        """Forget all, and remove the file if it still has its name."""
        return self._in_thread(self._close)

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def _close(self) -> None:
        self._memory.clear()
        if self._file is not None:
            os.close(self._file)
            self._file = None
            with suppress(FileNotFoundError):
                os.unlink(self.path)


def _written(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]

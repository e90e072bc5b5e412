"""Paths that are being written: one job at a time writes each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

__all__ = ["Paths"]

#: Seconds between two looks whether another process has given a path back: at first, and at most.
_FIRST, _LONGEST = 0.05, 0.5


@define(eq=False)
class Paths:
    """
    The paths that downloads of all jobs write, and who waits for them.

    Where other processes write, too, each path is a byte of one file, and who has locked that has the path: there is
    nothing to be cleaned up, and of a process that dies the system gives it back.

    :param reactor: its clock.
    :param shared: path of that file; default None: nobody else writes there.
    """

    _reactor: Any
    _shared: str | None = None
    _taken: dict[str, list[Deferred[None]]] = field(init=False, factory=dict)
    _fd: int = field(init=False, default=-1)

    def take(self, path: str) -> bool:
        """
        Take *path*, if nobody has it.

        :raises OSError: nobody can know that.
        """
        if path in self._taken or (self._shared is not None and not self._lock(self._shared, path)):
            return False
        self._taken[path] = []
        return True

    @contextmanager
    def unused(self, path: str) -> Iterator[bool]:
        """
        Tell whether nobody has *path*; in any thread.

        Where other processes write, none of them gets it meanwhile, and this one takes nothing else.
        """
        if self._shared is None:
            yield path not in self._taken
            return
        alone = self.take(path)
        try:
            yield alone
        finally:
            if alone:
                self.give(path)

    async def taken(self, path: str) -> None:
        """Wait until nobody has *path*, and take it."""
        pause = _FIRST
        while not self.take(path):
            waiting = self._taken.get(path)
            if waiting is None:  # another process has it
                await deferLater(self._reactor, pause)
                pause = min(pause * 2, _LONGEST)
                continue
            d: Deferred[None] = Deferred()
            waiting.append(d)
            try:
                await d
            finally:
                if d in waiting:
                    waiting.remove(d)

    def give(self, path: str) -> None:
        """Give *path* back."""
        waiting = self._taken.pop(path, ())
        if self._fd >= 0:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _place(path))
            self._rest()
        for d in waiting:
            d.callback(None)

    def _lock(self, shared: str, path: str) -> bool:
        if self._fd < 0:
            self._fd = os.open(shared, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(path))
        except (BlockingIOError, PermissionError):  # systems differ
            self._rest()
            return False
        return True

    def _rest(self) -> None:
        """Close the file while nothing is taken: to close it gives back all that this process has locked."""
        if not self._taken:
            fd, self._fd = self._fd, -1
            os.close(fd)


def _place(path: str) -> int:
    """Return the byte of *path*; two paths with the same one, of 2**62, would wait for each other."""
    return int.from_bytes(blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()) >> 2

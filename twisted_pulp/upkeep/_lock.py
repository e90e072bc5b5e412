"""The writer's lock: of all processes, one writes to a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from twisted_pulp.errors import DataInUse, StorageError

__all__ = ["WriterLock"]

#: Seconds between two looks at whether the other one has ended.
_INTERVAL = 0.1
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@define(eq=False)
class WriterLock:
    """
    A lock that ends with its process, however that ends.

    :ivar path: of the file, in which the number of the process that has the lock can be read.
    """

    _reactor: Any
    path: str
    _descriptor: int | None = field(init=False, default=None)

    async def acquire(self, *, wait: bool = True, busy: Callable[[int | None], object] = lambda pid: None) -> None:
        """
        Take it.

        :param wait: whether to wait for another process to end; default true.
        :param busy: called once with that one's number, or None where nobody knows, before the wait.
        :raises DataInUse: when another process has it, and we do not wait.
        :raises StorageError: when there can be no lock.
        """
        told = False
        while not self._taken():
            if not wait:
                raise DataInUse(os.path.dirname(os.path.dirname(self.path)), self._holder())
            if not told:
                told = True
                busy(self._holder())
            await deferLater(self._reactor, _INTERVAL)

    def _taken(self) -> bool:
        try:
            return self._locked(os.open(self.path, _FLAGS, 0o644))
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}") from error

    def _locked(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def _holder(self) -> int | None:
        try:
            with open(self.path, encoding="ascii") as file:
                return int(file.read(20))
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Give it back; the file stays, for to remove it would let two have a lock of the same name."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

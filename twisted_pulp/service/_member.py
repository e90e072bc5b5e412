"""A worker process's place in its daemon."""

from __future__ import annotations

import os
from typing import Any

from attrs import define, field

from twisted_pulp.upkeep import WriterLock

__all__ = ["Member"]


@define(eq=False)
class Member:
    """
    One of the worker processes of a daemon.

    :ivar name: by which others know it: the same each time, and no other's.
    :param number: from 1.
    """

    name: str
    _number: int
    _lock: WriterLock | None = field(init=False, default=None)

    async def enter(self, reactor: Any, directory: str) -> None:
        """
        Wait until the one that had this place before has ended.

        :param directory: of the data.
        :raises StorageError: when that cannot be told.
        """
        lock = WriterLock(reactor, os.path.join(directory, "locks", f"worker-{self._number}"))
        await lock.acquire()
        self._lock = lock

    def leave(self) -> None:
        """Make room."""
        if self._lock is not None:
            self._lock.release()

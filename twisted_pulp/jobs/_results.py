"""Results of items, noted some at once: one transaction for many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from twisted_pulp.catalog.items import Ended
from twisted_pulp.jobs._task import Task

__all__ = ["Results"]

#: Results of one transaction, and seconds that one waits for others at most.
_MOST, _LONGEST = 500, 0.25


@define(eq=False)
class Results:
    """
    Gathers what became of items.

    :param reactor: its clock.
    :param task: notes it.
    :param settle: brings files to the disk before that; None: nothing does.
    """

    _reactor: Any
    _task: Task
    _settle: Callable[[list[str]], Awaitable[None]] | None = None
    _gathered: list[Ended] = field(init=False, factory=list)
    _files: list[str] = field(init=False, factory=list)
    _call: IDelayedCall | None = field(init=False, default=None)
    _lock: DeferredLock = field(init=False, factory=DeferredLock)
    _failure: Failure | None = field(init=False, default=None)

    def add(self, ended: Ended, path: str | None = None) -> Deferred[None] | None:
        """
        Take one, and the path of its file; what is returned is to be waited for.

        :raises Exception: why those before it could not be noted.
        """
        if self._failure is not None:
            self._failure.raiseException()
        self._gathered.append(ended)
        if path is not None:
            self._files.append(path)
        if len(self._gathered) >= _MOST:
            return Deferred.fromCoroutine(self._note())
        if self._call is None:
            self._call = self._reactor.callLater(_LONGEST, self._later)
        return None

    def _later(self) -> None:
        self._call = None
        Deferred.fromCoroutine(self._note()).addErrback(self._failed)

    def _failed(self, why: Failure) -> None:
        self._failure = why

    async def _note(self) -> None:
        async with self._lock:
            if self._call is not None:
                self._call.cancel()
                self._call = None
            gathered, self._gathered = self._gathered, []
            files, self._files = self._files, []
            if files and self._settle is not None:
                await self._settle(files)
            if gathered:
                await self._task.finished(gathered)

    async def close(self) -> None:
        """
        Note what is left.

        :raises Exception: why something could not be noted.
        """
        await self._note()
        if self._failure is not None:
            self._failure.raiseException()

"""The catalog's own threads."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

__all__ = ["Threads"]

T = TypeVar("T")


class _Pool(ThreadPool):
    @staticmethod
    def threadFactory(*args: Any, **given: Any) -> Thread:  # type: ignore[override]
        # A catalog that nobody has closed does not keep the program from ending.
        return Thread(*args, **given, daemon=True)


class Threads:
    """
    A few threads, made when they are needed.

    :param reactor: where the results are given.
    :param most: how many there are at most.
    :param name: of the threads.
    """

    def __init__(self, reactor: IReactorFromThreads, most: int, name: str) -> None:
        self._reactor = reactor
        self._pool = _Pool(0, most, name)
        self._pool.start()
        self._running: set[Deferred[Any]] = set()

    async def call(self, f: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
        """
        Call *f* in a thread and return what it returns.

        :param give_up: called when the caller is cancelled. The end of *f* is awaited also then, because what a
            thread does cannot be broken off.
        :raises CancelledError: after the end of *f*, when the caller was cancelled and *f* has failed or had not begun.
        """
        d = deferToThreadPool(self._reactor, self._pool, f)
        self._running.add(d)
        ended: list[Any] = []
        waiting: Deferred[None] = Deferred()

        def end(result: Any) -> None:
            self._running.discard(d)
            ended.append(result)
            waiting.callback(None)

        d.addBoth(end)
        cancelled = False
        while not ended:
            try:
                await waiting
            except CancelledError:
                cancelled, waiting = True, Deferred()
                if give_up is not None:
                    give_up()
        if cancelled:
            raise CancelledError
        if isinstance(ended[0], Failure):
            ended[0].raiseException()
        return ended[0]  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the threads, which must have nothing to do any more."""
        self._pool.stop()

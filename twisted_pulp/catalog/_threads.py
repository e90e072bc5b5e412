"""The catalog's own threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """
    A few threads, made when they are needed.

    Twisted's pool would do, but each of its calls takes several locks in each of the threads; small questions are
    answered in less time than that. Results are brought to the reactor together.

    :param reactor: where the results are given.
    :param most: how many there are at most.
    :param name: of the threads.
    """

    def __init__(self, reactor: IReactorFromThreads, most: int, name: str) -> None:
        self._reactor, self._most, self._name = reactor, most, name
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._threads: list[Thread] = []
        self._running = 0
        self._results: deque[tuple[Deferred[Any], Any]] = deque()
        self._told = False

    async def call(self, f: Callable[[], T], give_up: Callable[[], None] | None = None) -> T:
        """
        Call *f* in a thread and return what it returns.

        :param give_up: called when the caller is cancelled. The end of *f* is awaited also then, because what a
            thread does cannot be broken off.
        :raises CancelledError: after the end of *f*, when the caller was cancelled and *f* has failed or had not begun.
        """
        ended: list[Any] = []
        waiting: Deferred[None] = Deferred()

        def end(result: Any) -> None:
            ended.append(result)
            waiting.callback(None)

        self._put(f).addBoth(end)
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

    def _put(self, f: Callable[[], T]) -> Deferred[T]:
        d: Deferred[T] = Deferred()
        self._running += 1
        if self._running > len(self._threads) < self._most:
            self._start()
        self._queue.put((d, f))
        return d

    def _start(self) -> None:
        # A catalog that nobody has closed does not keep the program from ending.
        thread = Thread(target=self._work, name=f"{self._name} {len(self._threads) + 1}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            d, f = job
            try:
                result: Any = f()
            except BaseException:
                result = Failure()
            del f, job
            self._results.append((d, result))
            del d, result
            if not self._told:  # at worst told twice
                self._told = True
                self._reactor.callFromThread(self._give)

    def _give(self) -> None:
        self._told = False
        while self._results:
            d, result = self._results.popleft()
            self._running -= 1
            d.callback(result)

    def stop(self) -> None:
        """End the threads, which must have nothing to do any more."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

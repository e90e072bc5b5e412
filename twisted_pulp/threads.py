"""Threads for what blocks: two of them, in which large bodies are hashed and written, unless told otherwise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

__all__ = ["InThread", "Lane", "WriterThreads", "followed", "outlasting"]

T = TypeVar("T")
#: Calls a function that blocks where it may block.
InThread = Callable[..., "Deferred[Any]"]

# All write buffers together, and those of one file at least and at most (settled figures: 32 MiB and 4 MiB in all).
_TOGETHER, _LEAST, _MOST = 24 << 20, 256 << 10, 4 << 20


class Lane:
    """
    Call functions, one after another, in one of the threads of *threads*.

    :param number: of the thread.
    """

    __slots__ = ("_number", "_threads")

    def __init__(self, threads: WriterThreads, number: int) -> None:
        self._threads, self._number = threads, number

    def __call__(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        """Call *f*; the Deferred has what it returns or raises."""
        d: Deferred[T] = Deferred()
        self._threads.put(self._number, (d, f, args, False))
        return d

    def quietly(self, f: Callable[..., object], *args: Any) -> Deferred[Any]:
        """Call *f*; the Deferred only ever fails: nobody is woken to hear that all is well."""
        d: Deferred[Any] = Deferred()
        self._threads.put(self._number, (d, f, args, True))
        return d


class WriterThreads:
    """
    Call functions in one of a few threads; what goes through one lane keeps its order.

    The threads start with the first call and end with `close`. Results are brought to the reactor together.

    :param reactor: where the results are given.
    :param count: threads; default 2, which is best on any disk (docs/performance.md).
    """

    def __init__(self, reactor: IReactorFromThreads, count: int = 2) -> None:
        self._reactor, self._count = reactor, count
        self._queues: list[SimpleQueue[Any]] = []
        self._threads: list[Thread] = []
        self._results: deque[tuple[Deferred[Any], Any]] = deque()
        self._told = False
        self._next = 0
        self.active = 0

    def lane(self) -> Lane:
        """Return what calls functions, one after another, in the same thread."""
        self._next += 1
        return Lane(self, self._next % self._count)

    def put(self, number: int, job: tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...], bool]) -> None:
        """Let the thread with this *number* do *job*, for `Lane`."""
        if not self._queues:
            self._start()
        self._queues[number].put(job)

    @property
    def high_water(self) -> int:
        """Bytes that may wait for the disk, for each of the files that are being written."""
        return max(_LEAST, min(_MOST, _TOGETHER // max(1, self.active)))

    def _start(self) -> None:
        for number in range(self._count):
            queue: SimpleQueue[Any] = SimpleQueue()
            thread = Thread(target=self._work, args=(queue,), name=f"writer {number + 1}", daemon=True)
            self._queues.append(queue)
            self._threads.append(thread)
            thread.start()

    def _work(self, queue: SimpleQueue[Any]) -> None:
        while (job := queue.get()) is not None:
            d, f, args, quiet = job
            try:
                result: Any = f(*args)
            except BaseException:
                result, quiet = Failure(), False
            del f, args, job  # the bytes, before the next wait
            if quiet:
                continue
            self._results.append((d, result))
            if not self._told:  # at worst told twice
                self._told = True
                self._reactor.callFromThread(self._give)

    def _give(self) -> None:
        self._told = False
        results = self._results
        while results:
            d, result = results.popleft()
            if not d.called:
                d.callback(result)

    def close(self) -> None:
        """End the threads once they have done what they were given; waits for that."""
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join()
        self._queues, self._threads = [], []
        self._give()


async def outlasting(d: Deferred[T], cancelled: Callable[[], object] | None = None) -> T:
    """
    Wait for *d* even when the one who waits is cancelled meanwhile: what a thread does cannot be broken off.

    :param cancelled: called then, to let it come to an end earlier.
    :raises CancelledError: afterwards, if so.
    """
    results: list[Any] = []
    waiting: Deferred[None] = Deferred()

    def give(result: Any) -> None:
        results.append(result)
        waiting.callback(None)

    d.addBoth(give)
    ended = False
    while not results:
        try:
            await waiting
        except CancelledError:
            ended, waiting = True, Deferred()
            if cancelled is not None:
                cancelled()
    if ended:
        raise CancelledError
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]


def followed(d: Deferred[Any]) -> Deferred[None]:
    """Return what fires when *d* does, and leaves it alone."""
    after: Deferred[None] = Deferred()

    def pass_on(result: Any) -> Any:
        after.callback(None)
        return result

    d.addBoth(pass_on)
    return after

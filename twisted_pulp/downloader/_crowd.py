"""Many at once, and no more: workers that pull from an iterable."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_pulp.errors import SettingsError

__all__ = ["Crowd", "Results"]

I = TypeVar("I")  # noqa: E741 -- an item
R = TypeVar("R")
# A worker lets the reactor have a turn after so many items: it may be that none of them had to wait.
_TURN = 64


class Crowd(Generic[I, R]):
    """
    Start something for each item, so many at once, and hand on what comes of it.

    :param clock: the reactor.
    :param start: item -> an awaitable of a result; cancelled, it ends soon, and its result counts no more.
    :param items: pulled one at a time, when a worker is free. An asynchronous one may have a method `at_once`, which
        returns an item, or None when it would have to be waited for: that costs far less.
    :param give: called with each result; a Deferred it returns is waited for. What it raises ends everything.
    :param concurrency: workers.
    :param among: the crowds at work; this one is among them while it is.
    """

    def __init__(
        self,
        clock: IReactorTime,
        start: Callable[[I], Awaitable[R]],
        items: Iterable[I] | AsyncIterable[I],
        give: Callable[[R], object],
        concurrency: int,
        among: set[Crowd[Any, Any]],
    ) -> None:
        if type(concurrency) is not int or concurrency < 1:
            raise SettingsError("concurrency", concurrency, "a whole number from 1")
        self._clock, self._start, self._give, self._concurrency = clock, start, give, concurrency
        self._later: AsyncIterator[I] | None = None
        self._at_once: Callable[[], I | None] = getattr(items, "at_once", _nothing)
        self._items: Iterator[I] = iter(())
        if isinstance(items, AsyncIterable):
            self._later = aiter(items)
        else:
            self._items = iter(items)
        self._pulling = False
        self._puller: Deferred[None] | None = None
        self._wanting: deque[Deferred[I]] = deque()
        self._workers: list[Deferred[None]] = []
        self._stopped = False
        self._error: Failure | None = None
        self._working = 0
        self._among = among
        self._awaited: list[Deferred[None]] = []
        self._ended: Deferred[None] | None = None

    def run(self) -> Deferred[None]:
        """
        Begin.

        :returns: a Deferred that fires when all is done, or fails with the first error of the iterable or of *give*,
            when everything else has ended; to cancel it ends everything.
        """
        return Deferred.fromCoroutine(self._run())

    async def _run(self) -> None:
        self._working = self._concurrency
        self._among.add(self)
        for _ in range(self._concurrency):
            if self._stopped:
                self._working -= 1
                continue
            worker = Deferred.fromCoroutine(self._work())
            self._workers.append(worker)
            worker.addErrback(self._failed).addBoth(self._left)
        cancelled = False
        while self._working:
            self._ended = Deferred()
            try:
                await self._ended
            except CancelledError:
                cancelled = True
                self.stop()
        if self._later is not None and hasattr(self._later, "aclose"):
            await self._later.aclose()
        self._among.discard(self)
        for d in self._awaited:
            d.callback(None)
        if self._error is not None:
            self._error.raiseException()
        if cancelled:
            raise CancelledError

    def ended(self) -> Deferred[None]:
        """Return a Deferred that fires when everything has ended."""
        d: Deferred[None] = Deferred()
        self._awaited.append(d)
        return d

    def stop(self) -> None:
        """Pull no more, and cancel what is going on."""
        if self._stopped:  # each that ends early stops the others
            return
        self._stopped = True
        for worker in list(self._workers):
            worker.cancel()
        if self._puller is not None:
            self._puller.cancel()

    def _failed(self, why: Failure) -> None:
        if self._error is None and not (self._stopped and why.check(CancelledError)):
            self._error = why
        self.stop()

    def _left(self, _: object) -> None:
        self._working -= 1
        if not self._working and self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    async def _work(self) -> None:
        items, later, at_once, done = self._items, self._later, self._at_once, 0
        while not self._stopped:
            try:
                if later is None:
                    item = next(items)
                else:
                    ready = None if self._pulling else at_once()
                    item = await self._pulled(later) if ready is None else ready
            except (StopIteration, StopAsyncIteration):
                return
            result = await self._start(item)
            if self._stopped:
                return
            given = self._give(result)
            if given is not None and hasattr(given, "__await__"):
                await given
            done += 1
            if not done % _TURN:
                await deferLater(self._clock, 0)

    def _pulled(self, items: AsyncIterator[I]) -> Deferred[I]:
        """Return a Deferred of the next item; it fails with StopAsyncIteration when there is none."""
        wanted: Deferred[I] = Deferred()
        self._wanting.append(wanted)
        if not self._pulling:
            # One pulls for all. Did each pull for itself, and then let the next, they would pile up on the stack.
            self._pulling = True
            self._working += 1
            self._puller = Deferred.fromCoroutine(self._pull(items))
            self._puller.addBoth(self._left)
        return wanted

    async def _pull(self, items: AsyncIterator[I]) -> None:
        try:
            while self._wanting and not self._stopped:
                item = await anext(items)
                wanted = self._next_wanting()
                if wanted is not None:
                    wanted.callback(item)
        except GeneratorExit:
            raise
        except BaseException:
            wanted = self._next_wanting()
            if wanted is not None:
                wanted.errback()
        self._pulling = False
        while (wanted := self._next_wanting()) is not None:
            wanted.errback(StopAsyncIteration())

    def _next_wanting(self) -> Deferred[I] | None:
        while self._wanting:
            wanted = self._wanting.popleft()
            if not wanted.called:
                return wanted
        return None


def _nothing() -> None:
    """Return no item: it has to be waited for."""


class _Queue(Generic[R]):
    """Results that wait to be taken. Knows nothing of who takes them, so that leaving is noticed at once."""

    def __init__(self) -> None:
        self.results: deque[tuple[R, Deferred[None]]] = deque()
        self.waiting: Deferred[None] | None = None
        self.over = False
        self.error: Failure | None = None

    def give(self, result: R) -> Deferred[None]:
        taken: Deferred[None] = Deferred()
        self.results.append((result, taken))
        self.wake()
        return taken

    def wake(self) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    def end(self, result: Any) -> None:
        self.over = True
        if isinstance(result, Failure) and not result.check(CancelledError):
            self.error = result
        self.wake()


class Results(AsyncIterator[R]):
    """
    The results of a crowd, as they come.

    Leaving the loop, by break or by an exception, cancels what is going on: the iterator is dropped, and says so.

    :param begin: (give) -> the crowd; called when the first result is asked for.
    """

    def __init__(self, begin: Callable[[Callable[[R], Deferred[None]]], Crowd[Any, Any]]) -> None:
        self._begin = begin
        self._queue: _Queue[R] = _Queue()
        self._running: Deferred[None] | None = None

    def __aiter__(self) -> Results[R]:
        return self

    async def __anext__(self) -> R:
        queue = self._queue
        if self._running is None:
            self._running = self._begin(queue.give).run()
            self._running.addBoth(queue.end)
        while not queue.results:
            if queue.over:
                error, queue.error = queue.error, None
                if error is not None:
                    error.raiseException()
                raise StopAsyncIteration
            queue.waiting = Deferred()
            try:
                await queue.waiting
            except BaseException:  # who waits is cancelled; a traceback may keep this iterator alive
                self._running.cancel()
                raise
        result, taken = queue.results.popleft()
        if not taken.called:
            taken.callback(None)
        return result

    async def aclose(self) -> None:
        """End everything, and wait until it has ended."""
        if self._running is not None and not self._queue.over:
            self._running.cancel()
            while not self._queue.over:
                self._queue.waiting = Deferred()
                await self._queue.waiting

    def __del__(self) -> None:
        if self._running is not None and not self._queue.over:
            self._running.cancel()

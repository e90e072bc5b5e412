"""A few workers for many items."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

__all__ = ["cores", "each"]

T = TypeVar("T")


def cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


async def each(items: Iterable[T], work: Callable[[T], Awaitable[object]], jobs: int) -> None:
    """
    Do *work* for each of *items*, in the order in which they come, *jobs* of them at once.

    The first failure, or cancelling this, cancels and awaits all that is being done.
    """
    waiting = iter(items)
    failures: list[Failure] = []

    async def worker() -> None:
        for item in waiting:
            await work(item)
            if failures:
                return

    def failed(failure: Failure) -> None:
        failures.append(failure)
        if len(failures) == 1:
            _cancel(workers)

    workers: list[Deferred[None]] = []
    while len(workers) < jobs and not failures:
        workers.append(Deferred.fromCoroutine(worker()).addErrback(failed))
    # To cancel the list cancels the workers, and waits for them.
    await DeferredList(workers)
    if failures:
        failures[0].raiseException()


def _cancel(workers: list[Deferred[None]]) -> None:
    for one in workers:
        one.cancel()

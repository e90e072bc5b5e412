"""Threads for what waits for a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twisted_pulp.threads import InThread

__all__ = ["Pools"]

T = TypeVar("T")


class Pools:
    """
    Threads of several kinds, so that none keeps another waiting; they start when they are needed.

    :param reactor: where the results are given.
    """

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pools: dict[str, ThreadPool] = {}

    def lane(self, kind: str, count: int) -> InThread:
        """Return what calls functions in a thread of this *kind*, of which there are *count* at most."""

        def call(f: Callable[..., T], *args: Any) -> Deferred[T]:
            pool = self._pools.get(kind)
            if pool is None:
                pool = self._pools[kind] = ThreadPool(0, count, f"objects {kind}")
                pool.start()
            return deferToThreadPool(self._reactor, pool, f, *args)

        return call

    def close(self) -> None:
        """End the threads, which have nothing to do any more."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.stop()

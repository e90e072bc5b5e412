"""Second connections: FTP's for data, counted like all others."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from twisted_pulp.http import Cap, ConnectionPool

__all__ = ["Pairs"]


class Pairs:
    """
    Connections that each session needs beside its own.

    :param pool: that counts them.
    :ivar cap: for sessions, half of the one over all: were there more of them, each could wait for what another has.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self.cap = Cap(max(1, pool.overall.limit // 2))

    def second(self) -> Deferred[Callable[[], None]]:
        """
        Count one more connection over all. Where the cap is 1, the session has that one already.

        :returns: a Deferred of what must be called when the connection is gone.
        """
        return Deferred.fromCoroutine(self._second())

    async def _second(self) -> Callable[[], None]:
        overall = self._pool.overall
        if overall.limit == 1:
            return _nothing
        await overall.semaphore.acquire()
        try:
            await self._pool.room((overall,))
        except BaseException:
            overall.semaphore.release()
            raise

        def gone() -> None:
            overall.closed()
            overall.semaphore.release()

        return gone


def _nothing() -> None: ...

"""Bytes of an artifact on their way to a consumer, at its pace."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from twisted_pulp.errors import Cancelled, StorageDamaged

__all__ = ["Delivery"]

# Bytes given at once; a consumer may be left with twice of that (settled: 512 KiB).
_BLOCK = 256 << 10


@implementer(IPushProducer)
class Delivery:
    """
    Give bytes to a consumer while it wants them.

    :param fetch: returns a Deferred of so many bytes at an offset; fewer only at the end.
    """

    def __init__(self, fetch: Callable[[int, int], Deferred[bytes]], consumer: IConsumer) -> None:
        self._fetch, self._consumer = fetch, consumer
        self._held = self._stopped = False
        self._wanted: Deferred[None] | None = None

    async def run(self, offset: int, length: int) -> int:
        """
        Give *length* bytes from *offset* on, and return how many that were.

        :raises StorageDamaged: when there are fewer.
        :raises Cancelled: when the consumer stops it.
        """
        self._consumer.registerProducer(self, True)
        try:
            end = offset + length
            while offset < end:
                data = await self._fetch(offset, min(_BLOCK, end - offset))
                await self._turn()
                if not data:
                    raise StorageDamaged(f"an artifact ends {end - offset} bytes early")
                offset += len(data)
                self._consumer.write(data)
            return length
        finally:
            self._consumer.unregisterProducer()

    async def _turn(self) -> None:
        while self._held and not self._stopped:
            self._wanted = Deferred()
            await self._wanted
        if self._stopped:
            raise Cancelled(detail="the consumer wants no more")

    def pauseProducing(self) -> None:
        """Give no more for now."""
        self._held = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._held = False
        self._wake()

    def stopProducing(self) -> None:
        """Give no more at all."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            wanted.callback(None)

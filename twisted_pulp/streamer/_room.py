"""Room for what is cached: what nobody wanted for longest goes."""

from __future__ import annotations

from collections.abc import Callable

from twisted_pulp.catalog import Catalog, artifacts, cached
from twisted_pulp.interfaces import IStorage

__all__ = ["Room"]

# Seconds for which a body that was replaced stays: clients may be about to read it.
_LINGER = 60.0


class Room:
    """
    Keep what is cached within bounds.

    :param catalog: knows it.
    :param storage: has the bodies.
    :param most: how many responses there may be.
    :param capacity: bytes that their bodies may have.
    :param now: seconds since the epoch.
    """

    def __init__(self, catalog: Catalog, storage: IStorage, most: int, capacity: int, now: Callable[[], float]) -> None:
        self._catalog, self._storage, self._now = catalog, storage, now
        self._most, self._capacity = most, capacity
        self._retired: dict[int, float] = {}

    def retire(self, body: int) -> None:
        """Have an artifact removed in a while, if nothing else has it then."""
        self._retired[body] = self._now()

    async def make(self) -> None:
        """Forget what is too much, and remove the bodies of what was forgotten a while ago."""
        for body in await self._catalog.write(cached.evict, self._most, self._capacity):
            self.retire(body)
        before = self._now() - _LINGER
        due = [body for body, since in self._retired.items() if since <= before]
        if not due:
            return
        for body in due:
            del self._retired[body]
        gone = [each.sha256 for each in await self._catalog.write(cached.unwanted, due, before)]
        if gone:
            await self._storage.remove(gone)
            await self._heal(gone)

    async def _heal(self, gone: list[str]) -> None:
        """Have the catalog forget files that somebody took for his own in the moment in which they went."""
        found = await self._catalog.read(artifacts.find, [("sha256", sha256) for sha256 in gone])
        if found:
            stored = await self._storage.has([each.sha256 for each in found.values()])
            lost = [each.id for each in found.values() if each.sha256 not in stored]
            await self._catalog.write(artifacts.delete, lost)

"""Responses that are kept: in memory, in the catalog, and their bodies in the storage."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from attrs import evolve

from twisted_pulp.catalog import Catalog, cached
from twisted_pulp.catalog.cached import CachedRow
from twisted_pulp.interfaces import IStorage
from twisted_pulp.streamer._asking import Received
from twisted_pulp.streamer._cached import Known, asked_of, vary_of
from twisted_pulp.streamer._page import Page
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.streamer._room import Room

__all__ = ["Shelf"]

_REMEMBERED = 10_000
# Seconds: for which a body that was there counts as there; after which a use is noted.
_LOOK, _USE = 10.0, 300.0


class Shelf:
    """
    Keep responses.

    :param catalog: knows them.
    :param storage: has their bodies.
    :param room: bounds them.
    :param now: seconds since the epoch.
    :param seconds: a clock that never jumps.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: IStorage,
        room: Room,
        now: Callable[[], float],
        seconds: Callable[[], float],
    ) -> None:
        self._catalog, self._storage, self._room = catalog, storage, room
        self._now, self._seconds = now, seconds
        self._remembered: Recent[Hashable, Known] = Recent(_REMEMBERED)

    def __len__(self) -> int:
        return len(self._remembered)

    def remembered(self, page: Page) -> Known | None:
        """Return what was kept of *page* a moment ago, if that is in memory."""
        known = self._remembered.get(page.key)
        return None if known is None or self._seconds() - known.looked > _LOOK else known

    async def find(self, page: Page) -> Known | None:
        """Return what is kept: perhaps another process has been faster; or somebody has removed the body."""
        row = await self._catalog.read(cached.find, *page.key)
        known = self._remembered.get(page.key)  # something may have come meanwhile
        if known is not None and (row is None or row.received <= known.row.received):
            row = known.row
        if row is None:
            return None
        if not await self._storage.has([row.sha256]):
            self._remembered.drop(page.key)
            await self._catalog.write(cached.delete, row)
            return None
        known = self._remembered.get(page.key)
        if known is None or known.row.received < row.received:
            known = Known(row, 0.0)
        known.looked = self._seconds()
        self._remembered.put(page.key, known)
        return known

    async def keep(self, page: Page, received: Received, before: Known | None) -> Known:
        """Keep what the upstream has said of *page*; its body may be that of *before*."""
        now = self._now()
        if received.sha256 is None:
            assert before is not None
            sha256, size = before.row.sha256, before.row.size
        else:
            sha256, size = received.sha256, received.size
        row = CachedRow(
            remote_id=page.remote_id,
            url=page.name,
            kind=page.kind,
            sha256=sha256,
            size=size,
            fields=received.fields,
            vary=vary_of(dict(received.fields), asked_of(page.remote, page.kind)),
            requested=received.times.requested,
            received=received.times.received,
            used=now,
        )
        self._retire(await self._catalog.write(cached.save, row, now))
        known = Known(row, self._seconds(), 304 if received.sha256 is None else 200)
        self._remembered.put(page.key, known)
        return known

    async def forget(self, page: Page, known: Known | None) -> None:
        """Keep nothing of *page* any more."""
        self._remembered.drop(page.key)
        if known is not None:
            self._retire(await self._catalog.write(cached.delete, known.row))

    def _retire(self, body: int | None) -> None:
        if body is not None:
            self._room.retire(body)

    def use(self, known: Known) -> bool:
        """Note that *known* is wanted; return whether the catalog is to be told."""
        now = self._now()
        if now - known.row.used <= _USE:
            return False
        known.row = evolve(known.row, used=now)
        return True

    async def tell(self, known: Known) -> None:
        """Tell the catalog when *known* was wanted last."""
        await self._catalog.write(cached.use, known.row, known.row.used)

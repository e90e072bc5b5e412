"""Jobs that are handed in bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import Catalog, items, jobs, retention
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.jobs._intake import Quota, kept, twice
from twisted_pulp.jobs._values import ItemSpec, Submitted

__all__ = ["Draft"]


@define(eq=False)
class Draft:
    """
    A job that is not one yet: its items come in batches, and nothing is begun before `commit`.

    What a process leaves unfinished that dies meanwhile is removed.

    :ivar total: items so far.
    """

    _catalog: Catalog
    _row: JobRow
    _quota: Quota
    _commit: Callable[[JobRow, bool], Submitted]
    _over: Callable[[str], object]
    _carried: Callable[[], Mapping[str, Any]] = dict
    total: int = field(init=False, default=0)

    def add(self, specs: Sequence[ItemSpec]) -> Deferred[int]:
        """
        Keep more items.

        :returns: a Deferred of how many there are now, when these are on the disk. It fails with `QueueFull`.
        """
        return Deferred.fromCoroutine(self._add(specs))

    async def _add(self, specs: Sequence[ItemSpec]) -> int:
        await self._quota.admit(len(specs))
        self.total = await self._catalog.write(_added, self._row.id, specs, self._catalog.key)
        return self.total

    def commit(self, *, key: str | None = None, fingerprint: str | None = None) -> Deferred[Submitted]:
        """
        Let it be a job.

        :param key: idempotency key; default None.
        :param fingerprint: of the request, which is only known at its end; default None.
        :returns: a Deferred, as of `Jobs.submit`. It fails with `SettingsError` naming an item that goes where another
            one goes.
        """
        return Deferred.fromCoroutine(self._committed(key, fingerprint))

    async def _committed(self, key: str | None, fingerprint: str | None) -> Submitted:
        more = self._carried()
        found = await self._catalog.read(items.twice, self._row.id)
        if found is not None:
            second, first, path = found
            raise twice(f"{second}.path", first, path)
        row, fresh = await self._catalog.write(jobs.commit, self._row.id, key, fingerprint, more)
        if fresh:
            self._over(self._row.uid)
        else:
            await self._abandon()
        return self._commit(row, fresh)

    def abandon(self) -> Deferred[None]:
        """Forget it."""
        return Deferred.fromCoroutine(self._abandon())

    async def _abandon(self) -> None:
        self._over(self._row.uid)
        await self._catalog.write(retention.discard, self._row.id)


def _added(connection: Connection, id: int, specs: Sequence[ItemSpec], key: Any) -> int:
    return items.add(connection, id, kept(specs, key))

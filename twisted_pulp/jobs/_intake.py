"""How jobs come into the catalog: admitted, sealed, and on the disk before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import Catalog, items, jobs, leases
from twisted_pulp.errors import KeyRefused, PulpError, QueueFull, SettingsError, shown
from twisted_pulp.jobs._values import ItemSpec

__all__ = ["Quota", "check_paths", "kept", "submitted"]

#: Seconds for which it is known how much waits; what comes meanwhile is counted.
_KNOWN = 1.0


@define(eq=False)
class Quota:
    """
    How much may wait.

    :param catalog: knows how much does.
    :param reactor: its clock.
    :ivar limit: items; None: any number.
    :ivar refusal: why nothing may be handed in now, such as a full disk; or None.
    """

    _reactor: Any
    _catalog: Catalog
    limit: int | None
    refusal: PulpError | None = field(init=False, default=None)
    _waiting: int = field(init=False, default=0)
    _until: float | None = field(init=False, default=None)

    def ready(self) -> Deferred[int]:
        """Return a Deferred of how many jobs wait for nothing but a worker."""
        return self._catalog.read(leases.ready)

    async def admit(self, count: int) -> None:
        """
        Count what is to be handed in.

        :raises QueueFull: it is too much.
        :raises PulpError: the refusal.
        """
        if self.refusal is not None:
            raise self.refusal
        if self.limit is None:
            return
        if self._until is None or self._reactor.seconds() >= self._until:
            began = self._reactor.seconds()
            self._waiting = await self._catalog.read(jobs.waiting)
            now = self._reactor.seconds()
            # Where much waits, to count it takes a while: that is done the less often.
            self._until = now + max(_KNOWN, 20 * (now - began))
        if self._waiting + count > self.limit:
            raise QueueFull(self._waiting, self.limit)
        self._waiting += count


def check_paths(specs: Sequence[ItemSpec]) -> None:
    """:raises SettingsError: naming the first of *specs* that goes where another one goes."""
    seen: dict[str, int] = {}
    for at, each in enumerate(specs):
        first = seen.setdefault(each.path, at)
        if first != at:
            raise twice(f"items.{at}.path", first, each.path)


def twice(field: str, first: int, path: str) -> SettingsError:
    """Return what is raised for the path of a second item."""
    return SettingsError(field, path, f"that of one item alone; item {first} has it, too")


def kept(specs: Sequence[ItemSpec], key: Any) -> list[items.NewItem]:
    """
    Return *specs* as the catalog has them.

    :param key: seals URLs with secrets; None: there must be none.
    :raises KeyRefused: there is one, and no key.
    """
    return [_kept(each, key) for each in specs]


def _kept(spec: ItemSpec, key: Any) -> items.NewItem:
    seen, sealed = spec.url, None
    if "@" in seen or "?" in seen or "#" in seen:
        seen = shown(spec.url)
        if seen != spec.url:
            if key is None:
                raise KeyRefused("a URL with secrets needs the key that seals them")
            sealed = key.seal({"url": spec.url})
    return items.NewItem(seen, spec.path, spec.size, spec.digests, sealed)


def submitted(
    connection: Connection, new: jobs.NewJob, specs: Sequence[ItemSpec], key: Any, now: float
) -> tuple[jobs.JobRow, bool]:
    """Keep a job with all its items; see `twisted_pulp.catalog.jobs.add`."""
    row, fresh = jobs.add(connection, new, now)
    if fresh and specs:
        items.add(connection, row.id, kept(specs, key))
        row = jobs.get(connection, row.uid)
    return row, fresh

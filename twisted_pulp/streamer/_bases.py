"""The distributions that requests are for, and what they serve at the moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from twisted_pulp.catalog import Catalog, Key, distributions, remotes, versions
from twisted_pulp.catalog.distributions import DistributionRow
from twisted_pulp.errors import NotInCatalog
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.streamer._rules import Rules, rules_of

__all__ = ["Base", "Bases", "Known", "reached"]

#: Seconds after which the catalog is asked again what a distribution serves.
FRESH = 1.0
_MOST = 1000
# A path longer than the column has none of its prefixes there either.
_LONGEST = 256

#: Remotes by number, each with the time it was last changed.
Known = Mapping[int, tuple[float, Remote]]


@define(eq=False)
class Base:
    """
    What a distribution serves: as long as this is the same, all that was found below it holds.

    :ivar row: of the catalog.
    :ivar number: of the version; None: there is none.
    :ivar remote: asked for what is not there; None: nobody is.
    :ivar rules: of the tree that is pulled through.
    :ivar until: when it must be looked at again, on the reactor's clock.
    """

    row: DistributionRow
    number: int | None
    remote: Remote | None
    rules: Rules
    until: float = field(default=0.0)

    @property
    def depth(self) -> int:
        """How many segments its path has."""
        return self.row.base_path.count("/") + 1

    def same(self, other: Base) -> bool:
        """Return whether what was found below *other* holds here, too."""
        return (self.row, self.number) == (other.row, other.number) and self.remote is other.remote


@frozen
class _Read:
    row: DistributionRow
    number: int | None
    remotes: Known


class Bases:
    """
    Find the distribution that a path is in; at most once a second the catalog is asked for each.

    :param catalog: what is known.
    :param seconds: the reactor's clock.
    """

    def __init__(self, catalog: Catalog, seconds: Callable[[], float]) -> None:
        self._catalog, self._seconds = catalog, seconds
        self._bases: Recent[str, Base] = Recent(_MOST)
        self._reading: dict[str, Moment[Base | None]] = {}
        self._remotes: Recent[int, tuple[float, Remote]] = Recent(_MOST)

    def fresh(self, base: Base) -> bool:
        """Return whether *base* is what the catalog said a moment ago."""
        return self._seconds() < base.until

    async def find(self, path: str) -> Base | None:
        """Return what the distribution that *path* is in serves now; None when it is in none."""
        known = self._known(path)
        if known is None:
            return await self._asked(path[:_LONGEST])
        if self.fresh(known):
            return known
        # It may be gone, and another one be there instead, with a longer path.
        return await self._asked(known.row.base_path) or await self._asked(path[:_LONGEST])

    async def _asked(self, name: str) -> Base | None:
        """Ask the catalog, once for all who want to know at the time."""
        reading = self._reading.get(name)
        if reading is None:
            reading = self._reading[name] = Moment()
            d = Deferred.fromCoroutine(self._read(name))
            d.addBoth(self._end, name, reading)
        return await reading.wait()

    def _end(self, result: Any, name: str, reading: Moment[Base | None]) -> None:
        del self._reading[name]
        reading.happen(result)

    def _known(self, path: str) -> Base | None:
        end = path.find("/")
        while end >= 0:
            base = self._bases.get(path[:end])
            if base is not None:
                return base
            end = path.find("/", end + 1)
        return self._bases.get(path)

    async def _read(self, path: str) -> Base | None:
        read = await self._catalog.read(_looked_up, path, self.known_remotes, self._catalog.key)
        if read is None:
            self._bases.drop(path)
            return None
        self.learn(read.remotes)
        remote_id = read.row.remote_id
        found = None if remote_id is None else read.remotes.get(remote_id)
        remote = None if found is None else found[1]
        base = Base(read.row, read.number, remote, rules_of(read.row.settings))
        before = self._bases.get(base.row.base_path)
        if before is not None and before.same(base):
            base = before
        base.until = self._seconds() + FRESH
        self._bases.put(base.row.base_path, base)
        return base

    def known_remotes(self, id: int) -> tuple[float, Remote] | None:
        """Return a Remote as it was last read; called in any thread."""
        return self._remotes.peek(id)

    def learn(self, read: Known) -> None:
        """Keep Remotes that were read: connections are shared by those who have the very same one."""
        for number, each in read.items():
            self._remotes.put(number, each)


def _looked_up(
    connection: Connection, path: str, known: Callable[[int], tuple[float, Remote] | None], key: Key | None
) -> _Read | None:
    row = distributions.by_path(connection, path)
    if row is None:
        return None
    number = None if row.repository_id is None else _number(connection, row.repository_id, row.number)
    ids = () if row.remote_id is None else (row.remote_id,)
    return _Read(row, number, reached(connection, ids, known, key))


def _number(connection: Connection, repository_id: int, number: int | None) -> int | None:
    if number is None:
        latest = versions.latest(connection, repository_id)
        return None if latest is None else latest.number
    try:
        return versions.get(connection, repository_id, number).number
    except NotInCatalog:  # it was deleted
        return None


def reached(
    connection: Connection,
    ids: tuple[int, ...],
    known: Callable[[int], tuple[float, Remote] | None],
    key: Key | None,
) -> Known:
    """Return the Remotes of these numbers: the ones that are *known*, unless they have changed since."""
    found: dict[int, tuple[float, Remote]] = {}
    for number in ids:
        try:
            updated = remotes.by_id(connection, number).updated
        except NotInCatalog:  # it was forgotten just now
            continue
        before = known(number)
        unchanged = before is not None and before[0] == updated
        found[number] = (
            before if unchanged and before is not None else (updated, remotes.reach(connection, number, key))
        )
    return found

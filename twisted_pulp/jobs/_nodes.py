"""The processes that share a catalog, as each of them sees it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, nodes
from twisted_pulp.catalog.nodes import NodeRow
from twisted_pulp.errors import PulpError
from twisted_pulp.jobs._rounds import Rounds

__all__ = ["Node", "Nodes"]

#: How many times within a lease a node says that it lives, but every so many seconds at least.
_BEATS, _LONGEST = 3, 5.0
#: Leases after which one that says nothing is forgotten.
_FORGOTTEN = 20
#: Seconds for which the figures count of one that says nothing; it may live all the same.
_FRESH = 2 * _LONGEST


@frozen(kw_only=True)
class Node:
    """
    A process that shares the catalog.

    :ivar name: no other's; what its jobs are held by.
    :ivar host: name of its machine.
    :ivar pid: number of its process.
    :ivar version: of this package.
    :ivar roles: what it does.
    :ivar urls: where clients find it.
    :ivar figures: numbers by name, such as "jobs", those that it runs.
    :ivar started: when it was, in seconds since the epoch by its own clock.
    :ivar seen: when it said last that it lives, as *started*.
    :ivar alive: whether it has said so within a lease.
    """

    name: str
    host: str
    pid: int
    version: str
    roles: tuple[str, ...]
    urls: tuple[str, ...]
    figures: Mapping[str, float]
    started: float
    seen: float
    alive: bool


@define(eq=False, kw_only=True)
class Nodes:
    """
    Says that this process lives, and hears of the others that share its catalog.

    That others live is seen by a count that each makes grow, and by this process's own monotonic clock: nobody's wall
    clock counts.

    :param reactor: its clock.
    :param catalog: that is shared.
    :param name: of this one; no other's that lives.
    :param roles: what it does.
    :param version: of this package.
    :param shared: whether there can be others; if not, nothing is written. Default true.
    :param lease: seconds after which one that says nothing is taken to be dead; default 60.
    :param figures: called for numbers by name; default: there are none.
    :param now: seconds since the epoch; default `time.time`.
    :ivar changed: called when the others that live are not the same any more.
    """

    _log = Logger()

    _reactor: Any = field(alias="reactor")
    _catalog: Catalog = field(alias="catalog")
    name: str
    roles: tuple[str, ...]
    version: str
    shared: bool = True
    lease: float = 60.0
    _figures: Callable[[], Mapping[str, float]] = field(alias="figures", default=dict)
    _now: Callable[[], float] = field(alias="now", default=time.time)
    changed: Callable[[], object] = field(init=False, default=lambda: None)
    _urls: tuple[str, ...] = field(init=False, default=())
    _started: float = field(init=False)
    _heard: dict[str, tuple[int, float]] = field(init=False, factory=dict)
    _others: tuple[Node, ...] = field(init=False, default=())
    _silent: frozenset[str] = field(init=False, default=frozenset())
    _rounds: Rounds = field(init=False)
    _told: bool = field(init=False, default=False)
    _doing: set[Deferred[None]] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self._started = self._now()
        self._rounds = Rounds(self._reactor, self._beat, "the other nodes could not be told")

    @property
    def others(self) -> tuple[Node, ...]:
        """The other nodes that lived when it was looked last."""
        return self._others

    def dead(self, name: str) -> bool:
        """Return whether the node *name* had said nothing for a lease when it was looked last."""
        return name in self._silent

    def count(self, role: str) -> int:
        """Return how many nodes do *role*, with this one, when it was looked last."""
        return sum(role in each.roles for each in self._others) + (role in self.roles)

    @property
    def me(self) -> Node:
        """This one."""
        return _node(self._row(), True)

    def _row(self) -> NodeRow:
        return NodeRow(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self.version,
            roles=self.roles,
            urls=self._urls,
            figures=self._figures(),
            started=self._started,
            seen=self._now(),
        )

    def start(self, urls: Sequence[str] = ()) -> Deferred[None]:
        """
        Say that this one lives, from now on.

        :param urls: where clients find it.
        :returns: a Deferred that fires when the others can see it; it fails with `CatalogError`.
        """
        self._urls = tuple(urls)
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        if not self.shared:
            return
        await self._beat()
        self._told = True
        self._rounds.start(min(self.lease / _BEATS, _LONGEST))

    def tell(self) -> Deferred[None]:
        """Tell the others what has changed here, at once; the Deferred fires when they can see it."""
        return self.pulse()

    def pulse(self, *, say: bool = True, hear: bool = True) -> Deferred[None]:
        """
        Exchange figures with the others, at once.

        :param say: whether to tell those of this one; *hear*: whether to ask for theirs.
        :returns: a Deferred that fires when that is done; it fails with `CatalogError`.
        """
        if not self._told:
            return succeed(None)
        doing = Deferred.fromCoroutine(self._pulse(say, hear))
        self._doing.add(doing)

        def over(result: Any) -> Any:
            self._doing.discard(doing)
            return result

        return doing.addBoth(over)

    async def _beat(self) -> None:
        await self._pulse(True, True)

    async def _pulse(self, say: bool, hear: bool) -> None:
        if say:
            await self._catalog.write(nodes.beat, self._row())
        if hear:
            await self._hear()

    async def _hear(self) -> Sequence[NodeRow]:
        """Look who else there is, and forget those that were silent for long."""
        rows = await self._catalog.read(nodes.list)
        now, known = self._reactor.seconds(), self._heard
        self._heard = heard = {}
        for row in rows:
            beat, at = known.get(row.name, (-1, now))
            heard[row.name] = (row.beat, now if row.beat != beat else at)
        for row in rows:
            if now - heard[row.name][1] >= self.lease * _FORGOTTEN and row.name != self.name:
                await self._catalog.write(nodes.forget, row)
        living = tuple(_node(row, True) for row in rows if row.name != self.name and self._lives(row))
        self._silent = frozenset(row.name for row in rows if not self._lives(row))
        before, self._others = self._others, living
        if [each.name for each in before] != [each.name for each in living]:
            self.changed()
        return rows

    def _lives(self, row: NodeRow) -> bool:
        return row.name == self.name or self._reactor.seconds() - self._heard[row.name][1] < self.lease

    def all(self) -> Deferred[list[Node]]:
        """Return a Deferred of all nodes, this one as it is now, by their names; it fails with `CatalogError`."""
        return Deferred.fromCoroutine(self._all())

    async def _all(self) -> list[Node]:
        if not self.shared:
            return [self.me]
        rows = await self._hear()
        found = {row.name: _node(row, self._lives(row)) for row in rows} | {self.name: self.me}
        return [found[name] for name in sorted(found)]

    def sums(self) -> dict[str, float]:
        """Return the figures of all nodes added up, by their names: of this one as they are now, of others as heard."""
        now = self._reactor.seconds()
        found = dict(self._figures())
        for each in self._others:
            if now - self._heard[each.name][1] < _FRESH:
                for name, figure in each.figures.items():
                    found[name] = found.get(name, 0) + figure
        return found

    def stop(self) -> Deferred[None]:
        """Tell the others that this one ends; the Deferred fires when that is done, or cannot be."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if not self._told:
            return
        self._told = False
        await self._rounds.stop()
        doing = list(self._doing)  # what it still said after it has left would not be true
        for each in doing:
            each.cancel()
        await DeferredList(doing, consumeErrors=True)
        try:
            await self._catalog.write(nodes.leave, self.name, os.getpid())
        except PulpError as error:
            self._log.warn("the other nodes could not be told: {error}", error=error)


def _node(row: NodeRow, alive: bool) -> Node:
    return Node(
        name=row.name,
        host=row.host,
        pid=row.pid,
        version=row.version,
        roles=tuple(row.roles),
        urls=tuple(row.urls),
        figures=row.figures,
        started=row.started,
        seen=row.seen,
        alive=alive,
    )

"""The caps on connections to each host, over all processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, shares
from twisted_pulp.catalog.shares import Share
from twisted_pulp.errors import PulpError
from twisted_pulp.threads import outlasting

__all__ = ["Shares"]

#: Seconds between two looks at what others want; within a lease, how many times we say that we live.
_LOOK, _BEATS = 0.5, 3
#: Seconds for which one has a slot of which there are not enough for all.
_TURN = 10.0
#: Looks after which the others hear of another wish that changes nothing.
_STAYS = 4
_LONGEST = 255


@define(eq=False)
class _Host:
    """A host that is connected to: its cap, and the slots that are ours."""

    cap: Any
    slots: int = 0
    _same: int = 0

    def news(self, told: Share, wanted: int) -> bool:
        """Return whether the others should hear that we want another number, at once or since it stays so."""
        self._same = 0 if told.wanted == wanted else self._same + 1
        return self._same >= _STAYS or (wanted > self.slots) != (told.wanted > told.slots)


@define(eq=False)
class Shares:
    """
    Leases the connections to each host: all processes together never have more than one alone may.

    A host is leased when it is first connected to. Whoever has more than its part gives it to those that want it;
    nobody has to while nobody else wants it. What a process had that says nothing any more is others' after a lease.

    :param reactor: its clock.
    :param catalog: where the shares are.
    :param pool: of the connections.
    :param holder: who this is.
    :param lease: seconds after which one that says nothing is taken to be dead; default 60.
    :param dead: tells of a holder that it is known to be dead; default: nothing is known.
    :param others: tells whether others are there at all; default: they are.
    """

    _log = Logger()

    _reactor: Any
    _catalog: Catalog
    _pool: Any
    holder: str
    lease: float = field(kw_only=True, default=60.0)
    _others: Callable[[], object] = field(kw_only=True, default=lambda: True)
    _dead: Callable[[str], bool] = field(kw_only=True, default=lambda holder: False)
    _hosts: dict[str, _Host] = field(init=False, factory=dict)
    _seen: dict[tuple[str, str], tuple[int, float]] = field(init=False, factory=dict)
    _lock: DeferredLock = field(init=False, factory=DeferredLock)
    _call: LoopingCall | None = field(init=False, default=None)
    _working: set[Deferred[None]] = field(init=False, factory=set)
    _beaten: float = field(init=False, default=0.0)

    def start(self) -> None:
        """Let no host be connected to that is not leased, from now on."""
        self._beaten = self._reactor.seconds()
        self._pool.paces.leased = self._begun
        for key, cap in self._pool.paces.caps.items():
            self._begun(key, cap)
        self._call = LoopingCall(self._looked)
        self._call.clock = self._reactor
        self._call.start(_LOOK, now=False).addErrback(lambda why: self._log.failure("a look failed", failure=why))

    def slots(self, key: object) -> int:
        """Return how many connections to a host, *key*, may be had now."""
        found = self._hosts.get(_name(key))
        return 0 if found is None else found.slots

    def _begun(self, key: object, cap: Any) -> None:
        """A host is connected to: nothing of it is ours yet."""
        name = _name(key)
        before = self._hosts.get(name)
        self._hosts[name] = made = _Host(cap, 0 if before is None else before.slots)
        cap.lease(made.slots)
        self._work(self._settled(name, cap.limit))

    def _work(self, coroutine: Any) -> Deferred[None]:
        d: Deferred[None] = Deferred.fromCoroutine(self._once(coroutine))
        if not d.called:
            self._working.add(d)
            d.addBoth(lambda _: self._working.discard(d))
        return d

    async def _once(self, coroutine: Any) -> None:
        try:
            await coroutine
        except PulpError as error:
            self._log.warn("shares of connections could not be settled: {error}", error=error)
        except Exception:
            self._log.failure("shares of connections could not be settled")

    def _looked(self) -> Deferred[None]:
        return self._work(self._look())

    async def _look(self) -> None:
        now = self._reactor.seconds()
        if self._hosts and now - self._beaten >= self.lease / _BEATS:
            try:
                await self._catalog.write(shares.beat, self.holder)
            except PulpError:
                if now - self._beaten >= self.lease:  # others have them by now
                    for each in self._hosts.values():
                        self._become(each, 0)
                raise
            self._beaten = now
        left = [name for name, each in self._hosts.items() if each.cap not in self._pool.paces.caps.values()]
        if left:
            await self._left(left)
        # Those that are dead are no others any more, but have their slots still.
        if self._hosts and (self._others() or any(each.slots < each.cap.limit for each in self._hosts.values())):
            rows = await self._catalog.read(shares.look, list(self._hosts))
            for name, found in rows.items():
                await self._compared(name, found)

    async def _left(self, names: list[str]) -> None:
        """Give back hosts that are connected to no more."""
        async with self._lock:
            gone = [name for name in names if self._hosts[name].cap not in self._pool.paces.caps.values()]
            for name in gone:
                del self._hosts[name]
            await self._catalog.write(shares.give, self.holder, gone)

    async def _compared(self, name: str, rows: list[Share]) -> None:
        """Settle a host anew, if something has changed."""
        host = self._hosts.get(name)
        if host is None:
            return
        mine = next((each for each in rows if each.holder == self.holder), None)
        others = [each for each in rows if each.holder != self.holder]
        dead = [each for each in others if self._silent(each)]
        wanted, turn = self._wanted(host), int(self._reactor.seconds() / _TURN)
        due = shares.due(self.holder, wanted, host.slots, others, host.cap.limit, turn)
        if mine is None or dead or mine.slots != host.slots or due != host.slots or host.news(mine, wanted):
            await self._settled(name, wanted, dead)

    def _silent(self, row: Share) -> bool:
        key, now = (row.host, row.holder), self._reactor.seconds()
        beat, since = self._seen.get(key, (-1, now))
        if beat != row.beat:
            since = now
        self._seen[key] = row.beat, since
        return bool(now - since >= self.lease) or self._dead(row.holder)

    def _wanted(self, host: _Host) -> int:
        return min(int(host.cap.wanted), int(host.cap.limit))

    async def _settled(self, name: str, wanted: int, dead: list[Share] | None = None) -> None:
        async with self._lock:
            host = self._hosts.get(name)
            if host is None:
                return
            slots = await self._catalog.write(
                shares.settle,
                name,
                self.holder,
                wanted=wanted,
                had=host.slots,
                open=host.cap.open,
                limit=host.cap.limit,
                dead=dead or (),
                turn=int(self._reactor.seconds() / _TURN),
            )
            for each in dead or ():
                self._seen.pop((each.host, each.holder), None)
            self._become(self._hosts.get(name, host), slots)

    def _become(self, host: _Host, slots: int) -> None:
        host.slots = slots
        host.cap.lease(slots)
        self._pool.shrink(host.cap)

    def close(self) -> Deferred[None]:
        """Give everything back: nothing is connected to any more."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        call, self._call = self._call, None
        self._pool.paces.leased = None
        if call is None:
            return
        call.stop()
        for each in list(self._working):
            await outlasting(each)
        try:
            await self._catalog.write(shares.give, self.holder)
        except PulpError as error:
            self._log.warn("shares of connections could not be given back: {error}", error=error)

    def __repr__(self) -> str:
        return f"<Shares of {self.holder}: { ({name: each.slots for name, each in self._hosts.items()}) }>"


def _name(key: object) -> str:
    """Return what a host is called in the catalog, where *key* is what it is known by here."""
    name = f"{key[0]}:{key[1]}" if isinstance(key, tuple) and len(key) == 2 else repr(key)
    return name[:_LONGEST]

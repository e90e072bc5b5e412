"""One fetch of each file over all processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, claims
from twisted_pulp.catalog.claims import Claim
from twisted_pulp.errors import PulpError
from twisted_pulp.threads import outlasting

__all__ = ["Claims"]

T = TypeVar("T")
#: How many times within a lease a holder says that it lives.
_BEATS = 3


@define(eq=False)
class Claims:
    """
    What this process fetches, and what others do.

    :param reactor: its clock.
    :param catalog: where the claims are.
    :param holder: who this is; two processes that live never have one name.
    :param lease: seconds after which a holder that says nothing is taken to be dead; default 60.
    :param dead: tells of a holder that it is known to be dead; default: nothing is known.
    :param others: tells whether other processes are there at all; default: they are.
    """

    _log = Logger()

    _reactor: Any
    _catalog: Catalog
    holder: str
    lease: float = field(kw_only=True, default=60.0)
    _others: Callable[[], object] = field(kw_only=True, default=lambda: True)
    _dead: Callable[[str], bool] = field(kw_only=True, default=lambda holder: False)
    _held: dict[str, bool] = field(init=False, factory=dict)  # names, and whether the catalog has said so
    _seen: dict[str, tuple[Claim, float]] = field(init=False, factory=dict)
    _beating: LoopingCall | None = field(init=False, default=None)

    @property
    def others(self) -> bool:
        """Whether other processes are there that could fetch the same."""
        return bool(self._others())

    def take(
        self, names: Collection[str], within: Callable[[Connection, Collection[str]], T]
    ) -> Deferred[tuple[set[str], T]]:
        """
        Claim what nobody has, or somebody who is dead.

        :param names: what is to be fetched.
        :param within: called in the same transaction with what is ours then: what it finds, nobody fetches meanwhile.
        :returns: a Deferred of the names that are ours, to be given back, and of what *within* returned.
        """
        return Deferred.fromCoroutine(self._take(names, within))

    async def _take(
        self, names: Collection[str], within: Callable[[Connection, Collection[str]], T]
    ) -> tuple[set[str], T]:
        free = [name for name in names if name not in self._held]
        stale = [self._seen.pop(name)[0] for name in free if self._silent(name)]
        self._held.update(dict.fromkeys(free, False))
        try:
            mine, found = await self._catalog.write(_taken, self.holder, free, stale, within)
        except BaseException:
            await outlasting(self.give(free))  # it may have been written all the same
            raise
        for name in free:
            if name in mine:
                self._held[name] = True
                self._seen.pop(name, None)
            else:
                self._held.pop(name, None)
        self._begin_beating()
        return mine, found

    def free(self, names: Collection[str]) -> Deferred[list[str]]:
        """Return a Deferred of those of *names* that somebody had, and that can be taken now."""
        return self._catalog.read(claims.look, names).addCallback(self._looked, names)

    def _looked(self, rows: dict[str, Claim], names: Collection[str]) -> list[str]:
        now, found = self._reactor.seconds(), []
        for name in names:
            row = rows.get(name)
            if row is None:
                self._seen.pop(name, None)
            elif name not in self._seen or self._seen[name][0] != row:
                self._seen[name] = row, now
            if name not in self._held and (row is None or self._silent(name)):
                found.append(name)
        return found

    def _silent(self, name: str) -> bool:
        """Return whether who has claimed it says nothing any more; what has our name, and we do not know of, is old."""
        if name not in self._seen:
            return False
        row, since = self._seen[name]
        gone = row.holder == self.holder or self._dead(row.holder)
        return gone or self._reactor.seconds() - since >= self.lease

    def forget(self, names: Collection[str]) -> None:
        """Wait for *names* no more."""
        for name in names:
            self._seen.pop(name, None)

    def give(self, names: Collection[str]) -> Deferred[None]:
        """Give *names* back; the Deferred fires when others can have them, or when that could not be told them."""
        return Deferred.fromCoroutine(self._give([name for name in names if name in self._held]))

    async def _give(self, names: Sequence[str]) -> None:
        if not names:
            return
        try:
            await self._catalog.write(claims.give, self.holder, names)
        except PulpError as error:
            # As it makes its beat grow no more when we are gone, somebody takes it over then.
            self._log.warn("claims could not be given back: {error}", error=error)
        finally:
            self.given(names)

    def given(self, names: Collection[str]) -> None:
        """Note that *names* were given back, in a transaction of somebody else."""
        for name in names:
            self._held.pop(name, None)
        if not self._held and self._beating is not None:
            beating, self._beating = self._beating, None
            beating.stop()

    def _begin_beating(self) -> None:
        if self._held and self._beating is None:
            self._beating = LoopingCall(self._beat)
            self._beating.clock = self._reactor
            self._beating.start(self.lease / _BEATS, now=False).addErrback(
                lambda why: self._log.failure("claims could not be kept", failure=why)
            )

    def _beat(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._beaten())

    async def _beaten(self) -> None:
        known = [name for name, told in self._held.items() if told]
        try:
            kept = await self._catalog.write(claims.beat, self.holder)
        except PulpError as error:
            self._log.warn("the catalog did not answer: {error}", error=error)
            return
        for name in known:
            if name not in kept and self._held.get(name):
                del self._held[name]
        if left := kept - self._held.keys():  # by a process of this name, which is dead
            await self._catalog.write(claims.give, self.holder, left)

    def close(self) -> Deferred[None]:
        """Give everything back."""
        return self.give(list(self._held))

    def __repr__(self) -> str:
        return f"<Claims of {self.holder}: {len(self._held)}, {len(self._seen)} waited for>"


def _taken(
    connection: Connection,
    holder: str,
    names: Sequence[str],
    stale: Sequence[Claim],
    within: Callable[[Connection, Collection[str]], T],
) -> tuple[set[str], T]:
    mine = set(claims.take(connection, holder, names, stale)) if names else set()
    return mine, within(connection, mine)

"""What was learnt of hosts, kept for the next process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, paces
from twisted_pulp.catalog.paces import PaceRow
from twisted_pulp.context import Context
from twisted_pulp.errors import PulpError

__all__ = ["KeptPaces"]

#: Seconds between two looks whether there is something new to be kept.
_EVERY = 60.0
#: Seconds after which a host that is not heard of is forgotten: none is remembered for as long.
_OLD = 86_400.0
_Host = tuple[str, int]


@define(eq=False)
class KeptPaces:
    """
    Keeps in the catalog how many requests at once hosts bear, so that the next process need not learn it again.

    What cannot be read or kept is logged, and keeps nobody from downloading.

    :param context: that learns it.
    :param now: seconds since the epoch, as `time.time`, the default.
    """

    _log = Logger()

    _context: Context
    _catalog: Catalog
    _now: Callable[[], float] = field(kw_only=True, default=time.time)
    _kept: set[_Host] = field(init=False, factory=set)
    _call: LoopingCall | None = field(init=False, default=None)
    _saving: Deferred[None] | None = field(init=False, default=None)

    def recall(self) -> Deferred[None]:
        """Let the context know what earlier processes have learnt."""
        return Deferred.fromCoroutine(self._recall())

    async def _recall(self) -> None:
        try:
            rows = await self._catalog.read(paces.list)
        except PulpError as error:
            self._log.warn("what hosts bear could not be read: {error}", error=error)
            return
        for row in rows:
            self._kept.add((row.host, row.port))
            self._context.pool.paces.remember((row.host, row.port), row.allowed, self._now() - row.heard)

    def start(self) -> None:
        """Keep now and then what is new; `save` ends that."""
        self._call = LoopingCall(self._save)
        self._call.clock = self._context.reactor
        self._call.start(_EVERY, now=False)

    def save(self) -> Deferred[None]:
        """Keep what is new, once more and no more."""
        call, self._call = self._call, None
        if call is not None:
            call.stop()
        if self._saving is None:
            return self._save()
        last: Deferred[None] = Deferred()
        self._saving.addBoth(lambda _: self._save().chainDeferred(last))
        return last

    def _save(self) -> Deferred[None]:
        self._saving = Deferred.fromCoroutine(self._saved())

        def over(result: Any) -> Any:
            self._saving = None
            return result

        return self._saving.addBoth(over)

    async def _saved(self) -> None:
        now = self._now()
        rows = [PaceRow(*host, allowed, now - ago) for host, allowed, ago in self._context.pool.paces.known()]
        known = {(row.host, row.port) for row in rows}
        if not known and not self._kept:
            return
        try:
            await self._catalog.write(_change, rows, sorted(self._kept - known), now - _OLD)
        except PulpError as error:
            self._log.warn("what hosts bear could not be kept: {error}", error=error)
        else:
            self._kept = known


def _change(connection: Any, rows: list[PaceRow], gone: list[_Host], before: float) -> None:
    paces.forget(connection, gone, before)
    paces.keep(connection, rows)

"""Messages that a worker has been given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import TimeoutError as Late

from twisted_pulp.catalog import dispatch
from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs._broker import Delivery

__all__ = ["Messages"]

_UID = re.compile(r"[A-Za-z0-9_-]{1,22}", re.ASCII).fullmatch
#: Seconds between two looks of a worker who is told of jobs: it only finds what nobody could tell.
_PATIENCE = 5.0
#: Seconds for which a worker that stops waits until others are told.
_FAREWELL = 3.0


@define(eq=False)
class Messages:
    """
    Holds messages until the jobs that they name need nobody any more.

    That is so once a job is over, waits for a later time, or is run by somebody else; one of ours must have been
    ended in the catalog. Who dies before gives all of them back, and they are given to others.

    :param jobs: the book; its broker gives the messages.
    :param holder: by which the worker is known.
    :param wake: called with each message.
    """

    _jobs: Any
    _reactor: Any
    _holder: str
    _wake: Callable[[], object]
    _held: dict[str, Delivery] = field(init=False, factory=dict)
    _looked: float = field(init=False, default=0.0)

    def take(self, delivery: Delivery) -> None:
        """Hold a message, and look; where nobody outlives us who could be given it, there is no use in holding it."""
        known = self._held.pop(delivery.uid, None)
        if known is not None:
            known.done()
        if self._jobs.broker.shared and _UID(delivery.uid):
            self._held[delivery.uid] = delivery
        else:
            delivery.done()
        self._looked = -_PATIENCE
        self._wake()

    @property
    def uids(self) -> list[str]:
        """The jobs that the messages name."""
        return list(self._held)

    async def settle(self) -> None:
        """Let go of what needs nobody any more."""
        held = dict(self._held)
        if not held:
            return
        needed = await self._jobs.catalog.read(dispatch.needed, list(held), self._holder)
        for uid, delivery in held.items():
            if uid not in needed and self._held.get(uid) is delivery:
                self._held.pop(uid).done()

    async def empty(self) -> None:
        """Tell others of what is left, as if it were new."""
        held, self._held = self._held, {}
        for uid, delivery in held.items():
            try:
                await self._jobs.broker.publish(uid).addTimeout(_FAREWELL, self._reactor)
            except (BrokerUnavailable, Late):
                return  # it is given to others when we are gone
            delivery.done()

    def tell(self, row: Any) -> None:
        """Tell others of a job that waits again, or was given up."""
        broker = self._jobs.broker
        if broker.shared and row.state == "waiting" and row.run_after is None:
            self._jobs.dispatch(row.uid)
        elif broker.shared and row.parked:
            broker.park(row.uid).addErrback(lambda why: why.trap(BrokerUnavailable))

    def rests(self) -> bool:
        """Return whether there is no need to look yet: we would have been told."""
        broker, now = self._jobs.broker, self._reactor.seconds()
        if broker.shared and broker.connected and now - self._looked < _PATIENCE:
            return True
        self._looked = now
        return False

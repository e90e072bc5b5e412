"""Which process fetches a file for clients, where several could."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import sha256
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from twisted_pulp.streamer._flight import Flight
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["Turns"]

#: Seconds between two looks whether another has brought it: at first, and at most; and for which one is waited for.
_FIRST, _LONGEST, _PATIENCE = 0.05, 0.5, 10.0


@define(eq=False)
class Turns:
    """
    Lets one process fetch a file, and the others wait until it is there; not for long, since clients wait with them.

    :param reactor: its clock.
    :param claims: `twisted_pulp.cluster.Claims`.
    :param flights: what this process fetches: `Flights`.
    """

    _reactor: Any
    _claims: Any
    _flights: Any
    _held: dict[Hashable, str] = field(init=False, factory=dict)

    def needed(self, wanted: Wanted) -> bool:
        """Return whether others may fetch it, too, and it is not under way here."""
        return wanted.policy == "on_demand" and self._claims.others and self._flights.under_way(wanted) is None

    def until(self) -> float:
        """Return the time until which a client that asks now can wait for others."""
        return float(self._reactor.seconds()) + _PATIENCE

    def again(self, wanted: Wanted, until: float) -> bool:
        """Return whether it is still to be waited for: it is not under way here."""
        return self.needed(wanted) and self._reactor.seconds() < until

    async def wait(self, wanted: Wanted, until: float) -> bool:
        """
        Wait until it is our turn, or nobody has it any more, or until a time.

        :returns: whether it is ours: then whoever called this calls `leave`.
        """
        name, pause = _name(wanted), _FIRST
        while self._flights.under_way(wanted) is None and self._reactor.seconds() < until:
            mine, _ = await self._claims.take([name], lambda connection, names: None)
            if mine:
                self._held[wanted.key] = name
                return True
            while self._flights.under_way(wanted) is None and self._reactor.seconds() < until:
                await deferLater(self._reactor, pause)
                pause = min(2 * pause, _LONGEST)
                if await self._claims.free([name]):
                    break
        return False

    def begun(self, flight: Flight) -> None:
        """A flight has begun: what is ours of it, is until it is noted that it has come."""
        name = self._held.pop(flight.wanted.key, None)
        if name is not None:
            flight.settled.wait().addBoth(lambda _: self._claims.give([name]))

    async def leave(self, wanted: Wanted) -> None:
        """Let others have it, unless a flight has begun."""
        name = self._held.pop(wanted.key, None)
        if name is not None:
            await self._claims.give([name])


def _name(wanted: Wanted) -> str:
    """Return what it is claimed as: by its digest, as syncs do, or where it comes from."""
    known = wanted.digests.get("sha256")
    return known or sha256(repr((wanted.scope, wanted.sources[0].url)).encode()).hexdigest()

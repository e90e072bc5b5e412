"""Connections of the pool that may stand in for each other."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twisted_pulp.http._caps import Cap
from twisted_pulp.http._connection import HTTPConnection
from twisted_pulp.http._outbox import Outbox

__all__ = ["Lane", "Pooled", "PooledFactory"]


class Pooled(HTTPConnection):
    """
    A connection and what the pool knows of it.

    :ivar lane: where it belongs.
    :ivar caps: those that count it.
    :ivar counted: whether they do.
    :ivar tokens: whether, when it is not idle, it holds a token of each.
    :ivar since: when it became idle.
    """

    lane: Lane
    caps: tuple[Cap, ...]
    counted = False
    tokens = True
    since = 0.0

    def counts_for(self, caps: tuple[Cap, ...]) -> bool:
        """Let *caps* count it from now on, if they have room; return whether they have."""
        gained = [cap for cap in caps if cap not in self.caps]
        if any(cap.full for cap in gained):
            return False
        lost, self.caps = [cap for cap in self.caps if cap not in caps], caps
        for cap in gained:
            cap.opened()
        for cap in lost:
            cap.closed()
        return True


class Lane:
    """
    Connections with one key.

    :param key: what they have in common.
    :param host_key: what they share with those of other keys to the same host.
    :ivar idle: those without a request; the last is taken first.
    :ivar users: how many want one.
    """

    __slots__ = ("_caps", "host", "host_key", "idle", "key", "users")

    def __init__(self, key: object, host_key: object, host: Cap, overall: Cap) -> None:
        self.key, self.host_key, self.host = key, host_key, host
        self.idle: list[Pooled] = []
        self.users = 0
        self._caps: dict[Cap | None, tuple[Cap, ...]] = {None: (host, overall)}

    def caps_with(self, remote: Cap | None) -> tuple[Cap, ...]:
        """Return the caps that hold for a connection of the Remote with *remote*, in the order of their tokens."""
        caps = self._caps.get(remote)
        if caps is None:
            assert remote is not None
            host, overall = self._caps[None]
            caps = self._caps[remote] = (host, remote, overall)
        return caps


class PooledFactory(Factory):
    """
    Make the connections of one attempt; happy eyeballs may need more than one.

    :ivar built: all of them.
    """

    noisy = False

    def __init__(
        self,
        lane: Lane,
        caps: tuple[Cap, ...],
        quiescent: Callable[[Pooled], None],
        lost: Callable[[Pooled], None],
        outbox: Outbox,
    ) -> None:
        self._lane, self._caps, self._quiescent, self._lost, self._outbox = lane, caps, quiescent, lost, outbox
        self.built: list[Pooled] = []

    def buildProtocol(self, addr: IAddress | None) -> Pooled:
        """Return a new connection."""
        connection = Pooled(self._quiescent, self._lost, self._outbox)  # type: ignore[arg-type]  # they get what is made here
        connection.lane, connection.caps = self._lane, self._caps
        self.built.append(connection)
        return connection

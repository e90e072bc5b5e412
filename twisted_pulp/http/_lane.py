"""Connections of the pool that may stand in for each other."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twisted_pulp.http._caps import Cap
from twisted_pulp.http._connection import HTTPConnection

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

    def forget(self, connection: Pooled) -> None:
        """Count *connection* among the idle no more."""
        self.idle.remove(connection)
        for cap in connection.caps:
            del cap.idle[connection]


class PooledFactory(Factory):
    """
    Make the connections of one attempt; happy eyeballs may need more than one.

    :ivar built: all of them.
    """

    noisy = False

    def __init__(
        self, lane: Lane, caps: tuple[Cap, ...], quiescent: Callable[[Pooled], None], lost: Callable[[Pooled], None]
    ) -> None:
        self._lane, self._caps, self._quiescent, self._lost = lane, caps, quiescent, lost
        self.built: list[Pooled] = []

    def buildProtocol(self, addr: IAddress | None) -> Pooled:
        """Return a new connection."""
        connection = Pooled(self._quiescent, self._lost)  # type: ignore[arg-type]  # they get what is made here
        connection.lane, connection.caps = self._lane, self._caps
        self.built.append(connection)
        return connection

"""Connections of the pool that may stand in for each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from twisted_pulp.http._caps import Cap
from twisted_pulp.http._connection import HTTPConnection
from twisted_pulp.http._kept import Kept
from twisted_pulp.http._outbox import Outbox

if TYPE_CHECKING:
    from twisted_pulp.http._h2_share import Wide
    from twisted_pulp.http._pool import ConnectionPool

__all__ = ["Counted", "Lane", "Pooled", "PooledFactory"]


class Counted:
    """
    What the pool knows of a connection.

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


class Pooled(Counted, HTTPConnection):
    """A connection for one request at a time."""

    def seat(self, pool: ConnectionPool, endpoint: Any) -> Any:
        """Return what makes a request on it: once more on another, if it has served before."""
        return Kept(pool, self, endpoint) if self.served else self


class Lane:
    """
    Connections with one key.

    :param key: what they have in common.
    :param host_key: what they share with those of other keys to the same host.
    :ivar idle: those without a request; the last is taken first.
    :ivar users: how many want one.
    :ivar wide: those of HTTP/2 beside it, or None where it is not wanted.
    :ivar plain: whether the server was asked, and wants no HTTP/2.
    """

    __slots__ = ("_caps", "host", "host_key", "idle", "key", "plain", "users", "wide")

    def __init__(self, key: object, host_key: object, host: Cap, overall: Cap) -> None:
        self.key, self.host_key, self.host = key, host_key, host
        self.idle: list[Pooled] = []
        self.users = 0
        self.wide: Wide | None = None
        self.plain = False
        self._caps: dict[Cap | tuple[Cap, ...] | None, tuple[Cap, ...]] = {None: (host, overall)}

    def widen(self, pool: ConnectionPool) -> None:
        """Have a lane of HTTP/2 beside it."""
        from twisted_pulp.http._h2_share import Wide

        self.wide = Wide(self, pool)

    def wanted(self, caps: tuple[Cap, ...]) -> bool:
        """Return whether who waited for room still wants it; true here: who does not has left."""
        return True

    def caps_with(self, others: Cap | tuple[Cap, ...] | None) -> tuple[Cap, ...]:
        """Return the caps that hold for a connection, in the order of their tokens; *others* stand in the middle."""
        caps = self._caps.get(others)
        if caps is None:
            assert others is not None
            host, overall = self._caps[None]
            caps = self._caps[others] = (host, *(others if isinstance(others, tuple) else (others,)), overall)
        return caps


class PooledFactory(Factory):
    """
    Make the connections of one attempt; happy eyeballs may need more than one.

    :param kind: called to make one, as `Pooled`.
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
        kind: Callable[..., Any] = Pooled,
    ) -> None:
        self._lane, self._caps, self._quiescent, self._lost, self._outbox = lane, caps, quiescent, lost, outbox
        self._kind = kind
        self.built: list[Pooled] = []

    def buildProtocol(self, addr: IAddress | None) -> Pooled:
        """Return a new connection."""
        connection: Pooled = self._kind(self._quiescent, self._lost, self._outbox)
        connection.lane, connection.caps = self._lane, self._caps
        self.built.append(connection)
        return connection

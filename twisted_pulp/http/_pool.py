"""
Connections that are kept, counted and shared.

It has the face of Twisted's HTTPConnectionPool, so it fits any Agent, but it also caps what is open: for each host, for
each Remote and over all. Who wants a connection first gets a token of each cap, in that order, then an idle connection,
or room for a new one. Tokens are queued for each host, so a busy host cannot starve another.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from twisted_pulp.errors import ConnectTimeout
from twisted_pulp.http._caps import Cap
from twisted_pulp.http._kept import Kept
from twisted_pulp.http._lane import Lane, Pooled, PooledFactory
from twisted_pulp.http._outbox import Outbox
from twisted_pulp.http._paces import Paces
from twisted_pulp.http._watch import Watch

__all__ = ["ConnectionPool"]


class ConnectionPool:
    """
    Keep connections and cap how many are open at any instant.

    :param reactor: for time.
    :param persistent: whether connections are kept; default true.
    :param connections: cap over all; default 100.
    :param per_host: cap for each host and port; default 8.
    :param watch: looks after silent connections; default: one of its own.
    :ivar cachedConnectionTimeout: seconds that an idle connection is kept; default 60.
    :ivar retryAutomatically: whether an idempotent request is sent again, once, when a kept connection died before a
        byte came; default true.
    :ivar paces: the hosts that are asked less at once than the cap allows, because they answered that it is too much.
    """

    retryAutomatically = True
    cachedConnectionTimeout = 60.0

    def __init__(
        self,
        reactor: IReactorTime,
        persistent: bool = True,
        *,
        connections: int = 100,
        per_host: int = 8,
        watch: Watch | None = None,
    ) -> None:
        self._reactor, self.persistent = reactor, persistent
        self.overall = Cap(connections)
        self.maxPersistentPerHost = Cap(per_host).limit
        self._watch = Watch(reactor) if watch is None else watch
        self.outbox = Outbox(reactor)
        self._lanes: dict[object, Lane] = {}
        self._hosts: dict[object, Cap] = {}
        self.paces = Paces(reactor, per_host, self._hosts)
        self._open: dict[Pooled, None] = {}
        self._idle: dict[Pooled, None] = {}  # without a request, oldest first
        self._waiting: dict[Deferred[Any], None] = {}

    def getConnection(self, key: object, endpoint: IStreamClientEndpoint) -> Deferred[Any]:
        """
        Return a Deferred of something with `request`; cancelling it leaves every queue.

        :param key: what makes connections interchangeable; the endpoint's own `key` goes before it.
        """
        kept = self.take(key, endpoint)
        if kept is not None:
            return succeed(kept)
        lane = self._lane(key, endpoint)
        caps = lane.caps_with(getattr(endpoint, "cap", None))
        if lane.wide is not None and not lane.plain:
            return self._wanted(lane.wide.share(caps).seat(endpoint))
        return self._wanted(Deferred.fromCoroutine(self.single(lane, caps, endpoint)))

    def fresh(self, key: object, endpoint: IStreamClientEndpoint) -> Deferred[Any]:
        """As `getConnection`, but never one that has served before."""
        lane = self._lane(key, endpoint)
        caps = lane.caps_with(getattr(endpoint, "cap", None))
        return self._wanted(Deferred.fromCoroutine(self.single(lane, caps, endpoint, fresh=True)))

    def _wanted(self, d: Deferred[Any]) -> Deferred[Any]:
        if not d.called:
            self._waiting[d] = None
            d.addBoth(self._got, d)
        return d

    def _got(self, result: Any, d: Deferred[Any]) -> Any:
        del self._waiting[d]
        return result

    def take(self, key: object, endpoint: Any) -> Kept | None:
        """Return an idle connection if one can be had at once."""
        lane = self._lanes.get(getattr(endpoint, "key", key))
        if lane is None or not lane.idle:
            return None
        caps = lane.caps_with(getattr(endpoint, "cap", None))
        for cap in caps:
            if not cap.semaphore.tokens:
                return None
        connection = self._reused(lane, caps)
        if connection is None:
            return None
        for cap in caps:
            cap.semaphore.tokens -= 1  # as acquire() does when there is one, without its Deferred
        return Kept(self, connection, endpoint)

    def _lane(self, key: object, endpoint: Any) -> Lane:
        key = getattr(endpoint, "key", key)
        lane = self._lanes.get(key)
        if lane is None:
            host_key = getattr(endpoint, "host_key", key)
            host = self._hosts.get(host_key)
            if host is None:
                host = self._hosts[host_key] = self.paces.begun(host_key, Cap(self.maxPersistentPerHost))
            lane = self._lanes[key] = Lane(key, host_key, host, self.overall)
            if getattr(endpoint, "http2", False):
                lane.widen(self)
        return lane

    def _reused(self, lane: Lane, caps: tuple[Cap, ...]) -> Pooled | None:
        while lane.idle:
            connection = lane.idle[-1]
            if not connection.idle:  # it is being lost
                self._forget(connection)
                connection.tokens = False
                continue
            if connection.caps is not caps and not connection.counts_for(caps):
                return None
            self._forget(connection)
            return connection
        return None

    async def single(self, lane: Lane, caps: tuple[Cap, ...], endpoint: Any, fresh: bool = False) -> Any:
        """Return something with `request`, over a connection that nobody else uses now."""
        connection = await self.have(lane, caps, endpoint, fresh)
        seat = getattr(connection, "seat", None)  # other people's endpoints have other connections
        return connection if seat is None else seat(self, endpoint)

    async def have(self, lane: Lane, caps: tuple[Cap, ...], endpoint: Any, fresh: bool = False) -> Any:
        """Return a connection of *lane*, with a token of each of *caps*."""
        held = []
        lane.users += 1
        try:
            for cap in caps:
                await cap.semaphore.acquire()
                held.append(cap)
            kept = None if fresh else self._reused(lane, caps)
            if kept is None:
                kept = await self._connect(lane, caps, endpoint)
            kept.timeouts = getattr(endpoint, "timeouts", None)
            return kept
        except BaseException:
            for cap in reversed(held):
                cap.semaphore.release()
            raise
        finally:
            lane.users -= 1
            self._tidy(lane)

    async def room(self, caps: tuple[Cap, ...], lane: Lane | None = None) -> None:
        """Wait until none of *caps* is full, and count one more; cancelled where *lane* wants none any more."""
        while (full := next((cap for cap in caps if cap.full), None)) is not None:
            for cap in caps:
                cap.nudge()  # the room I leave unused is for others
            oldest = next((each for each in self._idle if full in each.caps), None)
            if oldest is not None:
                self._evict(oldest)
            if full.full:
                await full.wait()
                if lane is not None and not lane.wanted(caps):
                    for cap in caps:
                        cap.nudge()
                    raise CancelledError
        for cap in caps:
            cap.opened()

    async def _connect(self, lane: Lane, caps: tuple[Cap, ...], endpoint: Any) -> Pooled:
        await self.room(caps, lane)
        kind = getattr(endpoint, "kind", Pooled)
        factory = PooledFactory(lane, caps, self.quiescent, self.lost, self.outbox, kind)
        timeouts = getattr(endpoint, "timeouts", None)
        try:
            made = endpoint.connect(factory)
            if timeouts is not None:
                late = getattr(endpoint, "late", None) or (lambda seconds: ConnectTimeout(seconds=seconds))
                made = self._watch.limit(made, timeouts.connect, late)
            connection: Pooled = await made
        except BaseException:
            self._not_connected(factory, caps)
            raise
        if lane.wide is not None:
            connection = lane.wide.understood(connection)
        connection.counted = True
        self._open[connection] = None
        self._watch.add(connection)
        self._watch.add(self)
        return connection

    def _not_connected(self, factory: PooledFactory, caps: tuple[Cap, ...]) -> None:
        going = [each for each in factory.built if each.transport is not None and each.state != "CONNECTION_LOST"]
        if going:  # a handshake failed: its socket is still there
            going[0].counted, going[0].tokens = True, False
            self._open[going[0]] = None
            for connection in going:
                connection.give_up()
        else:
            for cap in caps:
                cap.closed()

    def quiescent(self, connection: Any) -> None:
        """Take *connection* back."""
        connection.lane.idle.append(connection)
        self._idle[connection] = None
        connection.since = self._reactor.seconds()
        for cap in connection.caps:
            semaphore = cap.semaphore
            if semaphore.waiting:
                semaphore.release()
            else:
                semaphore.tokens += 1  # as release() does

    def lost(self, connection: Pooled) -> None:
        """Count one less."""
        if not connection.counted:
            return
        connection.counted = False
        self._open.pop(connection, None)
        self._watch.discard(connection)
        caps = connection.caps
        busy = connection not in self._idle and connection.tokens
        if connection in self._idle:
            self._forget(connection)
        for cap in caps:
            cap.closed()
        if busy:
            for cap in caps:
                cap.semaphore.release()
        if not self._open:
            self._watch.discard(self)
        self._tidy(connection.lane)

    def _forget(self, connection: Pooled) -> None:
        """Count *connection* among the idle no more."""
        connection.lane.idle.remove(connection)
        del self._idle[connection]

    def _evict(self, connection: Pooled) -> None:
        self._forget(connection)
        connection.tokens = False
        connection.give_up()

    def shrink(self, cap: Cap) -> None:
        """Close idle connections that *cap* counts, if it has more than it may have now."""
        for each in [each for each in self._idle if cap in each.caps][: max(0, cap.open - cap.ceiling)]:
            self._evict(each)

    def _tidy(self, lane: Lane) -> None:
        if not lane.idle and not lane.users and lane.host.unused:
            self._hosts.pop(lane.host_key, None)
            for other in [each for each in self._lanes.values() if each.host is lane.host]:
                del self._lanes[other.key]

    def look(self, now: float) -> None:
        """Close what has been idle for too long."""
        while self._idle:
            oldest = next(iter(self._idle))
            if now - oldest.since < self.cachedConnectionTimeout:
                return
            self._evict(oldest)

    def shift(self, seconds: float) -> None:
        """Nothing: a connection that was idle while we slept is old."""

    def closeCachedConnections(self) -> Deferred[None]:
        """Close what is idle; the Deferred fires when it is gone."""
        return self._close(list(self._idle))

    def close(self) -> Deferred[None]:
        """Close everything and cancel who waits, requests in progress too; the Deferred fires when all is gone."""
        for d in list(self._waiting):
            d.cancel()
        return self._close(list(self._open))

    def _close(self, connections: list[Pooled]) -> Deferred[None]:
        gone = []
        for connection in connections:
            if connection in self._idle:
                self._forget(connection)
                connection.tokens = False
            gone.append(connection.abort())
        return DeferredList(gone).addCallback(lambda _: None)

    def __repr__(self) -> str:
        return f"<ConnectionPool {self.overall!r}, {len(self._idle)} idle, to {len(self._hosts)} hosts>"

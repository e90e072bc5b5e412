"""Who gets the streams of HTTP/2 connections, and when there has to be another connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionClosed
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseNeverReceived

from twisted_pulp.errors import HeadersTimeout, StreamReset
from twisted_pulp.http._h2_connection import Multiplexed
from twisted_pulp.http._kept import IDEMPOTENT
from twisted_pulp.http._lane import Lane

if TYPE_CHECKING:
    from twisted_pulp.http._caps import Cap
    from twisted_pulp.http._pool import ConnectionPool

__all__ = ["Seat", "Share", "Wide"]

# How often a request is made again that the server says it did nothing about.
_REFUSALS = 3


class Wide(Lane):
    """
    The HTTP/2 connections beside a lane of HTTP/1.1.

    :ivar narrow: that lane; `plain` there says that the server wants no HTTP/2.
    """

    __slots__ = ("_pool", "_shares", "narrow")

    def __init__(self, narrow: Lane, pool: ConnectionPool) -> None:
        super().__init__(narrow.key, narrow.host_key, narrow.host, pool.overall)
        self.narrow, self.wide, self._pool = narrow, self, pool
        self._shares: dict[tuple[Cap, ...], Share] = {}

    def share(self, caps: tuple[Cap, ...]) -> Share:
        """Return who shares the connections that *caps* count."""
        share = self._shares.get(caps)
        if share is None:
            share = self._shares[caps] = Share(self._pool, self, caps)
        return share

    def wanted(self, caps: tuple[Cap, ...]) -> bool:
        """Return whether another connection that *caps* count is still wanted."""
        return self.share(caps).wanted

    def understood(self, connection: Any) -> Any:
        """Return what speaks the protocol that was agreed on for *connection*, which is new."""
        transport: Any = connection.transport
        if getattr(transport, "negotiatedProtocol", None) != b"h2":
            connection.lane = self.narrow
            return connection
        made = Multiplexed(self._pool.lost, self._pool.outbox)
        made.lane, made.caps = self, connection.caps
        transport.wrappedProtocol = made
        made.makeConnection(transport)  # type: ignore[no-untyped-call]
        return made


class Share:
    """
    The connections that count for the same caps, and who waits for a stream of theirs.

    Each holds a token of each cap while it has streams, as one of HTTP/1.1 does while it has a request. When those
    there are have as many streams as they may, one more is made, one at a time.

    :param pool: where connections come from.
    :param lane: of HTTP/2 connections.
    """

    __slots__ = ("_caps", "_connections", "_lane", "_opening", "_pool", "_since", "_stunted", "_waiting")

    def __init__(self, pool: ConnectionPool, lane: Wide, caps: tuple[Cap, ...]) -> None:
        self._pool, self._lane, self._caps = pool, lane, caps
        self._connections: list[Multiplexed] = []
        self._waiting: dict[Deferred[Any], Any] = {}
        self._opening: Deferred[Any] | None = None
        self._stunted = False
        self._since: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def seat(self, endpoint: Any) -> Deferred[Any]:
        """Return a Deferred of something with `request`; who asks first gets it first."""
        connection = None if self._waiting else self._free()
        if connection is not None:
            return succeed(self.at(connection, endpoint))
        return Deferred.fromCoroutine(self._seated(endpoint))

    async def _seated(self, endpoint: Any) -> Any:
        turn: Deferred[Any] = Deferred(self._left)
        self._waiting[turn] = endpoint
        self._grow()
        connection = await turn
        if connection is None:
            return await self._pool.single(self._lane.narrow, self._caps, endpoint)
        return self.at(connection, endpoint)

    def at(self, connection: Multiplexed, endpoint: Any) -> Seat:
        """Return a seat of *connection*."""
        return Seat(self._pool, connection, endpoint)

    def admit(self, connection: Multiplexed) -> None:
        """Give streams of *connection* away from now on; its tokens are held."""
        connection.share = self
        self._connections.append(connection)
        self._stunted = self._lane.narrow.plain = False

    def _free(self) -> Multiplexed | None:
        return next((each for each in self._connections if each.room), None)

    def _left(self, turn: Deferred[Any]) -> None:
        del self._waiting[turn]
        if not self._waiting and self._opening is not None:
            self._opening.cancel()

    def _grow(self) -> None:
        """Make another connection if one is wanted, and may help."""
        if not self._waiting or self._opening is not None or any(each.starves for each in self._connections):
            return
        if self._stunted and any(each.lasts for each in self._connections):
            return
        endpoint = next(iter(self._waiting.values()))
        self._opening = Deferred.fromCoroutine(self._pool.have(self._lane, self._caps, endpoint))
        self._opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, connection: Any) -> None:
        self._opening = None
        if isinstance(connection, Multiplexed):
            self.admit(connection)
            self._serve()
            self._grow()
            connection.post()  # it rests after this turn if nobody wants it
            return
        # The server wants no HTTP/2: everybody takes the way of HTTP/1.1.
        self._lane.narrow.plain = True
        self._pool.quiescent(connection)
        waiting, self._waiting = self._waiting, {}
        for turn in waiting:
            turn.callback(None)

    def _not_opened(self, why: Failure) -> None:
        self._opening = None
        if any(each.lasts for each in self._connections):
            self._stunted = True  # there is a connection to wait for
        else:
            self._fail(why.value)  # type: ignore[arg-type]  # a Failure has one

    def _fail(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, {}
        for turn in waiting:
            turn.errback(Failure(_another(error)))

    def _serve(self) -> None:
        while self._waiting and (free := self._free()) is not None:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            turn.callback(free)

    def freed(self, connection: Multiplexed) -> None:
        """Give away what *connection*, and the others, can take; it rests where nobody wants it."""
        self._serve()
        self._grow()
        if not self._waiting and connection.idle:
            self._connections.remove(connection)
            connection.share = None
            self._pool.quiescent(connection)

    def gone(self, connection: Multiplexed) -> None:
        """Do without *connection*: it was lost."""
        self._connections.remove(connection)
        self._stunted = False
        self._grow()

    def starved(self, connection: Multiplexed, now: float) -> None:
        """Give up a *connection* on which the server allows no stream at all, for as long as headers may take."""
        limit = None if connection.timeouts is None else connection.timeouts.headers
        if not connection.starves or connection.busy:
            self._since = None
        elif self._since is None:
            self._since = now
        elif limit is not None and now - self._since >= limit:
            self._since = None
            self._fail(HeadersTimeout(seconds=limit, detail=f"the server allowed no request for {limit:g} s"))
            connection.give_up()


def _another(error: BaseException) -> BaseException:
    """Return an error like *error*: each that fails with it gives it its own URL."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made


class Seat:
    """
    The right to make one request on a connection.

    :param pool: where there are others.
    :param connection: that has room now.
    :param endpoint: how it is reached.
    """

    __slots__ = ("_connection", "_endpoint", "_pool")

    def __init__(self, pool: ConnectionPool, connection: Multiplexed, endpoint: Any) -> None:
        self._pool, self._connection, self._endpoint = pool, connection, endpoint

    def request(self, request: Any, tries: int = 0) -> Deferred[Any]:
        """Make *request*; elsewhere, if the server did nothing about it here."""
        connection = self._connection
        if not connection.room:
            return self._elsewhere(request, tries)
        known = connection.answers > 0
        timeouts = getattr(self._endpoint, "timeouts", None)
        return connection.request(request, timeouts).addErrback(self._again, request, tries, known)

    def _again(self, why: Failure, request: Any, tries: int, known: bool) -> Any:
        reasons = [reason.value for reason in getattr(why.value, "reasons", ())]
        undone = any(isinstance(reason, StreamReset) and not reason.processed for reason in reasons)
        if tries < _REFUSALS and (undone or (known and self._died(why, request, reasons))):
            return self._elsewhere(request, self._used(tries) if undone else _REFUSALS)
        return why

    def _used(self, tries: int) -> int:
        """Return how many tries are used up; a server that goes, but takes a few requests first, costs none."""
        connection = self._connection
        progress = not connection.lasts and (connection.answers or connection.busy)
        return tries if progress else tries + 1

    def _died(self, why: Failure, request: Any, reasons: list[BaseException]) -> bool:
        """Whether a connection that had served before was lost before a byte came (RFC 9110 section 9.2.2)."""
        return (
            self._pool.retryAutomatically
            and request.method in IDEMPOTENT
            and why.check(ResponseNeverReceived) is not None
            and all(isinstance(reason, ConnectionClosed) for reason in reasons)
        )

    def _elsewhere(self, request: Any, tries: int) -> Deferred[Any]:
        key = self._connection.lane.key
        return self._pool.getConnection(key, self._endpoint).addCallback(_asked, request, tries)


def _asked(seat: Any, request: Any, tries: int) -> Any:
    return seat.request(request, tries) if isinstance(seat, Seat) else seat.request(request)

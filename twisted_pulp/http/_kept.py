"""A connection that is used once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent, RequestTransmissionFailed, ResponseNeverReceived

if TYPE_CHECKING:
    from twisted_pulp.http._lane import Pooled
    from twisted_pulp.http._pool import ConnectionPool

__all__ = ["IDEMPOTENT", "Kept"]

#: Methods of requests that may be made twice (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
_NOT_HEARD = (RequestNotSent, RequestTransmissionFailed, ResponseNeverReceived)


class Kept:
    """
    A connection that has served before: it may have died while it was idle.

    :param pool: it is from.
    :param endpoint: that another could be made with.
    """

    __slots__ = ("_connection", "_endpoint", "_pool")

    def __init__(self, pool: ConnectionPool, connection: Pooled, endpoint: Any) -> None:
        self._pool, self._connection, self._endpoint = pool, connection, endpoint
        connection.timeouts = getattr(endpoint, "timeouts", None)

    def request(self, request: Any) -> Deferred[Any]:
        """Make *request*; once more on a new connection if this one dies before a byte comes."""
        return self._connection.request(request).addErrback(self._again, request)

    def _again(self, why: Failure, request: Any) -> Any:
        error = why.value
        if (
            not self._pool.retryAutomatically
            or request.method not in IDEMPOTENT
            or request.bodyProducer is not None
            or not isinstance(error, _NOT_HEARD)
            or not all(reason.check(ConnectionClosed) for reason in getattr(error, "reasons", ()))
        ):
            return why
        fresh = self._pool.fresh(self._connection.lane.key, self._endpoint)
        return fresh.addCallback(lambda connection: connection.request(request))

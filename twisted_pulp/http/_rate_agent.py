"""Requests no faster than they may be."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import Cancelled, shown
from twisted_pulp.http._bucket import spend, turns
from twisted_pulp.http._rates import HostRates, Rates, host_of

__all__ = ["RateAgent"]


@implementer(IAgent)
class RateAgent:
    """
    Make each request when its turn has come.

    It is inside of what follows redirects, so it sees every request. Who waits holds no connection.

    :param agent: that makes the requests.
    :param rates: all there are.
    :param remote: those of its Remote.
    """

    def __init__(self, agent: IAgent, rates: Rates, remote: HostRates) -> None:
        self._agent, self._rates, self._remote = agent, rates, remote

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request; to cancel it leaves the queue."""
        if not self._rates.limited:
            return self._agent.request(method, uri, headers, bodyProducer)
        return Deferred.fromCoroutine(self._request(method, uri, headers, bodyProducer))

    async def _request(self, method: bytes, uri: bytes, headers: Headers | None, body: IBodyProducer | None) -> Any:
        buckets = self._rates.buckets("requests", self._remote, host_of(uri))
        try:
            await turns(buckets)
        except CancelledError:
            raise Cancelled(shown(uri.decode("latin-1")), "cancelled") from None
        spend(buckets, 1)
        return await self._agent.request(method, uri, headers, body)

"""How large a body may be."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.errors import TooLarge
from twisted_pulp.http._discard import refuse
from twisted_pulp.http._fields import fields_of

__all__ = ["LimitAgent"]


@implementer(IAgent)
class LimitAgent:
    """
    Fail with `TooLarge` before the first byte, or at the first one too many where the length is not known.

    :param agent: that makes the requests.
    :param limit: bytes.
    """

    def __init__(self, agent: IAgent, limit: int) -> None:
        self._agent, self._limit = agent, limit

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request."""
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(self._limited)

    def _limited(self, response: Any) -> Any:
        length = response.length
        if length is UNKNOWN_LENGTH:
            return _LimitedResponse(response, self._limit)
        if length > self._limit:
            refuse(response)
            raise TooLarge(limit=self._limit, detail=f"{length} bytes, more than the {self._limit} allowed")
        return response


class _LimitedResponse(proxyForInterface(IResponse)):  # type: ignore[misc]
    """A response that ends when it becomes too large."""

    def __init__(self, original: Any, limit: int) -> None:
        super().__init__(original)
        self._limit = limit
        self.fields = fields_of(original)

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to *protocol*, as far as it is allowed."""
        self.original.deliverBody(_Counter(protocol, self._limit))


class _Counter(Protocol):
    def __init__(self, protocol: IProtocol, left: int) -> None:
        self._protocol, self._left, self._limit = protocol, left, left

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._protocol.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self._left < 0:
            return
        self._left -= len(data)
        if self._left >= 0:
            self._protocol.dataReceived(data)
            return
        transport: Any = self.transport
        transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._protocol.connectionLost(Failure(TooLarge(limit=self._limit)) if self._left < 0 else reason)

"""An agent that answers from a list."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from tests.unit.wire import Wire
from twisted_pulp.http._request import Request


@implementer(IAgent)
class Answering:
    """
    Each request gets the next of *answers*, over a connection of its own: bytes, an error it fails with, or None.

    :ivar asked: method, URI and headers of each request.
    :ivar wires: their connections.
    """

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[bytes, bytes, Headers | None]] = []
        self.bodies: list[IBodyProducer | None] = []
        self.wires: list[Wire] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        self.asked.append((method, uri, headers))
        self.bodies.append(bodyProducer)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            return fail(answer)
        wire = Wire()
        self.wires.append(wire)
        answered: Deferred[Any] = wire.connection.request(Request(method, b"/", headers, b"host.test", uri, True))
        if answer is not None:
            wire.hear(answer)
        return answered

    @property
    def uris(self) -> list[bytes]:
        """What was asked for."""
        return [uri for _, uri, _ in self.asked]


def outcome(d: Deferred[Any]) -> Any:
    """Return the response that *d* came to, or the error, or None when it came to nothing yet."""
    results: list[Any] = []
    d.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results[0] if results else None

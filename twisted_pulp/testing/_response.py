"""A response whose body a test holds in its hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, field
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

__all__ = ["FakeProducer", "FakeResponse"]


@implementer(IPushProducer)
@define(eq=False)
class FakeProducer:
    """
    Notes what its consumer tells it.

    :ivar told: "pause", "resume" and "stop", in order.
    """

    told: list[str] = field(init=False, factory=list)

    @property
    def paused(self) -> bool:
        """Whether it may not produce now."""
        return bool(self.told) and self.told[-1] != "resume"

    def pauseProducing(self) -> None:
        """Note it."""
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.told.append("resume")

    def stopProducing(self) -> None:
        """Note it."""
        self.told.append("stop")


@implementer(IPushProducer)
class _Body(FakeProducer):
    """The transport of a body: it can be ended too."""

    disconnecting = False

    def __init__(self, response: FakeResponse) -> None:
        super().__init__()
        self._response = response

    def stopProducing(self) -> None:
        """End the body, as a connection that is given up does."""
        super().stopProducing()
        self._response.end(ResponseFailed([Failure(ConnectionAbortedError("given up"))]))

    loseConnection = abortConnection = stopProducing


class _Request:
    """The request of a response."""

    def __init__(self, url: str) -> None:
        self.absoluteURI, self.method, self.headers = url.encode("ascii"), b"GET", Headers()


@implementer(IResponse)
@define(eq=False)
class FakeResponse:
    """
    A response whose body comes when the test says so, or at once.

    :ivar code: the status; default 200.
    :ivar body: all of the body, given to whoever takes it at once; default None: `send` and `end` give it.
    :ivar fields: headers: name -> value; default none.
    :ivar url: that answered, after redirects.
    :ivar length: bytes that the body has; default that of `body`, else `UNKNOWN_LENGTH`.
    :ivar transport: a `FakeProducer`: what the taker of the body has told it; None until there is a taker.
    """

    code: int = 200
    body: bytes | None = None
    given: Mapping[str, str] = field(factory=dict, alias="headers")
    url: str = "http://fake.test/"
    length: Any = Factory(lambda self: UNKNOWN_LENGTH if self.body is None else len(self.body), takes_self=True)
    version: tuple[bytes, int, int] = field(init=False, default=(b"HTTP", 1, 1))
    phrase: bytes = field(init=False, default=b"Fake")
    previousResponse: Any = field(init=False, default=None)
    transport: Any = field(init=False, default=None)
    headers: Headers = field(init=False)
    request: Any = field(init=False)
    _taker: Any = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.headers = Headers({name: [value] for name, value in self.given.items()})
        self.request = _Request(self.url)

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to *protocol*."""
        self._taker, self.transport = protocol, _Body(self)
        protocol.makeConnection(self.transport)
        if self.body is not None:
            if self.body and self._taker is not None:
                self.send(self.body)
            self.end()

    def send(self, data: bytes) -> None:
        """Give a part of the body."""
        self._taker.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        """
        End the body, once.

        :param reason: why; default None: it is complete.
        """
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.connectionLost(Failure(ResponseDone() if reason is None else reason))

    def setPreviousResponse(self, response: IResponse) -> None:
        """Remember the redirect that led here."""
        self.previousResponse = response

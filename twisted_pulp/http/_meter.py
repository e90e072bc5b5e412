"""A body that comes no faster than it may."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.components import proxyForInterface
from twisted.python.failure import Failure
from twisted.web._newclient import ConnectionAborted, ResponseFailed
from twisted.web.iweb import IResponse
from zope.interface import implementer

from twisted_pulp.http._bucket import Bucket, settled, spend, turns
from twisted_pulp.http._fields import fields_of
from twisted_pulp.http._rates import HostRates, Rates

__all__ = ["Meter", "MeteredResponse"]


class MeteredResponse(proxyForInterface(IResponse)):  # type: ignore[misc]
    """
    A response whose body is handed on as *rates* allow, now and later.

    :param remote: the rates of its Remote.
    :param host: that it comes from.
    :param ended: called with the reason when the body ends by itself.
    """

    def __init__(
        self,
        original: Any,
        rates: Rates,
        remote: HostRates,
        host: str,
        ended: Callable[[Failure], object] | None,
    ) -> None:
        super().__init__(original)
        self._rates, self._remote, self._host, self._ended = rates, remote, host, ended
        self.fields = fields_of(original)

    def deliverBody(self, protocol: IProtocol) -> None:
        """Give the body to *protocol*, once."""
        meter = Meter(protocol, self.original, self._buckets, self._rates, self._ended)
        self.original.deliverBody(meter)

    def _buckets(self) -> list[Bucket]:
        return self._rates.buckets("bytes", self._remote, self._host)


@implementer(IPushProducer)
class Meter(Protocol):
    """
    Hand a body on in slices, each when its bytes may have come; meanwhile nothing is read.

    It ends when the time for its last byte is over. Bytes that came, but were not wanted any more, do not count.

    :param protocol: that gets the body.
    :param response: whose body it is.
    :param buckets: returns those that limit it now.
    :param rates: tell whether there is any limit, and when one has changed.
    :param ended: called with the reason when the body ends by itself; None: nobody wants to know.
    """

    _log = Logger()

    disconnecting = False
    _held = b""  # what came and was not handed on yet,
    _start = 0  # from here on
    _active = False  # `_flow` runs,
    _waits = False  # and waits for a bucket
    _run: Any = None
    _unwanted = False  # the protocol wants no more for now
    _paused = False  # the transport was told so
    _stopped = _over = False
    _reason: Failure | None = None  # why it ended below
    _failure: Failure | None = None  # what is told instead
    _version = -1

    def __init__(
        self,
        protocol: Any,
        response: Any,
        buckets: Callable[[], list[Bucket]],
        rates: Rates,
        ended: Callable[[Failure], object] | None,
    ) -> None:
        self._protocol, self._response, self._rates, self._ended = protocol, response, rates, ended
        self._find = buckets
        self._found: list[Bucket] = []

    def connectionMade(self) -> None:
        """Begin."""
        self._below: Any = self.transport
        self._protocol.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        """Take *data*, and hand on what may be."""
        if self._stopped:
            return
        if self._rates.metered or self._held or self._active or self._unwanted:
            self._held, self._start = self._held[self._start :] + data, 0
            self._go_on()
        else:
            self._protocol.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand on what is left, and then the end."""
        if self._ended is not None and not self._stopped:
            self._ended(reason)
        self._reason = reason
        self._go_on()

    def _buckets(self) -> list[Bucket]:
        if self._version != self._rates.version:
            self._found, self._version = self._find(), self._rates.version
        return self._found

    def _go_on(self) -> None:
        if not self._active and not self._over:
            self._active = True
            self._run = Deferred.fromCoroutine(self._flow())
            self._run.addErrback(lambda why: self._log.failure("a body's protocol raised at its end", failure=why))
        self._balance()

    async def _flow(self) -> None:
        try:
            await self._deliver()
        except CancelledError:  # it was stopped
            pass
        except BaseException:  # the protocol may raise anything
            self._failure = Failure()
            self._stop()
        self._active = False
        if self._reason is not None and not self._held:
            self._over = True
            protocol, self._protocol = self._protocol, None  # it has us for its transport: no cycle is left
            protocol.connectionLost(self._failure or self._reason)
        else:
            self._balance()

    async def _deliver(self) -> None:
        while self._held and not self._unwanted:
            buckets = self._buckets()
            await self._until(turns(buckets))
            if self._unwanted:
                spend(buckets, 0)
                return
            piece = self._next(min((bucket.slice for bucket in buckets), default=inf))
            spend(buckets, len(piece))
            self._protocol.dataReceived(piece)
        if self._reason is not None and not self._held and not self._stopped:
            await self._until(settled(self._buckets()))

    async def _until(self, waiting: Coroutine[Any, Any, None]) -> None:
        self._waits = True
        try:
            await waiting
        finally:
            self._waits = False

    def _next(self, most: float) -> bytes:
        held, start = self._held, self._start
        size = len(held) - start if most == inf else max(1, int(most))
        if size >= len(held) - start:
            self._held, self._start = b"", 0
            return held[start:]
        self._start += size
        return held[start : self._start]

    def _balance(self) -> None:
        """Read only when there is nothing left to hand on."""
        if self._stopped or self._reason is not None:
            return
        full = self._unwanted or bool(self._held)
        if full != self._paused:
            self._paused = full
            if full:
                self._below.pauseProducing()
            else:
                self._below.resumeProducing()

    def _stop(self) -> None:
        """Forget what is held, and let no more come."""
        if self._stopped or self._over:
            return
        self._stopped = True
        if self._held:
            self._failure = self._failure or Failure(ResponseFailed([Failure(ConnectionAborted())], self._response))
            self._held, self._start = b"", 0
        if self._waits:
            self._run.cancel()
        if self._reason is None:
            self._below.stopProducing()
        else:
            self._go_on()

    # IPushProducer, for the protocol
    def pauseProducing(self) -> None:
        """Hand on no more for now."""
        self._unwanted = True
        self._balance()

    def resumeProducing(self) -> None:
        """Go on."""
        self._unwanted = False
        self._go_on()

    def read_by(self, size: int | None) -> None:
        """Let up to *size* bytes come at a time, unless there is a limit; None: as many as usual."""
        read_by = getattr(self._below, "read_by", None)
        if read_by is not None and not self._rates.metered:
            read_by(size)

    def stopProducing(self) -> None:
        """Give the rest of the body up."""
        self._stop()

    loseConnection = abortConnection = stopProducing

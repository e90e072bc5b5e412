"""The transport's side of a connection: reading, pausing, and the end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.http._silence import Silence

__all__ = ["LARGE", "Line"]

#: Bytes of a large read, and of a body that is worth it; who writes a file that is alone may want more.
LARGE = 256 << 10
# Bytes that glibc goes to the system for, and half of what it keeps from it, once so much was given back in one piece.
_KEPT = 4 << 20


def _nothing() -> None: ...


@cache
def _keep_memory() -> None:
    """
    Have glibc keep some memory that is free: else what lies at the end of its heap goes back after each large read.

    To get cleared pages anew took a twentieth of one big file. Without glibc this does nothing.
    """
    bytes(_KEPT)  # is never touched, so it takes no memory


@implementer(IHandshakeListener)
class Line(Protocol):
    """
    A transport that can be paused, read in large pieces, watched, and ended at once, over TLS too.

    :ivar served: requests begun so far.
    :ivar heard: bytes of body so far, in all.
    :ivar timeouts: those of the request in progress, or None.
    :ivar paused: whether nothing is read for now.
    :ivar secured: fires when the TLS handshake is over.
    """

    transport: Any = None
    _raw: Any = None
    _state = "QUIESCENT"
    _request: Any = None
    _response: Any = None
    _reads_much = _at_once = False
    paused = False
    served = heard = 0
    timeouts: Any = None

    def __init__(self, lost: Callable[[Any], object] | None) -> None:
        """
        :param lost: called once, when the connection is no more.
        """
        self._lost = lost
        self._aborts: list[Deferred[None]] = []
        self._silence = Silence()
        self.secured: Deferred[None] = Deferred()

    @property
    def state(self) -> str:
        """QUIESCENT when a request can be made; other names are for people."""
        return self._state

    @property
    def idle(self) -> bool:
        """Whether a request can be made."""
        return self._state == "QUIESCENT"

    def connectionMade(self) -> None:
        """Begin."""
        transport = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        while getattr(transport, "transport", None) is not None:
            transport = transport.transport
        self._raw = transport
        # What comes from an outbox need not wait for the reactor's next turn too.
        direct = transport is self.transport or isinstance(self.transport, TLSMemoryBIOProtocol)
        self._at_once = direct and isinstance(transport, Connection)

    def handshakeCompleted(self) -> None:
        """Tell who waits for it."""
        if not self.secured.called:
            self.secured.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell everybody who waits for it, or for the handshake."""
        self._state = "CONNECTION_LOST"
        if not self.secured.called:
            self.secured.errback(reason)
            self.secured.addErrback(lambda _: None)
        if self._lost is not None:
            self._lost(self)
        aborts, self._aborts = self._aborts, []
        for d in aborts:
            d.callback(None)

    def abort(self) -> Deferred[None]:
        """End the connection, and say when it has ended."""
        if self._state == "CONNECTION_LOST":
            return succeed(None)
        self._state = "ABORTING"
        d: Deferred[None] = Deferred()
        self._aborts.append(d)
        self._abort_transport()
        return d

    def look(self, now: float) -> None:
        """End the request in progress if it has been silent for too long."""
        if self._request is not None and self.timeouts is not None:
            error = self._silence.look(self, self._response is not None, now, self.timeouts)
            if error is not None:
                self.give_up(Failure(error))

    def shift(self, seconds: float) -> None:
        """Forget *seconds* in which this process did not run."""
        self._silence.shift(seconds)

    def give_up(self, reason: Failure | None = None) -> None:
        """End at once; *reason* is for who waits."""

    def pause(self) -> None:
        """Read no more for now."""
        if not self.paused:
            self.paused = True
            self.transport.pauseProducing()

    def resume(self, response: Any) -> None:
        """Read on, if *response* is still the one in progress."""
        if response is self._response and self.paused:
            self._resume_transport()

    def _resume_transport(self) -> None:
        self.paused = False
        self.transport.resumeProducing()

    def send(self, data: bytes) -> None:
        """Let the socket take a request from the outbox now; what it does not take, or an error, goes the usual way."""
        if self._state != "QUEUED":  # it was given up
            return
        self._state, raw = "WAITING", self._raw
        if raw is not self.transport:
            raw.startWriting = _nothing  # to ask the reactor and to take it back costs more than to write
            try:
                TLSMemoryBIOProtocol.write(self.transport, data)  # not gathered once more
            finally:
                del raw.startWriting
            if not raw.disconnecting:
                raw.doWrite()
            if raw.dataBuffer or raw._tempDataBuffer:
                raw.startWriting()
            return
        if not raw.dataBuffer and not raw._tempDataBuffer:
            try:
                sent = raw.socket.send(data)
            except OSError:  # the reactor will meet it too, and knows what it means
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        raw.write(data)

    def _read_much(self) -> None:
        self._reads_much = True
        self._raw.bufferSize = LARGE
        _keep_memory()

    def read_by(self, response: Any, size: int | None) -> None:
        """Read up to *size* bytes at a time for as long as *response* is in progress; None: as many as for others."""
        # TLS would take the pieces apart, and has copies of them meanwhile.
        if response is self._response and self._reads_much and self._raw is self.transport:
            self._raw.bufferSize = LARGE if size is None else size

    def _read_little(self) -> None:
        self._reads_much = False
        del self._raw.bufferSize

    def _close(self) -> None:
        """End in good order, but without waiting for the other side's TLS to agree, which it may never do."""
        self.transport.loseConnection()
        if self._raw is not self.transport:
            self._raw.loseConnection()

    def _abort_transport(self) -> None:
        """End at once: over TLS, loseConnection would read on to the end of the body."""
        self.transport.abortConnection()

"""The data connection: one file, in one direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Data", "DataFactory"]

# The best size for large reads (docs/performance.md).
_LARGE = 256 << 10


@implementer(IHandshakeListener)
class Data(Protocol):
    """
    Receive a file for *session*, which decides what becomes of it.

    It reads nothing until it is told to, but what TLS needs for its handshake.

    :param session: has `piece` and `data_over`.
    :param creator: of TLS connections, or None.
    :param over: called once, when the connection is gone.
    :ivar reason: why it is gone, or None while it is not.
    :ivar received: bytes so far.
    :ivar paused: whether nothing is read for now.
    :ivar secured: fires when the TLS handshake is over.
    """

    transport: Any = None
    secured: Deferred[None] | None = None
    layer: Any = None  # TLS, once it has begun
    reason: Failure | None = None
    received = 0
    paused = False

    def __init__(self, session: Any, creator: Any, over: Callable[[], object]) -> None:
        self._session, self._creator, self._over = session, creator, over

    def connectionMade(self) -> None:
        """Begin with the handshake, if there is one; the server may begin it before it answers RETR, or after."""
        self.transport.bufferSize = _LARGE
        if self._creator is None:
            self.pause()
        else:
            from twisted_pulp.schemes._ftp_tls import begin

            begin(self, self._creator)

    def handshakeCompleted(self) -> None:
        """Wait for who wants the bytes."""
        self.pause()
        if self.secured is not None and not self.secured.called:
            self.secured.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Hand *data* on."""
        self.received += len(data)
        self._session.piece(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the session, and who waits for the handshake."""
        self.reason = reason
        self._over()
        if self.secured is not None and not self.secured.called:
            self.secured.errback(reason)
            self.secured.addErrback(lambda _: None)
        self._session.data_over(self)

    def pause(self) -> None:
        """Read no more for now."""
        if not self.paused and self.reason is None:
            self.paused = True
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        if self.paused and self.reason is None:
            self.paused = False
            self.transport.resumeProducing()

    def abort(self) -> None:
        """End at once."""
        if self.reason is None:
            self.transport.abortConnection()


class DataFactory(Factory):
    """
    Make the one protocol of a data connection.

    :param session: as for `Data`.
    :param over: as for `Data`.
    :ivar creator: of TLS connections, or None.
    :ivar built: the protocol, once it is there.
    """

    noisy = False
    creator: Any = None
    built: Data | None = None

    def __init__(self, session: Any, over: Callable[[], object]) -> None:
        self._session, self._over = session, over

    def buildProtocol(self, addr: object) -> Data:
        """Return it."""
        self.built = data = Data(self._session, self.creator, self._over)
        return data

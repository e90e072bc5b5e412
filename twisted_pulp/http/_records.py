"""TLS whose records arrive together: one call for all that a read of the socket brought."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

__all__ = ["RecordsFactory"]

# Bytes of plain text in one record (RFC 8446, section 5.1).
_RECORD = 1 << 14


class _Records(TLSMemoryBIOProtocol):
    refused = False  # by whoever looked at the certificate

    def _flushReceiveBIO(self) -> None:
        """Pass on what came; Twisted's own way is a call for each record, 16 for a large read."""
        receive, pieces, ended, failure = self._tlsConnection.recv, [], True, None
        try:
            while not self._lostTLSConnection:
                pieces.append(receive(_RECORD))
        except WantReadError:
            ended = False
        except ZeroReturnError:
            pass
        except Error:
            failure = Failure()
        if pieces and not self._aborted:
            ProtocolWrapper.dataReceived(self, pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if ended and not self._lostTLSConnection:
            if failure is None:
                self._shutdownTLS()  # type: ignore[no-untyped-call]
            self._tlsShutdownFinished(failure)  # type: ignore[no-untyped-call]
        self._flushSendBIO()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let a later connection go on with this one's session."""
        sessions = self.factory.sessions  # type: ignore[attr-defined]
        if sessions is not None and self._handshakeDone and not self.refused and self._tlsConnection is not None:
            sessions.keep(self._tlsConnection)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


class RecordsFactory(TLSMemoryBIOFactory):
    """
    As Twisted's, for a client: ``RecordsFactory(creator, True, factory)``.

    :ivar sessions: of the creator, or None.
    """

    protocol = _Records

    def __init__(self, contextFactory: Any, isClient: bool, wrappedFactory: Any, clock: Any = None) -> None:
        super().__init__(contextFactory, isClient, wrappedFactory, clock)
        self.sessions = getattr(contextFactory, "sessions", None)

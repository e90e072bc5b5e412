"""TLS on connections that began without it, and sessions that go from the control connection to those for data."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

from twisted_pulp.errors import TLSError
from twisted_pulp.http._dial import late
from twisted_pulp.http._refusal import refusal
from twisted_pulp.http._watch import Watch

__all__ = ["Resuming", "begin", "proven", "session_of"]


@implementer(IOpenSSLClientConnectionCreator)
class Resuming:
    """
    Make connections that go on with a session.

    Servers can demand it, so that who cannot read the control connection cannot take a data connection either.

    :param creator: that makes the connections.
    :param session: of the control connection, with the ticket that TLS 1.3 has sent by now.
    """

    def __init__(self, creator: IOpenSSLClientConnectionCreator, session: SSL.Session | None) -> None:
        self._creator, self._session = creator, session

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Return a connection for *tlsProtocol*."""
        connection: SSL.Connection = self._creator.clientConnectionForTLS(tlsProtocol)
        if self._session is not None:
            connection.set_session(self._session)
        return connection


def session_of(transport: Any) -> SSL.Session | None:
    """Return the session of *transport*, which speaks TLS."""
    session: SSL.Session | None = transport.getHandle().get_session()
    return session


def begin(protocol: Any, creator: Any) -> None:
    """Let *protocol*, an `IHandshakeListener`, speak TLS; its `secured` fires after the handshake."""
    protocol.secured = Deferred(lambda _: protocol.transport.abortConnection())
    protocol.transport.startTLS(creator)
    protocol.layer = protocol.transport.protocol


async def proven(protocol: Any, creator: Any, watch: Watch, seconds: float | None) -> None:
    """
    Wait for the handshake of *protocol*, and let *creator* approve of the certificate before anything is sent.

    :raises TLSError: when it fails, which says why.
    """
    try:
        await watch.limit(protocol.secured, seconds, late("the TLS handshake"))
        creator.approve(protocol.transport)
    except SSL.Error as error:
        why = refusal(protocol.layer)
        if why is None:
            raise
        raise TLSError(detail=why) from error

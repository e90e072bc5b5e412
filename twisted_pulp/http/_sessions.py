"""TLS sessions, so that the next connection to an origin shakes hands in one round trip, without a certificate."""

from __future__ import annotations

from typing import Any
from weakref import ref

__all__ = ["Sessions"]


class Sessions:
    """
    The sessions of one origin with one kind of trust.

    OpenSSL resumes by session id or ticket (RFC 5077), or by what TLS 1.3 has (RFC 8446 section 2.2); a server that
    does not know a session any more shakes hands in full. There is no hook for a ticket that arrives, so a session is
    taken from a connection when another one is made, or when it ends: by then, tickets are here.
    """

    def __init__(self) -> None:
        self._kept: Any = None
        self._first: ref[Any] | None = None

    def resume(self, protocol: Any, connection: Any) -> None:
        """Let *connection*, pyOpenSSL's, of *protocol* go on where another was."""
        session, first = self._kept, None if self._first is None else self._first()
        # An open connection is asked last, and only once: the others began when nothing was known.
        if session is None and first is not None and _sound(first):
            session = first._tlsConnection.get_session()
        if first is None or first._tlsConnection is None:
            self._first = ref(protocol)
        if session is not None:
            connection.set_session(session)

    def keep(self, connection: Any) -> None:
        """Keep the session of *connection*, which is over."""
        self._kept = connection.get_session() or self._kept


def _sound(protocol: Any) -> bool:
    done = protocol._handshakeDone and protocol._tlsConnection is not None
    return done and not getattr(protocol, "refused", False)

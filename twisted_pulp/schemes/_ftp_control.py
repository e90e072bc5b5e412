"""The control connection: commands out, replies in, and TLS when it is asked for."""

from __future__ import annotations

import socket
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.errors import ProtocolError, SettingsError
from twisted_pulp.schemes._ftp_replies import Replies, Reply
from twisted_pulp.schemes._ftp_words import Refusal

__all__ = ["Control"]

# Seconds after which a silent connection is felt for, and how often: while a large file comes over its data connection,
# devices on the way would forget it.
_FELT, _TIMES = 30, 4
# Replies that nobody has asked for yet.
_MANY = 100


@implementer(IHandshakeListener)
class Control(Protocol):
    """
    Ask, and hear.

    :ivar served: questions and phases so far; when it changes, silence begins anew.
    :ivar answers: replies that were waited for, since it was last set to 0.
    :ivar secured: fires when the TLS handshake is over.
    """

    transport: Any = None
    secured: Deferred[None] | None = None
    layer: Any = None  # TLS, once it has begun

    def __init__(self) -> None:
        self._replies = Replies()
        self._pending: deque[Reply] = deque()
        self._asked: Deferred[Reply] | None = None
        self.served = 0
        self.answers = 0

    def connectionMade(self) -> None:
        """Keep the devices on the way awake."""
        transport = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            _feel_for_it(self.transport.getHandle())

    def handshakeCompleted(self) -> None:
        """Tell who waits for it."""
        if self.secured is not None and not self.secured.called:
            self.secured.callback(None)

    async def command(self, verb: str, argument: bytes = b"") -> Reply:
        """
        Return what *verb* is answered with.

        :raises SettingsError: when *argument* would be more than one line; nothing is sent then.
        :raises ProtocolError: when an answer is here already, which would be taken for this one's.
        """
        if any(each in argument for each in (b"\r", b"\n", b"\0")):
            raise SettingsError(verb, "***", "without line breaks and zero bytes")
        if self._pending and self._pending[0].code != 421:  # the one that may come at any time
            raise ProtocolError(detail="the server answers what it was not asked")
        self.served += 1
        line = verb.encode("ascii")
        self.transport.write(b"%b %b\r\n" % (line, argument) if argument else line + b"\r\n")
        return await self.reply()

    async def demand(self, codes: tuple[int, ...], verb: str, argument: bytes = b"") -> Reply:
        """Return what *verb* is answered with; raises `Refusal` when it is none of *codes*."""
        reply = await self.command(verb, argument)
        if reply.code not in codes:
            raise Refusal(verb, reply)
        return reply

    @property
    def refused(self) -> bool:
        """Whether the next reply is here already, and is a refusal."""
        return bool(self._pending) and self._pending[0].kind > 3

    def reply(self) -> Deferred[Reply]:
        """Return a Deferred of the next reply."""
        asked: Deferred[Reply] = Deferred()
        self._asked = asked
        self._hand_out()
        return asked

    def dataReceived(self, data: bytes) -> None:
        """Take in what the server says."""
        try:
            # All of it, before anybody acts on the first: it must be seen what came in the same piece.
            self._pending.extend(self._replies.feed(data))
            if len(self._pending) > _MANY:
                raise ProtocolError(detail="the server does not stop to answer")
        except ProtocolError:
            self.give_up(Failure())
            return
        self._hand_out()
        if self._pending:
            self.unasked()

    def _hand_out(self) -> None:
        asked = self._asked
        if asked is not None and self._pending:
            self._asked = None
            self.answers += 1
            asked.callback(self._pending.popleft())

    def nothing_waits(self) -> None:
        """
        Make sure that no word that came in clear is taken for one that came over TLS.

        :raises ProtocolError: when there is one.
        """
        if self._pending or self._replies.begun:
            raise ProtocolError(detail="the server said more in clear, after it had agreed to TLS")

    def unasked(self) -> None:
        """A reply came that nobody waits for."""

    def give_up(self, reason: Failure | None = None) -> None:
        """End at once; *reason* is for who waits."""


def _feel_for_it(handle: socket.socket) -> None:
    for name, value in (("TCP_KEEPIDLE", _FELT), ("TCP_KEEPINTVL", _FELT), ("TCP_KEEPCNT", _TIMES)):
        if hasattr(socket, name):  # pragma: no branch  # macOS has other names
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

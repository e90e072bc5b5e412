"""
A file to a socket without a copy in between.

The kernel is asked to send when the socket can take something. To hear of that, the transport is told that its
producer is paused and that it shall write: with nothing to write, it resumes the producer as soon as the socket is
ready, which is us. So the transport keeps its place in the reactor, and all else about it stays as it is.

To read from a disk would hold up the reactor. So before bytes are sent, the kernel is asked whether it has them in
memory; if not, a thread reads them, to nowhere, and then it has.
"""

from __future__ import annotations

import os
from errno import EINVAL, ENOSYS, EOPNOTSUPP, ESPIPE
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.errors import Cancelled, StorageDamaged
from twisted_pulp.streamer._ranges import Span
from twisted_pulp.threads import InThread

__all__ = ["Sendfile", "Unsupported"]

# Bytes asked for at once, and in one turn of the reactor; others want it too.
_BLOCK, _TURN = 1 << 20, 4 << 20
_NOWAIT = getattr(os, "RWF_NOWAIT", None)


class Unsupported(Exception):
    """The kernel cannot send from this file."""


@implementer(IPushProducer)
class Sendfile:
    """
    Send pieces of an answer to the socket of its request.

    :param transport: of *request*; a plain socket.
    :param fd: of the file; stays open.
    :param in_thread: calls what may wait for the disk.
    """

    def __init__(self, request: Any, transport: Connection, fd: int, in_thread: InThread) -> None:
        self._request, self._transport, self._fd, self._in_thread = request, transport, fd, in_thread
        self._done: Deferred[None] = Deferred(lambda _: self.stopProducing())
        self._pieces: list[bytes | Span] = []
        self._at = self._end = 0
        self._armed = self._fetching = False
        self._quiet: Deferred[None] | None = None
        self._asks = _NOWAIT is not None
        self.begun = False

    def send(self, pieces: tuple[bytes | Span, ...]) -> Deferred[None]:
        """
        Send them, in their order.

        :returns: a Deferred that fires when the kernel has them. It fails with `Cancelled` when the client has gone,
            with `StorageDamaged` when the file is too short, and with `Unsupported` before anything was sent.
        """
        self._pieces = list(reversed(pieces))
        self._request.registerProducer(self, True)
        self._request.write(b"")  # the headers
        self._arm()
        return self._done

    def _arm(self) -> None:
        """Have `resumeProducing` called when everything written is gone, and the socket takes more."""
        self._armed = True
        self._transport.producerPaused = True
        self._transport.startWriting()

    def pauseProducing(self) -> None:
        """Nothing: what is sent is sent when the socket takes it."""

    def resumeProducing(self) -> None:
        """Send what the socket takes now."""
        if not self._armed:
            return
        self._armed = False
        try:
            self._turn()
        except (BlockingIOError, InterruptedError):
            self._arm()
        except OSError as error:
            self._failed(error)

    def _turn(self) -> None:
        budget = _TURN
        while budget > 0:
            if self._at == self._end and not self._next():
                self._finish(None)
                return
            if self._armed:  # bytes of our own must go first
                return
            count = min(_BLOCK, self._end - self._at)
            if self._asks and not self._in_memory(self._at + count - 1):
                self._fetch(count)
                return
            sent = os.sendfile(self._transport.fileno(), self._fd, self._at, count)
            if not sent:
                self._finish(StorageDamaged(f"an artifact ends {self._end - self._at} bytes early"))
                return
            self.begun = True
            self._at += sent
            self._request.sentLength += sent
            budget -= sent
        self._arm()

    def _next(self) -> bool:
        """Turn to the next piece; return whether there is one."""
        if not self._pieces:
            return False
        piece = self._pieces.pop()
        if isinstance(piece, Span):
            self._at, self._end = piece.first, piece.first + piece.length()
        else:
            self._request.write(piece)
            self._arm()
        return True

    def _in_memory(self, offset: int) -> bool:
        assert _NOWAIT is not None
        try:
            os.preadv(self._fd, [bytearray(1)], offset, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError:  # the file system cannot say
            self._asks = False
        return True

    def _fetch(self, count: int) -> None:
        self._fetching = True
        self._in_thread(os.pread, self._fd, count, self._at).addBoth(self._fetched)

    def _fetched(self, result: object) -> None:
        self._fetching = False
        if self._quiet is not None:
            self._quiet.callback(None)
        elif isinstance(result, Failure):
            self._finish(StorageDamaged(f"the disk does not give an artifact: {result.getErrorMessage()}"))
        else:
            self._arm()

    def quiet(self) -> Deferred[None]:
        """Return a Deferred that fires when no thread has the file any more; to be called at the end."""
        self._quiet = Deferred()
        if not self._fetching:
            self._quiet.callback(None)
        return self._quiet

    def _failed(self, error: OSError) -> None:
        if not self.begun and error.errno in (EINVAL, ENOSYS, EOPNOTSUPP, ESPIPE):
            self._finish(Unsupported())
        else:  # EPIPE and the like, of which the transport hears too
            self._finish(Cancelled(detail="the client has gone"))

    def stopProducing(self) -> None:
        """The client has gone, or nobody wants this any more."""
        self._finish(Cancelled(detail="the client has gone"))

    def _finish(self, error: BaseException | None) -> None:
        if self._done.called:
            return
        self._armed = False
        if getattr(self._request, "channel", None) is not None:
            self._request.unregisterProducer()
        if error is None:
            self._done.callback(None)
        else:
            self._done.errback(error)

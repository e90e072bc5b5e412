"""The bytes of an artifact that is never kept, on their way to those who want them."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import WriterError
from twisted_pulp.interfaces import Head, IWriter
from twisted_pulp.streamer._audience import Audience

__all__ = ["Pipe"]

# Bytes that are here at once. A body of up to the larger number is here whole before anybody reads it.
_WINDOW, _WHOLE = 256 << 10, 512 << 10
# Seconds for which a client may keep others waiting.
_PATIENCE = 5.0


@implementer(IWriter)
class Pipe:
    """
    Hold the bytes that somebody has yet to read, and pause the upstream while these are many.

    What everybody has read is forgotten. Then nobody can join any more, and the body cannot begin again: whoever had
    wrong bytes has them.

    :param clock: tells for how long the slowest reader holds up the others.
    :param audience: hears of it, and says what is still wanted.
    :ivar written: the end of the bytes that can be read.
    :ivar forgets: whether what was read is not kept: yes.
    """

    forgets = True
    fd = None

    def __init__(self, clock: IReactorTime, audience: Audience) -> None:
        self._clock, self._audience = clock, audience
        self._bytes = bytearray()
        self._start = 0  # of these in the body
        self._large = False  # whether it is known to be too large to be here whole
        self._producer: Any = None
        self._paused = False
        self._waiting: IDelayedCall | None = None
        self.written = 0

    @property
    def rewindable(self) -> bool:
        """Whether nothing was read yet, so that the body can begin again."""
        return not self._start and not self._large

    @property
    def joinable(self) -> bool:
        """Whether byte 0 is still here."""
        return not self._start

    def read(self, offset: int, length: int) -> bytes:
        """Return up to *length* of the bytes that are here, from *offset* on."""
        at = offset - self._start
        return bytes(self._bytes[at : at + length])

    def trim(self) -> None:
        """Forget what nobody wants any more."""
        gone = min(self._audience.least(), self.written) - self._start
        if gone > 0:
            del self._bytes[:gone]
            self._start += gone
            self._rest()
            self._balance()

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _held_up(self) -> None:
        self._waiting = None
        self._audience.held_up()
        if self._paused and self._waiting is None:
            self._waiting = self._clock.callLater(_PATIENCE, self._held_up)

    def distrust(self) -> None:
        """Nothing: nobody has read any of a body that can begin again."""

    # IWriter
    def begin(self, head: Head) -> None:
        """
        Go on, or begin again.

        :raises WriterError: when it cannot begin again.
        """
        if not head.offset and self.written:
            if not self.rewindable:
                raise WriterError(head.url, f"{self._start} bytes cannot be taken back")
            self._bytes, self.written = bytearray(), 0
        if head.length is not None and head.length > _WHOLE:
            self._large = True
        self._audience.begun(head)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which pushes, as the clients take the bytes."""
        self._producer, self._paused = producer, False
        self._balance()

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Hold *data*."""
        self._bytes += data
        self.written += len(data)
        self._large = self._large or self.written > _WHOLE
        self._audience.grown()
        self.trim()
        self._balance()

    def _balance(self) -> None:
        too_much = len(self._bytes) >= (_WINDOW if self._large else _WHOLE)
        if too_much != self._paused and self._producer is not None:
            self._paused = too_much
            if too_much:
                if self._waiting is None:
                    self._waiting = self._clock.callLater(_PATIENCE, self._held_up)
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def commit(self, report: DownloadReport) -> None:
        """The rest may be read."""

    def abort(self, error: BaseException) -> None:
        """Nothing is kept anyway."""

    def stored(self) -> None:
        """Nothing is."""

    def close(self) -> None:
        """Forget what is here."""
        self._rest()
        self._bytes, self._producer = bytearray(), None

"""What is on its way to the disk, and the producer that waits while it is too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_pulp.threads import WriterThreads

if TYPE_CHECKING:
    from twisted_pulp.transfer._partial import Partial

__all__ = ["Backlog"]

# Bytes for one call of the thread: of one file among several, and of a file alone, which is also read in such pieces.
_BATCH, _ALONE = 512 << 10, 1 << 20


class Backlog:
    """
    Give the batches of one file to a writer's thread, and pause its producer while too many wait.

    The thread tells how far it is only when half of what may wait does: to be told costs more than to look.

    :param threads: of which one writes.
    :param partial: that writes there.
    :param failed: called when it cannot write any more.
    :ivar batch: bytes that are to be gathered for one call.
    """

    def __init__(self, threads: WriterThreads, partial: Partial, failed: Callable[[Failure], None]) -> None:
        self._threads, self._partial, self._failed = threads, partial, failed
        self.call = threads.lane()
        threads.active += 1
        self._sent = 0
        self._asked = self._paused = self._alone = False
        self._producer: Any = None
        self._measure()

    def serve(self, producer: Any) -> None:
        """Pause and resume *producer*, which is not paused, from now on; None is nobody."""
        self._producer, self._paused, self._alone = producer, False, False
        self._measure()

    def do(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Have the thread call *f*; the Deferred never fails."""
        return self.call(self._partial.unless_failed, f, *args).addErrback(self._failed)

    def write(self, pieces: list[bytes], offset: int, size: int, hashed: bool) -> None:
        """Have *pieces*, *size* bytes, written at *offset*, and hashed unless they are *hashed* elsewhere."""
        partial = self._partial
        self._sent += size
        if self._asked or 2 * self._waiting < self._threads.high_water:
            args = (partial.write, pieces, offset, size, hashed)
            self.call.quietly(partial.unless_failed, *args).addErrback(self._failed)
        else:
            self._asked = True
            self.do(partial.write, pieces, offset, size, hashed).addCallback(self._told)

    @property
    def _waiting(self) -> int:
        return self._sent - self._partial.written

    def _told(self, _: object) -> None:
        self._asked = False
        self.balance()
        if self._paused:  # others have come, and there is less room than there was
            self._asked = True
            self.do(lambda: None).addCallback(self._told)

    def balance(self) -> None:
        """Pause while there is no room for another batch."""
        self._measure()
        room = self._threads.high_water - self._waiting
        # Of a file alone, a batch may be all but gathered when the next read brings as much.
        too_much = room < self.batch * (1 + self._alone)
        if too_much != self._paused and self._producer is not None:
            self._paused = too_much
            if too_much:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def _measure(self) -> None:
        """Take large steps with a file alone, so that threads meet less often, and others with several."""
        alone = self._threads.active == 1 and hasattr(self._producer, "read_by")
        if alone != self._alone:
            self._alone = alone
            self._producer.read_by(_ALONE if alone else None)
        self.batch = min(_ALONE if alone else _BATCH, self._threads.high_water // (4 if alone else 2))

    def close(self) -> None:
        """There will be no more."""
        self.serve(None)
        self._threads.active -= 1

"""A consumer whose bytes become an artifact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import PulpError, SizeMismatch, StorageError
from twisted_pulp.interfaces import Head, IWriter
from twisted_pulp.storage._growing import Growing
from twisted_pulp.threads import outlasting

__all__ = ["Share", "Writer"]

# Bytes up to which nothing is written before the end.
_SMALL = 256 << 10
_BATCH = 512 << 10
# Bytes that wait for the disk: of all writers together, and of each at least and at most.
_TOGETHER, _LEAST, _MOST = 8 << 20, 512 << 10, 4 << 20


class Share:
    """
    What writers have in common: the memory for bytes that wait for the disk.

    :ivar writers: that have begun and not ended.
    """

    def __init__(self) -> None:
        self.writers: set[Writer] = set()

    @property
    def high_water(self) -> int:
        """Bytes that may wait, for each writer."""
        return max(_LEAST, min(_MOST, _TOGETHER // max(1, len(self.writers))))


@implementer(IWriter)
class Writer:
    """
    Bring what is written to storage.

    A small body is kept until its end and then stored at once; a larger one is hashed and written in batches, one after
    another, while the next is gathered.

    :param growing: what a thread works on.
    :param in_thread: calls its methods.
    :param inline: whether a small body is stored without a thread.
    :param share: of memory.
    :param size: expected, or None.
    :ivar sha256: of what was committed, else None.
    :ivar size: of it.
    """

    rewindable = True

    def __init__(
        self, growing: Growing, in_thread: Callable[..., Deferred[Any]], inline: bool, share: Share, size: int | None
    ) -> None:
        self._growing, self._in_thread, self._inline, self._share = growing, in_thread, inline, share
        self._expected = size
        self.sha256: str | None = None
        self.size: int | None = None
        self._pieces: list[bytes] = []
        self._gathered = self._writing = self._length = 0  # bytes here, with the thread, in all
        self._grown = False  # whether the thread knows of it
        self._lock = DeferredLock()  # one thing at a time is done in the thread, in order
        self._error: PulpError | None = None
        self._producer: Any = None
        self._paused = False

    def begin(self, head: Head) -> Deferred[None] | None:
        """Forget what came before, unless it goes on from there."""
        self._share.writers.add(self)
        if head.offset:
            return None
        self._forget()
        self._error = None
        if not self._grown:
            return None
        self._grown = False
        return Deferred.fromCoroutine(self._close())

    def _forget(self) -> None:
        self._pieces, self._gathered, self._length = [], 0, 0

    async def _close(self) -> None:
        await outlasting(self._lock.run(self._in_thread, self._growing.close))

    # IConsumer
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which pushes, as the disk keeps up."""
        self._share.writers.add(self)
        self._producer, self._paused = producer, False

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """
        Take *data*.

        :raises SizeMismatch: when it is more than was expected.
        :raises StorageError: when what came before could not be written.
        """
        if self._error is not None:
            raise self._error
        self._length += len(data)
        if self._expected is not None and self._length > self._expected:
            raise SizeMismatch(expected=self._expected, actual=self._length)
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered > (_BATCH if self._grown else _SMALL):
            self._flush()
            self._balance()

    def _flush(self) -> None:
        if self._writing or self._error is not None:
            return
        self._share.writers.add(self)
        pieces, self._pieces = self._pieces, []
        self._writing, self._gathered, self._grown = self._gathered, 0, True
        self._lock.run(self._bring, pieces).addCallback(self._written)

    def _bring(self, pieces: list[bytes]) -> Any:
        # Errors are noted before whoever is next in the thread looks for them.
        return self._in_thread(self._growing.write, pieces).addErrback(self._failed)

    def _failed(self, why: Failure) -> None:
        error = why.value
        self._error = error if isinstance(error, PulpError) else StorageError(f"{type(error).__name__}: {error}")

    def _written(self, _: object) -> None:
        self._writing = 0
        if self._gathered > _BATCH or (self._paused and self._gathered):
            self._flush()
        self._balance()

    def _balance(self) -> None:
        """Pause while there is no room for another batch; after an error the next bytes are told."""
        too_much = self._error is None and self._writing + self._gathered + _BATCH // 2 > self._share.high_water
        if too_much != self._paused and self._producer is not None:
            self._paused = too_much
            if too_much:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    # the end
    def commit(self, report: DownloadReport | None = None) -> Deferred[None] | None:
        """Store the rest; then `sha256` and `size` are known."""
        if self._inline and not self._grown and self._error is None:
            try:
                self.sha256, self.size = self._growing.commit(self._pieces)
            except BaseException:
                self._growing.close()
                raise
            finally:
                self._end()
            return None
        return Deferred.fromCoroutine(self._commit())

    async def _commit(self) -> None:
        rest = self._pieces
        self._forget()
        try:
            await outlasting(self._lock.run(bool))  # what came before; whoever is cancelled here commits nothing
            self.sha256, self.size = await outlasting(self._lock.run(self._last, rest))
        except BaseException:
            await self._close()
            raise
        finally:
            self._end()

    def _last(self, rest: list[bytes]) -> Any:
        if self._error is not None:
            raise self._error
        return self._in_thread(self._growing.commit, rest)

    def _end(self) -> None:
        self._forget()
        self._producer = None
        self._share.writers.discard(self)

    def abort(self, error: BaseException) -> Deferred[None] | None:
        """Give everything back."""
        self._error = self._error or StorageError(f"the writer was aborted: {error}")
        self._end()
        if not self._grown:
            return None
        self._grown = False
        return Deferred.fromCoroutine(self._close())

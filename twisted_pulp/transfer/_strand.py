"""Bodies that come side by side: each is a strand, and all of them fill one file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_pulp.errors import HookError, PulpError
from twisted_pulp.threads import WriterThreads, outlasting
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._filling import BadPiece, Filled
from twisted_pulp.transfer._partial import Partial
from twisted_pulp.transfer._range import Version
from twisted_pulp.transfer._shares import Share

__all__ = ["Strand", "Strands"]

_BATCH = 512 << 10


class Strands:
    """
    Bring what the strands get to *target*, and pause them all while it has too much to do.

    :param partial: the target's file.
    :param threads: know how much is too much.
    :param bad: called with each piece that is found bad.
    :param stopped: called when the target can take no more; its `error` says why.
    :param progress: called with the bytes that have come, or None.
    :ivar received: bytes that the strands have got.
    """

    def __init__(
        self,
        target: FileTarget,
        partial: Partial,
        threads: WriterThreads,
        bad: Callable[[BadPiece], object],
        stopped: Callable[[], object],
        progress: Callable[[int], object] | None,
    ) -> None:
        self._target, self._partial, self._threads = target, partial, threads
        self._bad, self._stopped = bad, stopped
        self.progress = progress
        self._strands: dict[Strand, None] = {}
        self._waiting = 0  # bytes on their way to the disk
        self._behind = False  # whether something behind the front is being hashed
        self._paused, self._hashing = False, True
        self.received = 0
        target.registerProducer(self, True)

    @property
    def batch(self) -> int:
        """Bytes that a strand gathers before they are written."""
        return min(_BATCH, self._threads.high_water // (2 * max(1, len(self._strands))))

    def add(self, strand: Strand) -> None:
        """Let *strand* be among them."""
        self._strands[strand] = None
        if self._paused:
            strand.pause(True)

    def discard(self, strand: Strand) -> None:
        """Let *strand* be among them no more."""
        self._strands.pop(strand, None)

    def put(self, blocks: list[bytes], offset: int, size: int) -> None:
        """Write *blocks*, *size* bytes, at *offset*."""
        self._waiting += size
        target: Any = self._target
        target.spans.add(offset, offset + size)
        target.do(self._partial.put, blocks, offset, size).addCallback(self._written, size)
        self._balance()

    def _written(self, filled: Filled | None, size: int) -> None:
        self._waiting -= size
        self._balance()
        self._hashed(filled)

    def _hashed(self, filled: Filled | None) -> None:
        if filled is None:  # the target has an error
            return
        behind, bad = filled
        if behind:
            self.catch_up()
        for piece in bad:
            self._bad(piece)

    def catch_up(self) -> None:
        """See to it that what lies behind the front is hashed."""
        if not self._behind and self._hashing:
            self._behind = True
            self._target.do(self._partial.catch_up).addCallback(self._caught_up)

    def _caught_up(self, filled: Filled | None) -> None:
        self._behind = False
        self._hashed(filled)

    def _balance(self) -> None:
        too_much = self._waiting + self.batch * len(self._strands) > self._threads.high_water
        if too_much != self._paused:
            self._paused = too_much
            for strand in list(self._strands):
                strand.pause(too_much)

    def mixed(self) -> None:
        """Bytes come from more than one source: nothing but a digest says of what they are."""
        version = self._partial.version
        assert version is not None
        self._partial.version = Version(version.url, None, version.length)

    async def settled(self) -> None:
        """Wait until all that came is in the file, and hashed as far as it can be."""
        while (self._waiting or self._behind) and self._target.error is None:
            finished = self._target.finish()
            assert finished is not None
            await outlasting(finished)

    def stopProducing(self) -> None:
        """The target can take no more."""
        self._stopped()

    def close(self, hashed: bool) -> None:
        """Let nothing more come; what there is is *hashed*, or not."""
        self._hashing = hashed
        self._target.unregisterProducer()


class Strand(Protocol):
    """
    The body of one request, for *share*.

    :ivar received: bytes of the body.
    :ivar reason: why it ended, or None while it has not.
    :ivar error: what went wrong on our side, or None.
    """

    def __init__(self, strands: Strands, share: Share) -> None:
        self._strands, self._share = strands, share
        self._blocks: list[bytes] = []
        self._gathered = 0
        self._ended: Deferred[None] | None = None
        self._closed = False
        self.received = 0
        self.reason: Failure | None = None
        self.error: PulpError | None = None

    def connectionMade(self) -> None:
        """Begin."""
        self._strands.add(self)

    def pause(self, paused: bool) -> None:
        """Read no more for now, or read on."""
        transport: Any = self.transport
        if paused:
            transport.pauseProducing()
        else:
            transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Take what belongs to the share, and stop where the next one begins."""
        self.received += len(data)
        share, strands = self._share, self._strands
        data = data[: share.left]
        if data and not self._closed:
            size = len(data)
            self._blocks.append(data)
            self._gathered += size
            strands.received += size
            share.at += size
            if self._gathered >= strands.batch:
                self._flush()
            if strands.progress is not None:
                self._tell(strands.progress)
        if not share.left and (share.end < share.reach or not data):
            self.stop()

    def _tell(self, progress: Callable[[int], object]) -> None:
        try:
            progress(self._strands.received)
        except Exception as error:
            self.error = HookError(detail=f"the progress hook raised {type(error).__name__}: {error}")
            self.stop()

    def _flush(self) -> None:
        if self._gathered:
            blocks, size = self._blocks, self._gathered
            self._blocks, self._gathered = [], 0
            self._strands.put(blocks, self._share.at - size, size)

    def stop(self, _: object = None) -> None:
        """Take no more."""
        transport: Any = self.transport
        transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember *reason*, and tell who waits."""
        self.reason = reason
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def ended(self) -> Deferred[None]:
        """Return a Deferred that fires at the end, however it comes; to cancel it breaks the body off."""
        self._ended = Deferred(self._unwanted)
        return self._ended

    def _unwanted(self, _: Deferred[None]) -> None:
        self._ended = None
        self.stop()

    def close(self) -> None:
        """Hand on what came, and take nothing more."""
        self._closed = True
        self._flush()
        self._strands.discard(self)

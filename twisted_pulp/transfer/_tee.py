"""Several writers for one download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.interfaces import Head, IWriter
from twisted_pulp.transfer._writers import as_writer

__all__ = ["Tee"]


@implementer(IPushProducer)
class _Branch:
    """What one writer pauses: all wait for the slowest."""

    def __init__(self, tee: Tee) -> None:
        self._tee = tee

    def pauseProducing(self) -> None:
        self._tee._paused(self)

    def resumeProducing(self) -> None:
        self._tee._resumed(self)

    def stopProducing(self) -> None:
        self._tee._stopped()


@implementer(IWriter)
class Tee:
    """
    Give the bytes to several writers, each of which gets all of them.

    The upstream is paused while one of them wants it to be. What one of them raises fails the download for all.

    :param writers: `IWriter` or `IConsumer` objects.
    :ivar rewindable: whether all of them are.
    """

    def __init__(self, *writers: Any) -> None:
        """:raises TypeError: when one is neither."""
        self._writers = [as_writer(writer) for writer in writers]
        self.rewindable = all(writer.rewindable for writer in self._writers)
        self._branches = [_Branch(self) for _ in self._writers]
        self._slow: set[_Branch] = set()
        self._producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let the slowest of them pause *producer*."""
        self._producer, self._slow = producer, set()
        for writer, branch in zip(self._writers, self._branches, strict=True):
            writer.registerProducer(branch, streaming)

    def unregisterProducer(self) -> None:
        """Let go of it."""
        self._producer = None
        for writer in self._writers:
            writer.unregisterProducer()

    def _paused(self, branch: _Branch) -> None:
        """Pause the upstream for *branch*."""
        if not self._slow and self._producer is not None:
            self._producer.pauseProducing()
        self._slow.add(branch)

    def _resumed(self, branch: _Branch) -> None:
        """Go on when nobody else wants to wait."""
        if branch in self._slow:
            self._slow.discard(branch)
            if not self._slow and self._producer is not None:
                self._producer.resumeProducing()

    def _stopped(self) -> None:
        """End the upstream."""
        if self._producer is not None:
            self._producer.stopProducing()

    def write(self, data: bytes) -> None:
        """Pass *data* on."""
        for writer in self._writers:
            writer.write(data)

    def begin(self, head: Head) -> Deferred[None] | None:
        """Tell all; what is returned fires when all are ready, and fails when one does."""
        return self._all(lambda writer: writer.begin(head))

    def commit(self, report: DownloadReport) -> Deferred[None] | None:
        """Tell all."""
        return self._all(lambda writer: writer.commit(report))

    def abort(self, error: BaseException) -> Deferred[None] | None:
        """Tell all."""
        return self._all(lambda writer: writer.abort(error))

    def _all(self, tell: Callable[[Any], object]) -> Deferred[None] | None:
        """Tell each, even when one before it failed; the first failure is that of all."""
        waiting: list[Deferred[Any]] = []
        for writer in self._writers:
            told = maybeDeferred(tell, writer)
            if not (told.called and told.result is None):
                waiting.append(told)
        if not waiting:
            return None
        return gatherResults(waiting, consumeErrors=True).addCallbacks(_nothing, _reason)


def _nothing(_: object) -> None: ...


def _reason(why: Failure) -> Failure:
    first: Failure = why.value.subFailure  # type: ignore[union-attr]
    return first

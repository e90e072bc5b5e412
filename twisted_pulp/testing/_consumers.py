"""Consumers that a test can look at."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, field
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from twisted_pulp.download import DownloadReport
from twisted_pulp.interfaces import Head, IWriter

__all__ = ["SlowConsumer", "SpyWriter"]


@implementer(IConsumer)
@define(eq=False)
class SlowConsumer:
    """
    Takes so much, then pauses its producer until the test calls `take`.

    :ivar room: bytes it takes before it pauses.
    :ivar written: all that came.
    :ivar excess: bytes that came while the producer was paused.
    """

    room: int
    written: bytearray = field(init=False, factory=bytearray)
    excess: int = field(init=False, default=0)
    _producer: Any = field(init=False, default=None)
    _left: int = field(init=False, default=Factory(lambda self: self.room, takes_self=True))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause and resume *producer*, which must push."""
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if not streaming:
            raise TypeError("a producer that pushes is needed")
        self._producer = producer
        if self._left <= 0:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Take *data*, and pause the producer when there is no room for more."""
        self.written += data
        before, self._left = self._left, self._left - len(data)
        if before <= 0:
            self.excess += len(data)
        elif self._left <= 0 and self._producer is not None:
            self._producer.pauseProducing()

    def take(self) -> None:
        """Make room again."""
        before, self._left = self._left, self.room
        if before <= 0 and self._producer is not None:
            self._producer.resumeProducing()


@implementer(IWriter)
@define(eq=False)
class SpyWriter:
    """
    Notes all that a writer hears.

    :ivar rewindable: whether it may be told to begin again; default true.
    :ivar heard: "begin", "write", "commit" and "abort", in order; one "write" for any number in a row.
    :ivar content: what was written since the beginning of the file.
    :ivar head: of the last beginning.
    :ivar report: that it was to commit, or None.
    :ivar error: that it was to abort for, or None.
    """

    rewindable: bool = True
    heard: list[str] = field(init=False, factory=list)
    content: bytes = field(init=False, default=b"")
    head: Head | None = field(init=False, default=None)
    report: DownloadReport | None = field(init=False, default=None)
    error: BaseException | None = field(init=False, default=None)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Nothing to pause: it is always fast enough."""

    def unregisterProducer(self) -> None:
        """Nothing."""

    def begin(self, head: Head) -> None:
        """Note it, and forget what came after *head*.offset."""
        self.heard.append("begin")
        self.head, self.content = head, self.content[: head.offset]

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        if self.heard[-1:] != ["write"]:
            self.heard.append("write")
        self.content += data

    def commit(self, report: DownloadReport) -> None:
        """Note it."""
        self.heard.append("commit")
        self.report = report

    def abort(self, error: BaseException) -> None:
        """Note it."""
        self.heard.append("abort")
        self.error = error

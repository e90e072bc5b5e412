"""A body that is written while it is sent: a document a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import CooperativeTask, Cooperator
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

__all__ = ["Lines"]

#: Documents that are written at once.
_MANY = 100


@implementer(IBodyProducer)
@define(eq=False)
class Lines:
    """
    Documents, taken as the server takes them.

    :ivar length: nobody knows it.
    """

    _cooperator: Cooperator
    _documents: Iterable[Any]
    length: Any = UNKNOWN_LENGTH
    _task: CooperativeTask[Any] | None = field(init=False, default=None)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write everything to *consumer*; the Deferred fires at the end."""
        self._task = self._cooperator.cooperate(self._writing(consumer))
        return self._task.whenDone().addCallback(lambda _: None)

    def _writing(self, consumer: IConsumer) -> Iterator[None]:
        lines: list[bytes] = []
        for document in self._documents:
            lines.append(msgspec.json.encode(document))
            if len(lines) == _MANY:
                consumer.write(b"\n".join([*lines, b""]))
                lines.clear()
                yield
        if lines:
            consumer.write(b"\n".join([*lines, b""]))
        yield

    def pauseProducing(self) -> None:
        """Write nothing for now."""
        if self._task is not None:
            self._task.pause()

    def resumeProducing(self) -> None:
        """Go on."""
        if self._task is not None:
            self._task.resume()

    def stopProducing(self) -> None:
        """Write nothing more."""
        if self._task is not None:
            self._task.stop()

"""Where a body goes: counted, limited, and on to its target under backpressure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.errors import HookError, PulpError, WriterError

__all__ = ["Sink"]


class Sink(Protocol):
    """
    Hand a body on to *target*.

    :param target: an `IConsumer` with a `size`.
    :param most: bytes that the whole file may have, or None.
    :param skip: bytes at the start of the body that the target has already.
    :param progress: called with the bytes of the file so far, or None.
    :ivar received: bytes of this body.
    :ivar reason: why it ended, or None while it has not.
    :ivar error: what went wrong on our side, or None.
    :ivar excess: bytes that the file would have at least, if that is more than it may have; else None.
    """

    _log = Logger()

    def __init__(
        self,
        target: Any,
        most: int | None,
        skip: int,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._target, self._most, self._skip, self._progress = target, most, skip, progress
        self._ended: Deferred[None] | None = None
        self.received = 0
        self.reason: Failure | None = None
        self.error: PulpError | None = None
        self.excess: int | None = None

    def took(self, response: Any) -> bool:
        """Take the body of *response* at once if all of it is here and needs no pausing; return whether it was."""
        if not getattr(response, "whole", False):
            return False
        self.transport = response  # to be stopped at the first wrong byte
        body, reason = response.take()
        if body:
            self.dataReceived(body)
        self.reason = reason
        return True

    def connectionMade(self) -> None:
        """Let the target pause the body."""
        try:
            self._target.registerProducer(self.transport, True)
        except Exception as error:
            self._stop(error, "the writer refused the bytes")

    def dataReceived(self, data: bytes) -> None:
        """Take *data*."""
        if self.error is not None or self.excess is not None:
            return
        self.received += len(data)
        if self._skip:
            data = self._skipped(data)
            if not data:
                return
        target = self._target
        if self._most is not None and target.size + len(data) > self._most:
            self.excess = target.size + len(data)
            self.stop()
            return
        try:
            target.write(data)
        except Exception as error:
            self._stop(error, "the writer failed")
            return
        if self._progress is not None:
            try:
                self._progress(target.size)
            except Exception as error:
                self._log.failure("the progress hook failed")
                self._end(HookError(detail=f"the progress hook raised {type(error).__name__}: {error}"))

    def _skipped(self, data: bytes) -> bytes:
        skip = self._skip
        self._skip = max(0, skip - len(data))
        return data[skip:]

    def _stop(self, error: Exception, words: str) -> None:
        if isinstance(error, PulpError):
            self._end(error)
        else:
            self._log.failure("{words}", words=words)
            self._end(WriterError(detail=f"{words}: {type(error).__name__}: {error}"))

    def _end(self, error: PulpError) -> None:
        self.error = error
        self.stop()

    def stop(self, _: object = None) -> None:
        """Take no more."""
        transport: Any = self.transport
        transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Remember *reason*, and tell who waits."""
        self.reason = reason
        try:
            self._target.unregisterProducer()
        except Exception as error:
            self.error = self.error or WriterError(detail=f"the writer failed: {type(error).__name__}: {error}")
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def ended(self) -> Deferred[None]:
        """Return a Deferred that fires at the end, however it comes; to cancel it breaks the body off."""
        self._ended = Deferred(self._unwanted)
        return self._ended

    def _unwanted(self, _: Deferred[None]) -> None:
        self._ended = None  # a body that ends at once must not look like one that ended by itself
        self.stop()

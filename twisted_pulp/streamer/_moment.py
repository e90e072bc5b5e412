"""Something that happens once."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

__all__ = ["Moment"]

T = TypeVar("T")


class Moment(Generic[T]):
    """
    Something that happens once, or never will, for which any number may wait, before and afterwards.

    :ivar past: whether it has happened, or failed to.
    """

    def __init__(self) -> None:
        self.past = False
        self._result: Any = None
        self._waiting: dict[Deferred[T], None] = {}

    @property
    def result(self) -> T | None:
        """What has happened; None as long as it has not, or if it never will."""
        return None if isinstance(self._result, Failure) else self._result

    def wait(self) -> Deferred[T]:
        """Return a Deferred of what happens; to cancel it disturbs nobody else."""
        d: Deferred[T] = Deferred(lambda d: self._waiting.pop(d, None))
        if self.past:
            d.callback(self._result)
        else:
            self._waiting[d] = None
        return d

    def happen(self, result: T | Failure) -> None:
        """Let it be now; what comes later counts for nothing."""
        if self.past:
            return
        self.past, self._result = True, result
        waiting, self._waiting = list(self._waiting), {}
        for d in waiting:
            if not d.called:
                d.callback(result)

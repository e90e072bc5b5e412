"""What a storage is doing: to close it waits for that."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

from twisted_pulp.threads import outlasting

__all__ = ["Busy"]

T = TypeVar("T")


@define(eq=False)
class Busy:
    """
    Counts work that is under way.

    :ivar running: how much.
    """

    running: int = field(init=False, default=0)
    _idle: Deferred[None] | None = field(init=False, default=None)

    async def counted(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work*; `ended` waits for it."""
        self.running += 1
        try:
            return await work
        finally:
            self.running -= 1
            if not self.running and self._idle is not None:
                self._idle.callback(None)

    async def ended(self) -> None:
        """Wait until nothing is under way, once no more is begun."""
        if self.running:
            self._idle = Deferred()
            await outlasting(self._idle)

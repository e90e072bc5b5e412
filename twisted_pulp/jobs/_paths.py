"""Paths that are being written: one job at a time writes each."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred

__all__ = ["Paths"]


@define(eq=False)
class Paths:
    """The paths that downloads of all jobs write, and who waits for them."""

    _taken: dict[str, list[Deferred[None]]] = field(init=False, factory=dict)

    def take(self, path: str) -> bool:
        """Take *path*, if nobody has it."""
        if path in self._taken:
            return False
        self._taken[path] = []
        return True

    def busy(self, path: str) -> bool:
        """Tell whether somebody has *path*; in any thread."""
        return path in self._taken

    async def taken(self, path: str) -> None:
        """Wait until nobody has *path*, and take it."""
        while not self.take(path):
            waiting = self._taken[path]
            d: Deferred[None] = Deferred()
            waiting.append(d)
            try:
                await d
            finally:
                if d in waiting:
                    waiting.remove(d)

    def give(self, path: str) -> None:
        """Give *path* back."""
        for d in self._taken.pop(path, ()):
            d.callback(None)

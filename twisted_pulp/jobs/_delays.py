"""Jobs that wait after a failure."""

from __future__ import annotations

from typing import Any

from attrs import define, field

__all__ = ["Delays"]

#: Jobs that are remembered.
_MOST = 10_000


@define(eq=False)
class Delays:
    """Remembers how long jobs have to wait, by our own clock, whatever the wall's does."""

    _reactor: Any
    _due: dict[int, float] = field(init=False, factory=dict)

    def note(self, id: int, seconds: float | None) -> None:
        """Let a job wait so long; None: it does not wait."""
        if seconds is not None and len(self._due) < _MOST:
            self._due[id] = self._reactor.seconds() + seconds

    def forget(self, id: int) -> None:
        """Take note that a job was begun."""
        self._due.pop(id, None)

    def due(self) -> list[int]:
        """Return the jobs that have waited long enough."""
        now = self._reactor.seconds()
        return [id for id, due in self._due.items() if due <= now]  # noqa: A001 -- the column

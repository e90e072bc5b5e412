"""Who reads a body while it comes."""

from __future__ import annotations

from typing import Protocol

from twisted_pulp.interfaces import Head

__all__ = ["Audience"]


class Audience(Protocol):
    """Who hears what becomes of a body."""

    def begun(self, head: Head) -> None:
        """Bytes come, from *head*.offset on."""

    def grown(self) -> None:
        """More of it can be read, or less."""

    def differs(self, offset: int) -> None:
        """What was to be read from *offset* on was wrong."""

    def least(self) -> int:
        """Return the first byte that somebody wants to read yet; only a body that forgets asks."""

    def held_up(self) -> None:
        """A body that forgets waits for the slowest reader, and has for long."""

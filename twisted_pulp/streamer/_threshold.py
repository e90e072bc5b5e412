"""When a transfer goes on though nobody waits for it."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Threshold"]


@frozen(kw_only=True)
class Threshold:
    """
    When a transfer goes on though all its clients have gone: it is enough that one holds.

    :ivar share: of the bytes are here; default 0.5. 0 always goes on once the size is known; above 1 never.
    :ivar left: bytes at most that are missing; default 1 MiB.
    """

    share: float = 0.5
    left: int = 1 << 20

    def holds(self, written: int, length: int | None) -> bool:
        """Return whether a body of *length* bytes, of which so many were *written*, is to be finished."""
        if length is None:
            return False
        return length - written <= self.left or written >= self.share * length

"""In what parts large files are uploaded."""

from __future__ import annotations

__all__ = ["PART", "part_of"]

#: Bytes of a part of an upload; what is smaller goes in one request.
PART = 8 << 20
# Parts that an upload may have.
_MOST = 9999


def part_of(size: int) -> int:
    """Return how large the parts are of an upload of *size* bytes."""
    return max(PART, -(-size // _MOST))

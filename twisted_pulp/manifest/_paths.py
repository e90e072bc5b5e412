"""Which paths were there before, in eight to twenty bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Callable

__all__ = ["Paths"]

# Many small tables: when one grows only its own values are there twice for a moment.
_TABLES = 256
_BITS = 8
_SMALLEST = 8
_ALL = (1 << 64) - 1


class Paths:
    """
    Paths that were added, of which only 64-bit hashes are kept: so it may be wrong in saying that one was there before.

    :param hash_of: as `hash`, the default, whose values nobody outside the process can foresee.
    """

    __slots__ = ("_counts", "_hash_of", "_tables")

    def __init__(self, hash_of: Callable[[str], int] = hash) -> None:
        self._hash_of = hash_of
        self._tables = [array("Q", bytes(8 * _SMALLEST)) for _ in range(_TABLES)]
        self._counts = [0] * _TABLES

    def add(self, path: str) -> bool:
        """Add *path*; return whether it seems to have been there, which has to be verified."""
        value = self._hash_of(path) & _ALL or 1  # 0 is an empty slot
        number = value % _TABLES
        table = self._tables[number]
        mask = len(table) - 1
        slot = (value >> _BITS) & mask
        while found := table[slot]:
            if found == value:
                return True
            slot = (slot + 1) & mask
        table[slot] = value
        self._counts[number] += 1
        if self._counts[number] * 4 > len(table) * 3:
            self._tables[number] = _larger(table)
        return False

    def __len__(self) -> int:
        return sum(self._counts)

    def __repr__(self) -> str:
        return f"<Paths {len(self)}>"


def _larger(table: array[int]) -> array[int]:
    made = array("Q", bytes(16 * len(table)))
    mask = len(made) - 1
    for value in table:
        if value:
            slot = (value >> _BITS) & mask
            while made[slot]:
                slot = (slot + 1) & mask
            made[slot] = value
    return made

"""Bytes at rest, known by their digests."""

from twisted_pulp.storage._directory import DirectoryStorage
from twisted_pulp.storage._memory import MemoryStorage

__all__ = ["DirectoryStorage", "MemoryStorage"]

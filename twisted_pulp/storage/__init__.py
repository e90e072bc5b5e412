"""Bytes at rest, known by their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_pulp.storage._directory import DirectoryStorage
from twisted_pulp.storage._memory import MemoryStorage

if TYPE_CHECKING:
    from twisted_pulp.storage._objects import ObjectStorage as ObjectStorage

__all__ = ["DirectoryStorage", "MemoryStorage", "ObjectStorage"]


def __getattr__(name: str) -> Any:
    if name != "ObjectStorage":  # few have a bucket
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twisted_pulp.storage._objects import ObjectStorage

    return ObjectStorage

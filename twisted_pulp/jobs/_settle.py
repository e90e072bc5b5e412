"""Finished files, brought to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable

from twisted_pulp.errors import StorageError, StorageFull

__all__ = ["settle"]


def settle(root: str, paths: Iterable[str]) -> None:
    """
    Bring files below *root*, and the names of their directories, to the disk. Blocks.

    A file that is not there any more was removed, or replaced, by somebody who was allowed to.

    :raises StorageError: it cannot be done.
    """
    directories: set[str] = set()
    try:
        for path in paths:
            if _synced(path, os.O_NOFOLLOW):
                _climb(root, os.path.dirname(path), directories)
        for directory in directories:
            _synced(directory, os.O_DIRECTORY)
    except OSError as error:
        kind = StorageFull if error.errno in StorageFull.errnos else StorageError
        raise kind(f"{root}: {error.strerror}") from error


def _synced(path: str, flags: int) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    except FileNotFoundError:
        return False
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _climb(root: str, directory: str, found: set[str]) -> None:
    """Add *directory*, and those above it up to *root*."""
    while directory not in found and len(directory) >= len(root):
        found.add(directory)
        directory = os.path.dirname(directory)

"""What processes that were killed have left beside the files they downloaded."""

from __future__ import annotations

import os
import time
from collections.abc import Container
from contextlib import suppress

from twisted_pulp.names import JOURNAL, PARTIAL

__all__ = ["KEEP", "remove_orphans"]

#: Seconds for which a partial file is kept that a download can go on with.
KEEP = 7 * 86400.0


def remove_orphans(root: str, keep: float = KEEP, now: float | None = None) -> int:
    """
    Remove temporary files below *root* that no download goes on with; return how many they were. Blocks.

    Nobody may write there meanwhile. Kept are, for *keep* seconds, partial files with a journal; and journals of
    finished files, by which these are revalidated.
    """
    before = (time.time() if now is None else now) - keep
    removed = 0
    for place, _, names in os.walk(root):
        found = {name for name in names if name.endswith((PARTIAL, JOURNAL))}
        if found:
            there = set(names)
            removed += sum(_removed(place, name, there, before) for name in sorted(found))
    return removed


def _removed(place: str, name: str, names: Container[str], before: float) -> bool:
    bare = name.removesuffix(PARTIAL).removesuffix(JOURNAL)
    if name.endswith(JOURNAL) and bare.removeprefix(".") in names and bare + PARTIAL not in names:
        return False
    path = os.path.join(place, name)
    with suppress(OSError):  # it is gone, or the disk is out of order: nothing depends on it
        if bare + PARTIAL in names and bare + JOURNAL in names and _newest(place, bare) >= before:
            return False
        os.unlink(path)
        return True
    return False


def _newest(place: str, bare: str) -> float:
    """Return when a partial file or its journal was written last; 0 when one of them is gone."""
    try:
        return max(os.lstat(os.path.join(place, bare + mark)).st_mtime for mark in (PARTIAL, JOURNAL))
    except FileNotFoundError:
        return 0.0

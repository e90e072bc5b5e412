"""What processes that were killed have left beside the files they downloaded."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice

from twisted_pulp.names import JOURNAL, PARTIAL

__all__ = ["KEEP", "orphans", "remove_orphans"]

#: Seconds for which a partial file is kept that a download can go on with.
KEEP = 7 * 86400.0


def orphans(
    root: str,
    keep: float = KEEP,
    now: float | None = None,
    begun: float = math.inf,
    unused: Callable[[str], AbstractContextManager[bool]] = lambda path: nullcontext(True),
) -> Iterator[str | None]:
    """
    Give temporary files below *root* that no download goes on with; and None for everything else. Blocks.

    Not given are, for *keep* seconds, partial files with a journal; and journals of finished files, by which these are
    revalidated.

    :param begun: seconds since the epoch: what was written since is somebody's. Default: nobody writes there.
    :param unused: tells whether nobody writes the file at a path below *root*, and keeps it so meanwhile; default: it
        is so.
    """
    before = (time.time() if now is None else now) - keep
    pending = [root]
    while pending:
        place = pending.pop()
        with suppress(OSError), os.scandir(place) as found:  # it is gone, or the disk is out of order
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    yield None
                    continue
                if entry.name.endswith((PARTIAL, JOURNAL)) and _is_orphan(place, entry.name, before, begun):
                    with unused(_whole(root, entry.path)) as alone:
                        yield entry.path if alone else None
                else:
                    yield None


def remove_orphans(found: Iterator[str | None], many: int | None = None) -> tuple[int, bool]:
    """
    Remove what `orphans` gives; return how many files that were, and whether that is all. Blocks.

    :param many: how much is looked at, at most; default None: all.
    """
    removed = looked = 0
    for path in islice(found, many):
        looked += 1
        if path is not None:
            with suppress(OSError):
                os.unlink(path)
                removed += 1
    return removed, many is None or looked < many


def _is_orphan(place: str, name: str, before: float, begun: float) -> bool:
    bare = name.removesuffix(PARTIAL).removesuffix(JOURNAL)
    partial, journal = (_written(place, bare + mark) for mark in (PARTIAL, JOURNAL))
    newest = max(partial or 0.0, journal or 0.0)
    if newest >= begun:
        return False
    if name.endswith(JOURNAL) and partial is None:
        return not os.path.lexists(os.path.join(place, bare.removeprefix(".")))
    return partial is None or journal is None or newest < before


def _whole(root: str, path: str) -> str:
    """Return the path below *root* of the file that a temporary one at *path* is to be."""
    place, name = os.path.split(path)
    bare = name.removesuffix(PARTIAL).removesuffix(JOURNAL).removeprefix(".")
    return os.path.relpath(os.path.join(place, bare), root)


def _written(place: str, name: str) -> float | None:
    """Return when a file was written last; None: it is not there."""
    try:
        return os.lstat(os.path.join(place, name)).st_mtime
    except OSError:
        return None

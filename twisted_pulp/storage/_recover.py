"""What dead processes have left in tmp."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Container

from twisted_pulp.interfaces import Recovered
from twisted_pulp.names import JOURNAL, PARTIAL
from twisted_pulp.storage._adopt import READ
from twisted_pulp.storage._reading import present
from twisted_pulp.storage._root import Root

__all__ = ["GRACE", "recovered"]

#: Seconds for which a temporary file is left alone while other processes write.
GRACE = 3600.0
# As downloads of artifacts have it; what two want at once has a mark behind it.
_NAMED = re.compile(rf"\.?([0-9a-f]{{64}})(?:-[0-9a-f]+)?(?:{re.escape(PARTIAL)}|{re.escape(JOURNAL)})?").fullmatch


def recovered(root: Root, keep: float, now: float | None = None) -> Recovered:
    """
    Remove what no download goes on with, and return what was found.

    Kept are files that a process has locked, and for *keep* seconds finished files, and partial ones with a journal,
    unless what they were to be is stored. All others are of the dead, unless there are other processes: then they must
    be an hour old.
    """
    now = time.time() if now is None else now
    with root.looking() as alone:  # what others begin from here on is not among these
        found = {name: facts for name in os.listdir(root.tmp) if (facts := _facts(name, root.tmp)) is not None}
    stored = present(root, {sha256 for name in found if (sha256 := _wanted(name)) is not None})
    removed = size = 0
    for name, facts in found.items():
        limit = keep if _resumable(name, found) and _wanted(name) not in stored else 0.0 if alone else GRACE
        if now - facts.st_mtime >= limit and _removed(name, facts, root):
            removed, size = removed + 1, size + facts.st_size
    return Recovered(removed, size, len(found) - removed)


def _facts(name: str, tmp: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=tmp, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _wanted(name: str) -> str | None:
    """Return the sha256 of what *name* was to be, if it says so."""
    match = _NAMED(name)
    return None if match is None else match[1]


def _resumable(name: str, names: Container[str]) -> bool:
    """Return whether a later download can use *name*: a finished file, or a partial one and its journal."""
    if name.endswith(PARTIAL):
        return name.removesuffix(PARTIAL) + JOURNAL in names
    if name.endswith(JOURNAL):
        bare = name.removesuffix(JOURNAL)
        return bare + PARTIAL in names or bare.removeprefix(".") in names
    return True


def _removed(name: str, facts: os.stat_result, root: Root) -> bool:
    """Remove *name*, unless a living process has locked it; return whether it is gone."""
    if not stat.S_ISREG(facts.st_mode):
        return not stat.S_ISDIR(facts.st_mode) and _unlinked(name, root)
    try:
        fd = os.open(name, READ, dir_fd=root.tmp)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _unlinked(name, root)  # before anybody can lock it
    except OSError:
        return False
    finally:
        os.close(fd)


def _unlinked(name: str, root: Root) -> bool:
    try:
        root.system.unlink(name, root.tmp)
    except OSError:  # another process was faster, or the disk is out of order: nothing depends on it
        return False
    return True

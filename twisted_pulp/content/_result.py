"""What came of a sync."""

from __future__ import annotations

from typing import Any

from attrs import frozen

__all__ = ["SyncResult"]


@frozen(kw_only=True)
class SyncResult:
    """
    What came of a sync.

    :ivar version: the number of the version that was made; None when nothing has changed.
    :ivar added: units that it has and the one before had not.
    :ivar removed: units that the one before had and it has not.
    :ivar present: units that the latest version has now.
    :ivar downloaded: files that were downloaded.
    :ivar bytes: of those files.
    :ivar failed: a `FailedUnit` for each unit that was left out.
    :ivar seconds: how long it took.
    :ivar skipped: whether the upstream was found unchanged, so that nothing was looked at.
    """

    version: int | None
    added: int = 0
    removed: int = 0
    present: int = 0
    downloaded: int = 0
    bytes: int = 0
    failed: tuple[Any, ...] = ()
    seconds: float = 0.0
    skipped: bool = False

"""What is stored in a bucket, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted_pulp.storage._bucket import Bucket
from twisted_pulp.storage._names import is_sha256

__all__ = ["Listing"]


class Listing:
    """List what is stored, page by page, in the order of the keys. Blocks."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._pages: Any = None
        self._last: str | None = None

    def page(self) -> list[tuple[str, int, float]]:
        """Return sha256, size and time of some; none at the end."""
        while found := self._bucket.attempt(self._next):
            self._last = found[-1]["path"]
            if page := [each for one in found if (each := _artifact(one)) is not None]:
                return page
        return []

    def _next(self) -> Sequence[Any]:
        if self._pages is None:
            self._pages = self._bucket.page(self._last)
        try:
            return next(self._pages, ())
        except Exception:
            self._pages = None
            raise


def _artifact(found: Any) -> tuple[str, int, float] | None:
    """Return what a listed object is, if it is an artifact."""
    folder, _, name = found["path"].rpartition("/")
    sha256 = folder.rpartition("/")[2] + name
    return (sha256, found["size"], found["last_modified"].timestamp()) if is_sha256(sha256) else None

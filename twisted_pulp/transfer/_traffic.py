"""Transfers that are under way, for whoever counts them; and how often they may ask the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted_pulp.download import Attempt, DownloadReport, Source

__all__ = ["Traffic"]

#: Retries that are saved up, without any traffic and with much of it.
_FEW, _MOST = 20.0, 100.0


class Traffic:
    """
    Know the transfers that are under way.

    :ivar budget: retries for each transfer, at most, where there are many: a few, and one a second, there may always
        be. To ask another source is none. May change at any time; default None: as many as the Remotes allow.
    :ivar ended: called with the report of each transfer that has ended; it must not raise. Default None.
    """

    __slots__ = ("_at", "_left", "_running", "_seconds", "budget", "ended")

    def __init__(self, seconds: Callable[[], float]) -> None:
        """:param seconds: by the monotonic clock."""
        self._running: dict[Any, None] = {}
        self.ended: Callable[[DownloadReport], object] | None = None
        self.budget: float | None = None
        self._seconds, self._at, self._left = seconds, seconds(), _FEW

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._running))

    def __repr__(self) -> str:
        return f"<Traffic {len(self)} running>"

    @property
    def received(self) -> int:
        """Bytes of bodies that the transfers under way have got; those of failed tries too."""
        return sum(transfer.received for transfer in self._running)

    def begin(self, transfer: Any) -> None:
        """*transfer* begins."""
        self._running[transfer] = None
        if self.budget is not None:
            self._left = min(self._left + self.budget, _MOST)

    def may_retry(self, source: Source, attempts: Iterable[Attempt]) -> bool:
        """Return whether a transfer with these *attempts* may go on with *source*, and count that."""
        if self.budget is None or all(each.source is not source for each in attempts):
            return True
        now = self._seconds()
        self._left, self._at = max(self._left, min(self._left + now - self._at, _FEW)), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def end(self, transfer: Any, report: DownloadReport) -> None:
        """*transfer* has ended with *report*."""
        del self._running[transfer]
        if self.ended is not None:
            self.ended(report)

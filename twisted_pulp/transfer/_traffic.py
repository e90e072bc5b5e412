"""Transfers that are under way, for whoever counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted_pulp.download import DownloadReport

__all__ = ["Traffic"]


class Traffic:
    """
    Know the transfers that are under way.

    :ivar ended: called with the report of each transfer that has ended; it must not raise. Default None.
    """

    __slots__ = ("_running", "ended")

    def __init__(self) -> None:
        self._running: dict[Any, None] = {}
        self.ended: Callable[[DownloadReport], object] | None = None

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

    def end(self, transfer: Any, report: DownloadReport) -> None:
        """*transfer* has ended with *report*."""
        del self._running[transfer]
        if self.ended is not None:
            self.ended(report)

"""How far a sync is, on a terminal: a bar for each of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twisted_pulp.cli._screen import Screen
from twisted_pulp.cli._streams import Stream, printable
from twisted_pulp.cli._words import amount

__all__ = ["Bars"]

_NARROW = 70  # columns, below which a bar needs the room more than the bytes do


class Bars(Screen):
    """
    Shows reports of progress, a few times a second and from the reactor.

    :param reports: called for those that there are.
    """

    def __init__(self, reactor: Any, out: Stream, err: Stream, reports: Callable[[], Iterable[Any]]) -> None:
        super().__init__(reactor, out, err)
        self._reports = reports

    def picture(self, now: float) -> Table:
        """Return what is to be seen at *now*, seconds on the reactor's clock."""
        table = Table.grid(padding=(0, 1), expand=True)
        # The terminal itself writes "^C" behind the picture; on a line of its own it would leave a piece of it behind.
        table.width = max(20, self.console.size.width - 3)
        table.add_column(no_wrap=True, overflow="ellipsis", min_width=12)
        table.add_column(ratio=1, min_width=8)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        wide = self.console.size.width >= _NARROW
        for report in self._reports():
            total = report.total
            bar = ProgressBar(
                total=total or 1, completed=report.done if total else 0, pulse=total is None and running(report)
            )
            size = amount(report.bytes) if report.bytes and wide else ""
            table.add_row(Text(label(report)), bar, counted(report), size)
        return table


def label(report: Any) -> str:
    """Return what a report is about, in words."""
    suffix = f": {report.suffix}" if report.suffix else ""
    return printable(f"{report.message}{suffix}")


def counted(report: Any) -> str:
    """Return how much of it is done, and of how much."""
    return f"{report.done}" if report.total is None else f"{report.done}/{report.total}"


def running(report: Any) -> bool:
    """Return whether its part goes on."""
    return bool(report.state == "running")

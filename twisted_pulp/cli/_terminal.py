"""The moving picture on a terminal: all files, those on their way, speed and time left."""

from __future__ import annotations

from typing import Any

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from twisted_pulp.cli._progress import Progress, Row
from twisted_pulp.cli._screen import Screen
from twisted_pulp.cli._streams import Stream, printable
from twisted_pulp.cli._words import amount, duration, failure
from twisted_pulp.download import DownloadReport
from twisted_pulp.lists import Refused

__all__ = ["Terminal"]

#: Seconds before a file is shown: thousands of small ones would only flicker.
_SHOWN_AFTER = 0.3
_NARROW = 70  # columns, below which the bars need the room more than the totals do


class Terminal(Screen):
    """
    Shows how far everything is, a few times a second and from the reactor: no thread draws.

    :ivar progress: what is shown.
    """

    def __init__(self, reactor: Any, out: Stream, err: Stream, progress: Progress) -> None:
        super().__init__(reactor, out, err)
        self.progress = progress

    def hooks(self) -> dict[str, Any]:
        """Return the arguments of `Hooks` that it needs."""
        return {"headers": self.progress.headers, "progress": self.progress.progress}

    def watched(self, downloads: Any) -> Any:
        """Return *downloads*, which are counted when they are taken."""
        return self.progress.watched(downloads)

    def finished(self, report: DownloadReport) -> None:
        """Count a file that ended, and say why if it failed; a name for each that did not would only scroll by."""
        self.progress.finished(report)
        if report.error is not None:
            self.complain(failure(report))

    def refused(self, refused: Refused) -> None:
        """Say what is wrong with a line of a list."""
        self.complain(f"failed: {refused.place}: {refused.reason}")

    def picture(self, now: float) -> Table:
        """Return what is to be seen at *now*, seconds on the reactor's clock."""
        progress = self.progress
        # The terminal itself writes "^C" behind the picture; on a line of its own it would leave a piece of it behind.
        table = Table.grid(padding=(0, 1), expand=True)
        table.width = max(20, self.console.size.width - 3)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=self.console.size.width // 3, min_width=12)
        table.add_column(ratio=1, min_width=8)
        for _ in range(3):
            table.add_column(justify="right", no_wrap=True)
        speed = progress.speed(now)
        left = progress.left(speed, now - self.started)
        total, fraction = progress.expected(), progress.fraction()
        table.add_row(
            Text(self._count(), style="bold"),
            ProgressBar(total=None if fraction is None else 1.0, completed=fraction or 0.0, pulse=fraction is None),
            self._bytes(progress.done(), total),
            f"{amount(speed)}/s",
            "-:--" if left is None else duration(left),
        )
        rows = self._rows(now)
        room = max(1, self.console.size.height - 3)
        for row in rows[:room]:
            bar = ProgressBar(total=row.total, completed=row.received, pulse=row.total is None)
            table.add_row(Text("  " + self._name(row)), bar, self._bytes(row.received, row.total), "", "")
        if len(rows) > room:
            table.add_row(Text(f"  and {len(rows) - room} more"), "", "", "", "")
        return table

    def _count(self) -> str:
        files = self.progress.files
        return f"{self.progress.ended}/{files} files" if files is not None else f"{self.progress.ended} files"

    def _name(self, row: Row) -> str:
        """Return the end of its name, which tells files apart, as far as there is room."""
        name, room = printable(row.name), max(10, self.console.size.width // 3 - 2)
        return name if len(name) <= room else "…" + name[1 - room :]

    def _bytes(self, received: int, total: int | None) -> str:
        if total is None or self.console.size.width < _NARROW:
            return amount(received)
        return f"{amount(received)} of {amount(total)}"

    def _rows(self, now: float) -> list[Row]:
        shown = []
        for row in self.progress.active.values():
            if row.since is None:
                row.since = now
            elif now - row.since >= _SHOWN_AFTER:
                shown.append(row)
        return shown

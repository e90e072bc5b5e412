"""What a person sees while files come: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

from attrs import define, field
from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from twisted.internet.task import LoopingCall

from twisted_pulp import Download, DownloadReport

_SECONDS = 0.1


class Show(Protocol):
    """Something that is told how downloads go on."""

    def start(self, count: int) -> None:
        """Begin; *count* files are to come."""

    def progress(self, download: Download, received: int, total: int | None) -> None:
        """*received* bytes of the file are here."""

    def ended(self, report: DownloadReport | None) -> None:
        """A download is over; None: there was no file to download."""

    def stop(self) -> None:
        """End."""


def show_on(console: Console, reactor: Any) -> Show:
    """Return what suits *console*."""
    return Bars(console, reactor) if console.is_terminal else Lines(console)


@define(eq=False)
class Bars:
    """A bar for all files and one for each that is coming, drawn some times a second; they vanish at the end."""

    _console: Console
    _reactor: Any
    _all: Progress = field(init=False)
    _files: Progress = field(init=False)
    _live: Live = field(init=False)
    _drawing: LoopingCall = field(init=False)
    _count: TaskID = field(init=False)
    _tasks: dict[str | None, TaskID] = field(init=False, factory=dict)

    def start(self, count: int) -> None:
        name = TextColumn("{task.description}")
        self._all = Progress(name, BarColumn(), MofNCompleteColumn(), console=self._console, auto_refresh=False)
        self._files = Progress(name, BarColumn(), DownloadColumn(), console=self._console, auto_refresh=False)
        self._count = self._all.add_task("files", total=count)
        # Drawn by the reactor: a thread of rich's own would read what changes under its hands.
        self._live = Live(Group(self._all, self._files), console=self._console, auto_refresh=False, transient=True)
        self._live.start()
        self._drawing = LoopingCall(self._live.refresh)
        self._drawing.clock = self._reactor
        self._drawing.start(_SECONDS)

    def progress(self, download: Download, received: int, total: int | None) -> None:
        task = self._tasks.get(download.path)
        if task is None:
            task = self._tasks[download.path] = self._files.add_task(escape(str(download.path)), total=total)
        self._files.update(task, completed=received, total=total)

    def ended(self, report: DownloadReport | None) -> None:
        self._all.advance(self._count)
        if report is not None and report.download is not None and report.download.path in self._tasks:
            self._files.remove_task(self._tasks.pop(report.download.path))

    def stop(self) -> None:
        self._drawing.stop()
        self._live.stop()


@define(eq=False)
class Lines:
    """A line for each file that has come."""

    _console: Console

    def start(self, count: int) -> None:
        """The lines will say enough."""

    def progress(self, download: Download, received: int, total: int | None) -> None:
        """A log is no place for parts of files."""

    def ended(self, report: DownloadReport | None) -> None:
        if report is not None and report.error is None and not report.present and report.download is not None:
            line = f"{report.download.path} ({decimal(report.size or 0)})"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing is left on the screen."""

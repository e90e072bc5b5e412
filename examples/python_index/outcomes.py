"""What became of each project, and the table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from attrs import define
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from twisted_pulp import DownloadReport

from .files import IndexFile


@define(eq=False)
class Outcome:
    """
    What became of one project.

    :ivar project: its name, normalized.
    :ivar file: the one that was chosen, or None.
    :ivar report: of its download, or None.
    :ivar problem: why there is no file, in a few words; None when there is.
    """

    project: str
    file: IndexFile | None = None
    report: DownloadReport | None = None
    problem: str | None = None

    @property
    def status(self) -> str:
        """One word, and the reason of a failure."""
        if self.problem is not None:
            return f"failed: {self.problem}"
        if self.report is None:
            return "failed: interrupted"
        if self.report.present:
            return "present"
        return "downloaded" if self.report.verified else "downloaded, but no digest proves it"

    @property
    def failed(self) -> bool:
        """Whether there is no file."""
        return self.problem is not None or self.report is None


def fetched(outcomes: Sequence[Outcome]) -> list[Path]:
    """Return the paths of the files that are there."""
    reports = [outcome.report for outcome in outcomes if not outcome.failed and outcome.report is not None]
    return [Path(report.path) for report in reports if report.path is not None]


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return the table: one row for each project."""
    made = Table()
    for name in ("project", "version"):
        made.add_column(name, no_wrap=True)
    made.add_column("file", overflow="fold")
    made.add_column("size", justify="right", no_wrap=True)
    made.add_column("status", overflow="fold")
    made.add_column("time", justify="right", no_wrap=True)
    for outcome in outcomes:
        file, report = outcome.file, outcome.report
        style = "red" if outcome.failed else "green" if outcome.status == "present" else ""
        made.add_row(
            outcome.project,
            str(file.version) if file else "",
            Text(file.name if file else ""),
            decimal(report.size) if report and report.size is not None else "",
            Text(outcome.status, style=style),
            f"{report.finished - report.started:.2f} s" if report else "",
        )
    return made


def totals(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return one sentence about everything."""
    words = Counter(outcome.status.partition(":")[0].partition(",")[0] for outcome in outcomes)
    fetched = sum(attempt.bytes for outcome in outcomes if outcome.report for attempt in outcome.report.attempts)
    counts = ", ".join(f"{words[word]} {word}" for word in ("downloaded", "present", "failed"))
    return f"{len(outcomes)} projects: {counts}; {decimal(fetched)} transferred in {seconds:.1f} s"
